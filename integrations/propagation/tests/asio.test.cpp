// SPDX-License-Identifier: MIT
#include <contextvars/propagation/asio.hpp>

#include <gtest/gtest.h>

#include CONTEXTVARS_ASIO_HEADER(detached.hpp)
#include CONTEXTVARS_ASIO_HEADER(io_context.hpp)
#include CONTEXTVARS_ASIO_HEADER(thread_pool.hpp)
#include CONTEXTVARS_ASIO_HEADER(use_future.hpp)

#include <atomic>
#include <chrono>
#include <functional>
#include <future>
#include <stdexcept>
#include <string>

namespace cv = contextvars;
namespace net = CONTEXTVARS_ASIO;
using namespace contextvars::propagation;
using namespace std::chrono_literals;

namespace {

const cv::ContextVar<std::string> name{"name", "nobody"};

/// Runs a coroutine to its end on one thread; returns its error.
template <class F>
error_code run(F f) {
    net::io_context io;
    std::exception_ptr thrown;
    cv::co_spawn(io, std::move(f), [&](std::exception_ptr e) { thrown = e; });
    io.run();
    try {
        if (thrown)
            std::rethrow_exception(thrown);
    } catch (const system_error& error) {
        return error.code();
    }
    return {};
}

cv::awaitable<int> wait(std::chrono::nanoseconds time) {
    net::steady_timer timer(co_await net::this_coro::executor, time);
    co_await timer.async_wait(net::use_awaitable);
    co_return 7;
}

TEST(WithinDeadline, a_coroutine_that_takes_too_long_is_cancelled) {
    EXPECT_EQ(run([]() -> cv::awaitable<void> {
                  const auto limit = limit_deadline(20ms);
                  co_await within_deadline(wait(1h));
              }),
              error_code(net::error::timed_out));
}

TEST(WithinDeadline, an_operation_that_takes_too_long_is_cancelled) {
    EXPECT_EQ(run([]() -> cv::awaitable<void> {
                  const auto limit = limit_deadline(20ms);
                  net::steady_timer timer(co_await net::this_coro::executor, 1h);
                  co_await within_deadline(timer.async_wait(net::use_awaitable));
              }),
              error_code(net::error::timed_out));
}

TEST(WithinDeadline, a_coroutine_that_is_done_has_its_result) {
    EXPECT_EQ(run([]() -> cv::awaitable<void> {
                  EXPECT_EQ(co_await within_deadline(wait(1ms)), 7); // no deadline
                  const auto limit = limit_deadline(1h);
                  EXPECT_EQ(co_await within_deadline(wait(1ms)), 7);
              }),
              error_code());
}

TEST(WithinDeadline, nothing_is_started_if_the_deadline_has_passed) {
    bool started = false;
    EXPECT_EQ(run([&]() -> cv::awaitable<void> {
                  const auto limit = limit_deadline(0s);
                  co_await within_deadline([](bool& ran) -> cv::awaitable<void> {
                      ran = true;
                      co_return;
                  }(started));
              }),
              error_code(net::error::timed_out));
    EXPECT_FALSE(started);
}

TEST(WithinDeadline, an_error_of_the_task_stays_what_it_is) {
    EXPECT_EQ(run([]() -> cv::awaitable<void> {
                  const auto limit = limit_deadline(1h);
                  co_await within_deadline([]() -> cv::awaitable<void> {
                      throw system_error(net::error::connection_refused);
                      co_return;
                  }());
              }),
              error_code(net::error::connection_refused));
}

TEST(WithinDeadline, a_task_runs_in_a_copy_of_the_context) {
    EXPECT_EQ(run([]() -> cv::awaitable<void> {
                  name.set("ann");
                  const auto limit = limit_deadline(1h);
                  co_await within_deadline([]() -> cv::awaitable<void> {
                      EXPECT_EQ(name.get(), "ann");
                      EXPECT_TRUE(current_deadline.get());
                      co_await wait(1ms);
                      EXPECT_EQ(name.get(), "ann");
                      name.set("bob");
                  }());
                  EXPECT_EQ(name.get(), "ann");
              }),
              error_code());
}

TEST(WithinDeadline, a_child_inherits_the_deadline_and_cannot_extend_it) {
    EXPECT_EQ(run([]() -> cv::awaitable<void> {
                  const auto limit = limit_deadline(20ms);
                  co_await net::co_spawn(
                      co_await net::this_coro::executor,
                      []() -> cv::awaitable<void> {
                          const auto longer = limit_deadline(1h);
                          co_await within_deadline(wait(1h));
                      }(),
                      net::use_awaitable);
              }),
              error_code(net::error::timed_out));
}

TEST(WithinDeadline, the_cancellation_of_the_caller_reaches_the_task) {
    net::io_context io;
    net::cancellation_signal signal;
    error_code seen;
    net::co_spawn(
        io,
        [&]() -> cv::awaitable<void> {
            const auto limit = limit_deadline(1h);
            net::post(io, [&] { signal.emit(net::cancellation_type::terminal); });
            try {
                co_await within_deadline(wait(1h));
            } catch (const system_error& error) {
                seen = error.code();
            }
        },
        net::bind_cancellation_slot(signal.slot(), net::detached));
    io.run();
    EXPECT_EQ(seen, error_code(net::error::operation_aborted)); // no timeout
}

TEST(WithinDeadline, deadlines_that_pass_when_tasks_end_on_several_threads_harm_nothing) {
    net::thread_pool pool(4);
    std::atomic<int> ended = 0;
    for (int i = 0; i != 500; ++i)
        cv::co_spawn(
            pool,
            [&ended, i]() -> cv::awaitable<void> {
                name.set(std::to_string(i));
                const auto limit = limit_deadline(1ms);
                try {
                    co_await within_deadline(wait(std::chrono::microseconds(900 + i % 200)));
                } catch (const system_error& error) {
                    EXPECT_EQ(error.code(), error_code(net::error::timed_out));
                }
                EXPECT_EQ(name.get(), std::to_string(i));
                ++ended;
            },
            net::detached);
    pool.join();
    EXPECT_EQ(ended, 500);
}

TEST(DeadlineCancellation, cancels_an_operation_with_a_handler) {
    net::io_context io;
    const auto limit = limit_deadline(20ms);
    deadline_cancellation cancellation(io.get_executor());
    net::steady_timer timer(io, 1h);
    error_code seen;
    timer.async_wait(net::bind_cancellation_slot(cancellation.slot(),
                                                 [&](const error_code& error) { seen = error; }));
    io.run();
    EXPECT_EQ(seen, error_code(net::error::operation_aborted));
    EXPECT_TRUE(cancellation.late());
}

TEST(DeadlineCancellation, without_a_deadline_cancels_nothing_and_keeps_nobody_waiting) {
    net::io_context io;
    deadline_cancellation cancellation(io.get_executor());
    EXPECT_EQ(io.run(), 0u);
    EXPECT_FALSE(cancellation.late());
}

} // namespace
