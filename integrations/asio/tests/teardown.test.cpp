// SPDX-License-Identifier: MIT
//
// Ends that are no returns: coroutines destroyed with their io_context, cancelled, or whose handler
// was dropped; exceptions that leave by run(); and what must not leak.
#include "support.hpp"

#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

using namespace contextvars_tests;

namespace {

using AsioTeardown = Isolated;
using AsioException = Isolated;

/// A value whose life is seen from outside.
using witness = std::shared_ptr<int>;
const cv::ContextVar<witness> watched{"watched"};

cv::awaitable<void> waits_for_ever() {
    net::steady_timer timer(co_await net::this_coro::executor);
    timer.expires_at(std::chrono::steady_clock::time_point::max());
    co_await timer.async_wait(net::use_awaitable);
}

/// Destroyed with a frame; sees the context in which that happens.
struct sees_its_end {
    std::vector<int>& seen;
    ~sees_its_end() { seen.push_back(number.get(-1)); }
};

} // namespace

TEST_F(AsioTeardown, of_an_io_context_destroys_suspended_coroutines) {
    const witness value = std::make_shared<int>(0);
    std::vector<int> seen;
    number.set(1);
    {
        net::io_context context;
        for (int i = 0; i != 3; ++i)
            cv::co_spawn(
                context,
                [&]() -> cv::awaitable<void> {
                    const sees_its_end end{seen};
                    watched.set(value);
                    number.set(2);
                    co_await waits_for_ever();
                    ADD_FAILURE() << "resumed though nothing completes";
                },
                net::detached);
        context.poll();
        EXPECT_EQ(number.get(), 1);
        EXPECT_EQ(value.use_count(), 4);
    }
    EXPECT_EQ(seen, (std::vector<int>{1, 1, 1})); // the context of who destroys
    EXPECT_EQ(value.use_count(), 1);
    EXPECT_EQ(number.get(), 1);
}

TEST_F(AsioTeardown, destroys_what_was_submitted_once_whether_it_ran_threw_or_was_dropped) {
    const witness bound = std::make_shared<int>(0);
    const witness held = std::make_shared<int>(0);
    watched.set(bound);
    const long bound_before = bound.use_count();
    const auto submit = [&](const auto& executor, bool fails) {
        net::post(executor, [held, fails] {
            EXPECT_EQ(held.use_count(), 2);
            EXPECT_EQ(watched.get().use_count(), 2);
            if (fails)
                throw std::runtime_error("thrown by what was submitted");
        });
    };
    const auto each_way = [&](net::io_context& context, const auto& executor) {
        for (const bool fails : {false, true}) {
            submit(executor, fails);
            if (fails)
                EXPECT_THROW(context.run(), std::runtime_error);
            else
                context.run();
            context.restart();
            EXPECT_EQ(held.use_count(), 1);
            EXPECT_EQ(bound.use_count(), bound_before);
        }
        submit(executor, false); // dropped
    };
    {
        net::io_context context;
        each_way(context, cv::context_executor(context.get_executor()));
    }
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_EQ(bound.use_count(), bound_before);
    {
        net::io_context context;
        each_way(context, net::any_io_executor(cv::context_executor(context.get_executor())));
    }
    EXPECT_EQ(held.use_count(), 1);
    EXPECT_EQ(bound.use_count(), bound_before);
}

TEST_F(AsioTeardown, of_an_io_context_destroys_coroutines_that_never_ran) {
    const witness value = std::make_shared<int>(0);
    watched.set(value);
    const long before = value.use_count();
    {
        net::io_context context;
        cv::co_spawn(context, waits_for_ever(), net::detached);
        cv::co_spawn(context, [] { return waits_for_ever(); }, net::detached);
        net::co_spawn(context, waits_for_ever(), net::detached);
    }
    EXPECT_EQ(value.use_count(), before);
}

TEST_F(AsioTeardown, of_a_guard_in_a_suspended_coroutine_tells_nobody) {
    RecordedDiagnostics told;
    number.set(1);
    {
        net::io_context context;
        cv::co_spawn(
            context,
            []() -> cv::awaitable<void> {
                const auto guard = number.scoped(2);
                co_await waits_for_ever();
            },
            net::detached);
        context.poll();
        EXPECT_TRUE(told.empty());
    }
    EXPECT_TRUE(told.empty());
    EXPECT_EQ(number.get(), 1); // and nothing changed here
}

