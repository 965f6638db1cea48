// SPDX-License-Identifier: MIT
//
// The seven ways in which a context is lost where only the executor carries it (docs/asio.md), each
// cured in this library's awaitable. And the shapes of strands.
#include "support.hpp"

#if CONTEXTVARS_TESTS_HAS_CHANNEL
#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/experimental/channel.hpp>
#include <asio/experimental/concurrent_channel.hpp>
#include <asio/experimental/promise.hpp>
#if CONTEXTVARS_ASIO_VERSION >= 102600
#include <asio/experimental/use_promise.hpp>
#endif
#else
#include <boost/asio/experimental/channel.hpp>
#include <boost/asio/experimental/concurrent_channel.hpp>
#include <boost/asio/experimental/promise.hpp>
#include <boost/asio/experimental/use_promise.hpp>
#endif
#endif

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

using namespace contextvars_tests;

namespace {

using AsioFailure = Isolated;
using AsioStrand = Isolated;

#if CONTEXTVARS_TESTS_HAS_PROMISE

template <class Promise>
cv::awaitable<void> await_promise(Promise& promise) {
#if CONTEXTVARS_ASIO_VERSION >= 102600
    co_await promise(net::use_awaitable);
#else
    co_await promise.async_wait(net::use_awaitable);
#endif
}

#endif

} // namespace

TEST_F(AsioFailure, 1_completion_by_a_foreign_thread_is_cured) {
    net::io_context context;
    ForeignThreads threads;
    for (const completion how : completions) {
        const auto task = [&threads, how]() -> cv::awaitable<void> {
            set_marks(1);
            co_await threads.async_complete(how, net::use_awaitable);
            EXPECT_TRUE(has_marks(1));
            co_await timer_tick(); // nor is it lost from here on
            EXPECT_TRUE(has_marks(1));
        };
        run_task(context, task);
        run_on_bare_executor(context, task);
    }
}

#if CONTEXTVARS_TESTS_HAS_BOUND_AWAITABLE

TEST_F(AsioFailure, 2_a_hop_to_a_plain_executor_is_cured) {
    net::io_context context;
    net::thread_pool pool(1);
    net::post(pool, [] { set_marks(666); }); // the pool's thread has bindings of its own
    run_task(context, [&]() -> cv::awaitable<void> {
        const auto here = std::this_thread::get_id();
        const auto home = co_await net::this_coro::executor;
        for (int mark = 0; mark != 10; ++mark) {
            set_marks(mark);
            co_await net::post(net::bind_executor(pool, net::use_awaitable));
            EXPECT_NE(std::this_thread::get_id(), here);
            EXPECT_TRUE(has_marks(mark));
            cv::Token<int> token = number.set(100);
            co_await net::post(net::bind_executor(home, net::use_awaitable));
            EXPECT_EQ(std::this_thread::get_id(), here);
            number.reset(token);
            EXPECT_TRUE(has_marks(mark));
        }
    });
    net::post(pool, [] { EXPECT_TRUE(has_marks(666)); });
    pool.join();
}

#endif

TEST_F(AsioFailure, 2_a_post_to_a_plain_pool_is_cured) {
    net::io_context context;
    net::thread_pool pool(1);
    net::post(pool, [] { set_marks(666); });
    run_task(context, [&]() -> cv::awaitable<void> {
        for (int mark = 0; mark != 10; ++mark) {
            set_marks(mark);
            co_await net::post(pool, net::use_awaitable);
            EXPECT_TRUE(has_marks(mark));
            co_await timer_tick();
            EXPECT_TRUE(has_marks(mark));
        }
    });
    net::post(pool, [] { EXPECT_TRUE(has_marks(666)); });
    pool.join();
}

#if CONTEXTVARS_TESTS_HAS_PROMISE

TEST_F(AsioFailure, 3_a_promise_is_cured) {
    struct producer {
        static cv::awaitable<void> produces(int ticks) {
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
            for (int i = 0; i != ticks; ++i)
                co_await timer_tick();
            EXPECT_TRUE(has_marks(2));
        }
    };
    run_task([]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        set_marks(1);
        for (const int ticks : {0, 1, 5}) {
            auto promise =
                net::co_spawn(executor, producer::produces(ticks), net::experimental::use_promise);
            co_await await_promise(promise);
            EXPECT_TRUE(has_marks(1));
            co_await timer_tick();
            EXPECT_TRUE(has_marks(1));
        }
    });
}

#endif

#if CONTEXTVARS_TESTS_HAS_CHANNEL

