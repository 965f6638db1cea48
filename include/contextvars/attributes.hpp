// SPDX-License-Identifier: MIT
//
// attributes: the properties of a variable besides its name and its default. They are given when
// the variable is made.
#ifndef CONTEXTVARS_ATTRIBUTES_HPP
#define CONTEXTVARS_ATTRIBUTES_HPP

#include <contextvars/config.hpp>

namespace contextvars::inline v0 {

/// Example: `ContextVar<std::string> password{"password", attributes{.secret = true}};`
/// Write the name of the type: if a T can be made of a list, as a std::vector can, g++ takes
/// `{.secret = true}` for a default.
struct attributes {
    /// Wherever the library would print a value of the variable, it prints the type instead: in
    /// contexts, defaults, messages and diagnostics. Code that has the value itself is not
    /// restricted.
    bool secret = false;

    friend constexpr bool operator==(const attributes&, const attributes&) noexcept = default;
};

} // namespace contextvars::inline v0

#endif
