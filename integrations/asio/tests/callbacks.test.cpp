// SPDX-License-Identifier: MIT
//
// Plain callbacks: bind_context(handler), bind_context(token), and handlers on a capturing executor.
// What is associated with a handler stays associated with it.
#include "support.hpp"

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace contextvars_tests;

namespace {

using AsioCallback = Isolated;
using AsioToken = Isolated;

constexpr auto at_once = std::chrono::steady_clock::duration::zero();

/// Counts what is allocated with it.
template <class T>
struct counting_allocator {
    using value_type = T;

    int* count;

    explicit counting_allocator(int& counted) noexcept : count(&counted) {}
    template <class U>
    counting_allocator(const counting_allocator<U>& other) noexcept : count(other.count) {}

    T* allocate(std::size_t n) {
        ++*count;
        return std::allocator<T>().allocate(n);
    }
    void deallocate(T* memory, std::size_t n) { std::allocator<T>().deallocate(memory, n); }

    template <class U>
    bool operator==(const counting_allocator<U>& other) const noexcept {
        return count == other.count;
    }
};

/// A handler in the style of before bind_executor: everything associated is a member.
struct handler_with_members {
    using allocator_type = counting_allocator<int>;
    using executor_type = net::thread_pool::executor_type;

    allocator_type allocator;
    executor_type executor;
    int* right;

    allocator_type get_allocator() const noexcept { return allocator; }
    executor_type get_executor() const noexcept { return executor; }

    void operator()(error_code) const { *right += has_marks(1); }
};

} // namespace

TEST_F(AsioCallback, runs_in_the_context_that_was_current_at_bind_context) {
    net::io_context context;
    net::steady_timer timer(context);
    set_marks(1);
    int right = 0;
    timer.expires_after(at_once);
    timer.async_wait(cv::bind_context([&](error_code) {
        right += has_marks(1);
        set_marks(5);
    }));
    net::post(context, cv::bind_context([&] { right += has_marks(1); }));
    net::dispatch(context, cv::bind_context([&] { right += has_marks(1); }));
    net::defer(context, cv::bind_context([&] { right += has_marks(1); }));
    set_marks(2);
    run(context);
    EXPECT_EQ(right, 4);
    EXPECT_TRUE(has_marks(2));
}

TEST_F(AsioCallback, runs_in_the_bindings_of_the_context_given) {
    net::io_context context;
    net::steady_timer timer(context);
    cv::Context given;
    given.run([] { set_marks(1); });
    int right = 0;
    timer.expires_after(at_once);
    timer.async_wait(cv::bind_context(given, [&](error_code) { right += has_marks(1); }));
    given.run([] { set_marks(2); });
    run(context);
    EXPECT_EQ(right, 1);
}

TEST_F(AsioCallback, completed_by_a_foreign_thread_runs_in_its_context) {
    net::io_context context;
    ForeignThreads threads;
    auto work = net::make_work_guard(context);
    set_marks(1);
    std::atomic<int> right = 0; // one completion is direct: on the foreign thread
    std::atomic<int> left = 3;
    for (const completion how : completions)
        threads.async_complete(how, net::bind_executor(context, cv::bind_context([&] {
                                                           right += has_marks(1);
                                                           if (--left == 0)
                                                               work.reset();
                                                       })));
    set_marks(2);
    context.run();
    EXPECT_EQ(right, 3);
}

