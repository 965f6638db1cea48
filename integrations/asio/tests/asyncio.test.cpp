// SPDX-License-Identifier: MIT
//
// What Python's asyncio does with contexts, under Asio's names: a test for each row of the table in
// docs/asio.md.
#include "support.hpp"

#if CONTEXTVARS_TESTS_HAS_OPERATORS
#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/experimental/awaitable_operators.hpp>
#else
#include <boost/asio/experimental/awaitable_operators.hpp>
#endif
#endif

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>

using namespace contextvars_tests;

namespace {

using Asyncio = Isolated;

constexpr auto at_once = std::chrono::steady_clock::duration::zero();

cv::awaitable<int> sets_and_returns(int mark) {
    set_marks(mark);
    co_await timer_tick();
    EXPECT_TRUE(has_marks(mark));
    co_return mark;
}

} // namespace

TEST_F(Asyncio, call_soon_runs_in_a_copy_taken_at_the_call) {
    net::io_context context;
    set_marks(1);
    int ran = 0;
    const auto callback = [&] {
        ++ran;
        EXPECT_TRUE(has_marks(1));
        set_marks(3);
    };
    net::post(cv::context_executor(context.get_executor()), callback);
    net::post(context, cv::bind_context(callback));
    set_marks(2);
    run(context);
    EXPECT_EQ(ran, 2);
    EXPECT_TRUE(has_marks(2)); // the callback's sets do not leak out
}

TEST_F(Asyncio, call_soon_with_a_context_runs_in_its_bindings) {
    net::io_context context;
    cv::Context given;
    given.run([] { set_marks(1); });
    bool ran = false;
    net::post(context, cv::bind_context(given, [&] {
                  ran = true;
                  EXPECT_TRUE(has_marks(1));
                  set_marks(2);
              }));
    run(context);
    EXPECT_TRUE(ran);
    EXPECT_EQ(given.get(number, 0), 1); // a copy, unlike Python's
}

TEST_F(Asyncio, call_soon_in_a_context_itself_runs_there) {
    net::io_context context;
    cv::Context given;
    // Python's context= takes the object itself: so does run().
    net::post(context, [&] { given.run([] { set_marks(2); }); });
    run(context);
    EXPECT_EQ(given.get(number, 0), 2);
}

TEST_F(Asyncio, call_later_runs_in_a_copy_taken_at_the_call) {
    net::io_context context;
    net::steady_timer bound(context);
    net::steady_timer capturing(cv::context_executor(context.get_executor()));
    set_marks(1);
    int ran = 0;
    const auto callback = [&](error_code error) {
        EXPECT_FALSE(error);
        ++ran;
        EXPECT_TRUE(has_marks(1));
        set_marks(3);
    };
    bound.expires_after(std::chrono::milliseconds(1));
    bound.async_wait(cv::bind_context(callback));
    capturing.expires_after(std::chrono::milliseconds(1));
    capturing.async_wait(callback);
    set_marks(2);
    run(context);
    EXPECT_EQ(ran, 2);
    EXPECT_TRUE(has_marks(2));
}

TEST_F(Asyncio, call_later_with_a_context_runs_in_its_bindings) {
    net::io_context context;
    net::steady_timer timer(context);
    cv::Context given;
    given.run([] { set_marks(1); });
    bool ran = false;
    timer.expires_after(std::chrono::milliseconds(1));
    timer.async_wait(cv::bind_context(given, [&](error_code) {
        ran = true;
        EXPECT_TRUE(has_marks(1));
    }));
    run(context);
    EXPECT_TRUE(ran);
}

TEST_F(Asyncio, call_at_runs_in_a_copy_taken_at_the_call) {
    net::io_context context;
    net::steady_timer timer(cv::context_executor(context.get_executor()));
    set_marks(1);
    bool ran = false;
    timer.expires_at(std::chrono::steady_clock::now() + std::chrono::milliseconds(1));
    timer.async_wait([&](error_code) {
        ran = true;
        EXPECT_TRUE(has_marks(1));
    });
    set_marks(2);
    run(context);
    EXPECT_TRUE(ran);
}

TEST_F(Asyncio, call_at_with_a_context_runs_in_its_bindings) {
    net::io_context context;
    net::steady_timer timer(context);
    cv::Context given;
    given.run([] { set_marks(1); });
    bool ran = false;
    timer.expires_at(std::chrono::steady_clock::now());
    timer.async_wait(cv::bind_context(given, [&](error_code) {
        ran = true;
        EXPECT_TRUE(has_marks(1));
    }));
    run(context);
    EXPECT_TRUE(ran);
}

