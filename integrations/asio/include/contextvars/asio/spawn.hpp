// SPDX-License-Identifier: MIT
//
// contextvars::spawn: Asio's, with the same signatures, for stackful coroutines that keep one context from
// their start to their end, as contextvars::awaitable does. (Apart, since Asio's needs Boost.Context.)
//
//     contextvars::spawn(io, [](contextvars::yield_context yield) { … async_x(…, yield) … }, token);
#ifndef CONTEXTVARS_ASIO_SPAWN_HPP
#define CONTEXTVARS_ASIO_SPAWN_HPP

#include <contextvars/asio/bind_context.hpp>
#include <contextvars/asio/config.hpp>
#include <contextvars/ext/flow.hpp>

#include CONTEXTVARS_ASIO_HEADER(any_io_executor.hpp)
#include CONTEXTVARS_ASIO_HEADER(spawn.hpp)

#include <concepts>
#include <exception>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {

namespace asio_detail {
struct yield_access;
}

/// A token like Asio's: an operation that is started with it suspends the coroutine, and its flow. X is what
/// it is for Asio's: an executor, before Asio 1.23 a handler.
template <class X>
class basic_yield_context {
public:
    using inner_type = net::basic_yield_context<X>;

    basic_yield_context(const inner_type& inner, ext::flow& flow) : inner_(inner), flow_(&flow) {}
    template <class Y>
        requires(!std::same_as<X, Y> &&
                 std::constructible_from<inner_type, const net::basic_yield_context<Y>&>)
    basic_yield_context(const basic_yield_context<Y>& other)
        : inner_(other.inner_), flow_(other.flow_) {}

    /// The same, with which an operation stores its error instead of throwing it.
    template <class ErrorCode>
    basic_yield_context operator[](ErrorCode& error) const {
        return basic_yield_context(inner_[error], *flow_);
    }

    auto get_executor() const noexcept
        requires requires(const inner_type& inner) { inner.get_executor(); }
    {
        return inner_.get_executor();
    }

private:
    inner_type inner_;
    ext::flow* flow_;

    template <class>
    friend class basic_yield_context;
    friend struct asio_detail::yield_access;
};

/// On an executor of whatever type.
#if CONTEXTVARS_ASIO_VERSION >= 102300
using yield_context = basic_yield_context<net::any_io_executor>;
#else
using yield_context = basic_yield_context<net::executor_binder<void (*)(), net::any_io_executor>>;
#endif

namespace asio_detail {

struct yield_access {
    template <class X>
    static const net::basic_yield_context<X>& inner(const basic_yield_context<X>& yield) noexcept {
        return yield.inner_;
    }
    template <class X>
    static ext::flow& flow(const basic_yield_context<X>& yield) noexcept {
        return *yield.flow_;
    }
};

/// Suspends a flow for as long as it lives.
class flow_pause {
public:
    explicit flow_pause(ext::flow& flow) noexcept : flow_(flow) { flow_.suspend(); }
    flow_pause(const flow_pause&) = delete;
    flow_pause& operator=(const flow_pause&) = delete;
    ~flow_pause() { flow_.resume(); }

private:
    ext::flow& flow_;
};

/// An initiation in a copy of the bindings of the coroutine, which Asio may call on another stack.
template <class Initiation>
struct initiation_in_copy {
    Initiation initiation;
    ext::snapshot captured;

    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) {
        const ext::copy_scope scope(std::move(captured));
        std::move(initiation)(std::forward<Handler>(handler), std::forward<Args>(args)...);
    }
};

template <class X>
inline constexpr bool is_yield_context = false;
template <class X>
inline constexpr bool is_yield_context<net::basic_yield_context<X>> = true;

/// A coroutine's function, in its flow.
template <class F>
struct stackful_task {
    ext::flow flow;
    F function;

    // Asio also asks whether the function takes a yield context that has a yield context for its executor.
    template <class X>
        requires(!is_yield_context<X>)
    decltype(auto) operator()(net::basic_yield_context<X> yield) {
        const ext::flow_scope scope(flow);
        return std::move(function)(basic_yield_context<X>(yield, flow));
    }
};

struct spawn_function {
    /// `where` is an executor, an execution context, or the yield context of the coroutine that spawns.
    template <class Where, class F, class... Token>
        requires(sizeof...(Token) <= 1)
    decltype(auto) operator()(Where&& where, F&& function, Token&&... token) const {
        return net::spawn(inner(std::forward<Where>(where)),
                          stackful_task<std::decay_t<F>>{{}, std::forward<F>(function)},
                          bound(std::forward<Token>(token))...);
    }

private:
    template <class Where>
    static Where&& inner(Where&& where) noexcept {
        return std::forward<Where>(where);
    }
    template <class X>
    static const auto& inner(const basic_yield_context<X>& where) noexcept {
        return yield_access::inner(where);
    }
    template <class X>
    static const auto& inner(basic_yield_context<X>& where) noexcept {
        return yield_access::inner(where);
    }

    template <class Token>
    static decltype(auto) bound(Token&& token) {
        if constexpr (std::is_invocable_v<std::decay_t<Token>&, std::exception_ptr>)
            return contextvars::bind_context(std::forward<Token>(token));
        else
            return std::forward<Token>(token);
    }
};

} // namespace asio_detail

/// spawn(where, function, token): as asio::spawn, in a copy of the current context, which is the coroutine's
/// own: tokens and guards stay good across suspensions, and nothing that it sets comes back. A completion
/// handler runs in a copy of the spawner's context. `function` takes a contextvars::yield_context, or `auto`.
/// The steps of composed operations have the context if the executor is a context_executor.
/// Returns, throws: as asio::spawn with this token. Before Asio 1.23 there is none.
inline constexpr asio_detail::spawn_function spawn{};

} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE

CONTEXTVARS_ASIO_BEGIN

template <class X, class Signature>
class async_result<contextvars::basic_yield_context<X>, Signature>
    : public contextvars::asio_detail::result_of_token<
          async_result<basic_yield_context<X>, Signature>> {
public:
    template <class Initiation, class... Args>
    static decltype(auto) initiate(Initiation&& initiation,
                                   const contextvars::basic_yield_context<X>& yield,
                                   Args&&... args) {
        using access = contextvars::asio_detail::yield_access;
        contextvars::ext::flow& flow = access::flow(yield);
        const contextvars::asio_detail::flow_pause pause(flow);
        auto inner = access::inner(yield);
        return async_initiate<basic_yield_context<X>, Signature>(
            contextvars::asio_detail::initiation_in_copy<std::decay_t<Initiation>>{
                std::forward<Initiation>(initiation), flow.copy()},
            inner, std::forward<Args>(args)...);
    }
};

CONTEXTVARS_ASIO_END

#endif
