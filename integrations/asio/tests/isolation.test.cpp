// SPDX-License-Identifier: MIT
//
// What is started from a coroutine begins with a copy of its bindings, and nothing flows back:
// co_spawn, the branches of && and ||. And contextvars::co_spawn with a context.
#include "support.hpp"

#if CONTEXTVARS_TESTS_HAS_OPERATORS
#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/experimental/awaitable_operators.hpp>
#include <asio/experimental/parallel_group.hpp>
#else
#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/experimental/parallel_group.hpp>
#endif
#endif

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <variant>
#include <vector>

using namespace contextvars_tests;

namespace {

using AsioChild = Isolated;
using AsioBranch = Isolated;
using AsioSpawn = Isolated;

cv::awaitable<int> ticks_with(int inherited, int mark, int ticks = 3) {
    EXPECT_TRUE(has_marks(inherited));
    set_marks(mark);
    for (int i = 0; i != ticks; ++i) {
        co_await timer_tick();
        EXPECT_TRUE(has_marks(mark + i));
        set_marks(mark + i + 1);
    }
    co_return mark + ticks;
}

} // namespace

TEST_F(AsioChild, begins_with_a_copy_and_gives_nothing_back) {
    run_task([]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        set_marks(1);
        const int result = co_await net::co_spawn(executor, ticks_with(1, 10), net::use_awaitable);
        EXPECT_EQ(result, 13);
        EXPECT_TRUE(has_marks(1));
        const int again =
            co_await net::co_spawn(executor, [] { return ticks_with(1, 20); }, net::use_awaitable);
        EXPECT_EQ(again, 23);
        EXPECT_TRUE(has_marks(1));
        const int ours = co_await cv::co_spawn(executor, ticks_with(1, 30), net::use_awaitable);
        EXPECT_EQ(ours, 33);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioChild, that_never_suspends_gives_nothing_back) {
    run_task([]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        set_marks(1);
        net::co_spawn(executor, ticks_with(1, 10, 0), net::detached);
        EXPECT_TRUE(has_marks(1));
        net::co_spawn(executor, [] { return ticks_with(1, 10, 0); }, net::detached);
        EXPECT_TRUE(has_marks(1));
        cv::co_spawn(executor, ticks_with(1, 10, 0), net::detached);
        EXPECT_TRUE(has_marks(1));
        cv::co_spawn(executor, [] { return ticks_with(1, 10, 0); }, net::detached);
        EXPECT_TRUE(has_marks(1));
        co_await timer_tick();
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioChild, sees_nothing_that_its_parent_sets_later) {
    run_task([]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        set_marks(1);
        bool ended = false;
        net::co_spawn(
            executor,
            [&ended]() -> cv::awaitable<void> {
                for (int i = 0; i != 5; ++i) {
                    EXPECT_TRUE(has_marks(1));
                    co_await net::post(net::use_awaitable);
                }
                ended = true;
            },
            net::detached);
        while (!ended) {
            set_marks(2);
            co_await net::post(net::use_awaitable);
        }
        EXPECT_TRUE(has_marks(2));
    });
}

TEST_F(AsioChild, is_isolated_from_its_siblings_and_grandchildren) {
    struct family {
        static cv::awaitable<void> member(int mark, int generations, int& ended) {
            set_marks(mark);
            co_await timer_tick();
            const auto executor = co_await net::this_coro::executor;
            if (generations != 0)
                for (int i = 1; i != 4; ++i) {
                    net::co_spawn(executor, member(mark * 10 + i, generations - 1, ended),
                                  net::detached);
                    EXPECT_TRUE(has_marks(mark));
                }
            for (int i = 0; i != 5; ++i) {
                co_await net::post(net::use_awaitable);
                EXPECT_TRUE(has_marks(mark));
            }
            ++ended;
        }
    };
    net::io_context context;
    int ended = 0;
    run_task(context, [&]() -> cv::awaitable<void> { return family::member(1, 3, ended); });
    EXPECT_EQ(ended, 1 + 3 + 9 + 27);
}

TEST_F(AsioChild, cannot_reset_a_token_of_its_parent) {
    run_task([]() -> cv::awaitable<void> {
        cv::Token<int> token = number.set(1);
        co_await net::co_spawn(
            co_await net::this_coro::executor,
            [&]() -> cv::awaitable<void> {
                EXPECT_THROW(number.reset(token), cv::ValueError);
                co_await timer_tick();
                EXPECT_EQ(number.try_reset(token), cv::reset_result::wrong_context);
                EXPECT_EQ(number.get(), 1);
            },
            net::use_awaitable);
        number.reset(token);
        EXPECT_EQ(number.try_get(), nullptr);
    });
}

TEST_F(AsioChild, that_throws_gives_nothing_back_but_the_exception) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        bool caught = false;
        try {
            co_await net::co_spawn(
                co_await net::this_coro::executor,
                []() -> cv::awaitable<void> {
                    set_marks(2);
                    co_await timer_tick();
                    throw std::runtime_error("thrown by a child");
                },
                net::use_awaitable);
        } catch (const std::runtime_error&) {
            caught = true;
        }
        EXPECT_TRUE(caught);
        EXPECT_TRUE(has_marks(1));
    });
}