TEST_F(AsioTeardown, of_guards_in_nested_frames_tells_nobody) {
    RecordedDiagnostics told;
    {
        net::io_context context;
        cv::co_spawn(
            context,
            []() -> cv::awaitable<void> {
                const auto outer = number.scoped(1);
                co_await []() -> cv::awaitable<void> {
                    const auto inner = text.scoped("inner");
                    co_await waits_for_ever();
                }();
            },
            net::detached);
        context.poll();
    }
    EXPECT_TRUE(told.empty());
    EXPECT_TRUE(has_no_marks());
}

TEST_F(AsioTeardown, by_another_thread_is_clean) {
    const witness value = std::make_shared<int>(0);
    RecordedDiagnostics told;
    auto context = std::make_unique<net::io_context>();
    cv::co_spawn(
        *context,
        [&]() -> cv::awaitable<void> {
            watched.set(value);
            const auto guard = number.scoped(2);
            co_await waits_for_ever();
        },
        net::detached);
    context->poll();
    std::thread([&] {
        number.set(1);
        context.reset();
        EXPECT_EQ(number.get(), 1);
    }).join();
    EXPECT_TRUE(told.empty());
    EXPECT_EQ(value.use_count(), 1);
}

TEST_F(AsioTeardown, within_another_coroutine_is_clean) {
    const witness value = std::make_shared<int>(0);
    std::vector<int> seen;
    run_task([&]() -> cv::awaitable<void> {
        number.set(1);
        {
            net::io_context inner;
            cv::co_spawn(
                inner,
                [&]() -> cv::awaitable<void> {
                    const sees_its_end end{seen};
                    watched.set(value);
                    number.set(2);
                    co_await waits_for_ever();
                },
                net::detached);
            inner.poll();
            EXPECT_EQ(number.get(), 1);
        }
        EXPECT_EQ(seen, std::vector<int>{1});
        EXPECT_EQ(value.use_count(), 1);
        co_await timer_tick();
        EXPECT_EQ(number.get(), 1);
    });
}

TEST_F(AsioTeardown, of_a_dropped_handler_destroys_the_coroutine) {
    const witness value = std::make_shared<int>(0);
    std::vector<int> seen;
    net::io_context context;
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            const sees_its_end end{seen};
            watched.set(value);
            number.set(2);
            co_await net::async_initiate<const net::use_awaitable_t<>&, void()>(
                [](auto handler) { const auto dropped = std::move(handler); }, net::use_awaitable);
            ADD_FAILURE() << "resumed though its handler was dropped";
        },
        net::detached);
    run(context); // Asio unwinds through the executor
    ASSERT_EQ(seen.size(), 1U);
    EXPECT_EQ(value.use_count(), 1);
    EXPECT_TRUE(has_no_marks());
}

TEST_F(AsioTeardown, of_awaitables_that_nobody_awaits_runs_nothing_and_leaks_nothing) {
    const witness value = std::make_shared<int>(0);
    watched.set(value);
    const long before = value.use_count();
    struct task {
        static cv::awaitable<void> runs() {
            ADD_FAILURE() << "nobody awaited it";
            co_return;
        }
    };
    {
        const auto never_awaited = task::runs();
        EXPECT_TRUE(never_awaited.valid());
        net::awaitable<void> sliced = task::runs();
        EXPECT_TRUE(sliced.valid());
    }
    EXPECT_EQ(value.use_count(), before);
}

TEST_F(AsioTeardown, of_a_coroutine_that_ended_releases_its_bindings) {
    const witness value = std::make_shared<int>(0);
    net::io_context context;
    run_task(context, [&]() -> cv::awaitable<void> {
        watched.set(value);
        co_await timer_tick();
        cv::co_spawn(context, timer_tick(), net::detached);
        co_await net::co_spawn(co_await net::this_coro::executor, timer_tick(), net::use_awaitable);
    });
    EXPECT_EQ(value.use_count(), 1);
}

TEST_F(AsioTeardown, of_a_coroutine_that_moved_between_threads_releases_its_bindings) {
    const witness value = std::make_shared<int>(0);
    {
        net::io_context context;
        ForeignThreads threads;
        run_task(context, [&]() -> cv::awaitable<void> {
            for (const completion how : completions) {
                const auto guard = watched.scoped(value);
                co_await threads.async_complete(how, net::use_awaitable);
            }
            watched.set(value);
            co_await threads.async_complete(completion::direct, net::use_awaitable);
        });
    }
    EXPECT_EQ(value.use_count(), 1);
}

#if CONTEXTVARS_TESTS_HAS_CANCELLATION

