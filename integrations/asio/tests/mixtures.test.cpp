// SPDX-License-Identifier: MIT
//
// Coroutines of Asio's and of this library that await each other, on a capturing executor: what is awaited
// acts in the context of who awaits.
#include "support.hpp"

#include <contextvars/suppress_flow.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <stdexcept>
#include <utility>

using namespace contextvars_tests;

namespace {

using AsioMixture = Isolated;

cv::awaitable<void> sets(int mark, bool suspends) {
    set_marks(-mark);
    if (suspends)
        co_await net::post(net::use_awaitable);
    EXPECT_TRUE(has_marks(-mark));
    set_marks(mark);
}

cv::awaitable<void> sets_and_throws(int mark, bool suspends) {
    co_await sets(mark, suspends);
    throw std::runtime_error("thrown by what is awaited");
}

net::awaitable<void> plain_sets(int mark) {
    set_marks(mark);
    co_return;
}

/// A coroutine of Asio's that awaits each of `sets`.
net::awaitable<void> awaits_ours() {
    set_marks(1);
    co_await net::post(net::use_awaitable);
    for (const bool suspends : {false, true, false, true}) {
        co_await sets(2, suspends);
        EXPECT_TRUE(has_marks(2));
        co_await net::post(net::use_awaitable);
        EXPECT_TRUE(has_marks(2));
        bool caught = false;
        try {
            co_await sets_and_throws(3, suspends);
        } catch (const std::runtime_error&) {
            caught = true;
        }
        EXPECT_TRUE(caught);
        EXPECT_TRUE(has_marks(3));
        co_await net::post(net::use_awaitable);
        EXPECT_TRUE(has_marks(3));
    }
}

net::awaitable<void> begins_with_nothing() {
    co_await sets(1, true);
    EXPECT_TRUE(has_marks(1));
}

} // namespace

TEST_F(AsioMixture, shows_a_plain_coroutine_what_ours_sets) {
    run_task(awaits_ours);
    run_task(begins_with_nothing);
    net::io_context context;
    net::co_spawn(cv::context_executor(context.get_executor()), awaits_ours(), net::detached);
    run(context);
    EXPECT_TRUE(has_no_marks());
}

TEST_F(AsioMixture, shows_ours_what_a_plain_coroutine_sets_before_it_suspends) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        co_await plain_sets(2);
        EXPECT_TRUE(has_marks(2));
        co_await net::post(net::use_awaitable);
        EXPECT_TRUE(has_marks(2));
    });
}

TEST_F(AsioMixture, keeps_what_a_capture_leaves_out) {
    static cv::ContextVar<int> lease{"lease", -1,
                                     cv::attributes{.captured = cv::capture_policy::never}};
    struct nested {
        static net::awaitable<void> plain_is_ready() { co_return; }
        static cv::awaitable<void> is_ready() { co_return; }
        static void expect_all() {
            EXPECT_TRUE(has_marks(1));
            EXPECT_EQ(lease.get(), 2);
            EXPECT_TRUE(cv::copy_context().empty()) << "captures are suppressed";
        }
        static cv::awaitable<void> ours() {
            set_marks(1);
            lease.set(2);
            {
                const auto suppressed = cv::suppress_flow();
                co_await plain_is_ready();
                expect_all();
            }
            EXPECT_FALSE(cv::copy_context().empty());
        }
        static net::awaitable<void> plain() {
            set_marks(1);
            lease.set(2);
            {
                const auto suppressed = cv::suppress_flow();
                co_await is_ready();
                expect_all();
            }
            EXPECT_FALSE(cv::copy_context().empty());
        }
    };
    run_task(nested::ours);
    run_task(nested::plain);
}

TEST_F(AsioMixture, begins_in_the_context_of_who_awaits_also_if_it_was_made_before) {
    struct nested {
        static cv::awaitable<int> reads() { co_return number.get(); }
        static net::awaitable<void> plain() {
            number.set(1);
            auto made = reads();
            number.set(2);
            const int read = co_await std::move(made);
            EXPECT_EQ(read, 2);
        }
    };
    run_task(nested::plain);
}

TEST_F(AsioMixture, on_a_bare_executor_leaves_the_thread_its_own_bindings) {
    struct nested {
        static net::awaitable<void> plain() {
            co_await sets(1, false);
            co_await sets(1, true);
        }
    };
    net::io_context context;
    run_on_bare_executor(context, nested::plain);
    set_marks(5);
    run_on_bare_executor(context, nested::plain);
    EXPECT_TRUE(has_marks(5));
}

TEST_F(AsioMixture, that_another_session_completes_gets_nothing_of_it) {
    net::io_context context;
    const auto with_foreign_thread = [&](ForeignThreads& threads) -> net::awaitable<void> {
        const auto ours = [&]() -> cv::awaitable<void> {
            set_marks(2);
            for (const completion how : completions) {
                co_await threads.async_complete(how, net::use_awaitable);
                EXPECT_TRUE(has_marks(2));
            }
        };
        set_marks(1);
        co_await ours();
    };
    ForeignThreads threads;
    run_task(context, [&] { return with_foreign_thread(threads); });
    EXPECT_TRUE(has_no_marks());
}

namespace {
net::awaitable<void> through(cv::awaitable<void> inner) {
    number.set(number.get() + 1);
    co_await std::move(inner);
}
cv::awaitable<void> in_turn(int depth, bool suspends) {
    number.set(number.get() + 1);
    if (depth != 0)
        co_await through(in_turn(depth - 1, suspends));
    else if (suspends)
        co_await net::post(net::use_awaitable);
}
} // namespace

TEST_F(AsioMixture, of_any_depth_needs_no_stack) {
    constexpr int depth = 1'000'000; // a frame of each kind would take some hundred bytes of 8 MiB
    for (const bool suspends : {false, true})
        run_task([suspends]() -> cv::awaitable<void> {
            number.set(0);
            co_await in_turn(depth, suspends);
            // If the innermost suspends, what plain coroutines set is seen up to there.
            EXPECT_EQ(number.get(), suspends ? 1 : 2 * depth + 1);
        });
}

TEST_F(AsioMixture, that_is_destroyed_while_it_waits_releases_its_bindings) {
    const auto value = std::make_shared<int>(0);
    const cv::ContextVar<std::shared_ptr<int>> held("held");
    {
        net::io_context context;
        const auto ours = [&]() -> cv::awaitable<void> {
            held.set(value);
            net::steady_timer timer(co_await net::this_coro::executor);
            timer.expires_at(std::chrono::steady_clock::time_point::max());
            co_await timer.async_wait(net::use_awaitable);
        };
        const auto plain = [&]() -> net::awaitable<void> { co_await ours(); };
        cv::co_spawn(context, plain, net::detached);
        context.poll();
        EXPECT_GT(value.use_count(), 1);
    }
    EXPECT_EQ(value.use_count(), 1);
}
