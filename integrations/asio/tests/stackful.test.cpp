// SPDX-License-Identifier: MIT
//
// Stackful coroutines: cv::spawn, and net::spawn on a capturing executor. (A program of its own, as it needs
// Boost.Context and Boost.Coroutine.)
#include "support.hpp"

#include <contextvars/asio/spawn.hpp>

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/spawn.hpp>
#else
#include <boost/asio/spawn.hpp>
#endif

#include <gtest/gtest.h>

#include <chrono>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

using namespace contextvars_tests;

namespace {

using AsioStackful = Isolated;

using capturing = cv::context_executor<net::io_context::executor_type>;

template <class Function>
void spawn(net::io_context& context, Function function) {
    const capturing executor(context.get_executor());
#if CONTEXTVARS_ASIO_VERSION >= 102300
    net::spawn(executor, std::move(function), [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error);
    });
#else
    net::spawn(executor, std::move(function));
#endif
}

template <class Yield>
void sets_and_suspends(net::io_context& context, Yield yield) {
    set_marks(2);
    net::post(capturing(context.get_executor()), yield);
    EXPECT_TRUE(has_marks(2));
}

} // namespace

TEST_F(AsioStackful, steps_have_the_same_bindings) {
    net::io_context context;
    bool ended = false;
    set_marks(1);
    spawn(context, [&](auto yield) {
        EXPECT_TRUE(has_marks(1));
        net::steady_timer timer(capturing(context.get_executor()));
        for (int mark = 2; mark != 10; ++mark) {
            set_marks(mark);
            timer.expires_after(std::chrono::steady_clock::duration::zero());
            timer.async_wait(yield);
            EXPECT_TRUE(has_marks(mark));
            net::post(capturing(context.get_executor()), yield);
            EXPECT_TRUE(has_marks(mark));
        }
        ended = true;
    });
    set_marks(100);
    run(context);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(has_marks(100));
}

TEST_F(AsioStackful, coroutines_do_not_mix) {
    net::io_context context;
    int ended = 0;
    for (int mark = 0; mark != 10; ++mark)
        isolated([&] {
            set_marks(mark);
            spawn(context, [&, mark](auto yield) {
                for (int i = 0; i != 20; ++i) {
                    EXPECT_EQ(text.get(), text_of(mark));
                    number.set(mark * 100 + i);
                    net::post(capturing(context.get_executor()), yield);
                    EXPECT_EQ(number.get(), mark * 100 + i);
                }
                ++ended;
            });
        });
    run(context);
    EXPECT_EQ(ended, 10);
    EXPECT_TRUE(has_no_marks());
}

TEST_F(AsioStackful, functions_that_suspend_show_their_callers_what_they_set) {
    net::io_context context;
    bool ended = false;
    spawn(context, [&](auto yield) {
        set_marks(1);
        sets_and_suspends(context, yield);
        EXPECT_TRUE(has_marks(2));
        ended = true;
    });
    run(context);
    EXPECT_TRUE(ended);
}

TEST_F(AsioStackful, errors_leave_the_bindings_as_they_were) {
    net::io_context context;
    bool ended = false;
    spawn(context, [&](auto yield) {
        set_marks(1);
        net::steady_timer timer(capturing(context.get_executor()));
        timer.expires_at(std::chrono::steady_clock::time_point::max());
        net::post(context, [&] { timer.cancel(); });
        error_code error;
        timer.async_wait(yield[error]);
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
        net::post(context, [&] { timer.cancel(); });
        EXPECT_THROW(timer.async_wait(yield), system_error);
        EXPECT_TRUE(has_marks(1));
        ended = true;
    });
    run(context);
    EXPECT_TRUE(ended);
}

TEST_F(AsioStackful, children_begin_with_a_copy_and_give_nothing_back) {
    net::io_context context;
    int ended = 0;
    spawn(context, [&](auto yield) {
        set_marks(1);
        spawn(context, [&](auto child) {
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
            net::post(capturing(context.get_executor()), child);
            EXPECT_TRUE(has_marks(2));
            ++ended;
        });
        for (int i = 0; i != 5; ++i) {
            net::post(capturing(context.get_executor()), yield);
            EXPECT_TRUE(has_marks(1));
        }
        ++ended;
    });
    run(context);
    EXPECT_EQ(ended, 2);
}

TEST_F(AsioStackful, coroutines_destroyed_with_their_io_context_release_their_bindings) {
    const auto value = std::make_shared<int>(0);
    const cv::ContextVar<std::shared_ptr<int>> watched("watched");
    {
        net::io_context context;
        spawn(context, [&](auto yield) {
            watched.set(value);
            net::steady_timer timer(capturing(context.get_executor()));
            timer.expires_at(std::chrono::steady_clock::time_point::max());
            timer.async_wait(yield);
        });
        context.poll();
        EXPECT_GT(value.use_count(), 1);
    }
    EXPECT_EQ(value.use_count(), 1);
}

// cv::spawn: a flow, as in an awaitable of this library.