TEST_F(Asyncio, call_soon_threadsafe_runs_in_a_copy_of_the_calling_thread_s_context) {
    net::io_context context;
    set_marks(1);
    int ran = 0;
    std::thread([&] {
        set_marks(2);
        const auto callback = [&] {
            ++ran;
            EXPECT_TRUE(has_marks(2));
        };
        net::post(cv::context_executor(context.get_executor()), callback);
        net::post(context, cv::bind_context(callback));
        set_marks(3);
    }).join();
    run(context);
    EXPECT_EQ(ran, 2);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(Asyncio, call_soon_threadsafe_with_a_context_runs_in_its_bindings) {
    net::io_context context;
    cv::Context given;
    given.run([] { set_marks(1); });
    bool ran = false;
    std::thread([&] {
        net::post(context, cv::bind_context(given, [&] {
                      ran = true;
                      EXPECT_TRUE(has_marks(1));
                  }));
    }).join();
    run(context);
    EXPECT_TRUE(ran);
}

TEST_F(Asyncio, create_task_runs_in_a_copy_taken_at_the_call) {
    run_task([]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        set_marks(1);
        int ended = 0;
        const auto task = [&ended]() -> cv::awaitable<void> {
            EXPECT_TRUE(has_marks(1));
            set_marks(3);
            co_await timer_tick();
            EXPECT_TRUE(has_marks(3));
            ++ended;
        };
        net::co_spawn(executor, task, net::detached);
        cv::co_spawn(executor, task, net::detached);
        EXPECT_TRUE(has_marks(1));
        set_marks(2);
        while (ended != 2)
            co_await net::post(net::use_awaitable);
        EXPECT_TRUE(has_marks(2));
    });
}

TEST_F(Asyncio, create_task_with_a_context_runs_in_that_very_one) {
    net::io_context context;
    cv::Context given;
    given.run([] { set_marks(1); });
    run_task(context, [&]() -> cv::awaitable<void> {
        co_await cv::co_spawn(
            co_await net::this_coro::executor, given,
            []() -> cv::awaitable<void> {
                EXPECT_TRUE(has_marks(1));
                co_await timer_tick();
                set_marks(2);
            },
            net::use_awaitable);
        EXPECT_TRUE(has_no_marks());
    });
    given.run([] { EXPECT_TRUE(has_marks(2)); });
}

TEST_F(Asyncio, await_of_a_coroutine_runs_in_the_same_context) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        co_await sets_and_returns(2);
        EXPECT_TRUE(has_marks(2));
    });
}

TEST_F(Asyncio, add_done_callback_runs_in_a_copy_taken_where_it_is_added) {
    net::io_context context;
    set_marks(1);
    int ran = 0;
    cv::co_spawn(context, sets_and_returns(2), [&](std::exception_ptr, int result) {
        ++ran;
        EXPECT_EQ(result, 2);
        EXPECT_TRUE(has_marks(1));
        set_marks(4);
    });
    net::co_spawn(context, sets_and_returns(2), cv::bind_context([&](std::exception_ptr, int) {
                      ++ran;
                      EXPECT_TRUE(has_marks(1));
                  }));
    set_marks(3);
    run(context);
    EXPECT_EQ(ran, 2);
    EXPECT_TRUE(has_marks(3));
}

TEST_F(Asyncio, add_done_callback_with_a_context_runs_in_its_bindings) {
    net::io_context context;
    cv::Context given;
    given.run([] { set_marks(1); });
    bool ran = false;
    cv::co_spawn(context, sets_and_returns(2),
                 cv::bind_context(given, [&](std::exception_ptr, int) {
                     ran = true;
                     EXPECT_TRUE(has_marks(1));
                 }));
    run(context);
    EXPECT_TRUE(ran);
}

#if CONTEXTVARS_TESTS_HAS_OPERATORS

TEST_F(Asyncio, gather_and_task_group_run_each_in_a_copy) {
    using namespace net::experimental::awaitable_operators;
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        const auto [first, second] = co_await (sets_and_returns(2) && sets_and_returns(3));
        EXPECT_EQ(first + second, 5);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(Asyncio, timeout_runs_the_rest_in_the_same_context) {
    using namespace net::experimental::awaitable_operators;
    struct slow {
        static cv::awaitable<void> waits() {
            net::steady_timer timer(co_await net::this_coro::executor);
            timer.expires_at(std::chrono::steady_clock::time_point::max());
            co_await timer.async_wait(net::use_awaitable);
        }
    };
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        const std::variant<std::monostate, std::monostate> result =
            co_await (slow::waits() || timer_tick());
        EXPECT_EQ(result.index(), 1U);
        EXPECT_TRUE(has_marks(1));
        co_await timer_tick();
        EXPECT_TRUE(has_marks(1));
    });
}