#if CONTEXTVARS_TESTS_HAS_OPERATORS

using namespace net::experimental::awaitable_operators;

TEST_F(AsioBranch, of_and_begins_with_a_copy_and_gives_nothing_back) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        const auto [first, second] = co_await (ticks_with(1, 10) && ticks_with(1, 20, 5));
        EXPECT_EQ(first, 13);
        EXPECT_EQ(second, 25);
        EXPECT_TRUE(has_marks(1));
        const auto [a, b, c] =
            co_await (ticks_with(1, 30) && ticks_with(1, 40, 0) && ticks_with(1, 50));
        EXPECT_EQ(a + b + c, 33 + 40 + 53);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioBranch, of_or_begins_with_a_copy_and_gives_nothing_back) {
    struct branch {
        static cv::awaitable<void> waits_for_ever(bool& cancelled) {
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
            net::steady_timer timer(co_await net::this_coro::executor);
            timer.expires_at(std::chrono::steady_clock::time_point::max());
            try {
                co_await timer.async_wait(net::use_awaitable);
            } catch (const system_error&) {
                EXPECT_TRUE(has_marks(2));
                cancelled = true;
                throw;
            }
        }
    };
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        bool cancelled = false;
        const std::variant<int, std::monostate> result =
            co_await (ticks_with(1, 10) || branch::waits_for_ever(cancelled));
        EXPECT_EQ(result.index(), 0U);
        EXPECT_TRUE(cancelled);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioBranch, that_throws_leaves_the_parent_its_bindings) {
    struct branch {
        static cv::awaitable<void> throws() {
            set_marks(2);
            co_await timer_tick();
            throw std::runtime_error("thrown by a branch");
        }
    };
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        bool caught = false;
        try {
            co_await (branch::throws() && ticks_with(1, 10));
        } catch (const std::exception&) { // the other branch, cancelled, may have thrown, too
            caught = true;
            EXPECT_TRUE(has_marks(1));
        }
        EXPECT_TRUE(caught);
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioBranch, on_foreign_threads_keeps_its_own_bindings) {
    net::io_context context;
    ForeignThreads threads;
    struct branch {
        static cv::awaitable<void> hops(ForeignThreads& threads, int mark) {
            EXPECT_TRUE(has_marks(1));
            set_marks(mark);
            for (const completion how : completions) {
                co_await threads.async_complete(how, net::use_awaitable);
                EXPECT_TRUE(has_marks(mark));
            }
        }
    };
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        // The branches end on the executor, one after the other, whatever completed them.
        co_await (branch::hops(threads, 2) && branch::hops(threads, 3));
        EXPECT_TRUE(has_marks(1));
    });
}

#endif

#if CONTEXTVARS_TESTS_HAS_AWAITED_OPERATIONS

