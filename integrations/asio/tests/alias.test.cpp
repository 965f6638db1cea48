// SPDX-License-Identifier: MIT
//
// Where a program changes the alias of its awaitable and nothing else: types are what they were, and what
// is started holds what it should.
#include "support.hpp"

#if CONTEXTVARS_TESTS_HAS_OPERATORS
#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/experimental/awaitable_operators.hpp>
#else
#include <boost/asio/experimental/awaitable_operators.hpp>
#endif
#endif

#include <gtest/gtest.h>

#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

using namespace contextvars_tests;

namespace {

using AsioAlias = Isolated;
using AsioOwnContext = Isolated;
using AsioExecutor = Isolated;

cv::awaitable<int> gives(int value) { co_return value; }

/// Not a coroutine.
cv::awaitable<void> wait_for(net::steady_timer& timer) {
    timer.expires_after(std::chrono::steady_clock::duration::zero());
    return timer.async_wait(net::use_awaitable);
}

template <class Executor>
struct chosen_by_type : std::false_type {};
template <>
struct chosen_by_type<net::any_io_executor> : std::true_type {};

} // namespace

TEST_F(AsioAlias, takes_the_awaitables_that_asio_makes) {
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        net::steady_timer timer(co_await net::this_coro::executor);
        co_await wait_for(timer);
        EXPECT_TRUE(has_marks(1));
        cv::awaitable<int> later =
            net::co_spawn(timer.get_executor(), gives(3), net::use_awaitable);
        const int got = co_await std::move(later);
        EXPECT_EQ(got, 3);
        EXPECT_TRUE(has_marks(1));
        net::awaitable<int> back = gives(4);
        const int four = co_await std::move(back);
        EXPECT_EQ(four, 4);
    });
}

TEST_F(AsioAlias, that_waits_may_be_started_itself) {
    net::io_context context;
    net::steady_timer timer(context);
    bool done = false;
    cv::co_spawn(
        context, [&] { return wait_for(timer); }, [&](std::exception_ptr) { done = true; });
    run(context);
    EXPECT_TRUE(done);
    done = false;
    cv::co_spawn(context, wait_for(timer), [&](std::exception_ptr) { done = true; });
    run(context);
    EXPECT_TRUE(done);
}

TEST_F(AsioAlias, can_be_kept_in_containers_and_functions_and_assigned) {
    run_task([]() -> cv::awaitable<void> {
        std::vector<cv::awaitable<int>> kept;
        kept.push_back(gives(1));
        kept.push_back(
            net::co_spawn(co_await net::this_coro::executor, gives(2), net::use_awaitable));
        const std::function<cv::awaitable<int>()> makes = [] { return gives(3); };
        kept.push_back(makes());
        kept.front() = gives(4);
        int sum = 0;
        for (auto& each : kept)
            sum += co_await std::move(each);
        EXPECT_EQ(sum, 9);
    });
}

#if CONTEXTVARS_TESTS_HAS_OPERATORS

TEST_F(AsioAlias, takes_what_the_operators_give) {
    using namespace net::experimental::awaitable_operators;
    struct together {
        static cv::awaitable<std::tuple<int, int>> both() { return gives(1) && gives(2); }
    };
    run_task([]() -> cv::awaitable<void> {
        set_marks(1);
        const auto both = co_await together::both();
        EXPECT_EQ(std::get<0>(both) + std::get<1>(both), 3);
        EXPECT_TRUE(has_marks(1));
    });
}

#endif

TEST_F(AsioAlias, takes_an_executor_of_a_known_type) {
    using executor_type = net::io_context::executor_type;
    net::io_context context;
    int result = 0;
    const auto task = []() -> cv::awaitable<int, executor_type> {
        set_marks(1);
        const auto executor = co_await net::this_coro::executor;
        static_assert(std::is_same_v<decltype(executor), const executor_type>);
        co_await net::post(executor, net::use_awaitable_t<executor_type>());
        EXPECT_TRUE(has_marks(1));
        co_return 5;
    };
    cv::co_spawn(context, task(), [&](std::exception_ptr, int given) { result = given; });
    run(context);
    EXPECT_EQ(result, 5);
    EXPECT_TRUE(has_no_marks());
}