#endif

TEST_F(Asyncio, timeout_by_a_timer_that_cancels_goes_on_in_the_same_context) {
    run_task([]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        net::steady_timer operation(executor);
        net::steady_timer deadline(executor);
        operation.expires_at(std::chrono::steady_clock::time_point::max());
        deadline.expires_after(at_once);
        set_marks(1);
        deadline.async_wait(cv::bind_context([&](error_code) {
            EXPECT_TRUE(has_marks(1));
            operation.cancel();
        }));
        error_code error;
        co_await operation.async_wait(net::redirect_error(net::use_awaitable, error));
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(Asyncio, run_gives_nothing_back) {
    set_marks(1);
    run_task([]() -> cv::awaitable<void> {
        EXPECT_TRUE(has_marks(1));
        co_await timer_tick();
        set_marks(2);
    });
    EXPECT_TRUE(has_marks(1));
}

TEST_F(Asyncio, runner_keeps_one_context_for_all_its_runs) {
    net::io_context context;
    set_marks(1);
    cv::Context of_runner = cv::copy_context();
    int ended = 0;
    const auto runs = [&](auto task) {
        cv::co_spawn(context, of_runner, std::move(task), net::detached);
        run(context);
    };
    runs([&ended]() -> cv::awaitable<void> {
        EXPECT_TRUE(has_marks(1));
        co_await timer_tick();
        set_marks(2);
        ++ended;
    });
    runs([&ended]() -> cv::awaitable<void> {
        EXPECT_TRUE(has_marks(2));
        ++ended;
        co_return;
    });
    EXPECT_EQ(ended, 2);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(Asyncio, to_thread_carries_the_context_in_and_nothing_back) {
    net::io_context context;
    net::thread_pool pool(1);
    run_task(context, [&]() -> cv::awaitable<void> {
        const auto here = std::this_thread::get_id();
        set_marks(1);
        const std::string returned = co_await cv::to_thread(pool, [here] {
            EXPECT_NE(std::this_thread::get_id(), here);
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
            return text.get();
        });
        EXPECT_EQ(returned, text_of(2));
        EXPECT_EQ(std::this_thread::get_id(), here);
        EXPECT_TRUE(has_marks(1));
        cv::Token<int> token = number.set(3);
        co_await cv::to_thread(pool.get_executor(), [] { EXPECT_EQ(number.get(), 3); });
        number.reset(token);
        const auto executor = pool.get_executor();
        // A name, since g++ 12 copies the bytes of a lambda made within a co_await expression.
        auto function = [value = std::make_unique<int>(7)]() mutable { return std::move(value); };
        const std::unique_ptr<int> moved = co_await cv::to_thread(executor, std::move(function));
        EXPECT_EQ(*moved, 7);
        EXPECT_TRUE(has_marks(1));
        bool caught = false;
        try {
            co_await cv::to_thread(pool, [] { throw std::runtime_error("thrown on a pool"); });
        } catch (const std::runtime_error&) {
            caught = true;
        }
        EXPECT_TRUE(caught);
        EXPECT_TRUE(has_marks(1));
    });
    net::post(pool, [] { EXPECT_TRUE(has_no_marks()); });
    pool.join();
}

TEST_F(Asyncio, to_thread_may_be_awaited_later) {
    net::io_context context;
    net::thread_pool pool(1);
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        auto later = cv::to_thread(pool.get_executor(), [] { return has_marks(2); });
        co_await timer_tick();
        set_marks(2);
        const bool right = co_await std::move(later); // captured where it is awaited
        EXPECT_TRUE(right);
        const bool spawned = co_await net::co_spawn(
            co_await net::this_coro::executor,
            cv::to_thread(pool.get_executor(), [] { return has_marks(2); }), net::use_awaitable);
        EXPECT_TRUE(spawned);
    });
    pool.join();
}

TEST_F(Asyncio, run_in_executor_carries_nothing) {
    net::io_context context;
    net::thread_pool pool(1);
    std::atomic<bool> ran = false;
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        net::post(pool, [&] {
            ran = true;
            EXPECT_TRUE(has_no_marks());
        });
        co_await net::post(pool, net::use_awaitable); // the coroutine itself keeps its own
        EXPECT_TRUE(has_marks(1));
    });
    pool.join();
    EXPECT_TRUE(ran);
}
