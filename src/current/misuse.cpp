// SPDX-License-Identifier: MIT
//
// What is thrown if a variable is missing, and if a token is used wrongly.
#include "current/print.hpp"

#include <contextvars/detail/current.hpp>
#include <contextvars/detail/variable.hpp>
#include <contextvars/errors.hpp>

#include <new>
#include <sstream>
#include <string_view>

namespace contextvars::inline v0::detail {

void throw_lookup_error(const variable& variable, const void* default_value) {
    std::ostringstream message;
    print(message, variable, default_value);
    message << " is missing in the current context and has no default";
    throw LookupError(message.str());
}

void throw_policy_error(std::string_view name) {
    std::ostringstream message;
    message
        << "ContextVar '" << name
        << "': attributes::captured is neither capture_policy::always nor capture_policy::never";
    throw ValueError(message.str());
}

void throw_reset_error(reset_result result, const variable& variable, const undo& undo,
                       const void* token) {
    if (result == reset_no_memory)
        throw std::bad_alloc();
    std::ostringstream message;
    print_token(message, undo, token);
    switch (result) {
    case reset_result::used:
        message << " has already been used once; reset of ";
        print(message, variable, nullptr);
        throw RuntimeError(message.str());
    case reset_result::wrong_variable:
        message << " was created by a different ContextVar than ";
        print(message, variable, nullptr);
        throw ValueError(message.str());
    default:
        message << " was created in a different Context than the current one, ";
        print_frame(message, top_frame());
        throw ValueError(message.str());
    }
}

} // namespace contextvars::inline v0::detail