TEST_F(AsioBranch, of_a_parallel_group_begins_with_a_copy_and_gives_nothing_back) {
    run_task([]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        set_marks(1);
        const auto [order, error1, result1, error2, result2] =
            co_await net::experimental::make_parallel_group(
                net::co_spawn(executor, ticks_with(1, 10), net::deferred),
                net::co_spawn(executor, ticks_with(1, 20), net::deferred))
                .async_wait(net::experimental::wait_for_all(), net::deferred);
        EXPECT_FALSE(error1 || error2);
        EXPECT_EQ(result1 + result2, 13 + 23);
        EXPECT_TRUE(has_marks(1));
    });
}

#endif

TEST_F(AsioSpawn, runs_the_task_in_a_copy_of_the_spawner_s_context) {
    net::io_context context;
    int results = 0;
    set_marks(1);
    const auto done = [&](std::exception_ptr, int returned) { results += returned; };
    cv::co_spawn(context, ticks_with(1, 10), done);
    cv::co_spawn(context.get_executor(), [] { return ticks_with(1, 10); }, done);
    set_marks(2);
    run(context);
    EXPECT_EQ(results, 2 * 13);
    EXPECT_TRUE(has_marks(2));
}

TEST_F(AsioSpawn, on_an_erased_executor_captures_as_on_the_one_within) {
    net::io_context context;
    net::thread_pool pool(1);
    for (const net::any_io_executor& executor :
         {net::any_io_executor(pool.get_executor()), net::any_io_executor(context.get_executor()),
          net::any_io_executor(net::make_strand(pool)),
          net::any_io_executor(net::make_strand(context)),
          net::any_io_executor(cv::context_executor(pool.get_executor())),
          net::any_io_executor(cv::make_strand(context))}) {
        std::promise<bool> by_callback;
        std::future<bool> plain = cv::co_spawn(
            executor,
            [&]() -> net::awaitable<bool> {
                set_marks(5);
                net::post(co_await net::this_coro::executor,
                          [&by_callback] { by_callback.set_value(has_marks(5)); });
                set_marks(6);
                co_await net::post(net::use_awaitable);
                co_return has_marks(6);
            },
            net::use_future);
        context.run();
        context.restart();
        EXPECT_TRUE(by_callback.get_future().get());
        EXPECT_TRUE(plain.get());
    }
}

TEST_F(AsioSpawn, by_an_unqualified_name_is_asio_s_where_a_program_says_using) {
    using net::co_spawn;
    using net::make_strand;
    int right = 0;
    run_task([&]() -> cv::awaitable<void> {
        const auto executor = co_await net::this_coro::executor;
        set_marks(1);
        const auto child = [&right]() -> cv::awaitable<void> {
            right += has_marks(1);
            set_marks(2);
            co_return;
        };
        co_await co_spawn(executor, child, net::use_awaitable);
        co_await co_spawn(executor, child(), net::use_awaitable);
        co_await co_spawn(make_strand(executor), child, net::use_awaitable);
        co_await co_spawn(cv::context_executor(executor), child, net::use_awaitable);
        EXPECT_TRUE(has_marks(1));
    });
    EXPECT_EQ(right, 4);
}

TEST_F(AsioSpawn, takes_the_token_that_is_the_executor_s_default) {
    net::io_context context;
    using executor_type = net::detached_t::executor_with_default<net::io_context::executor_type>;
    const executor_type executor(context.get_executor());
    int right = 0;
    const auto task = [&right]() -> cv::awaitable<void> {
        right += has_marks(3);
        co_return;
    };
    set_marks(3);
    cv::co_spawn(executor, task);
    cv::co_spawn(executor, task());
    const cv::Context of_marks = cv::copy_context();
    set_marks(4);
    cv::co_spawn(executor, of_marks, task);
    context.run();
    EXPECT_EQ(right, 3);
}

TEST_F(AsioSpawn, captures_where_it_is_called_also_for_functions) {
    net::io_context context;
    bool ran = false;
    set_marks(1);
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            ran = true;
            EXPECT_TRUE(has_marks(1));
            co_return;
        },
        net::detached);
    set_marks(2);
    run(context);
    EXPECT_TRUE(ran);
}