TEST_F(AsioAlias, yields_the_executor_that_the_coroutine_was_started_on) {
    const auto expect_it = [](auto& context, const auto& started_on) {
        using type = std::remove_cvref_t<decltype(started_on)>;
        for (const bool by_asio : {false, true}) {
            bool right = false;
            const auto task = [&]() -> cv::awaitable<void> {
                const auto seen = co_await net::this_coro::executor;
                right = seen == net::any_io_executor(started_on);
                if constexpr (!std::is_same_v<type, net::any_io_executor>)
                    right = right && seen.target_type() == typeid(type) &&
                            *seen.template target<type>() == started_on;
            };
            if (by_asio)
                net::co_spawn(started_on, task, net::detached);
            else
                cv::co_spawn(started_on, task, net::detached);
            run(context);
            EXPECT_TRUE(right);
        }
    };
    net::io_context context;
    expect_it(context, context.get_executor());
    expect_it(context, net::make_strand(context));
    expect_it(context, cv::make_strand(context));
    expect_it(context, cv::context_executor(context.get_executor()));
    expect_it(context, net::any_io_executor(context.get_executor()));
    expect_it(context, net::make_strand(net::any_io_executor(context.get_executor())));
    bool right = false;
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            net::any_io_executor executor = co_await net::this_coro::executor;
            right = chosen_by_type<decltype(executor)>::value;
            executor = net::system_executor();
            executor = context.get_executor();
            right = right && executor == co_await net::this_coro::executor;
        },
        net::detached);
    run(context);
    EXPECT_TRUE(right);
}

TEST_F(AsioAlias, has_strands_that_convert_and_know_what_is_under_them) {
    net::io_context context;
    struct session {
        explicit session(net::strand<net::any_io_executor> given) : strand(std::move(given)) {}
        net::strand<net::any_io_executor> strand;
    };
    run_task(context, [&]() -> cv::awaitable<void> {
        set_marks(1);
        const auto executor = co_await net::this_coro::executor;
        const session made(net::make_strand(executor));
        co_await net::post(made.strand, net::use_awaitable);
        EXPECT_TRUE(made.strand.running_in_this_thread());
        EXPECT_TRUE(has_marks(1));
        EXPECT_EQ(made.strand.get_inner_executor(), executor);
    });
    const cv::context_executor capturing(context.get_executor());
    const auto on_capturing = net::make_strand(capturing);
    EXPECT_EQ(on_capturing.get_inner_executor(), capturing);
    const session of_capturing(on_capturing);
    bool inside = false;
    net::post(of_capturing.strand, [&] { inside = on_capturing.running_in_this_thread(); });
    run(context);
    EXPECT_TRUE(inside);
}

namespace {
cv::awaitable<void> reads_nothing() { co_return; }
} // namespace

TEST_F(AsioAlias, can_be_started_by_a_function_itself) {
    net::io_context context;
    int done = 0;
    const auto count = [&](std::exception_ptr) { ++done; };
    cv::co_spawn(context, reads_nothing, count);
    cv::co_spawn(context, &reads_nothing, count);
    run(context);
    EXPECT_EQ(done, 2);
}

TEST_F(AsioAlias, started_by_asio_s_co_spawn_with_a_function_begins_in_the_starter_s_bindings) {
    net::io_context context;
    net::thread_pool pool(1);
    const auto expect_kept = [](auto executor) -> cv::awaitable<void> {
        set_marks(1);
        int steps = 0;
        const auto task = [&steps]() -> cv::awaitable<void> {
            steps += has_marks(1);
            co_await net::post(net::use_awaitable);
            steps += has_marks(1);
            set_marks(2);
        };
        co_await net::co_spawn(executor, task, net::use_awaitable);
        // A function that is no coroutine runs there as well.
        const auto called = [&] {
            steps += has_marks(1);
            return task();
        };
        co_await net::co_spawn(executor, called, net::use_awaitable);
        EXPECT_EQ(steps, 5);
        const auto throws = [&]() -> cv::awaitable<void> {
            steps += has_marks(1);
            throw std::runtime_error("thrown where the coroutine would be made");
        };
        bool caught = false;
        try {
            co_await net::co_spawn(executor, throws, net::use_awaitable);
        } catch (const std::runtime_error&) {
            caught = true;
        }
        EXPECT_TRUE(caught);
        EXPECT_EQ(steps, 6);
        EXPECT_TRUE(has_marks(1));
    };
    run_task(context, [&] { return expect_kept(context.get_executor()); });
    run_task(context, [&] { return expect_kept(net::make_strand(context)); });
    const auto work = net::make_work_guard(context); // of what runs on the pool meanwhile
    context.restart();
    bool done = false;
    cv::co_spawn(context, expect_kept(pool.get_executor()), [&](std::exception_ptr error) {
        EXPECT_FALSE(error);
        done = true;
    });
    while (!done)
        context.run_one();
    cv::co_spawn(context, expect_kept(net::make_strand(pool)), [&](std::exception_ptr error) {
        EXPECT_FALSE(error);
        context.stop();
    });
    context.run();
    pool.join();
    EXPECT_TRUE(has_no_marks());
}