TEST_F(AsioCallback, of_socket_operations_runs_in_its_context) {
    using tcp = net::ip::tcp;
    net::io_context context;
    tcp::acceptor acceptor(context, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    tcp::socket client(context);
    tcp::socket server(context);
    std::array<char, 3> sent{'a', 'b', '\n'};
    std::string received;
    int right = 0;
    set_marks(1);
    acceptor.async_accept(server, cv::bind_context([&](error_code) {
                              right += has_marks(1);
                              set_marks(2);
                              net::async_read_until(server, net::dynamic_buffer(received), '\n',
                                                    cv::bind_context([&](error_code, std::size_t) {
                                                        right += has_marks(2);
                                                    }));
                          }));
    set_marks(3);
    client.async_connect(acceptor.local_endpoint(), cv::bind_context([&](error_code) {
                             right += has_marks(3);
                             net::async_write(client, net::buffer(sent),
                                              cv::bind_context([&](error_code, std::size_t) {
                                                  right += has_marks(3);
                                              }));
                         }));
    set_marks(4);
    run(context);
    EXPECT_EQ(right, 4);
    EXPECT_EQ(received, "ab\n");
}

TEST_F(AsioCallback, bound_once_may_be_used_for_several_operations) {
    net::io_context context;
    net::steady_timer first(context);
    net::steady_timer second(context);
    set_marks(1);
    int right = 0;
    const auto shared = std::make_shared<int>(7);
    auto bound = cv::bind_context(
        [&right, shared](error_code) { right += has_marks(1) && shared != nullptr; });
    first.expires_after(at_once);
    second.expires_after(at_once);
    first.async_wait(bound);
    second.async_wait(bound);
    EXPECT_EQ(shared.use_count(), 4);
    set_marks(2);
    run(context);
    EXPECT_EQ(right, 2);
    bound(error_code());
    EXPECT_EQ(right, 3);
    const auto& constant = bound;
    first.expires_after(at_once);
    first.async_wait(constant);
    run(context);
    EXPECT_EQ(right, 4);
}

TEST_F(AsioCallback, that_only_moves_can_be_bound) {
    net::io_context context;
    net::steady_timer timer(context);
    set_marks(1);
    int result = 0;
    timer.expires_after(at_once);
    timer.async_wait(cv::bind_context(
        [&result, value = std::make_unique<int>(7)](error_code) { result = *value; }));
    run(context);
    EXPECT_EQ(result, 7);
}

TEST_F(AsioCallback, on_a_capturing_executor_needs_no_bind_context) {
    net::io_context context;
    const cv::context_executor executor(context.get_executor());
    net::basic_waitable_timer<std::chrono::steady_clock,
                              net::wait_traits<std::chrono::steady_clock>,
                              cv::context_executor<net::io_context::executor_type>>
        timer(executor);
    net::steady_timer erased(executor);
    set_marks(1);
    int right = 0;
    timer.expires_after(at_once);
    timer.async_wait([&](error_code) {
        right += has_marks(1);
        set_marks(2);
        timer.expires_after(at_once);
        timer.async_wait([&](error_code) { right += has_marks(2); });
    });
    erased.expires_after(at_once);
    erased.async_wait([&](error_code) { right += has_marks(1); });
    net::post(executor, [&] { right += has_marks(1); });
    set_marks(3);
    run(context);
    EXPECT_EQ(right, 4);
    EXPECT_TRUE(has_marks(3));
}

TEST_F(AsioCallback, dispatched_on_the_spot_gives_nothing_back) {
    net::io_context context;
    const cv::context_executor executor(context.get_executor());
    int steps = 0;
    net::post(executor, [&] {
        set_marks(1);
        net::dispatch(executor, [&] {
            EXPECT_EQ(++steps, 1);
            EXPECT_TRUE(has_marks(1));
            set_marks(2);
        });
        EXPECT_EQ(++steps, 2);
        EXPECT_TRUE(has_marks(1));
    });
    run(context);
    EXPECT_EQ(steps, 2);
}

TEST_F(AsioCallback, keeps_its_associated_executor) {
    net::io_context context;
    net::thread_pool pool(1);
    const auto handler = [](error_code) {};
    const auto with_executor = net::bind_executor(pool.get_executor(), handler);
    const auto bound = cv::bind_context(with_executor);
    static_assert(std::is_same_v<net::associated_executor_t<std::remove_const_t<decltype(bound)>>,
                                 net::thread_pool::executor_type>);
    EXPECT_EQ(net::get_associated_executor(bound), pool.get_executor());
    EXPECT_EQ(net::get_associated_executor(bound, context.get_executor()), pool.get_executor());
    const auto without = cv::bind_context(handler);
    EXPECT_EQ(net::get_associated_executor(without, context.get_executor()),
              context.get_executor());
    const auto around = net::bind_executor(pool.get_executor(), without);
    EXPECT_EQ(net::get_associated_executor(around, context.get_executor()), pool.get_executor());
    pool.join();
}

TEST_F(AsioCallback, runs_on_its_associated_executor_in_its_context) {
    net::io_context context;
    net::thread_pool pool(1);
    net::steady_timer timer(context);
    std::thread::id of_pool;
    net::post(pool, [&] { of_pool = std::this_thread::get_id(); });
    set_marks(1);
    std::atomic<int> right = 0;
    const auto check = [&](error_code) {
        right += has_marks(1) && std::this_thread::get_id() == of_pool;
    };
    timer.expires_after(at_once);
    timer.async_wait(net::bind_executor(pool, cv::bind_context(check)));
    timer.async_wait(cv::bind_context(net::bind_executor(pool, check)));
    timer.async_wait(cv::bind_context(net::bind_executor(cv::make_strand(pool), check)));
    set_marks(2);
    run(context);
    pool.join();
    EXPECT_EQ(right, 3);
}

TEST_F(AsioCallback, keeps_the_allocator_and_executor_that_are_its_members) {
    net::io_context context;
    net::thread_pool pool(1);
    net::steady_timer timer(context);
    int allocated = 0;
    int right = 0;
    set_marks(1);
    const handler_with_members handler{counting_allocator<int>(allocated), pool.get_executor(),
                                       &right};
    const auto bound = cv::bind_context(handler);
    static_assert(std::is_same_v<net::associated_allocator_t<std::remove_const_t<decltype(bound)>>,
                                 counting_allocator<int>>);
    EXPECT_EQ(net::get_associated_allocator(bound).count, &allocated);
    EXPECT_EQ(net::get_associated_executor(bound), pool.get_executor());
    timer.expires_after(at_once);
    timer.async_wait(bound);
    EXPECT_GT(allocated, 0);
    run(context);
    pool.join();
    EXPECT_EQ(right, 1);
}

#if CONTEXTVARS_TESTS_HAS_BIND_ALLOCATOR

TEST_F(AsioCallback, keeps_its_associated_allocator) {
    net::io_context context;
    net::steady_timer timer(context);
    int allocated = 0;
    int right = 0;
    set_marks(1);
    const counting_allocator<int> allocator(allocated);
    const auto check = [&](error_code) { right += has_marks(1); };
    const auto bound = cv::bind_context(net::bind_allocator(allocator, check));
    EXPECT_EQ(net::get_associated_allocator(bound).count, &allocated);
    timer.expires_after(at_once);
    timer.async_wait(bound);
    EXPECT_EQ(allocated, 1);
    timer.async_wait(net::bind_allocator(allocator, cv::bind_context(check)));
    EXPECT_EQ(allocated, 2);
    set_marks(2);
    run(context);
    EXPECT_EQ(right, 2);
}

#endif

#if CONTEXTVARS_TESTS_HAS_CANCELLATION

TEST_F(AsioCallback, keeps_its_cancellation_slot) {
    net::io_context context;
    net::steady_timer timer(context);
    timer.expires_at(std::chrono::steady_clock::time_point::max());
    net::cancellation_signal signal;
    set_marks(1);
    int cancelled = 0;
    const auto check = [&](error_code error) {
        cancelled += has_marks(1) && error == net::error::operation_aborted;
    };
    const auto bound = cv::bind_context(net::bind_cancellation_slot(signal.slot(), check));
    EXPECT_TRUE(net::get_associated_cancellation_slot(bound) == signal.slot());
    EXPECT_FALSE(net::get_associated_cancellation_slot(cv::bind_context(check)).is_connected());
    timer.async_wait(bound);
    context.poll();
    EXPECT_EQ(cancelled, 0);
    signal.emit(net::cancellation_type::all);
    set_marks(2);
    run(context);
    EXPECT_EQ(cancelled, 1);
}

TEST_F(AsioCallback, with_everything_associated_at_once_keeps_everything) {
    net::io_context context;
    net::thread_pool pool(1);
    net::steady_timer timer(context);
    timer.expires_at(std::chrono::steady_clock::time_point::max());
    net::cancellation_signal signal;
    int allocated = 0;
    int right = 0;
    set_marks(1);
    timer.async_wait(net::bind_cancellation_slot(
        signal.slot(), cv::bind_context(handler_with_members{counting_allocator<int>(allocated),
                                                             pool.get_executor(), &right})));
    EXPECT_GT(allocated, 0);
    signal.emit(net::cancellation_type::all);
    set_marks(2);
    run(context);
    pool.join();
    EXPECT_EQ(right, 1);
}

#endif

TEST_F(AsioCallback, of_a_composed_operation_is_bound_to_the_end) {
    net::io_context context;
    net::steady_timer timer(context);
    set_marks(1);
    int right = 0;
    int steps = 0;
    auto bound = cv::bind_context([&](error_code) { right += has_marks(1); });
    net::async_compose<decltype(bound), void(error_code)>(
        [&, count = 3](auto& self, error_code error = {}) mutable {
            ++steps;
            if (error || count-- == 0) {
                self.complete(error);
                return;
            }
            timer.expires_after(at_once);
            timer.async_wait(std::move(self));
        },
        bound, timer);
    set_marks(2);
    run(context);
    EXPECT_EQ(right, 1);
    EXPECT_EQ(steps, 4);
    EXPECT_TRUE(has_marks(2));
}

TEST_F(AsioToken, use_future_can_be_bound) {
    net::thread_pool pool(1);
    net::steady_timer timer(pool);
    timer.expires_after(at_once);
    std::future<void> future = timer.async_wait(cv::bind_context(net::use_future));
    future.get();
    set_marks(1);
    std::future<bool> result =
        net::post(pool, cv::bind_context(net::use_future([] { return has_marks(1); })));
    set_marks(2);
    EXPECT_TRUE(result.get());
    pool.join();
}

TEST_F(AsioToken, detached_can_be_bound) {
    net::io_context context;
    bool ran = false;
    net::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            co_await timer_tick();
            ran = true;
        },
        cv::bind_context(net::detached));
    run(context);
    EXPECT_TRUE(ran);
}

