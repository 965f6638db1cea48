// SPDX-License-Identifier: MIT
#include <contextvars/propagation/environment.hpp>

#include <array>
#include <utility>

#include <unistd.h>

namespace contextvars::inline v0::propagation {

namespace {

struct name_pair {
    std::string_view header;
    std::string_view variable;
};
constexpr std::array<name_pair, 3> names = {
    {{"traceparent", "TRACEPARENT"}, {"tracestate", "TRACESTATE"}, {"baggage", "BAGGAGE"}}};

std::string_view variable_of(std::string_view header) noexcept {
    for (const name_pair& pair : names)
        if (pair.header == header)
            return pair.variable;
    return {};
}

} // namespace

environment::environment() noexcept : variables_(environ) {}

std::optional<std::string_view> environment::find(std::string_view name) const noexcept {
    const std::string_view wanted = variable_of(name);
    if (wanted.empty() || variables_ == nullptr)
        return std::nullopt;
    for (const char* const* at = variables_; *at != nullptr; ++at) {
        const std::string_view variable(*at);
        if (variable.starts_with(wanted) && variable.substr(wanted.size()).starts_with('='))
            return variable.substr(wanted.size() + 1);
    }
    return std::nullopt;
}

child_environment::child_environment() : child_environment(environ) {}

child_environment::child_environment(const char* const* variables) : pointers_{nullptr} {
    for (; variables != nullptr && *variables != nullptr; ++variables) {
        const std::string_view variable(*variables);
        bool ours = false;
        for (const name_pair& pair : names)
            ours |= variable.substr(0, variable.find('=')) == pair.variable;
        if (!ours)
            add(std::string(variable));
    }
}

void child_environment::set(std::string_view name, std::string_view value) {
    const std::string_view variable = variable_of(name);
    if (!variable.empty())
        add(std::string(variable).append(1, '=').append(value));
}

void child_environment::add(std::string variable) {
    std::vector<char> text(variable.c_str(), variable.c_str() + variable.size() + 1);
    pointers_.reserve(pointers_.size() + 1);
    variables_.push_back(std::move(text));
    pointers_.back() = variables_.back().data();
    pointers_.push_back(nullptr);
}

} // namespace contextvars::inline v0::propagation
