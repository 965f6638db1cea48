// SPDX-License-Identifier: MIT
//
// On an io_context, once warm, nothing is allocated beyond what Asio itself does. (Not with a
// sanitizer: the library then keeps no free blocks, so that each block's life is seen.)
#include "support.hpp"

#include "support/failing_allocation.hpp"

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

using namespace contextvars_tests;

namespace {

using AsioAllocation = Isolated;

constexpr int warm_up = 50;
constexpr int hops = 500;

struct by_post {
    template <class Executor>
    explicit by_post(const Executor&) {}
    auto operator()() { return net::post(net::use_awaitable); }
};

struct by_timer {
    net::steady_timer timer;
    template <class Executor>
    explicit by_timer(const Executor& executor) : timer(executor) {}
    auto operator()() {
        timer.expires_after(std::chrono::steady_clock::duration::zero());
        return timer.async_wait(net::use_awaitable);
    }
};

#if CONTEXTVARS_TESTS_HAS_AWAITED_OPERATIONS
struct by_deferred {
    template <class Executor>
    explicit by_deferred(const Executor&) {}
    auto operator()() { return net::post(net::deferred); }
};
#endif

/// How many allocations `hops` awaits make once warm.
template <class Awaitable, class How>
Awaitable awaits(long& allocated) {
    How how(co_await net::this_coro::executor);
    for (int i = 0; i != warm_up; ++i)
        co_await how();
    const long before = allocations::total;
    for (int i = 0; i != hops; ++i)
        co_await how();
    allocated = allocations::total - before;
}

template <class How>
long of_asio() {
    net::io_context context(1);
    long allocated = -1;
    net::co_spawn(context, awaits<net::awaitable<void>, How>(allocated), net::detached);
    context.run();
    return allocated;
}

template <class How>
long of_asio_on_a_capturing_executor() {
    net::io_context context(1);
    long allocated = -1;
    net::co_spawn(cv::context_executor(context.get_executor()),
                  awaits<net::awaitable<void>, How>(allocated), net::detached);
    context.run();
    return allocated;
}

template <class How>
long of_ours() {
    net::io_context context(1);
    long allocated = -1;
    cv::co_spawn(context, awaits<cv::awaitable<void>, How>(allocated), net::detached);
    context.run();
    return allocated;
}

template <class How>
long of_ours_on_a_bare_executor() {
    net::io_context context(1);
    long allocated = -1;
    net::co_spawn(context, awaits<cv::awaitable<void>, How>(allocated), net::detached);
    context.run();
    return allocated;
}

/// -1: what was to be counted did not come to its end.
void expect_at_most(long allocated, long most, const char* what) {
    EXPECT_GE(allocated, 0) << what;
    EXPECT_LE(allocated, most) << what;
}

template <class How>
void expect_no_more_than_asio() {
    const long asio = of_asio<How>();
    ASSERT_GE(asio, 0);
    const auto compare = [asio](const char* bindings) {
        if constexpr (!std::is_same_v<How, by_timer> || CONTEXTVARS_ASIO_VERSION >= 102200) {
            // Before Asio 1.22, any_io_executor has no room for an executor and a context.
            expect_at_most(of_asio_on_a_capturing_executor<How>(), asio, bindings);
            expect_at_most(of_ours<How>(), asio, bindings);
        }
        expect_at_most(of_ours_on_a_bare_executor<How>(), asio, bindings);
    };
    compare("without bindings");
    set_marks(1);
    compare("with two bindings");
    // More than are cloned: these are frozen and shared.
    static const auto many = [] {
        std::array<std::unique_ptr<cv::ContextVar<int>>, 40> made;
        for (auto& variable : made)
            variable = std::make_unique<cv::ContextVar<int>>("one of many");
        return made;
    }();
    for (const auto& variable : many)
        variable->set(1);
    compare("with many bindings");
}

template <class Awaitable>
Awaitable callee() {
    co_await net::post(net::use_awaitable);
}

template <class Awaitable>
Awaitable calls(long& allocated) {
    for (int i = 0; i != warm_up; ++i)
        co_await callee<Awaitable>();
    const long before = allocations::total;
    for (int i = 0; i != hops; ++i)
        co_await callee<Awaitable>();
    allocated = allocations::total - before;
}

constexpr int tasks = 2000;

/// Hops, sets if it shall, and waits.
template <class Sets>
cv::awaitable<void> waits(net::io_context& context, int hops_before, Sets sets, int& waiting) {
    for (int i = 0; i != hops_before; ++i) {
        sets();
        co_await net::steady_timer(context, std::chrono::nanoseconds(0))
            .async_wait(net::use_awaitable);
    }
    sets();
    ++waiting;
    co_await net::steady_timer(context, std::chrono::hours(1)).async_wait(net::use_awaitable);
}

/// How many blocks are alive while `tasks` coroutines wait, beyond those that were before.
template <class Sets>
long blocks_of_waiting(int hops_before, Sets sets) {
    net::io_context context(1);
    const long before = allocations::live;
    int waiting = 0;
    for (int i = 0; i != tasks; ++i)
        cv::co_spawn(context, waits(context, hops_before, sets, waiting), net::detached);
    while (waiting != tasks)
        context.run_one();
    return allocations::live - before;
}

} // namespace

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)