TEST_F(AsioSpawn, takes_functions_that_only_move_and_results_that_only_move) {
    net::io_context context;
    auto captured = std::make_unique<int>(41);
    std::unique_ptr<int> result;
    cv::co_spawn(
        context,
        [captured = std::move(captured)]() -> cv::awaitable<std::unique_ptr<int>> {
            co_await timer_tick();
            co_return std::make_unique<int>(*captured + 1);
        },
        [&result, guard = std::make_unique<int>(0)](
            std::exception_ptr, std::unique_ptr<int> returned) { result = std::move(returned); });
    run(context);
    ASSERT_NE(result, nullptr);
    EXPECT_EQ(*result, 42);
}

TEST_F(AsioSpawn, runs_plain_awaitables_in_a_copy_of_the_spawner_s_context) {
    struct plain {
        static net::awaitable<int> reads() {
            const int before = number.get();
            co_await net::post(net::use_awaitable);
            co_return before * 100 + number.get();
        }
    };
    net::io_context context;
    std::vector<int> results;
    const auto done = [&](std::exception_ptr, int result) { results.push_back(result); };
    number.set(1);
    cv::co_spawn(context, plain::reads(), done);
    cv::co_spawn(context, [] { return plain::reads(); }, done);
    number.set(2);
    run(context);
    EXPECT_EQ(results, (std::vector<int>{101, 101}));
}

TEST_F(AsioSpawn, runs_completion_handlers_in_a_copy_of_the_spawner_s_context) {
    net::io_context context;
    bool completed = false;
    set_marks(1);
    cv::co_spawn(
        context,
        []() -> cv::awaitable<void> {
            set_marks(2);
            co_await timer_tick();
        },
        [&](std::exception_ptr) {
            EXPECT_TRUE(has_marks(1));
            set_marks(3);
            completed = true;
        });
    set_marks(4);
    run(context);
    EXPECT_TRUE(completed);
    EXPECT_TRUE(has_marks(4));
}

TEST_F(AsioSpawn, gives_what_use_future_promises) {
    net::thread_pool pool(1);
    set_marks(1);
    std::future<int> future = cv::co_spawn(pool, ticks_with(1, 10), net::use_future);
    std::future<void> failed = cv::co_spawn(
        pool,
        []() -> cv::awaitable<void> {
            co_await timer_tick();
            throw std::runtime_error("thrown into a future");
        },
        net::use_future);
    EXPECT_EQ(future.get(), 13);
    EXPECT_THROW(failed.get(), std::runtime_error);
    pool.join();
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioSpawn, with_a_context_runs_the_task_in_that_very_object) {
    net::io_context context;
    cv::Context of_task;
    cv::Token<int> before = of_task.run([] { return number.set(1); });
    std::optional<cv::Token<std::string>> after;
    set_marks(100);
    cv::co_spawn(
        context, of_task,
        [&]() -> cv::awaitable<void> {
            EXPECT_EQ(number.get(), 1);
            co_await timer_tick();
            number.reset(before); // made in the same context
            EXPECT_EQ(number.try_get(), nullptr);
            after.emplace(text.set("set by the task"));
            co_await timer_tick();
            number.set(2);
        },
        net::detached);
    run(context);
    EXPECT_EQ(of_task.get(number, 0), 2);
    EXPECT_EQ(of_task.get(text, ""), "set by the task");
    of_task.run([&] { text.reset(*after); });
    EXPECT_FALSE(of_task.contains(text));
    EXPECT_TRUE(has_marks(100));
}

