// SPDX-License-Identifier: MIT
//
// Guards that set variables and, when they are destroyed, reset them: `auto s = user.scoped("ann")`
// or `Scope s(user, "ann")` for one variable, `auto s = scoped(user.to("ann"), tenant.to(7))` for
// several, all or none, undone in reverse.
//
// A guard that is destroyed where its context is not current (in a coroutine frame destroyed from
// outside, say) changes nothing there and throws nothing; the diagnostics hook is told.
#ifndef CONTEXTVARS_SCOPE_HPP
#define CONTEXTVARS_SCOPE_HPP

#include <contextvars/token.hpp>

#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

/// Sets its variable, and resets it when destroyed. May be a member, or live in a std::optional.
template <class T>
class [[nodiscard(
    "the guard resets the variable when it is destroyed, so it must be kept")]] Scope {
public:
    /// As variable.scoped(value).
    [[nodiscard("a guard without a name resets the variable at once")]]
    Scope(const ContextVar<T>& variable, std::type_identity_t<T> value)
        requires std::is_move_constructible_v<T>
        : token_(variable.emplace(std::move(value))) {}
    template <class U>
        requires(!std::is_move_constructible_v<T> && std::is_convertible_v<U, T>)
    Scope(const ContextVar<T>& variable, U&& value)
        : token_(variable.emplace(std::forward<U>(value))) {}
    Scope(const ContextVar<T>& variable, detail::needs_a_static_cast_to<T> auto value) = delete;

    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    /// Cost: that of try_reset; allocates only where the bindings were captured since.
    ~Scope() {
        detail::undo& undo = token_.undo_;
        if (const reset_result result = detail::unbind<!stored_inline<T>, false>(undo.key, undo);
            result != reset_result::ok)
            detail::report_unrestored(undo, result);
    }

    /// Returns: the token of the guard's set, to look at.
    const Token<T>& token() const noexcept CONTEXTVARS_LIFETIMEBOUND { return token_; }

private:
    Token<T> token_;
};

/// A variable and the value that scoped() or Context::with will give it. Made by ContextVar<T>::to.
template <class T>
struct Assignment {
    const ContextVar<T>& variable;
    T value;
};

namespace detail {

template <class... T>
struct scopes;

template <>
struct scopes<> {};

// Members are constructed in order and destroyed in reverse; when one throws, those before it are
// destroyed: all or none.
template <class T, class... Rest>
struct scopes<T, Rest...> {
    explicit scopes(Assignment<T>&& first, Assignment<Rest>&&... rest)
        : first_(first.variable, std::move(first.value)), rest_(std::move(rest)...) {}

    Scope<T> first_;
    [[no_unique_address]] scopes<Rest...> rest_;
};

} // namespace detail

/// Resets several variables when destroyed. Made by scoped(…).
template <class... T>
class [[nodiscard(
    "the guard resets the variables when it is destroyed, so it must be kept")]] Scopes {
public:
    explicit Scopes(Assignment<T>&&... assignments) : scopes_(std::move(assignments)...) {}
    Scopes(const Scopes&) = delete;
    Scopes& operator=(const Scopes&) = delete;

private:
    detail::scopes<T...> scopes_;
};

/// Sets each variable, in order, and returns a guard that resets them in reverse.
/// Throws: what setting throws; then the variables set before are reset.
template <class... T>
Scopes<T...> scoped(Assignment<T>... assignments) {
    static_assert(sizeof...(T) > 0, "scoped() takes what ContextVar<T>::to returns, at least once");
    return Scopes<T...>(std::move(assignments)...);
}

} // namespace contextvars::inline v0

#endif