TEST_F(AsioToken, use_awaitable_can_be_bound) {
    net::io_context context;
    ForeignThreads threads;
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_after(at_once);
        co_await timer.async_wait(cv::bind_context(net::use_awaitable));
        EXPECT_TRUE(has_marks(1));
        for (const completion how : completions) {
            co_await threads.async_complete(how, cv::bind_context(net::use_awaitable));
            EXPECT_TRUE(has_marks(1));
        }
    });
}

TEST_F(AsioToken, use_awaitable_bound_keeps_a_plain_awaitable_s_bindings_on_a_bare_executor) {
    net::io_context context;
    ForeignThreads threads;
    bool ended = false;
    // Asio's awaitable on Asio's executor: what each step sees is what its token was bound to.
    net::co_spawn(
        context,
        [&]() -> net::awaitable<void> {
            for (const completion how : completions) {
                cv::Context mine;
                auto operation = mine.run([&] {
                    set_marks(1);
                    return threads.async_complete(how, cv::bind_context(net::use_awaitable));
                });
                co_await std::move(operation);
                EXPECT_TRUE(has_marks(1));
            }
            ended = true;
        },
        net::detached);
    run(context);
    EXPECT_TRUE(ended);
    EXPECT_TRUE(has_no_marks());
}

TEST_F(AsioToken, redirect_error_can_be_bound) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_at(std::chrono::steady_clock::time_point::max());
        net::post(timer.get_executor(), [&] { timer.cancel(); });
        error_code error;
        co_await timer.async_wait(cv::bind_context(net::redirect_error(net::use_awaitable, error)));
        EXPECT_EQ(error, net::error::operation_aborted);
        EXPECT_TRUE(has_marks(1));
    });
}