TEST_F(AsioSpawn, with_a_context_shows_others_what_was_set_at_each_suspension) {
    net::io_context context;
    cv::Context of_task;
    int seen = 0;
    run_task(context, [&]() -> cv::awaitable<void> {
        co_await cv::co_spawn(
            co_await net::this_coro::executor, of_task,
            [&]() -> cv::awaitable<void> {
                for (int i = 1; i != 4; ++i) {
                    number.set(i);
                    net::post(context, [&, i] {
                        ++seen;
                        EXPECT_EQ(of_task.get(number, 0), i);
                        EXPECT_EQ(cv::Context(of_task).get(number, 0), i);
                    });
                    co_await net::post(net::use_awaitable);
                }
            },
            net::use_awaitable);
        EXPECT_EQ(number.try_get(), nullptr);
    });
    EXPECT_EQ(seen, 3);
    EXPECT_EQ(of_task.get(number, 0), 3);
}

TEST_F(AsioSpawn, with_a_context_reserves_it_until_the_task_ends) {
    net::io_context context;
    cv::Context of_task;
    const auto task = []() -> cv::awaitable<void> { co_await timer_tick(); };
    bool ended = false;
    cv::co_spawn(context, of_task, task, [&](std::exception_ptr) {
        ended = true;
        of_task.run([] { number.set(5); }); // free again
    });
    const std::string of_run = message_of<cv::RuntimeError>([&] { of_task.run([] {}); });
    EXPECT_CONTAINS(of_run, "cannot enter context: <Context at ");
    EXPECT_CONTAINS(of_run, "is already entered");
    EXPECT_CONTAINS(of_run, "reserved for a task");
    const std::string of_spawn =
        message_of<cv::RuntimeError>([&] { cv::co_spawn(context, of_task, task, net::detached); });
    EXPECT_CONTAINS(of_spawn, "reserved for a task");
    EXPECT_THROW(of_task = cv::Context(), cv::RuntimeError);
    EXPECT_EQ(cv::Context(of_task).size(), 0U);
    run(context);
    EXPECT_TRUE(ended);
    EXPECT_EQ(of_task.get(number, 0), 5);
    cv::co_spawn(context, of_task, task, net::detached);
    run(context);
}

TEST_F(AsioSpawn, with_a_context_that_is_entered_throws) {
    net::io_context context;
    cv::Context of_task;
    const auto task = []() -> cv::awaitable<void> { co_return; };
    of_task.run([&] {
        const std::string message = message_of<cv::RuntimeError>(
            [&] { cv::co_spawn(context, of_task, task, net::detached); });
        EXPECT_CONTAINS(message, "is already entered by this thread");
    });
    EXPECT_EQ(context.poll(), 0U);
    of_task.run([] { number.set(1); });
    EXPECT_EQ(of_task.get(number, 0), 1);
}

TEST_F(AsioSpawn, with_a_context_from_within_its_own_task_throws) {
    net::io_context context;
    cv::Context of_task;
    bool thrown = false;
    cv::co_spawn(
        context, of_task,
        [&]() -> cv::awaitable<void> {
            try {
                co_await cv::co_spawn(
                    context, of_task, []() -> cv::awaitable<void> { co_return; },
                    net::use_awaitable);
            } catch (const cv::RuntimeError&) {
                thrown = true;
            }
        },
        net::detached);
    run(context);
    EXPECT_TRUE(thrown);
}

TEST_F(AsioSpawn, frees_the_context_of_a_task_that_throws) {
    net::io_context context;
    cv::Context of_task;
    int thrown = 0;
    for (const bool suspends : {false, true}) {
        cv::co_spawn(
            context, of_task,
            [suspends]() -> cv::awaitable<void> {
                number.set(suspends);
                if (suspends)
                    co_await timer_tick();
                throw std::runtime_error("thrown by a task");
            },
            [&](std::exception_ptr error) {
                ++thrown;
                EXPECT_THROW(std::rethrow_exception(error), std::runtime_error);
            });
        run(context);
    }
    EXPECT_EQ(thrown, 2);
    of_task.run([] { EXPECT_EQ(number.get(), 1); });
}

TEST_F(AsioSpawn, frees_the_context_where_the_function_itself_throws) {
    net::io_context context;
    cv::Context of_task;
    std::exception_ptr error;
    const auto factory = []() -> cv::awaitable<void> {
        throw std::runtime_error("thrown by a factory that is no coroutine");
    };
    cv::co_spawn(context, of_task, factory, [&](std::exception_ptr thrown) { error = thrown; });
    run(context);
    EXPECT_THROW(std::rethrow_exception(error), std::runtime_error);
    of_task.run([] {});
}