// What is given a context of its own holds no value of its starter's.

namespace {

const cv::ContextVar<std::shared_ptr<int>> held{"held"};

/// Calls start(context, executor, timer) in a coroutine that binds a value, which has ended then.
/// Returns: how many hold the value while what was started waits for the timer.
template <class Start>
long holders_after(const Start& start) {
    net::io_context context;
    net::steady_timer timer(context);
    timer.expires_at(std::chrono::steady_clock::time_point::max());
    const auto value = std::make_shared<int>(0);
    bool done = false;
    cv::co_spawn(
        context,
        [&]() -> cv::awaitable<void> {
            held.set(value);
            start(context, co_await net::this_coro::executor, timer);
            co_await net::post(net::use_awaitable);
        },
        [&](std::exception_ptr) { done = true; });
    while (!done)
        context.run_one();
    context.poll();
    const long holders = value.use_count() - 1;
    timer.cancel();
    run(context);
    return holders;
}

cv::awaitable<void> waits(net::steady_timer& timer) {
    EXPECT_EQ(held.try_get(), nullptr);
    error_code error;
    co_await timer.async_wait(net::redirect_error(net::use_awaitable, error));
}

} // namespace

TEST_F(AsioOwnContext, of_a_task_holds_nothing_of_its_starter_s) {
    cv::Context own;
    EXPECT_EQ(holders_after([](auto&, auto executor, auto& timer) {
                  cv::co_spawn(executor, cv::Context(), waits(timer), net::detached);
              }),
              0);
    EXPECT_EQ(holders_after([](auto& context, auto, auto& timer) {
                  cv::co_spawn(
                      context, cv::Context(), [&timer] { return waits(timer); }, net::detached);
              }),
              0);
    EXPECT_EQ(holders_after([&own](auto& context, auto, auto& timer) {
                  cv::co_spawn(context, own, waits(timer), net::detached);
              }),
              0);
    EXPECT_EQ(holders_after([](auto& context, auto, auto& timer) {
                  cv::co_spawn(cv::context_executor(context.get_executor()), cv::Context(),
                               waits(timer), net::detached);
              }),
              0);
}

TEST_F(AsioOwnContext, of_a_handler_holds_nothing_of_its_starter_s) {
    EXPECT_EQ(holders_after([](auto&, auto executor, auto& timer) {
                  timer.async_wait(net::bind_executor(
                      executor, cv::bind_context(cv::Context(), [](error_code) {})));
              }),
              0);
}

TEST_F(AsioOwnContext, of_a_handler_that_captures_is_whole_if_that_context_is_current) {
    EXPECT_EQ(holders_after([](auto& context, auto, auto& timer) {
                  const cv::context_executor capturing(context.get_executor());
                  cv::Context().run(
                      [&] { timer.async_wait(net::bind_executor(capturing, [](error_code) {})); });
              }),
              0);
}

TEST_F(AsioOwnContext, is_what_a_task_without_one_does_not_have) {
    EXPECT_GT(holders_after([](auto& context, auto, auto& timer) {
                  cv::co_spawn(
                      context,
                      [&timer]() -> cv::awaitable<void> {
                          error_code error;
                          co_await timer.async_wait(net::redirect_error(net::use_awaitable, error));
                      },
                      net::detached);
              }),
              0);
}

// The axioms of Asio's executors and associators, with few and with many variables bound.