namespace {

template <class Executor, class Function>
void spawn_ours(const Executor& executor, Function function) {
#if CONTEXTVARS_ASIO_VERSION >= 102300
    cv::spawn(executor, std::move(function), [](std::exception_ptr error) {
        if (error)
            std::rethrow_exception(error);
    });
#else
    cv::spawn(executor, std::move(function));
#endif
}

template <class Yield>
void expect_guards_and_tokens_good(net::io_context& context, Yield yield) {
    net::steady_timer timer(context);
    timer.expires_after(std::chrono::steady_clock::duration::zero());
    set_marks(1);
    {
        const auto scope = cv::scoped(number.to(2), text.to(text_of(2)));
        net::post(context, yield);
        EXPECT_TRUE(has_marks(2));
        timer.async_wait(yield);
        EXPECT_TRUE(has_marks(2));
    }
    EXPECT_TRUE(has_marks(1));
    cv::Token<int> token = number.set(3);
    net::post(context, yield);
    EXPECT_EQ(number.get(), 3);
    number.reset(token);
    EXPECT_TRUE(has_marks(1));
}

} // namespace

TEST_F(AsioStackful, spawned_by_ours_keep_guards_and_tokens_good_on_a_plain_executor) {
    net::io_context context;
    int ended = 0;
    set_marks(7);
    spawn_ours(context.get_executor(), [&](auto yield) {
        EXPECT_TRUE(has_marks(7));
        expect_guards_and_tokens_good(context, yield);
        ++ended;
    });
    spawn_ours(net::any_io_executor(context.get_executor()), [&](cv::yield_context yield) {
        expect_guards_and_tokens_good(context, yield);
        ++ended;
    });
    spawn_ours(capturing(context.get_executor()), [&](cv::yield_context yield) {
        expect_guards_and_tokens_good(context, yield);
        ++ended;
    });
    set_marks(100);
    run(context);
    EXPECT_EQ(ended, 3);
    EXPECT_TRUE(has_marks(100));
}

TEST_F(AsioStackful, spawned_by_ours_do_not_mix_and_give_the_thread_its_own_bindings_back) {
    net::io_context context;
    int ended = 0;
    set_marks(1000);
    const auto thread_has_its_own = [] { EXPECT_TRUE(has_marks(1000)); };
    for (int mark = 0; mark != 10; ++mark)
        spawn_ours(context.get_executor(), [&, mark](auto yield) {
            for (int i = 0; i != 20; ++i) {
                set_marks(mark * 100 + i);
                net::post(context, thread_has_its_own);
                net::post(context, yield);
                EXPECT_TRUE(has_marks(mark * 100 + i));
            }
            ++ended;
        });
    run(context);
    EXPECT_EQ(ended, 10);
    EXPECT_TRUE(has_marks(1000));
}

TEST_F(AsioStackful, spawned_by_ours_in_one_another_begin_with_a_copy) {
    net::io_context context;
    int ended = 0;
    spawn_ours(context.get_executor(), [&](auto yield) {
        set_marks(1);
        spawn_ours(yield, [&](auto child) {
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
            net::post(context, child);
            EXPECT_TRUE(has_marks(2));
            ++ended;
        });
        for (int i = 0; i != 5; ++i) {
            net::post(context, yield);
            EXPECT_TRUE(has_marks(1));
        }
        ++ended;
    });
    run(context);
    EXPECT_EQ(ended, 2);
}

TEST_F(AsioStackful, spawned_by_ours_have_their_bindings_where_an_operation_fails) {
    net::io_context context;
    bool ended = false;
    spawn_ours(context.get_executor(), [&](auto yield) {
        set_marks(1);
        net::steady_timer timer(context);
        timer.expires_at(std::chrono::steady_clock::time_point::max());
        net::post(context, [&] { timer.cancel(); });
        error_code error;
        timer.async_wait(yield[error]);
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
        net::post(context, [&] { timer.cancel(); });
        EXPECT_THROW(timer.async_wait(yield), system_error);
        EXPECT_TRUE(has_marks(1));
        ended = true;
    });
    run(context);
    EXPECT_TRUE(ended);
}

TEST_F(AsioStackful, spawned_by_ours_start_operations_in_a_copy_of_their_bindings) {
    net::io_context context;
    bool initiated = false;
    spawn_ours(context.get_executor(), [&](auto yield) {
        set_marks(1);
        net::async_initiate<decltype(yield), void()>(
            [&](auto handler) {
                initiated = has_marks(1);
                set_marks(2);
                net::post(context, std::move(handler));
            },
            yield);
        EXPECT_TRUE(has_marks(1));
    });
    run(context);
    EXPECT_TRUE(initiated);
}

TEST_F(AsioStackful, spawned_by_ours_that_are_destroyed_end_their_guards_in_their_own_context) {
    const auto value = std::make_shared<int>(0);
    const cv::ContextVar<std::shared_ptr<int>> watched("watched");
    set_marks(1);
    int seen = 0;
    struct reads_at_its_end {
        int& seen;
        ~reads_at_its_end() { seen = number.get(); }
    };
    {
        net::io_context context;
        spawn_ours(context.get_executor(), [&](auto yield) {
            watched.set(value);
            const auto scope = number.scoped(2);
            const reads_at_its_end reads{seen};
            net::steady_timer timer(context);
            timer.expires_at(std::chrono::steady_clock::time_point::max());
            timer.async_wait(yield);
        });
        context.poll();
        EXPECT_GT(value.use_count(), 1);
    }
    EXPECT_EQ(value.use_count(), 1);
    EXPECT_EQ(seen, 2);
    EXPECT_TRUE(has_marks(1));
}
