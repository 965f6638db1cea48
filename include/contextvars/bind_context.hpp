// SPDX-License-Identifier: MIT
//
// bind_context(f) returns a callable that calls f later, elsewhere, in a copy of the context that
// is current now. Nothing else is needed if something takes a callable: std::thread, std::async,
// pools, event loops. With <contextvars/asio.hpp> it also binds handlers and completion tokens.
#ifndef CONTEXTVARS_BIND_CONTEXT_HPP
#define CONTEXTVARS_BIND_CONTEXT_HPP

#include <contextvars/context.hpp>
#include <contextvars/ext/flow.hpp>

#include <cstddef>
#include <tuple>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

namespace detail {

/// Whether an F can be called without the last of these arguments. Then the last parameter has a
/// default.
template <class F, class Indices, class... Args>
inline constexpr bool takes_fewer_of = false;
template <class F, std::size_t... index, class... Args>
inline constexpr bool takes_fewer_of<F, std::index_sequence<index...>, Args...> =
    std::is_invocable_v<F, std::tuple_element_t<index, std::tuple<Args...>>...>;
template <class F, class... Args>
inline constexpr bool takes_fewer =
    takes_fewer_of<F, std::make_index_sequence<sizeof...(Args) - 1>, Args...>;
template <class F>
inline constexpr bool takes_fewer<F> = false;

/// The signature, if an `Object` is called by it and no parameter has a default; else void.
template <class Object, class Signature, class... Args>
using stated =
    std::conditional_t<std::is_invocable_v<Object, Args...> && !takes_fewer<Object, Args...>,
                       Signature, void>;

// The signature of operator(), if that is neither a template nor overloaded; else void.
template <class F, class Call>
struct signature_of_call {
    using type = void;
};
template <class F, class C, class R, class... A, bool N>
struct signature_of_call<F, R (C::*)(A...) noexcept(N)> {
    using type = stated<F&, R(A...) noexcept(N), A...>;
};
template <class F, class C, class R, class... A, bool N>
struct signature_of_call<F, R (C::*)(A...) const noexcept(N)> {
    using type = stated<const F&, R(A...) const noexcept(N), A...>;
};
template <class F, class C, class R, class... A, bool N>
struct signature_of_call<F, R (C::*)(A...) & noexcept(N)> {
    using type = stated<F&, R(A...) & noexcept(N), A...>;
};
template <class F, class C, class R, class... A, bool N>
struct signature_of_call<F, R (C::*)(A...) const & noexcept(N)> {
    using type = stated<const F&, R(A...) const & noexcept(N), A...>;
};
template <class F, class C, class R, class... A, bool N>
struct signature_of_call<F, R (C::*)(A...) && noexcept(N)> {
    using type = stated<F&&, R(A...) && noexcept(N), A...>;
};
template <class F, class C, class R, class... A, bool N>
struct signature_of_call<F, R (C::*)(A...) const && noexcept(N)> {
    using type = stated<const F&&, R(A...) const && noexcept(N), A...>;
};
/// The same for a static operator().
template <class F, class R, class... A, bool N>
struct signature_of_call<F, R (*)(A...) noexcept(N)> {
    using type = stated<const F&, R(A...) const noexcept(N), A...>;
};

template <class F>
struct find_signature {
    using type = void;
};
template <class F>
    requires requires { &F::operator(); }
struct find_signature<F> : signature_of_call<F, decltype(&F::operator())> {};
template <class R, class... A, bool N>
struct find_signature<R (*)(A...) noexcept(N)> {
    using type =
        std::conditional_t<std::is_invocable_v<R (*)(A...), A...>, R(A...) const noexcept(N), void>;
};

/// The signature by which an F can be called as it stands, as R(A...) const noexcept, if F is a
/// pointer to a function, or has one operator() that is no template; else void.
template <class F>
using signature_of = typename find_signature<F>::type;

/// Whether a call that passes the arguments on is noexcept. It makes those again that F takes by
/// value.
template <bool stated, class F, class... Args>
inline constexpr bool stays_noexcept = stated && std::is_nothrow_invocable_v<F, Args...>;

/// The part that is the same in every Bound: a function and a captured context.
template <class F>
class bound_base {
public:
    /// For code that has captured a context itself; other code calls bind_context.
    /// Throws: any exception of moving an F.
    bound_base(ext::snapshot captured, F function)
        : captured_(std::move(captured)), function_(std::move(function)) {}

