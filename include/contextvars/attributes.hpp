// SPDX-License-Identifier: MIT
//
// attributes: the properties of a variable besides its name and its default. They are given when
// the variable is made.
#ifndef CONTEXTVARS_ATTRIBUTES_HPP
#define CONTEXTVARS_ATTRIBUTES_HPP

#include <contextvars/config.hpp>

#include <cstdint>

namespace contextvars::inline v0 {

/// Whether a binding goes into what is made of its context: copies, callables, threads, tasks.
enum class capture_policy : std::uint8_t {
    always, ///< into all of them
    never,  ///< into none: it stays in the context in which it was set
};

/// Example: `ContextVar<std::string> password{"password", attributes{.secret = true}};`
/// Write the name of the type: if a T can be made of a list, as a std::vector can, g++ takes
/// `{.secret = true}` for a default.
struct attributes {
    /// Wherever the library would print a value of the variable, it prints the type instead: in
    /// contexts, defaults, messages and diagnostics. Code that has the value itself is not
    /// restricted.
    bool secret = false;

    /// With `capture_policy::never`, a value stays in the context in which it is set, for as long as
    /// that context is used: by a thread, by a coroutine, by each Context::run. A copy of the context
    /// does not have it, whoever makes the copy, and for whatever: copy_context, the copy
    /// constructor, bind_context, thread, ext::snapshot, ext::flow, or an integration.
    /// Cost: for other variables, none. A capture of a context that binds this one takes time that
    /// grows with the number of bindings.
    capture_policy captured = capture_policy::always;

    friend constexpr bool operator==(const attributes&, const attributes&) noexcept = default;
};

} // namespace contextvars::inline v0

#endif
