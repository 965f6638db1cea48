// SPDX-License-Identifier: MIT
//
// attributes: what is said of a variable when it is made, besides its name and default.
#ifndef CONTEXTVARS_ATTRIBUTES_HPP
#define CONTEXTVARS_ATTRIBUTES_HPP

#include <contextvars/config.hpp>

namespace contextvars::inline v0 {

/// `ContextVar<std::string> password{"password", attributes{.secret = true}};` Name the type: g++ takes
/// `{.secret = true}` for a default where a T is made of a list, as a std::vector.
struct attributes {
    /// Wherever a value of the variable would be printed, its type is printed instead: in contexts,
    /// defaults, messages, diagnostics. Who has the value itself can do with it what he likes.
    bool secret = false;

    friend constexpr bool operator==(const attributes&, const attributes&) noexcept = default;
};

} // namespace contextvars::inline v0

#endif