    /// The function, and the context in whose copies it runs.
    F& get() noexcept CONTEXTVARS_LIFETIMEBOUND { return function_; }
    const F& get() const noexcept CONTEXTVARS_LIFETIMEBOUND { return function_; }
    const ext::snapshot& captured() const noexcept CONTEXTVARS_LIFETIMEBOUND { return captured_; }

protected:
    template <class R, class G, class... Args>
    R call(G&& function, Args&&... args) const {
        const ext::copy_scope scope(captured_);
        if constexpr (std::is_void_v<R>)
            std::apply(std::forward<G>(function),
                       std::forward_as_tuple(std::forward<Args>(args)...));
        else
            return std::apply(std::forward<G>(function),
                              std::forward_as_tuple(std::forward<Args>(args)...));
    }

    ext::snapshot captured_;
    F function_;
};

} // namespace detail

/// The callable that bind_context returns. Each call runs F in a fresh copy of the captured
/// context.
/// A Bound is copyable if F is, can be called as const if F can, is noexcept if F is, and so on. If
/// F has one signature, so has Bound, and code that looks at operator() finds the same parameters:
/// std::function(bound) deduces them. If F has several, or if parameters of F have defaults,
/// operator() is a template. So defaults are kept, except those of a function, since a pointer to
/// it has none.
/// Threads: several threads may call one object at once, as far as F allows.
template <class F, class Signature = detail::signature_of<F>>
class Bound : public detail::bound_base<F> {
public:
    using detail::bound_base<F>::bound_base;

    /// Calls the function, with all that such a call can do, in a fresh copy of the captured
    /// context.
    /// Returns, throws: as the function.
    /// Cost: a capture. It is less if this thread's last call was in the same bindings, these are
    /// small values, and that call changed none of them: then threads that call one object share
    /// nothing that is written.
    /// Threads: as the function.
    template <class... Args>
        requires std::is_invocable_v<F&, Args...>
    std::invoke_result_t<F&, Args...>
    operator()(Args&&... args) & noexcept(std::is_nothrow_invocable_v<F&, Args...>) {
        return this->template call<std::invoke_result_t<F&, Args...>>(this->function_,
                                                                      std::forward<Args>(args)...);
    }
    template <class... Args>
        requires std::is_invocable_v<const F&, Args...>
    std::invoke_result_t<const F&, Args...>
    operator()(Args&&... args) const& noexcept(std::is_nothrow_invocable_v<const F&, Args...>) {
        return this->template call<std::invoke_result_t<const F&, Args...>>(
            this->function_, std::forward<Args>(args)...);
    }
    template <class... Args>
        requires std::is_invocable_v<F&&, Args...>
    std::invoke_result_t<F&&, Args...>
    operator()(Args&&... args) && noexcept(std::is_nothrow_invocable_v<F&&, Args...>) {
        return this->template call<std::invoke_result_t<F&&, Args...>>(std::move(this->function_),
                                                                       std::forward<Args>(args)...);
    }
    template <class... Args>
        requires std::is_invocable_v<const F&&, Args...>
    std::invoke_result_t<const F&&, Args...>
    operator()(Args&&... args) const&& noexcept(std::is_nothrow_invocable_v<const F&&, Args...>) {
        return this->template call<std::invoke_result_t<const F&&, Args...>>(
            std::move(this->function_), std::forward<Args>(args)...);
    }
};

/// `Bound(captured, f)` has the type that bind_context(f) returns.
template <class F>
Bound(ext::snapshot, F) -> Bound<F>;

// Each of these has one signature. operator() is a member of the class itself: code that deduces
// the class from R (C::*)(A...) would else find a base.

template <class F, class R, class... A, bool N>
class Bound<F, R(A...) noexcept(N)> : public detail::bound_base<F> {
public:
    using detail::bound_base<F>::bound_base;
    R operator()(A... args) noexcept(detail::stays_noexcept<N, F&, A...>) {
        return this->template call<R>(this->function_, std::forward<A>(args)...);
    }
};

template <class F, class R, class... A, bool N>
class Bound<F, R(A...) const noexcept(N)> : public detail::bound_base<F> {
public:
    using detail::bound_base<F>::bound_base;
    R operator()(A... args) const noexcept(detail::stays_noexcept<N, const F&, A...>) {
        return this->template call<R>(this->function_, std::forward<A>(args)...);
    }
};

template <class F, class R, class... A, bool N>
class Bound<F, R(A...) & noexcept(N)> : public detail::bound_base<F> {
public:
    using detail::bound_base<F>::bound_base;
    R operator()(A... args) & noexcept(detail::stays_noexcept<N, F&, A...>) {
        return this->template call<R>(this->function_, std::forward<A>(args)...);
    }
};

