// SPDX-License-Identifier: MIT
//
// Asio's experimental::coro, which has no frames that this library could know. What it awaits is an
// operation, and that can be bound: then the coroutine goes on with the bindings that it had.
#include "support.hpp"

#if CONTEXTVARS_ASIO_VERSION >= 102400

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/experimental/co_spawn.hpp>
#include <asio/experimental/coro.hpp>
#else
#include <boost/asio/experimental/co_spawn.hpp>
#include <boost/asio/experimental/coro.hpp>
#endif

#include <gtest/gtest.h>

#include <chrono>
#include <latch>
#include <stdexcept>
#include <vector>

using namespace contextvars_tests;

namespace {

using AsioCoro = Isolated;

template <class Result>
using coro = net::experimental::coro<void, Result>;

struct ticker {
    net::steady_timer timer;

    explicit ticker(const net::any_io_executor& executor) : timer(executor) {
        timer.expires_after(std::chrono::steady_clock::duration::zero());
    }
    /// An operation whose handler runs with the bindings of this call.
    auto bound() { return timer.async_wait(cv::bind_context(net::deferred)); }
    auto plain() { return timer.async_wait(net::deferred); }
};

// A coro takes its executor from its first argument, which no lambda has first.

coro<int> callee(net::any_io_executor executor) {
    set_marks(3); // seen by its caller
    ticker ticks(executor);
    co_await ticks.bound();
    EXPECT_TRUE(has_marks(3));
    co_return 7;
}

coro<void> caller(net::any_io_executor executor, int mark, int& ended) {
    set_marks(mark);
    for (int i = 0; i != 10; ++i) {
        ticker ticks(executor);
        co_await ticks.bound();
        EXPECT_TRUE(has_marks(mark + i));
        set_marks(mark + i + 1); // what it sets between two of them is its own
    }
    EXPECT_EQ(co_await callee(executor), 7);
    EXPECT_TRUE(has_marks(3));
    ++ended;
}

coro<void> unbound(net::any_io_executor executor, int mark, int& ended) {
    set_marks(mark);
    for (int i = 0; i != 10; ++i) {
        ticker ticks(executor);
        co_await ticks.plain();
        EXPECT_TRUE(has_marks(mark));
    }
    ++ended;
}

coro<void> failing(net::any_io_executor executor) {
    set_marks(2);
    ticker ticks(executor);
    co_await ticks.bound();
    EXPECT_TRUE(has_marks(2));
    throw std::runtime_error("thrown");
}

/// Runs 20 coroutines that make(executor, mark, ended) makes.
template <class Make>
void run_many(const Make& make) {
    net::io_context context;
    int ended = 0;
    std::vector<coro<void>> coros;
    for (int i = 1; i <= 20; ++i)
        coros.push_back(make(cv::context_executor(context.get_executor()), 100 * i, ended));
    set_marks(1);
    for (coro<void>& each : coros)
        each.async_resume(cv::bind_context([](std::exception_ptr error) {
            EXPECT_FALSE(error);
            EXPECT_TRUE(has_marks(1));
        }));
    run(context);
    EXPECT_EQ(ended, 20);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioCoro, that_awaits_bound_operations_goes_on_with_its_bindings) { run_many(caller); }

TEST_F(AsioCoro, on_a_capturing_executor_goes_on_with_its_bindings) { run_many(unbound); }

TEST_F(AsioCoro, that_fails_gives_its_exception_to_who_awaits_it_in_the_right_bindings) {
    net::io_context context;
    auto task = failing(context.get_executor());
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(5);
        EXPECT_THROW(co_await task.async_resume(net::use_awaitable), std::runtime_error);
        EXPECT_TRUE(has_marks(5)); // since it is of this library, it has a flow
    });
}

} // namespace

#endif
