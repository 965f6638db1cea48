// SPDX-License-Identifier: MIT
//
// What the tests of the Asio layer share: the Asio under test as `net`, marks to set and recognise,
// ways to run a coroutine, and operations that a foreign thread completes.
#ifndef CONTEXTVARS_TESTS_ASIO_SUPPORT_HPP
#define CONTEXTVARS_TESTS_ASIO_SUPPORT_HPP

#include <contextvars/asio.hpp>

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio.hpp>
#else
#include <boost/asio.hpp>
#endif

#include "support/isolated.hpp"
#include "support/marks.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <cstddef>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

// Which of Asio's facilities this Asio has.
#define CONTEXTVARS_TESTS_HAS_CANCELLATION (CONTEXTVARS_ASIO_VERSION >= 102000)
#define CONTEXTVARS_TESTS_HAS_OPERATORS (CONTEXTVARS_ASIO_VERSION >= 102000)
#define CONTEXTVARS_TESTS_HAS_CHANNEL (CONTEXTVARS_ASIO_VERSION >= 102200)
#define CONTEXTVARS_TESTS_HAS_PROMISE (CONTEXTVARS_ASIO_VERSION >= 102200)
#define CONTEXTVARS_TESTS_HAS_BOUND_AWAITABLE (CONTEXTVARS_ASIO_VERSION >= 102200)
#define CONTEXTVARS_TESTS_HAS_AWAITED_OPERATIONS (CONTEXTVARS_ASIO_VERSION >= 102300)
#define CONTEXTVARS_TESTS_HAS_BIND_ALLOCATOR (CONTEXTVARS_ASIO_VERSION >= 102400)

namespace contextvars_tests {

namespace cv = contextvars;
namespace net = CONTEXTVARS_ASIO;

#if defined(CONTEXTVARS_ASIO_STANDALONE)
using error_code = ::asio::error_code;
using system_error = ::asio::system_error;
#else
using error_code = ::boost::system::error_code;
using system_error = ::boost::system::system_error;
#endif

/// Runs `context` until it is out of work.
template <class ExecutionContext>
void run(ExecutionContext& context) {
    context.restart();
    context.run();
}

/// Runs to its end the one coroutine that spawn(handler) starts, on this thread, which has its own
/// context again afterwards. Throws: what the coroutine does.
template <class Spawn>
void run_spawned(net::io_context& context, Spawn spawn) {
    const cv::Context before = cv::copy_context();
    std::exception_ptr error;
    bool done = false;
    spawn([&](std::exception_ptr thrown) {
        error = thrown;
        done = true;
    });
    run(context);
    EXPECT_TRUE(done);
    EXPECT_EQ(cv::copy_context(), before);
    if (error)
        std::rethrow_exception(error);
}

/// As run_spawned, of one coroutine.
template <class Task>
void run_task(net::io_context& context, Task task) {
    run_spawned(context, [&](auto handler) { cv::co_spawn(context, std::move(task), handler); });
}

template <class Task>
void run_task(Task task) {
    net::io_context context;
    run_task(context, std::move(task));
}

/// As run_task, but with Asio's own co_spawn, on an executor that captures nothing.
template <class Task>
void run_on_bare_executor(net::io_context& context, Task task) {
    run_spawned(context, [&](auto handler) { net::co_spawn(context, std::move(task), handler); });
}

/// Waits once, in an operation of its own.
inline cv::awaitable<void> timer_tick() {
    net::steady_timer timer(co_await net::this_coro::executor);
    timer.expires_after(std::chrono::steady_clock::duration::zero());
    co_await timer.async_wait(net::use_awaitable);
}

/// How a foreign thread completes an operation.
enum class completion {
    direct,      ///< it calls the handler: what awaits goes on in the foreign thread
    by_post,     ///< post(handler)
    by_dispatch, ///< dispatch through the work guard of the handler's executor
};
inline constexpr completion completions[] = {completion::direct, completion::by_post,
                                             completion::by_dispatch};

/// Threads that know nothing of Asio, each with bindings of its own, which it must have again
/// after it has called a handler. Joins them when destroyed: declare it after the io_context, which
/// a thread may still be in when it has posted the last handler.
class ForeignThreads {
public:
    static constexpr int mark = 666;

    ForeignThreads() = default;
    ForeignThreads(const ForeignThreads&) = delete;
    ForeignThreads& operator=(const ForeignThreads&) = delete;
    ~ForeignThreads() {
        // Threads may start threads; each is in the list before the one that started it ends.
        for (std::size_t i = 0; i < size(); ++i)
            at(i).join();
    }

    /// An operation with the signature void().
    template <class Token>
    auto async_complete(completion how, Token&& token) {
        return net::async_initiate<Token, void()>(
            [this](auto handler, completion kind) { this->start(kind, std::move(handler)); }, token,
            how);
    }

private:
    template <class Handler>
    void start(completion how, Handler handler) {
        auto executor = net::get_associated_executor(handler);
        net::executor_work_guard<decltype(executor)> work(executor);
        const std::lock_guard lock(mutex_);
        threads_.emplace_back(
            [how, handler = std::move(handler), work = std::move(work)]() mutable {
                set_marks(mark);
                switch (how) {
                case completion::direct:
                    std::move(handler)();
                    break;
                case completion::by_post:
                    net::post(std::move(handler));
                    break;
                case completion::by_dispatch:
                    net::dispatch(work.get_executor(), std::move(handler));
                    break;
                }
                EXPECT_TRUE(has_marks(mark)) << "a foreign thread lost its own bindings";
                EXPECT_EQ(cv::copy_context().size(), 2U);
            });
    }

    std::size_t size() {
        const std::lock_guard lock(mutex_);
        return threads_.size();
    }
    std::thread& at(std::size_t index) {
        const std::lock_guard lock(mutex_);
        return threads_[index];
    }

    std::mutex mutex_;
    std::deque<std::thread> threads_;
};

} // namespace contextvars_tests

#endif