template <class F, class R, class... A, bool N>
class Bound<F, R(A...) const & noexcept(N)> : public detail::bound_base<F> {
public:
    using detail::bound_base<F>::bound_base;
    R operator()(A... args) const& noexcept(detail::stays_noexcept<N, const F&, A...>) {
        return this->template call<R>(this->function_, std::forward<A>(args)...);
    }
};

template <class F, class R, class... A, bool N>
class Bound<F, R(A...) && noexcept(N)> : public detail::bound_base<F> {
public:
    using detail::bound_base<F>::bound_base;
    R operator()(A... args) && noexcept(detail::stays_noexcept<N, F&&, A...>) {
        return this->template call<R>(std::move(this->function_), std::forward<A>(args)...);
    }
};

template <class F, class R, class... A, bool N>
class Bound<F, R(A...) const && noexcept(N)> : public detail::bound_base<F> {
public:
    using detail::bound_base<F>::bound_base;
    R operator()(A... args) const&& noexcept(detail::stays_noexcept<N, const F&&, A...>) {
        return this->template call<R>(std::move(this->function_), std::forward<A>(args)...);
    }
};

namespace detail {

template <class F>
inline constexpr bool is_bound = false;
template <class F, class Signature>
inline constexpr bool is_bound<Bound<F, Signature>> = true;

template <class F>
using bound_type =
    std::conditional_t<is_bound<std::decay_t<F>>, std::decay_t<F>, Bound<std::decay_t<F>>>;

template <class F>
bound_type<F> bind(ext::snapshot captured, F&& function) {
    static_assert(std::is_constructible_v<std::decay_t<F>, F&&>,
                  "bind_context(f) stores f: it must be movable, or copyable if it is an lvalue");
    if constexpr (is_bound<std::decay_t<F>>)
        return std::forward<F>(function);
    else
        return {std::move(captured), std::forward<F>(function)};
}

/// R(A...) noexcept(N), with const if an F can be called as const.
template <class F, class Signature>
struct signature_for;
template <class F, class R, class... A, bool N>
struct signature_for<F, R(A...) noexcept(N)> {
    static_assert(std::is_invocable_r_v<R, F&, A...>,
                  "bind_context<R(Args...)>(f): f must take these arguments and return an R");
    static_assert(!N || std::is_nothrow_invocable_r_v<R, F&, A...>,
                  "bind_context<R(Args...) noexcept>(f): f must be noexcept");
    using type = std::conditional_t<std::is_invocable_r_v<R, const F&, A...>,
                                    R(A...) const noexcept(N), R(A...) noexcept(N)>;
};

template <class Signature, class F>
using bound_as = Bound<std::decay_t<F>, typename signature_for<std::decay_t<F>, Signature>::type>;

} // namespace detail

/// Captures the current context, and returns a callable that runs f in a copy of it. If f is bound
/// already, it stays as it is: the inner binding wins.
/// Throws: any exception of moving or copying f.
/// Cost: a locked instruction, and one more when the callable is destroyed. Each call: at most a
/// capture.
template <class F>
    requires(!std::is_function_v<F>)
[[nodiscard("bind_context() calls nothing")]]
detail::bound_type<F> bind_context(F&& f) {
    return detail::bind(ext::snapshot::shared(), std::forward<F>(f));
}

/// As bind_context(f), with the bindings that `context` has now.
template <class F>
    requires(!std::is_function_v<F>)
[[nodiscard("bind_context() calls nothing")]]
detail::bound_type<F> bind_context(const Context& context, F&& f) {
    return detail::bind(ext::snapshot(context), std::forward<F>(f));
}

/// As bind_context(f), for an f of any kind. The result of `bind_context<void(int)>(f)` has the
/// signature that is stated, R(Args...) or R(Args...) noexcept, and no other. It can be called as
/// const if f can.
template <class Signature, class F>
    requires std::is_function_v<Signature>
[[nodiscard("bind_context() calls nothing")]]
detail::bound_as<Signature, F> bind_context(F&& f) {
    return {ext::snapshot::shared(), std::forward<F>(f)};
}

/// As bind_context<R(Args...)>(f), with the bindings that `context` has now.
template <class Signature, class F>
    requires std::is_function_v<Signature>
[[nodiscard("bind_context() calls nothing")]]
detail::bound_as<Signature, F> bind_context(const Context& context, F&& f) {
    return {ext::snapshot(context), std::forward<F>(f)};
}

} // namespace contextvars::inline v0

#endif
