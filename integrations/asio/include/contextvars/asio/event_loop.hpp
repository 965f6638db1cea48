// SPDX-License-Identifier: MIT
//
// Tells the library whether Asio runs on a thread, for contextvars::check_event_loops().
//
// It relies on a part of Asio's that is not documented: thread_context, by which handlers find the
// run() that calls them.
#ifndef CONTEXTVARS_ASIO_EVENT_LOOP_HPP
#define CONTEXTVARS_ASIO_EVENT_LOOP_HPP

#include <contextvars/asio/config.hpp>
#include <contextvars/ext/event_loop.hpp>

#include CONTEXTVARS_ASIO_HEADER(io_context.hpp)

#include <type_traits>

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE::asio_detail {

/// Returns: the run() of Asio's that is the innermost one on this thread, or nullptr.
inline auto* running_loop() noexcept {
    return []<class Thread>(std::type_identity<Thread>) {
        if constexpr (requires { Thread::top_of_thread_call_stack(); })
            return Thread::top_of_thread_call_stack();
        else
            return Thread::thread_call_stack::top();
    }(std::type_identity<net::detail::thread_context>{});
}

inline const ext::event_loop this_asio{
    []() noexcept { return running_loop() != nullptr; },
    "return contextvars::awaitable instead of asio::awaitable, and start the task with "
    "contextvars::co_spawn; in a callback, keep a scoped() guard, or bind it by bind_context"};

} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE::asio_detail

#endif
