// SPDX-License-Identifier: MIT
#include "current/print.hpp"

#include "current/thread_state.hpp"
#include "variables/registry.hpp"

#include <contextvars/context.hpp>

#include <cxxabi.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <system_error>
#include <thread>
#include <typeinfo>

namespace contextvars::inline v0 {
namespace detail {

void print_address(std::ostream& out, const void* address) {
    // By hand, so that the stream's own flags neither matter nor change.
    std::string digits;
    for (auto rest = reinterpret_cast<std::uintptr_t>(address); rest != 0; rest /= 16)
        digits.insert(digits.begin(), "0123456789abcdef"[rest % 16]);
    out << "0x" << (digits.empty() ? "0" : digits);
}

void print_text(std::ostream& out, std::string_view text) { out << text; }

template <class T>
void print_number(std::ostream& out, T number) {
    out << number;
}
template void print_number(std::ostream&, bool);
template void print_number(std::ostream&, char);
template void print_number(std::ostream&, signed char);
template void print_number(std::ostream&, unsigned char);
template void print_number(std::ostream&, short);
template void print_number(std::ostream&, unsigned short);
template void print_number(std::ostream&, int);
template void print_number(std::ostream&, unsigned);
template void print_number(std::ostream&, long);
template void print_number(std::ostream&, unsigned long);
template void print_number(std::ostream&, long long);
template void print_number(std::ostream&, unsigned long long);
template void print_number(std::ostream&, float);
template void print_number(std::ostream&, double);
template void print_number(std::ostream&, long double);

void print_by_library(std::ostream& out, const std::type_info& type, const void* value) {
    if (type == typeid(std::error_code))
        out << *static_cast<const std::error_code*>(value);
    else if (type == typeid(std::thread::id))
        out << *static_cast<const std::thread::id*>(value);
    else
        out << *static_cast<const std::filesystem::path*>(value);
}

printing_value::printing_value() noexcept : state_(is_going_on() ? nullptr : try_this_thread()) {
    if (state_ != nullptr)
        state_->prints_value = true;
}

printing_value::~printing_value() {
    if (state_ != nullptr)
        state_->prints_value = false;
}

bool printing_value::is_going_on() noexcept {
    return this_thread_state() != nullptr && this_thread_state()->prints_value;
}

void print_value(std::ostream& out, const type_operations& operations, const void* value,
                 bool secret) {
    // Relaxed, here and below: nothing but the function is read.
    const print_function print = operations.print.load(std::memory_order_relaxed);
    if (print != nullptr && !secret) {
        const printing_value now;
        return print(out, value);
    }
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> readable(
        abi::__cxa_demangle(operations.type->name(), nullptr, nullptr, &status), std::free);
    out << '<' << (status == 0 ? readable.get() : operations.type->name());
    if (!secret) {
        out << " at ";
        print_address(out, value);
    }
    out << '>';
}

void print_in_list(std::ostream& out, const type_operations& operations, const void* value,
                   bool secret) {
    const std::type_info& type = *operations.type;
    const bool is_text = type == typeid(std::string) || type == typeid(std::string_view) ||
                         ((type == typeid(const char*) || type == typeid(char*)) &&
                          *static_cast<const char* const*>(value) != nullptr);
    const bool is_printed = !secret && operations.print.load(std::memory_order_relaxed) != nullptr;
    const char* const quote = is_text && is_printed ? "'" : "";
    out << quote;
    print_value(out, operations, value, secret);
    out << quote;
}

void print_variable(std::ostream& out, key_type key) {
    out << "<ContextVar name='" << name_of(key) << '\'';
    if (const void* address = variable_of(key)) {
        out << " at ";
        print_address(out, address);
    } else {
        out << " destroyed";
    }
    out << '>';
}

void print_binding(std::ostream& out, const cell& bound) {
    out << name_of(bound.key);
    if (!variable_exists(bound.key))
        out << " (destroyed)";
    out << '=';
    const type_operations& operations = operations_of_key(bound.key);
    print_in_list(out, operations, value_in(bound.value, operations), is_secret(bound.key));
}

void print_frame(std::ostream& out, const frame* frame) {
    if (frame == nullptr || frame->previous_map == nullptr) {
        out << "this thread's base context";
    } else if (frame->context == nullptr) {
        out << "a copy that belongs to a coroutine or callback";
    } else {
        out << "<Context at ";
        print_address(out, context_of(*frame));
        out << '>';
    }
}

void print(std::ostream& out, const variable& variable, const void* default_value) {
    out << "<ContextVar name='" << variable.name() << '\'';
    if (default_value != nullptr) {
        out << " default=";
        print_in_list(out, variable.operations(), default_value, variable.is_secret());
    }
    out << " at ";
    print_address(out, &variable);
    out << '>';
}

token_parts::token_parts(const undo& undo, const void* token, std::ostream& out)
    : out_(out), token_(token), exists_(undo.key != no_key && detail::variable_exists(undo.key)) {
    out_ << (undo.used() ? "<Token used var=" : "<Token var=");
    if (undo.key == no_key)
        out_ << "(moved from)";
    else if (!exists_)
        print_variable(out_, undo.key);
}

token_parts::~token_parts() noexcept(false) {
    out_ << " at ";
    print_address(out_, token_);
    out_ << '>';
}

void print_token(std::ostream& out, const undo& undo, const void* token) {
    const token_parts parts(undo, token, out);
    if (parts.variable_exists())
        print_variable(out, undo.key);
}

} // namespace detail

std::string_view variable_ref::name() const noexcept { return detail::name_of(key_); }
bool variable_ref::exists() const noexcept { return detail::variable_exists(key_); }

std::ostream& operator<<(std::ostream& out, variable_ref variable) {
    detail::print_variable(out, variable.key_);
    return out;
}

std::ostream& operator<<(std::ostream& out, value_ref value) {
    detail::print_value(out, *value.operations_, value.value_, value.secret_);
    return out;
}

} // namespace contextvars::inline v0