#if CONTEXTVARS_TESTS_HAS_BOUND_AWAITABLE

TEST_F(AsioToken, bind_executor_of_a_bound_token_runs_there) {
    net::io_context context;
    net::thread_pool pool(1);
    run_task(context, [&]() -> cv::awaitable<void> {
        const auto here = std::this_thread::get_id();
        set_marks(1);
        co_await net::post(net::bind_executor(pool, cv::bind_context(net::use_awaitable)));
        EXPECT_NE(std::this_thread::get_id(), here);
        EXPECT_TRUE(has_marks(1));
        co_await net::post(cv::bind_context(net::bind_executor(pool, net::use_awaitable)));
        EXPECT_NE(std::this_thread::get_id(), here);
        EXPECT_TRUE(has_marks(1));
    });
    pool.join();
}

#endif

#if CONTEXTVARS_TESTS_HAS_AWAITED_OPERATIONS

TEST_F(AsioToken, deferred_can_be_bound) {
    net::io_context context;
    net::steady_timer timer(context);
    timer.expires_after(at_once);
    set_marks(1);
    auto operation = timer.async_wait(cv::bind_context(net::deferred));
    set_marks(2);
    int right = 0;
    std::move(operation)([&](error_code) { right += has_marks(1); });
    run(context);
    EXPECT_EQ(right, 1);
}

TEST_F(AsioToken, deferred_of_a_bound_token_is_awaited) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        timer.expires_after(at_once);
        co_await timer.async_wait(cv::bind_context(net::deferred));
        EXPECT_TRUE(has_marks(1));
    });
}

TEST_F(AsioToken, as_tuple_append_and_prepend_can_be_bound) {
    net::io_context context;
    net::steady_timer timer(context);
    timer.expires_after(at_once);
    set_marks(1);
    int right = 0;
    timer.async_wait(cv::bind_context(net::as_tuple(
        [&](std::tuple<error_code> result) { right += has_marks(1) && !std::get<0>(result); })));
    timer.async_wait(
        net::as_tuple(cv::bind_context([&](std::tuple<error_code>) { right += has_marks(1); })));
    timer.async_wait(cv::bind_context(
        net::append([&](error_code, int appended) { right += has_marks(1) && appended == 7; }, 7)));
    timer.async_wait(cv::bind_context(net::prepend(
        [&](int prepended, error_code) { right += has_marks(1) && prepended == 7; }, 7)));
    set_marks(2);
    run(context);
    EXPECT_EQ(right, 4);
}

#endif
