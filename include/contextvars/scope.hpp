// SPDX-License-Identifier: MIT
//
// Guards set variables, and reset them when the guards are destroyed. For one variable:
// `auto s = user.scoped("ann")` or `Scope s(user, "ann")`. For several variables:
// `auto s = scoped(user.to("ann"), tenant.to(7))`, which sets all or none, and resets in reverse.
//
// If a guard is destroyed inside another context than its own, it changes nothing and throws
// nothing. The diagnostics hook is told if the guard's context is entered on this thread, below the
// current one.
#ifndef CONTEXTVARS_SCOPE_HPP
#define CONTEXTVARS_SCOPE_HPP

#include <contextvars/token.hpp>

#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

/// Sets its variable, and resets it when the guard is destroyed. A guard may be a member, or live
/// in a std::optional.
template <class T>
class [[nodiscard(
    "the guard resets the variable when it is destroyed, so it must be kept")]] Scope {
public:
    /// As variable.scoped(value).
    [[nodiscard("a guard without a name resets the variable at once")]]
    Scope(const ContextVar<T>& variable, std::type_identity_t<T> value)
        requires std::is_move_constructible_v<T>
        : token_(variable.template bind<true>(std::move(value))) {}
    template <class U>
        requires(!std::is_move_constructible_v<T> && std::is_convertible_v<U, T>)
    Scope(const ContextVar<T>& variable, U&& value)
        : token_(variable.template bind<true>(std::forward<U>(value))) {}
    Scope(const ContextVar<T>& variable, detail::needs_a_static_cast_to<T> auto value) = delete;

    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

    /// Resets the variable.
    /// Cost: as try_reset(); allocates only if the bindings were captured since.
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

/// A variable, and the value that scoped() or Context::with will give it. ContextVar<T>::to makes
/// it.
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

// Members are constructed in order and destroyed in reverse. If one throws, those before it are
// destroyed: all or none.
template <class T, class... Rest>
struct scopes<T, Rest...> {
    explicit scopes(Assignment<T>&& first, Assignment<Rest>&&... rest)
        : first_(first.variable, std::move(first.value)), rest_(std::move(rest)...) {}

    Scope<T> first_;
    [[no_unique_address]] scopes<Rest...> rest_;
};

} // namespace detail

/// A guard that resets several variables when it is destroyed. scoped(…) makes it.
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

/// Sets each variable, in order.
/// Returns: a guard that resets them in reverse.
/// Throws: as set(); then the variables that were set before are reset.
template <class... T>
Scopes<T...> scoped(Assignment<T>... assignments) {
    static_assert(sizeof...(T) > 0, "scoped() takes what ContextVar<T>::to returns, at least once");
    return Scopes<T...>(std::move(assignments)...);
}

} // namespace contextvars::inline v0

#endif