TEST_F(AsioFailure, 4_a_channel_is_cured) {
    using channel_type = net::experimental::channel<void(error_code, int)>;
    net::io_context context;
    channel_type channel(context, 0);
    int received = 0;
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            set_marks(1);
            for (int i = 0; i != 10; ++i) {
                received += co_await channel.async_receive(net::use_awaitable);
                EXPECT_TRUE(has_marks(1));
            }
        },
        net::detached);
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            set_marks(2);
            for (int i = 0; i != 10; ++i) {
                co_await channel.async_send(error_code(), 1, net::use_awaitable);
                EXPECT_TRUE(has_marks(2));
            }
        },
        net::detached);
    run(context);
    EXPECT_EQ(received, 10);
    EXPECT_TRUE(has_no_marks());
}

TEST_F(AsioFailure, 4_a_channel_between_threads_is_cured) {
    using channel_type = net::experimental::concurrent_channel<void(error_code, int)>;
    constexpr int messages = 500;
    net::thread_pool pool(2);
    channel_type channel(pool.get_executor(), 1);
    std::atomic<int> right = 0;
    cv::co_spawn(
        pool,
        [&]() -> cv::awaitable<void> {
            set_marks(1);
            for (int i = 0; i != messages; ++i) {
                co_await channel.async_receive(net::use_awaitable);
                right += has_marks(1);
            }
        },
        net::detached);
    cv::co_spawn(
        pool,
        [&]() -> cv::awaitable<void> {
            set_marks(2);
            for (int i = 0; i != messages; ++i) {
                co_await channel.async_send(error_code(), i, net::use_awaitable);
                right += has_marks(2);
            }
        },
        net::detached);
    pool.join();
    EXPECT_EQ(right, 2 * messages);
}

#endif