namespace {

/// Calls check() with 0 to 20 variables bound, of small and of large types.
template <class Check>
void with_few_and_many_bound(const Check& check) {
    std::vector<std::unique_ptr<cv::ContextVar<int>>> small;
    std::vector<std::unique_ptr<cv::ContextVar<std::string>>> large;
    for (int i = 0; i != 20; ++i) {
        small.push_back(std::make_unique<cv::ContextVar<int>>("small"));
        large.push_back(std::make_unique<cv::ContextVar<std::string>>("large"));
    }
    for (const std::size_t count : {0U, 1U, 16U, 17U, 20U})
        for (const bool is_large : {false, true})
            isolated([&] {
                for (std::size_t i = 0; i != count; ++i)
                    if (is_large)
                        large[i]->set(text_of(1));
                    else
                        small[i]->set(1);
                check();
            });
}

template <class E>
void expect_axioms_of(const E& executor) {
    namespace execution = net::execution;
    const auto expect_equality = [](const auto& one) {
        const auto copy = one;
        auto assigned = copy;
        assigned = one;
        auto moved = std::move(assigned);
        EXPECT_TRUE(copy == one);
        EXPECT_TRUE(one == copy);
        EXPECT_TRUE(moved == one);
        EXPECT_FALSE(copy != one);
        const net::any_io_executor erased = one;
        const net::any_io_executor copy_of_erased = erased;
        EXPECT_EQ(erased, copy_of_erased);
        EXPECT_EQ(erased, net::any_io_executor(one));
    };
    expect_equality(executor);
    const auto tracked = net::prefer(executor, execution::outstanding_work.tracked);
    expect_equality(tracked);
    EXPECT_TRUE(net::prefer(tracked, execution::outstanding_work.tracked) == tracked);
    EXPECT_TRUE(net::prefer(executor, execution::outstanding_work.tracked) == tracked);
    const auto never = net::require(tracked, execution::blocking.never);
    expect_equality(never);
    EXPECT_TRUE(net::require(never, execution::blocking.never) == never);
    if constexpr (net::can_query<decltype(never), execution::outstanding_work_t>::value) {
        EXPECT_EQ(net::query(tracked, execution::outstanding_work),
                  execution::outstanding_work.tracked);
        EXPECT_EQ(net::query(never, execution::blocking), execution::blocking.never);
    }
    EXPECT_EQ(&net::query(tracked, execution::context), &net::query(executor, execution::context));
    EXPECT_EQ(&net::query(never, execution::context), &net::query(executor, execution::context));
    const auto guard = net::make_work_guard(executor);
    const auto other = guard;
    EXPECT_TRUE(guard.get_executor() == other.get_executor());
}

} // namespace

TEST_F(AsioExecutor, that_captures_obeys_the_axioms_however_much_is_bound) {
    net::io_context context;
    const cv::context_executor executor(context.get_executor());
    with_few_and_many_bound([&] {
        expect_axioms_of(executor);
        expect_axioms_of(cv::make_strand(context));
        expect_axioms_of(net::make_strand(executor));
        expect_axioms_of(net::any_io_executor(executor));
        // What co_spawn puts under a task.
        expect_axioms_of(cv::asio_detail::carrying(context.get_executor()));
        expect_axioms_of(cv::asio_detail::carrying(net::make_strand(context)));
        expect_axioms_of(
            cv::asio_detail::carrying(net::make_strand(net::any_io_executor(executor))));
    });
}

TEST_F(AsioExecutor, allocator_and_slot_of_a_bound_handler_are_the_handler_s_own) {
    net::io_context context;
    net::io_context other;
    const auto plain = [](error_code) {};
    const auto with_executor = net::bind_executor(context.get_executor(), plain);
    with_few_and_many_bound([&] {
        const auto expect_same = [&](const auto& handler) {
            const auto bound = cv::bind_context(handler);
            const auto copy = bound;
            const auto fallback = other.get_executor();
            EXPECT_TRUE(net::get_associated_executor(bound) ==
                        net::get_associated_executor(handler));
            EXPECT_TRUE(net::get_associated_executor(copy, fallback) ==
                        net::get_associated_executor(handler, fallback));
            EXPECT_TRUE(net::get_associated_allocator(bound) ==
                        net::get_associated_allocator(handler));
#if CONTEXTVARS_TESTS_HAS_CANCELLATION
            net::cancellation_signal signal;
            const auto slotted = net::bind_cancellation_slot(signal.slot(), handler);
            EXPECT_TRUE(net::get_associated_cancellation_slot(bound) ==
                        net::get_associated_cancellation_slot(handler));
            EXPECT_TRUE(net::get_associated_cancellation_slot(cv::bind_context(slotted)) ==
                        signal.slot());
            EXPECT_TRUE(net::get_associated_cancellation_slot(copy, signal.slot()) ==
                        signal.slot());
#endif
        };
        expect_same(plain);
        expect_same(with_executor);
    });
}

TEST_F(AsioExecutor, that_tracks_other_bindings_is_another) {
    net::io_context context;
    const cv::context_executor executor(context.get_executor());
    const auto before = net::prefer(executor, net::execution::outstanding_work.tracked);
    set_marks(1);
    const auto after = net::prefer(executor, net::execution::outstanding_work.tracked);
    EXPECT_FALSE(before == after);
}
