// SPDX-License-Identifier: MIT
//
// Stackful coroutines: net::spawn on a capturing executor. (A program of its own, as it needs
// Boost.Context and Boost.Coroutine.)
#include "support.hpp"

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