TEST_F(AsioTeardown, by_cancellation_ends_guards_in_their_own_context) {
    RecordedDiagnostics told;
    net::io_context context;
    net::cancellation_signal signal;
    bool unwound = false;
    number.set(1);
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            number.set(2);
            try {
                const auto guard = number.scoped(3);
                net::post(context, [&] { signal.emit(net::cancellation_type::all); });
                co_await waits_for_ever();
            } catch (const system_error&) {
                unwound = true;
                EXPECT_EQ(number.get(), 2);
                throw;
            }
        },
        net::bind_cancellation_slot(signal.slot(), net::detached));
    run(context);
    EXPECT_TRUE(unwound);
    EXPECT_TRUE(told.empty());
    EXPECT_EQ(number.get(), 1);
}

#endif

TEST_F(AsioException, of_a_completion_handler_comes_out_of_run) {
    net::io_context context;
    set_marks(1);
    for (const bool suspends : {false, true}) {
        cv::co_spawn(
            context,
            [suspends]() -> cv::awaitable<void> {
                set_marks(2);
                if (suspends)
                    co_await timer_tick();
            },
            [](std::exception_ptr) { throw std::runtime_error("thrown by a handler"); });
        EXPECT_THROW(run(context), std::runtime_error);
        EXPECT_TRUE(has_marks(1));
        context.restart();
        context.run();
    }
}

TEST_F(AsioException, of_a_child_s_completion_handler_comes_out_of_run_and_the_parent_goes_on) {
    net::io_context context;
    set_marks(1);
    bool parent_ended = false;
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            set_marks(2);
            cv::co_spawn(co_await net::this_coro::executor, timer_tick(), [](std::exception_ptr) {
                throw std::runtime_error("thrown by a handler");
            });
            for (int i = 0; i != 10; ++i) {
                co_await timer_tick();
                EXPECT_TRUE(has_marks(2));
            }
            parent_ended = true;
        },
        net::detached);
    EXPECT_THROW(run(context), std::runtime_error);
    EXPECT_TRUE(has_marks(1));
    run(context);
    EXPECT_TRUE(parent_ended);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(AsioException, of_a_bound_callback_comes_out_of_run) {
    net::io_context context;
    set_marks(1);
    net::post(context, cv::bind_context([] {
                  set_marks(2);
                  throw std::runtime_error("thrown by a callback");
              }));
    net::post(cv::context_executor(context.get_executor()), [] {
        set_marks(3);
        throw std::runtime_error("thrown by a callback");
    });
    EXPECT_THROW(run(context), std::runtime_error);
    EXPECT_TRUE(has_marks(1));
    EXPECT_THROW(run(context), std::runtime_error);
    EXPECT_TRUE(has_marks(1));
}

// Asio 1.22 and older dereference a null pointer where an initiation throws.
#if CONTEXTVARS_ASIO_VERSION >= 102300

TEST_F(AsioException, of_an_initiation_comes_out_of_run_and_the_coroutine_is_destroyed) {
    const witness value = std::make_shared<int>(0);
    const auto initiation = [](auto) { throw std::runtime_error("thrown by an initiation"); };
    net::io_context context;
    set_marks(1);
    const auto spawn = [&](auto task) {
        cv::co_spawn(context, std::move(task), net::detached);
        EXPECT_THROW(run(context), std::runtime_error);
        EXPECT_TRUE(has_marks(1));
        run(context); // unwinds the coroutine
        EXPECT_EQ(value.use_count(), 1);
        EXPECT_TRUE(has_marks(1));
    };
    spawn([&]() -> cv::awaitable<void> {
        watched.set(value);
        co_await net::async_initiate<const net::use_awaitable_t<>&, void()>(initiation,
                                                                            net::use_awaitable);
        ADD_FAILURE() << "resumed though its handler went";
    });
    spawn([&]() -> cv::awaitable<void> {
        watched.set(value);
        co_await timer_tick();
        co_await net::async_initiate<const net::deferred_t&, void()>(initiation, net::deferred);
        ADD_FAILURE() << "resumed though its handler went";
    });
}

#endif

TEST_F(AsioException, of_an_executor_s_function_leaves_the_thread_its_own_bindings) {
    net::io_context context;
    net::thread_pool pool(1);
    set_marks(1);
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(2);
        bool caught = false;
        try {
            co_await cv::to_thread(pool, [] {
                EXPECT_TRUE(has_marks(2));
                set_marks(3);
                throw std::runtime_error("thrown on a pool");
            });
        } catch (const std::runtime_error&) {
            caught = true;
        }
        EXPECT_TRUE(caught);
        EXPECT_TRUE(has_marks(2));
    });
    net::post(pool, [] { EXPECT_TRUE(has_no_marks()); });
    pool.join();
    EXPECT_TRUE(has_marks(1));
}
