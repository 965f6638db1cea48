// SPDX-License-Identifier: MIT
//
// One of the two files. It has been given `number`, a type for its own types.
#include <contextvars/contextvars.hpp>

#include <algorithm>
#include <sstream>
#include <string>
#include <vector>

namespace {

contextvars::ContextVar<two_files::Plain> plain("plain");
contextvars::ContextVar<std::vector<two_files::Plain>> many("many");
contextvars::ContextVar<two_files::Derived> derived("derived");
contextvars::ContextVar<two_files::Letter> letter("letter");
contextvars::ContextVar<two_files::Color> color("color");
contextvars::ContextVar<two_files::Level> level("level");

struct Anonymous {
    number value;
};

} // namespace

static auto local_of_static() {
    struct Local {
        number value;
    };
    return Local{1};
}
namespace two_files {
static auto local_of_static(Plain) {
    struct Local {
        number value;
    };
    return Local{1};
}
} // namespace two_files
template <class T>
struct Holder {
    T held;
};

namespace {

using Local = decltype(local_of_static());
using LocalInNamespace = decltype(two_files::local_of_static({}));
const auto closure = [value = number(1)] { return value; };
using Closure = std::remove_const_t<decltype(closure)>;

contextvars::ContextVar<Anonymous> anonymous("anonymous");
contextvars::ContextVar<Holder<Anonymous>> held("held");
contextvars::ContextVar<Local> local("local");
contextvars::ContextVar<LocalInNamespace> local_in_namespace("local in namespace");
contextvars::ContextVar<Closure> of_closure("closure");

template <class T>
int is(const contextvars::value_ref& value) {
    return value.as<T>() != nullptr ? 1 : 0;
}

} // namespace

static constexpr two_files::file this_file = {
    [](int value) {
        return contextvars::Context().with(plain.to({value}), many.to({{value}, {value}}),
                                           derived.to({{value}}), letter.to(two_files::letter),
                                           color.to(two_files::green),
                                           level.to(two_files::Level::high));
    },
    [](const contextvars::Context& context) {
        std::vector<std::string> lines;
        for (const auto& [variable, value] : context) {
            std::ostringstream line;
            line << variable.name() << '=' << value << '\n';
            lines.push_back(line.str().substr(0, line.str().find(" at 0x")));
        }
        std::sort(lines.begin(), lines.end());
        std::string all;
        for (const std::string& line : lines)
            all += line;
        return all;
    },
    [](const contextvars::Context& a, const contextvars::Context& b) { return a == b; },
    [] {
        return contextvars::Context().with(
            anonymous.to({1}), held.to({{1}}), local.to(::local_of_static()),
            local_in_namespace.to(two_files::local_of_static({})), of_closure.to(closure));
    },
    [](const contextvars::Context& context) {
        int found = 0;
        for (const auto& value : context.values())
            found += is<Anonymous>(value) + is<Holder<Anonymous>>(value) + is<Local>(value) +
                     is<LocalInNamespace>(value) + is<Closure>(value);
        return found;
    },
    [](const contextvars::Context& context) {
        for (const auto& value : context.values())
            if (const auto* known = value.as<two_files::Plain>())
                return known->value == 7;
        return false;
    },
};
