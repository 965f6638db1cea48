// SPDX-License-Identifier: MIT
//
// Input that no program means: what is thrown is what Asio or the contract says, each context is as
// before, and nothing is kept.
#include "support.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>

using namespace contextvars_tests;

namespace {

using AsioBadInput = Isolated;
using witness = std::shared_ptr<int>;

cv::ContextVar<witness> watched{"watched"};

cv::awaitable<void> never_runs() {
    ADD_FAILURE() << "runs on no executor";
    co_return;
}

/// Calls f, which must throw Asio's bad_executor, with the value bound; afterwards all is as before.
void expect_no_executor(const std::function<void()>& f) {
    const witness value = std::make_shared<int>(0);
    set_marks(1);
    {
        auto guard = watched.scoped(value);
        EXPECT_THROW(f(), net::execution::bad_executor);
        EXPECT_TRUE(has_marks(1));
        EXPECT_EQ(watched.get(), value);
    }
    EXPECT_EQ(value.use_count(), 1);
}

TEST_F(AsioBadInput, a_null_executor_starts_no_task) {
    const net::any_io_executor none;
    expect_no_executor([&] { cv::co_spawn(none, never_runs(), net::detached); });
    expect_no_executor([&] { cv::co_spawn(none, never_runs, net::detached); });
    expect_no_executor([&] { cv::co_spawn(none, never_runs, [](std::exception_ptr) {}); });
    expect_no_executor([&] {
        cv::Context context;
        cv::co_spawn(none, std::as_const(context), never_runs(), net::detached);
    });
}

TEST_F(AsioBadInput, a_null_executor_leaves_the_context_of_the_task_free) {
    cv::Context context;
    context.run([] { set_marks(2); });
    expect_no_executor(
        [&] { cv::co_spawn(net::any_io_executor(), context, never_runs(), net::detached); });
    context.run([] { EXPECT_TRUE(has_marks(2)); }); // it is reserved for nobody
}

TEST_F(AsioBadInput, a_null_executor_takes_no_function) {
    const cv::context_executor none{net::any_io_executor()};
    expect_no_executor([&] { none.execute([] { ADD_FAILURE(); }); });
}

/// Drops its handler instead of keeping it: the coroutine is destroyed while it suspends.
template <class Token>
auto drop(Token&& token) {
    return net::async_initiate<Token, void()>([](auto handler) { static_cast<void>(handler); },
                                              token);
}

template <class Token>
void expect_destroyed(const Token& token) {
    const witness value = std::make_shared<int>(0);
    net::io_context context;
    cv::Context of_task;
    set_marks(1);
    for (const bool has_context : {false, true})
        for (const bool is_suspended_before : {false, true}) {
            const auto task = [&]() -> cv::awaitable<void> {
                watched.set(value);
                auto guard = number.scoped(2);
                if (is_suspended_before)
                    co_await timer_tick();
                co_await drop(token);
                ADD_FAILURE() << "resumed though its handler went";
            };
            if (has_context)
                cv::co_spawn(context, of_task, task, net::detached);
            else
                cv::co_spawn(context, task, net::detached);
            run(context);
            EXPECT_TRUE(has_marks(1));
            of_task.run([] { number.set(3); }); // it is free
            of_task = cv::Context();
            EXPECT_EQ(value.use_count(), 1);
        }
}

TEST_F(AsioBadInput, a_handler_that_its_own_initiation_drops_destroys_the_coroutine) {
    expect_destroyed(net::use_awaitable);
#if CONTEXTVARS_TESTS_HAS_AWAITED_OPERATIONS
    expect_destroyed(net::deferred);
#endif
}

TEST_F(AsioBadInput, a_context_may_end_in_the_completion_handler_of_its_task) {
    const witness value = std::make_shared<int>(0);
    for (const bool suspends : {false, true}) {
        net::io_context io;
        set_marks(1);
        auto context = std::make_unique<cv::Context>();
        cv::co_spawn(
            io, *context,
            [&, suspends]() -> cv::awaitable<void> {
                watched.set(value);
                if (suspends)
                    co_await timer_tick();
            },
            [&](std::exception_ptr) { context.reset(); });
        run(io);
        EXPECT_EQ(context, nullptr);
        EXPECT_TRUE(has_marks(1));
        EXPECT_EQ(value.use_count(), 1);
    }
}

/// What has kept a handler calls it, and so lets its coroutine destroy what has kept it.
struct keeper {
    std::function<void()> handler;

    template <class Token>
    auto wait(Token&& token) {
        return net::async_initiate<Token, void()>(
            [this](auto kept) {
                auto shared = std::make_shared<decltype(kept)>(std::move(kept));
                handler = [shared]() { std::move (*shared)(); };
            },
            token);
    }
};

TEST_F(AsioBadInput, a_coroutine_may_destroy_what_calls_its_handler) {
    const witness value = std::make_shared<int>(0);
    net::io_context context;
    set_marks(1);
    auto kept = std::make_unique<keeper>();
    bool ended = false;
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            watched.set(value);
            set_marks(2);
            co_await kept->wait(net::use_awaitable);
            kept.reset();
            EXPECT_TRUE(has_marks(2));
            co_await timer_tick();
            EXPECT_TRUE(has_marks(2));
            ended = true;
        },
        net::detached);
    context.poll();
    ASSERT_TRUE(kept->handler);
    auto handler = std::move(kept->handler);
    handler();
    EXPECT_TRUE(has_marks(1));
    run(context);
    handler = nullptr;
    EXPECT_TRUE(ended);
    EXPECT_TRUE(has_marks(1));
    EXPECT_EQ(value.use_count(), 1);
}

} // namespace