TEST_F(AsioSpawn, frees_the_context_of_a_task_that_is_destroyed) {
    cv::Context of_task;
    {
        net::io_context context;
        cv::co_spawn(
            context, of_task, []() -> cv::awaitable<void> { co_await timer_tick(); },
            net::detached);
        EXPECT_THROW(of_task.run([] {}), cv::RuntimeError);
        // Never runs: the task is destroyed before its first step.
    }
    of_task.run([] {});
    {
        net::io_context context;
        cv::co_spawn(
            context, of_task,
            []() -> cv::awaitable<void> {
                number.set(1);
                net::steady_timer timer(co_await net::this_coro::executor);
                timer.expires_at(std::chrono::steady_clock::time_point::max());
                co_await timer.async_wait(net::use_awaitable);
            },
            net::detached);
        context.poll();
        EXPECT_THROW(of_task.run([] {}), cv::RuntimeError);
    }
    EXPECT_EQ(of_task.get(number, 0), 1);
    of_task.run([] {});
}

TEST_F(AsioSpawn, with_a_const_context_leaves_it_as_it_was) {
    net::io_context context;
    cv::Context given;
    given.run([] { set_marks(1); });
    const cv::Context& constant = given;
    int result = 0;
    cv::co_spawn(
        context, constant, [] { return ticks_with(1, 10); },
        [&](std::exception_ptr, int returned) { result = returned; });
    given.run([] { set_marks(2); }); // neither reserved nor shared
    run(context);
    EXPECT_EQ(result, 13);
    EXPECT_EQ(given.get(number, 0), 2);
}

TEST_F(AsioSpawn, with_a_temporary_context_gives_the_task_its_own) {
    net::io_context context;
    cv::Context given;
    given.run([] { set_marks(1); });
    int result = 0;
    bool ended = false;
    cv::co_spawn(
        context, given.copy(), [] { return ticks_with(1, 10); },
        [&](std::exception_ptr, int returned) { result = returned; });
    cv::co_spawn(
        context.get_executor(), cv::Context(),
        [&ended]() -> cv::awaitable<void> {
            EXPECT_TRUE(has_no_marks());
            co_await timer_tick();
            EXPECT_TRUE(has_no_marks());
            ended = true;
        },
        net::detached);
    set_marks(3);
    run(context);
    EXPECT_TRUE(ended);
    EXPECT_EQ(result, 13);
    EXPECT_EQ(given.get(number, 0), 1);
}

TEST_F(AsioSpawn, with_one_context_after_the_other_keeps_their_bindings_apart) {
    net::io_context context;
    cv::Context first;
    cv::Context second;
    const auto task = [](int mark) {
        return [mark]() -> cv::awaitable<void> {
            for (int i = 0; i != 5; ++i) {
                set_marks(mark + i);
                co_await net::post(net::use_awaitable);
                EXPECT_TRUE(has_marks(mark + i));
            }
        };
    };
    cv::co_spawn(context, first, task(10), net::detached);
    cv::co_spawn(context, second, task(20), net::detached);
    run(context);
    EXPECT_EQ(first.get(number, 0), 14);
    EXPECT_EQ(second.get(number, 0), 24);
    EXPECT_TRUE(has_no_marks());
}

TEST_F(AsioSpawn, with_a_context_on_another_thread_is_consistent_there) {
    net::io_context context;
    ForeignThreads threads;
    cv::Context of_task;
    cv::co_spawn(
        context, of_task,
        [&]() -> cv::awaitable<void> {
            for (const completion how : completions) {
                const auto guard = number.scoped(1);
                co_await threads.async_complete(how, net::use_awaitable);
                EXPECT_EQ(number.get(), 1);
            }
            number.set(2);
        },
        net::detached);
    run(context);
    EXPECT_EQ(of_task.get(number, 0), 2);
}
