// SPDX-License-Identifier: MIT
//
// bind_context(f): f, to be called later, elsewhere, in the context that is current now. All that
// is needed where something takes a callable: std::thread, std::async, pools, event loops. In
// <contextvars/asio.hpp> it also binds handlers and completion tokens.
#ifndef CONTEXTVARS_BIND_CONTEXT_HPP
#define CONTEXTVARS_BIND_CONTEXT_HPP

#include <contextvars/context.hpp>
#include <contextvars/ext/flow.hpp>

#include <tuple>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

namespace detail {

/// Runs what follows in a copy of what was captured, for as long as it lives. As ext::copy_scope, but
/// for one capture that is called again and again.
class bound_call : copy_frame {
public:
    explicit bound_call(const ext::snapshot& captured) noexcept {
        enter(begin_call(captured.get()));
    }
    ~bound_call() { end_call(leave()); }
};

} // namespace detail

/// What bind_context returns: each call runs F in a fresh copy of what was captured.
/// Copyable, callable as const, noexcept and so on as far as F is.
/// Threads: calls of one object from several threads at once, as far as F allows.
template <class F>
class Bound {
public:
    /// For those who have captured themselves; others call bind_context. Throws: what moving an F does.
    Bound(ext::snapshot captured, F function)
        : captured_(std::move(captured)), function_(std::move(function)) {}

    /// Each calls the function in a fresh copy of what was captured, as if it were called itself.
    /// Returns, throws: what the function does. Threads: as the function's.
    /// Cost: a capture; less where this thread's last call was in the same bindings, small values
    /// that it did not change: then threads that call one object share nothing that is written.
    template <class... Args>
        requires std::is_invocable_v<F&, Args...>
    std::invoke_result_t<F&, Args...>
    operator()(Args&&... args) & noexcept(std::is_nothrow_invocable_v<F&, Args...>) {
        return call(function_, std::forward<Args>(args)...);
    }
    template <class... Args>
        requires std::is_invocable_v<const F&, Args...>
    std::invoke_result_t<const F&, Args...>
    operator()(Args&&... args) const& noexcept(std::is_nothrow_invocable_v<const F&, Args...>) {
        return call(function_, std::forward<Args>(args)...);
    }
    template <class... Args>
        requires std::is_invocable_v<F&&, Args...>
    std::invoke_result_t<F&&, Args...>
    operator()(Args&&... args) && noexcept(std::is_nothrow_invocable_v<F&&, Args...>) {
        return call(std::move(function_), std::forward<Args>(args)...);
    }
    template <class... Args>
        requires std::is_invocable_v<const F&&, Args...>
    std::invoke_result_t<const F&&, Args...>
    operator()(Args&&... args) const&& noexcept(std::is_nothrow_invocable_v<const F&&, Args...>) {
        return call(std::move(function_), std::forward<Args>(args)...);
    }

    /// What is bound, and what it will run in.
    F& get() noexcept { return function_; }
    const F& get() const noexcept { return function_; }
    const ext::snapshot& captured() const noexcept { return captured_; }

private:
    template <class G, class... Args>
    decltype(auto) call(G&& function, Args&&... args) const {
        const detail::bound_call scope(captured_);
        return std::apply(std::forward<G>(function),
                          std::forward_as_tuple(std::forward<Args>(args)...));
    }

    ext::snapshot captured_;
    F function_;
};

namespace detail {

template <class F>
inline constexpr bool is_bound = false;
template <class F>
inline constexpr bool is_bound<Bound<F>> = true;

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

} // namespace detail

/// Captures the current context. What is bound already stays as it is: the inner binding wins.
/// Throws: what moving or copying f does.
/// Cost: a locked instruction, and one when it is destroyed; each call at most a capture.
template <class F>
detail::bound_type<F> bind_context(F&& f) {
    return detail::bind(ext::snapshot::shared(), std::forward<F>(f));
}

/// As bind_context(f), with the bindings that `context` has now.
template <class F>
detail::bound_type<F> bind_context(const Context& context, F&& f) {
    return detail::bind(ext::snapshot(context), std::forward<F>(f));
}

} // namespace contextvars::inline v0

#endif