TEST_F(AsioAllocation, of_post_is_asio_s_own) { expect_no_more_than_asio<by_post>(); }

TEST_F(AsioAllocation, of_a_timer_is_asio_s_own) { expect_no_more_than_asio<by_timer>(); }

#if CONTEXTVARS_TESTS_HAS_AWAITED_OPERATIONS
TEST_F(AsioAllocation, of_an_awaited_operation_is_asio_s_own) {
    expect_no_more_than_asio<by_deferred>();
}
#endif

// A suspended flow and the operation that it waits for hold one map. A thread keeps some blocks, too.
TEST_F(AsioAllocation, of_coroutines_that_wait_is_one_map_each) {
    const auto nothing = [] {};
    const auto sets_once = [] {
        if (number.get(0) == 0)
            number.set(1);
    };
    const auto sets_again = [] { number.set(number.get(0) + 1); };
    for (const int hops_before : {0, 1, 2, 3}) {
        const long none = blocks_of_waiting(hops_before, nothing);
        EXPECT_LT(blocks_of_waiting(hops_before, sets_once) - none, tasks + 300) << hops_before;
        EXPECT_LT(blocks_of_waiting(hops_before, sets_again) - none, tasks + 300) << hops_before;
        const auto guard = number.scoped(7);
        EXPECT_LT(blocks_of_waiting(hops_before, nothing) - none, tasks + 300) << hops_before;
        EXPECT_LT(blocks_of_waiting(hops_before, sets_again) - none, tasks + 300) << hops_before;
    }
}

TEST_F(AsioAllocation, of_set_and_reset_of_a_small_value_at_every_hop_is_none) {
    struct task {
        static cv::awaitable<void> sets(long& allocated) {
            for (int i = 0; i != warm_up; ++i) {
                const auto guard = number.scoped(i);
                co_await net::post(net::use_awaitable);
            }
            const long before = allocations::total;
            for (int i = 0; i != hops; ++i) {
                const auto guard = number.scoped(i);
                co_await net::post(net::use_awaitable);
            }
            allocated = allocations::total - before;
        }
    };
    const long asio = of_asio<by_post>();
    long allocated = -1;
    net::io_context context(1);
    cv::co_spawn(context, task::sets(allocated), net::detached);
    context.run();
    expect_at_most(allocated, asio, "set and reset");
}

// Asio 1.18 keeps a single free frame; one of ours that does not fit it costs an allocation more.
#if CONTEXTVARS_ASIO_VERSION >= 102000
TEST_F(AsioAllocation, of_a_nested_awaitable_is_asio_s_own) {
    set_marks(1);
    net::io_context context(1);
    long asio = -1;
    net::co_spawn(context, calls<net::awaitable<void>>(asio), net::detached);
    context.run();
    context.restart();
    long ours = -1;
    cv::co_spawn(context, calls<cv::awaitable<void>>(ours), net::detached);
    context.run();
    EXPECT_GE(asio, 0);
    expect_at_most(ours, asio, "a nested awaitable");
}
#endif

TEST_F(AsioAllocation, of_a_bound_callback_is_asio_s_own) {
    net::io_context context(1);
    const auto chain = [&context](auto post_next) {
        int left = warm_up + hops;
        long before = 0;
        post_next(context, left, before);
        context.restart();
        context.run();
        return allocations::total - before;
    };
    struct plain {
        net::io_context* context;
        int* left;
        long* before;
        void operator()() const {
            if (--*left == hops)
                *before = allocations::total;
            if (*left != 0)
                net::post(*context, *this);
        }
    };
    struct bound {
        net::io_context* context;
        int* left;
        long* before;
        void operator()() const {
            if (--*left == hops)
                *before = allocations::total;
            if (*left != 0)
                net::post(*context, cv::bind_context(*this));
        }
    };
    set_marks(1);
    const long asio = chain([](net::io_context& context, int& left, long& before) {
        net::post(context, plain{&context, &left, &before});
    });
    const long ours = chain([](net::io_context& context, int& left, long& before) {
        net::post(context, cv::bind_context(bound{&context, &left, &before}));
    });
    EXPECT_LE(ours, asio);
}

#endif
