// SPDX-License-Identifier: MIT
//
// to_thread(pool, f): awaits f, run on another executor in a copy of the current context. Nothing
// that f sets comes back. (Python's asyncio.to_thread. asio::post to a plain pool carries nothing,
// as run_in_executor does.)
#ifndef CONTEXTVARS_ASIO_TO_THREAD_HPP
#define CONTEXTVARS_ASIO_TO_THREAD_HPP

#include <contextvars/asio/awaitable.hpp>
#include <contextvars/asio/config.hpp>
#include <contextvars/asio/context_executor.hpp>
#include <contextvars/bind_context.hpp>

#include CONTEXTVARS_ASIO_HEADER(associated_executor.hpp)
#include CONTEXTVARS_ASIO_HEADER(async_result.hpp)
#include CONTEXTVARS_ASIO_HEADER(post.hpp)
#include CONTEXTVARS_ASIO_HEADER(prefer.hpp)
#include CONTEXTVARS_ASIO_HEADER(use_awaitable.hpp)

#include <exception>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {

namespace asio_detail {

template <class E, class F>
awaitable<std::invoke_result_t<F&&>> run_on(E executor, F f) {
    using result = std::invoke_result_t<F&&>;
    static_assert(
        !std::is_reference_v<result>,
        "to_thread(pool, f): f returns a value; a reference would be to another thread's");
    using holder = std::conditional_t<std::is_void_v<result>, std::tuple<>, result>;

    std::exception_ptr error;
    std::optional<holder> value;
    const auto initiate = [&](auto handler) {
        auto work = net::prefer(net::get_associated_executor(handler),
                                net::execution::outstanding_work.tracked);
        auto run = [&error, &value, f = contextvars::bind_context(std::move(f)),
                    work = std::move(work), handler = std::move(handler)]() mutable {
            // error and value are in the coroutine, which waits until the handler is called.
            try {
                if constexpr (std::is_void_v<result>) {
                    std::move(f)();
                    value.emplace();
                } else {
                    value.emplace(std::move(f)());
                }
            } catch (...) {
                error = std::current_exception();
            }
            net::post(work, std::move(handler));
        };
        net::post(asio_detail::plain_executor(executor), std::move(run));
    };
    co_await net::async_initiate<const net::use_awaitable_t<>, void()>(initiate,
                                                                       net::use_awaitable);
    if (error)
        std::rethrow_exception(error);
    if constexpr (!std::is_void_v<result>)
        co_return std::move(
            *value); // NOLINT(bugprone-unchecked-optional-access): no error, so it is there
}

} // namespace asio_detail

/// Returns: an awaitable of what f returns; f's exceptions come out of co_await.
/// Throws: std::bad_alloc.
template <class E, class F>
    requires net::execution::is_executor<E>::value
awaitable<std::invoke_result_t<F&&>> to_thread(const E& on, F f) {
    return asio_detail::run_on<E, F>(on, std::move(f));
}

/// As above, on an execution context, such as a thread_pool, that outlives the call.
template <asio_detail::is_execution_context C, class F>
awaitable<std::invoke_result_t<F&&>> to_thread(C& context, F f) {
    return asio_detail::run_on<typename C::executor_type, F>(context.get_executor(), std::move(f));
}

} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE

#endif