TEST_F(AsioFailure, 5_a_parent_on_a_bare_executor_is_cured) {
    struct child {
        static cv::awaitable<int> sets() {
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
            co_await timer_tick();
            EXPECT_TRUE(has_marks(2));
            co_return number.get();
        }
    };
    net::io_context context;
    run_on_bare_executor(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        const int result = co_await net::co_spawn(cv::context_executor(context.get_executor()),
                                                  child::sets(), net::use_awaitable);
        EXPECT_EQ(result, 2);
        EXPECT_TRUE(has_marks(1));
        const int again = co_await cv::co_spawn(context, child::sets(), net::use_awaitable);
        EXPECT_EQ(again, 2);
        EXPECT_TRUE(has_marks(1));
        const int bare = co_await net::co_spawn(context, child::sets(), net::use_awaitable);
        EXPECT_EQ(bare, 2);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioFailure, 6_a_strand_is_cured) {
    net::thread_pool pool(4);
    const auto strand = cv::make_strand(pool);
    std::atomic<int> right = 0;
    for (int mark = 0; mark != 100; ++mark)
        cv::co_spawn(
            strand,
            [&right, mark]() -> cv::awaitable<void> {
                set_marks(mark);
                for (int i = 0; i != 10; ++i) {
                    co_await net::post(net::use_awaitable);
                    right += has_marks(mark);
                }
            },
            net::detached);
    pool.join();
    EXPECT_EQ(right, 1000);
}

TEST_F(AsioFailure, 7_a_bare_executor_s_thread_is_not_dirtied) {
    net::io_context context;
    set_marks(1);
    int between = 0;
    run_on_bare_executor(context, [&]() -> cv::awaitable<void> {
        for (int mark = 2; mark != 6; ++mark) {
            set_marks(mark);
            net::post(context, [&] {
                ++between;
                EXPECT_TRUE(has_marks(1));
            });
            co_await net::post(net::use_awaitable);
            EXPECT_TRUE(has_marks(mark));
        }
    });
    EXPECT_EQ(between, 4);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioFailure, 7_a_capturing_executor_s_thread_is_not_dirtied_by_handlers) {
    net::io_context context;
    const cv::context_executor executor(context.get_executor());
    set_marks(1);
    int seen = 0;
    for (int i = 0; i != 3; ++i)
        net::post(executor, [&] {
            ++seen;
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
        });
    set_marks(3);
    run(context);
    EXPECT_EQ(seen, 3);
    EXPECT_TRUE(has_marks(3));
}

// 100 handlers, each submitted with bindings of its own before any runs, so that one invoker of the
// strand runs them all.
namespace {
template <class Strand>
int right_of_100(net::io_context& context, const Strand& strand) {
    int right = 0;
    for (int mark = 0; mark != 100; ++mark)
        isolated([&] {
            set_marks(mark);
            net::post(strand, [&right, mark] {
                right += has_marks(mark);
                set_marks(-5);
            });
        });
    run(context);
    return right;
}

/// As above, submitted by a coroutine that runs on `context`.
template <class MakeStrand>
int right_of_100_in_a_coroutine(MakeStrand make_strand) {
    net::io_context context;
    int right = 0;
    run_task(context, [&]() -> cv::awaitable<void> {
        const auto strand = make_strand(co_await net::this_coro::executor);
        for (int mark = 0; mark != 100; ++mark) {
            set_marks(mark);
            net::post(strand, [&right, mark] {
                right += has_marks(mark);
                set_marks(-5);
            });
        }
        EXPECT_TRUE(has_marks(99));
    });
    return right;
}
} // namespace

TEST_F(AsioStrand, of_make_strand_runs_every_handler_in_its_own_context) {
    net::io_context context;
    EXPECT_EQ(right_of_100(context, cv::make_strand(context)), 100);
    EXPECT_EQ(right_of_100(context, cv::make_strand(context.get_executor())), 100);
    EXPECT_EQ(right_of_100(context, cv::make_strand(cv::context_executor(context.get_executor()))),
              100);
    const net::any_io_executor erased = context.get_executor();
    EXPECT_EQ(right_of_100(context, cv::make_strand(erased)), 100);
    const net::any_io_executor erased_capturing = cv::context_executor(context.get_executor());
    EXPECT_EQ(right_of_100(context, cv::make_strand(erased_capturing)), 100);
}

TEST_F(AsioStrand,
       of_asio_s_make_strand_on_a_capturing_executor_runs_every_handler_in_its_own_context) {
    net::io_context context;
    EXPECT_EQ(right_of_100(context, net::make_strand(cv::context_executor(context.get_executor()))),
              100);
}

TEST_F(AsioStrand, of_asio_s_make_strand_on_the_executor_that_was_given_has_the_shape_as_well) {
    EXPECT_EQ(right_of_100_in_a_coroutine([](const auto& executor) {
                  // The type of the executor that captures is the program's own, and so it is told here.
                  return net::make_strand(cv::context_executor(executor));
              }),
              100);
}

TEST_F(AsioStrand, of_make_strand_on_this_coro_s_executor_runs_every_handler_in_its_own_context) {
    EXPECT_EQ(
        right_of_100_in_a_coroutine([](const auto& executor) { return cv::make_strand(executor); }),
        100);
}

TEST_F(AsioStrand, of_an_erased_executor_is_right_with_make_strand) {
    EXPECT_EQ(right_of_100_in_a_coroutine(
                  [](const net::any_io_executor& executor) { return cv::make_strand(executor); }),
              100);
}

TEST_F(AsioStrand, erased_itself_runs_every_handler_in_its_own_context) {
    EXPECT_EQ(right_of_100_in_a_coroutine([](const auto& executor) -> net::any_io_executor {
                  return cv::make_strand(executor);
              }),
              100);
}

TEST_F(AsioStrand, still_is_a_strand) {
    net::thread_pool pool(4);
    const auto check = [](const auto& strand) {
        int unprotected = 0;
        std::atomic<int> inside = 0;
        std::atomic<bool> overlapped = false;
        for (int i = 0; i != 200; ++i)
            net::post(strand, [&] {
                if (inside.fetch_add(1) != 0 || !strand.running_in_this_thread())
                    overlapped = true;
                ++unprotected;
                inside.fetch_sub(1);
            });
        std::atomic<bool> done = false;
        net::post(strand, [&] {
            done = true;
            done.notify_one();
        });
        done.wait(false);
        EXPECT_EQ(unprotected, 200);
        EXPECT_FALSE(overlapped);
    };
    check(cv::make_strand(pool));
    check(net::make_strand(cv::context_executor(pool.get_executor())));
    pool.join();
}

TEST_F(AsioStrand, on_which_a_coroutine_and_its_timers_run_keeps_its_bindings) {
    net::thread_pool pool(4);
    std::atomic<int> right = 0;
    for (int mark = 0; mark != 20; ++mark)
        cv::co_spawn(
            pool,
            [&right, mark]() -> cv::awaitable<void> {
                set_marks(mark);
                const auto strand = net::make_strand(co_await net::this_coro::executor);
                net::steady_timer timer(strand);
                for (int i = 0; i != 5; ++i) {
                    timer.expires_after(std::chrono::steady_clock::duration::zero());
                    co_await timer.async_wait(net::use_awaitable);
                    right += has_marks(mark);
                    co_await net::dispatch(strand, net::use_awaitable);
                    right += has_marks(mark);
                }
                co_await net::co_spawn(
                    strand,
                    [&right, mark]() -> cv::awaitable<void> {
                        right += has_marks(mark);
                        set_marks(-1);
                        co_await timer_tick();
                        right += has_marks(-1);
                    },
                    net::use_awaitable);
                right += has_marks(mark);
            },
            net::detached);
    pool.join();
    EXPECT_EQ(right, 20 * 13);
}
