// SPDX-License-Identifier: MIT
//
// context_promise: coroutines of a type of one's own keep one context from their start to their end.
#include <contextvars/coroutine.hpp>

#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"
#include "support/marks.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <coroutine>
#include <exception>
#include <functional>
#include <memory>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::has_marks;
using contextvars_tests::isolated;
using contextvars_tests::number;
using contextvars_tests::RecordedDiagnostics;
using contextvars_tests::set_marks;
using contextvars_tests::text;
using contextvars_tests::text_of;
using CoroutineTest = contextvars_tests::Isolated;

namespace {

/// A coroutine that nobody awaits; who has it resumes it. With Final = suspend_never its frame goes with
/// its end.
template <class Initial = std::suspend_always, class Final = std::suspend_always>
class coroutine {
public:
    struct promise_type : cv::context_promise<promise_type> {
        std::exception_ptr thrown;
        int number_at_exception = -1;

        coroutine get_return_object() {
            return coroutine(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        auto initial_suspend() noexcept { return this->starts(Initial{}); }
        auto final_suspend() noexcept { return this->ends(Final{}); }
        void return_void() noexcept {}
        void unhandled_exception() noexcept {
            thrown = std::current_exception();
            number_at_exception = number.get(-1);
        }
    };

    coroutine(coroutine&& other) noexcept : handle(std::exchange(other.handle, {})) {}
    coroutine& operator=(coroutine&&) = delete;
    ~coroutine() {
        if (std::is_same_v<Final, std::suspend_always> && handle)
            handle.destroy();
    }

    std::coroutine_handle<promise_type> handle;

private:
    explicit coroutine(std::coroutine_handle<promise_type> h) : handle(h) {}
};

static_assert(!std::is_copy_constructible_v<coroutine<>::promise_type>);
static_assert(!std::is_move_constructible_v<coroutine<>::promise_type>);

/// What final awaiters have read of `number`.
std::vector<int> read_at_the_end;

/// A coroutine that another one awaits, whose context it shares.
class callee {
public:
    struct promise_type : cv::context_promise<promise_type> {
        std::coroutine_handle<> caller;
        std::exception_ptr thrown;

        callee get_return_object() {
            return callee(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        auto initial_suspend() noexcept { return starts(std::suspend_always{}); }
        auto final_suspend() noexcept {
            struct awaiter {
                bool await_ready() const noexcept { return false; }
                std::coroutine_handle<>
                await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                    read_at_the_end.push_back(number.get(-1));
                    return self.promise().caller;
                }
                void await_resume() const noexcept {}
            };
            return ends(awaiter{});
        }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { thrown = std::current_exception(); }
    };

    callee(callee&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    callee& operator=(callee&&) = delete;
    ~callee() {
        if (handle_)
            handle_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    template <class Caller>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Caller> caller) const noexcept {
        handle_.promise().caller = caller;
        handle_.promise().join(caller.promise());
        return handle_;
    }
    void await_resume() const {
        if (handle_.promise().thrown)
            std::rethrow_exception(handle_.promise().thrown);
    }

private:
    explicit callee(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

/// An awaiter that calls `initiate` in await_suspend, and returns what that returns.
template <class Result>
struct initiates {
    std::function<Result(std::coroutine_handle<>)> initiate;
    bool await_ready() const noexcept { return false; }
    Result await_suspend(std::coroutine_handle<> handle) const { return initiate(handle); }
    void await_resume() const noexcept {}
};

} // namespace

TEST_F(CoroutineTest, begins_with_a_copy_of_the_context_in_which_it_is_called) {
    set_marks(1);
    const auto body = []() -> coroutine<> {
        EXPECT_TRUE(has_marks(1));
        set_marks(2);
        co_return;
    };
    const auto called = body();
    set_marks(3);
    called.handle.resume();
    EXPECT_TRUE(called.handle.done());
    EXPECT_TRUE(has_marks(3));
}

TEST_F(CoroutineTest, keeps_its_context_between_its_steps_and_gives_the_thread_its_own_back) {
    const auto body = []() -> coroutine<> {
        for (int mark = 10; mark != 15; ++mark) {
            set_marks(mark);
            co_await std::suspend_always{};
            EXPECT_TRUE(has_marks(mark));
        }
    };
    const auto a = body();
    const auto b = body();
    set_marks(1);
    while (!a.handle.done()) {
        a.handle.resume();
        EXPECT_TRUE(has_marks(1));
        b.handle.resume();
        EXPECT_TRUE(has_marks(1));
    }
    EXPECT_TRUE(b.handle.done());
}

TEST_F(CoroutineTest, goes_on_in_its_context_on_another_thread) {
    const auto body = []() -> coroutine<> {
        set_marks(1);
        auto token = number.set(2);
        {
            const auto scope = text.scoped("scoped");
            co_await std::suspend_always{};
            EXPECT_EQ(number.get(), 2);
            EXPECT_EQ(text.get(), "scoped");
        }
        number.reset(token);
        EXPECT_TRUE(has_marks(1));
        co_await std::suspend_always{};
        EXPECT_TRUE(has_marks(1));
    };
    const auto moves = body();
    moves.handle.resume();
    std::thread([&] {
        set_marks(9);
        moves.handle.resume();
        EXPECT_TRUE(has_marks(9));
    }).join();
    moves.handle.resume();
    EXPECT_TRUE(moves.handle.done());
}

TEST_F(CoroutineTest, that_starts_at_once_gives_the_caller_its_own_context_back) {
    set_marks(1);
    const auto body = [](bool suspends) -> coroutine<std::suspend_never> {
        EXPECT_TRUE(has_marks(1));
        set_marks(2);
        if (suspends)
            co_await std::suspend_always{};
        EXPECT_TRUE(has_marks(2));
    };
    const auto ends_at_once = body(false);
    EXPECT_TRUE(ends_at_once.handle.done());
    EXPECT_TRUE(has_marks(1));
    const auto suspended = body(true);
    EXPECT_TRUE(has_marks(1));
    suspended.handle.resume();
    EXPECT_TRUE(suspended.handle.done());
    EXPECT_TRUE(has_marks(1));
}

TEST_F(CoroutineTest, whose_frame_goes_with_its_end_gives_the_thread_its_own_context_back) {
    const auto value = std::make_shared<int>(0);
    cv::ContextVar<std::shared_ptr<int>> held{"held"};
    set_marks(1);
    const auto body = [&]() -> coroutine<std::suspend_always, std::suspend_never> {
        set_marks(2);
        held.set(value);
        co_return;
    };
    body().handle.resume();
    EXPECT_TRUE(has_marks(1));
    EXPECT_EQ(value.use_count(), 1);
}

namespace {

/// An initial awaiter that does not suspend if `ready`, and else is resumed by its await_suspend.
template <bool ready>
struct resumed_where_it_starts {
    static inline int suspended = 0;
    bool await_ready() const noexcept { return ready; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept {
        ++suspended;
        EXPECT_TRUE(has_marks(1)) << "it runs in the caller's context";
        set_marks(6);
        handle.resume();
    }
    void await_resume() const noexcept {
        EXPECT_TRUE(has_marks(1)) << "and this in the coroutine's, which is a copy of before";
    }
};

} // namespace

TEST_F(CoroutineTest, asks_the_initial_awaiter_in_the_right_contexts) {
    set_marks(1);
    const auto waits = []() -> coroutine<resumed_where_it_starts<false>> {
        set_marks(2);
        co_return;
    };
    const auto ready = []() -> coroutine<resumed_where_it_starts<true>> {
        set_marks(2);
        co_return;
    };
    const auto b = ready();
    EXPECT_TRUE(has_marks(1));
    const auto a = waits();
    EXPECT_TRUE(has_marks(6));
    EXPECT_TRUE(a.handle.done() && b.handle.done());
    EXPECT_EQ(resumed_where_it_starts<false>::suspended, 1);
    EXPECT_EQ(resumed_where_it_starts<true>::suspended, 0);
}

namespace {

struct yields {
    int value;
    bool ready;
    bool await_ready() const noexcept { return ready; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    int await_resume() const { return value * 100 + number.get(-1); }
};
struct with_member_operator {
    bool ready;
    yields operator co_await() const& { return {1, ready}; }
    yields operator co_await() && { return {2, ready}; }
};
struct with_free_operator {
    bool ready;
};
yields operator co_await(const with_free_operator& awaited) { return {3, awaited.ready}; }
/// Neither copied nor moved: what is awaited is the object itself.
struct pinned : yields {
    explicit pinned(bool is_ready) : yields{4, is_ready} {}
    pinned(const pinned&) = delete;
};

} // namespace

TEST_F(CoroutineTest, awaits_by_either_operator_co_await_and_by_an_awaiter_itself) {
    number.set(1);
    std::vector<int> seen;
    const auto body = [&seen]() -> coroutine<> {
        for (const bool ready : {false, true}) {
            number.set(ready ? 8 : 7);
            const with_member_operator member{ready};
            seen.push_back(co_await member);
            seen.push_back(co_await with_member_operator{ready});
            seen.push_back(co_await with_free_operator{ready});
            pinned awaiter(ready);
            seen.push_back(co_await awaiter);
            seen.push_back(co_await pinned(ready));
            seen.push_back(co_await yields{5, ready});
        }
    };
    const auto awaits = body();
    int resumptions = 0;
    for (; !awaits.handle.done(); ++resumptions) {
        awaits.handle.resume();
        EXPECT_EQ(number.get(), 1);
    }
    EXPECT_EQ(seen, (std::vector<int>{107, 207, 307, 407, 407, 507, 108, 208, 308, 408, 408, 508}));
    EXPECT_EQ(resumptions, 7) << "six suspensions, and none where an awaiter is ready";
}

TEST_F(CoroutineTest, is_suspended_as_its_awaiter_says) {
    set_marks(1);
    std::coroutine_handle<> parked;
    const auto body = [&parked]() -> coroutine<> {
        set_marks(2);
        co_await initiates<void>{[&](std::coroutine_handle<> handle) { parked = handle; }};
        EXPECT_TRUE(has_marks(2));
        set_marks(3);
        co_await initiates<bool>{[&](std::coroutine_handle<>) { return true; }};
        EXPECT_TRUE(has_marks(3));
        set_marks(4);
        co_await initiates<bool>{[](std::coroutine_handle<>) { return false; }}; // goes on at once
        EXPECT_TRUE(has_marks(4));
        set_marks(5);
        co_await initiates<std::coroutine_handle<>>{
            [](std::coroutine_handle<> handle) { return handle; }};
        EXPECT_TRUE(has_marks(5));
    };
    const auto suspends = body();
    suspends.handle.resume();
    EXPECT_EQ(parked, suspends.handle);
    EXPECT_TRUE(has_marks(1));
    parked.resume();
    EXPECT_FALSE(suspends.handle.done());
    EXPECT_TRUE(has_marks(1));
    suspends.handle.resume();
    EXPECT_TRUE(suspends.handle.done());
    EXPECT_TRUE(has_marks(1));
}

TEST_F(CoroutineTest, that_transfers_to_another_one_leaves_it_its_own_context) {
    set_marks(1);
    const auto other_body = []() -> coroutine<> {
        EXPECT_TRUE(has_marks(1));
        set_marks(3);
        co_await std::suspend_always{};
        EXPECT_TRUE(has_marks(3));
    };
    const auto other = other_body();
    const auto body = [&other]() -> coroutine<> {
        set_marks(2);
        for (int i = 0; i != 2; ++i) {
            co_await initiates<std::coroutine_handle<>>{
                [&other](std::coroutine_handle<>) { return other.handle; }};
            EXPECT_TRUE(has_marks(2));
        }
    };
    const auto transfers = body();
    transfers.handle.resume();
    EXPECT_TRUE(has_marks(1)) << "the other one has suspended";
    transfers.handle.resume();
    EXPECT_TRUE(other.handle.done());
    EXPECT_TRUE(has_marks(1)) << "the other one has ended";
    transfers.handle.resume();
    EXPECT_TRUE(transfers.handle.done());
}

TEST_F(CoroutineTest, runs_what_it_starts_in_a_copy_of_its_context) {
    const auto body = []() -> coroutine<> {
        set_marks(2);
        co_await initiates<void>{[](std::coroutine_handle<>) {
            EXPECT_TRUE(has_marks(2));
            set_marks(3);
            EXPECT_TRUE(has_marks(3));
        }};
        EXPECT_TRUE(has_marks(2));
    };
    set_marks(1);
    const auto starts = body();
    starts.handle.resume();
    EXPECT_TRUE(has_marks(1));
    starts.handle.resume();
    EXPECT_TRUE(starts.handle.done());
}

TEST_F(CoroutineTest, may_be_resumed_by_another_thread_before_await_suspend_returns) {
    set_marks(1);
    const auto body = []() -> coroutine<> {
        set_marks(2);
        co_await initiates<void>{[](std::coroutine_handle<> handle) {
            std::thread([handle] {
                handle.resume(); // to its end
                EXPECT_EQ(number.try_get(), nullptr);
            }).join();
            EXPECT_TRUE(has_marks(2)) << "what it started still has a copy";
        }};
        EXPECT_TRUE(has_marks(2));
        set_marks(3);
    };
    const auto starts = body();
    starts.handle.resume();
    EXPECT_TRUE(starts.handle.done());
    EXPECT_TRUE(has_marks(1));
}

TEST_F(CoroutineTest, catches_what_awaiting_throws_in_its_own_context) {
    struct throws_at_the_end : std::suspend_always {
        [[noreturn]] void await_resume() const { throw std::runtime_error("await_resume"); }
    };
    const auto body = [](int& caught) -> coroutine<> {
        set_marks(2);
        try {
            co_await initiates<void>{
                [](std::coroutine_handle<>) { throw std::runtime_error("await_suspend"); }};
        } catch (const std::runtime_error&) {
            ++caught;
            EXPECT_TRUE(has_marks(2));
            set_marks(3);
        }
        EXPECT_TRUE(has_marks(3));
        try {
            co_await throws_at_the_end();
        } catch (const std::runtime_error&) {
            ++caught;
            EXPECT_TRUE(has_marks(3));
        }
    };
    set_marks(1);
    int caught = 0;
    const auto catches = body(caught);
    catches.handle.resume();
    EXPECT_TRUE(has_marks(1));
    EXPECT_EQ(caught, 1);
    catches.handle.resume();
    EXPECT_EQ(caught, 2);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(CoroutineTest, that_throws_gives_the_thread_its_own_context_back) {
    for (const bool suspends : {false, true}) {
        const auto body = [suspends]() -> coroutine<> {
            const auto scope = number.scoped(3);
            if (suspends)
                co_await std::suspend_always{};
            throw std::runtime_error("thrown by a coroutine");
        };
        set_marks(1);
        const auto throws = body();
        set_marks(5);
        while (!throws.handle.done()) {
            throws.handle.resume();
            EXPECT_TRUE(has_marks(5));
        }
        EXPECT_THROW(std::rethrow_exception(throws.handle.promise().thrown), std::runtime_error);
        EXPECT_EQ(throws.handle.promise().number_at_exception, 1)
            << "its guard has ended, and the context is still its own";
    }
}

namespace {

/// Suspends, and is resumed through `parked`.
std::coroutine_handle<> parked;
struct parks {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const noexcept { parked = handle; }
    void await_resume() const noexcept {}
};

callee sets_after_each_step(int mark) {
    EXPECT_TRUE(has_marks(mark - 1));
    set_marks(mark);
    co_await parks();
    EXPECT_TRUE(has_marks(mark));
    set_marks(mark + 1);
}
callee calls_one_that_sets(int mark) {
    EXPECT_TRUE(has_marks(mark - 1));
    set_marks(mark);
    co_await sets_after_each_step(mark + 1);
    EXPECT_TRUE(has_marks(mark + 2));
    set_marks(mark + 3);
}
callee throws_after_it_has_set(int mark, bool suspends) {
    const auto scope = number.scoped(-5);
    text.set(text_of(mark));
    if (suspends)
        co_await parks();
    throw std::runtime_error("thrown by a callee");
}
callee calls_itself(int depth) {
    number.set(depth);
    if (depth != 0)
        co_await calls_itself(depth - 1);
}

} // namespace

TEST_F(CoroutineTest, that_is_awaited_shares_the_context_of_its_caller) {
    const auto body = []() -> coroutine<> {
        set_marks(1);
        auto token = number.set(1);
        const auto called_before = calls_one_that_sets(3);
        set_marks(2);
        co_await called_before; // in what is current now, not in what was where it was called
        EXPECT_TRUE(has_marks(6));
        number.reset(token);
        EXPECT_EQ(number.get(), 1);
    };
    set_marks(100);
    const auto calls = body();
    calls.handle.resume();
    EXPECT_TRUE(has_marks(100));
    std::thread([] {
        parked.resume();
        EXPECT_EQ(number.try_get(), nullptr);
    }).join();
    EXPECT_TRUE(calls.handle.done());
    EXPECT_TRUE(has_marks(100));
}

TEST_F(CoroutineTest,
       that_is_awaited_ends_in_its_caller_s_context_and_another_one_in_the_thread_s) {
    struct final_awaiter : std::suspend_always {
        bool await_ready() const noexcept {
            read_at_the_end.push_back(number.get(-1));
            return false;
        }
    };
    const auto body = []() -> coroutine<std::suspend_always, final_awaiter> {
        number.set(2);
        co_await calls_itself(0);
        number.set(3);
    };
    number.set(1);
    read_at_the_end.clear();
    const auto calls = body();
    calls.handle.resume();
    EXPECT_EQ(read_at_the_end, (std::vector<int>{0, 1}));
    calls.handle.destroy();
}

TEST_F(CoroutineTest, that_is_awaited_and_throws_leaves_its_caller_what_it_had_set) {
    set_marks(1);
    for (const bool suspends : {false, true}) {
        const auto body = [suspends]() -> coroutine<> {
            set_marks(2);
            bool caught = false;
            try {
                co_await throws_after_it_has_set(3, suspends);
            } catch (const std::runtime_error&) {
                caught = true;
                EXPECT_EQ(number.get(), 2) << "its guard has ended";
                EXPECT_EQ(text.get(), text_of(3));
            }
            EXPECT_TRUE(caught);
        };
        const auto calls = body();
        calls.handle.resume();
        if (suspends)
            parked.resume();
        EXPECT_TRUE(calls.handle.done());
        EXPECT_TRUE(has_marks(1));
    }
}

TEST_F(CoroutineTest, that_is_awaited_a_thousand_deep_shares_the_context_of_all) {
    const auto body = []() -> coroutine<> {
        number.set(-7);
        co_await calls_itself(1000);
        EXPECT_EQ(number.get(), 0);
    };
    read_at_the_end.clear();
    const auto calls = body();
    calls.handle.resume();
    EXPECT_TRUE(calls.handle.done());
    EXPECT_EQ(read_at_the_end, std::vector<int>(1001, 0));
    EXPECT_EQ(number.try_get(), nullptr);
}

TEST_F(CoroutineTest, starts_in_the_flow_that_it_is_given) {
    const auto body = []() -> coroutine<> {
        EXPECT_TRUE(has_marks(1));
        set_marks(2);
        co_await std::suspend_always{};
        EXPECT_TRUE(has_marks(2));
        set_marks(3);
    };
    cv::Context context;
    context.run([] { set_marks(1); });
    set_marks(9);
    {
        const auto starts = body();
        starts.handle.promise().start_in(cv::ext::flow(context));
        starts.handle.resume();
        EXPECT_EQ(context[number], 2);
        EXPECT_TRUE(has_marks(9));
        EXPECT_THROW(context.run([] {}), cv::RuntimeError) << "it is reserved";
        starts.handle.resume();
        EXPECT_TRUE(has_marks(9));
    }
    context.run([] { EXPECT_TRUE(has_marks(3)); });

    const auto copies = body();
    copies.handle.promise().start_in(
        cv::ext::flow(cv::ext::snapshot(context.with(number.to(1), text.to(text_of(1))))));
    copies.handle.resume();
    copies.handle.resume();
    EXPECT_TRUE(copies.handle.done());
    EXPECT_TRUE(has_marks(9));
}

TEST_F(CoroutineTest, that_was_to_share_a_context_may_start_in_a_flow_after_all) {
    const auto body = []() -> coroutine<> {
        number.set(number.get() + 1);
        co_await std::suspend_always{};
    };
    number.set(1);
    const auto caller = body();
    const auto starts = body();
    starts.handle.promise().join(caller.handle.promise());
    cv::Context context;
    context.run([] { number.set(5); });
    starts.handle.promise().start_in(cv::ext::flow(context));
    starts.handle.resume();
    EXPECT_EQ(context[number], 6);
    EXPECT_EQ(number.get(), 1);
    starts.handle.resume(); // to its end, where it is a root again
    EXPECT_EQ(number.get(), 1);
}

TEST_F(CoroutineTest, that_is_destroyed_releases_its_bindings_and_changes_nothing) {
    const RecordedDiagnostics diagnostics;
    const auto value = std::make_shared<int>(0);
    cv::ContextVar<std::shared_ptr<int>> held{"held"};
    std::vector<int> seen;
    struct sees_its_end {
        std::vector<int>& seen;
        ~sees_its_end() { seen.push_back(number.get(-1)); }
    };
    const auto body = [&]() -> coroutine<> {
        const sees_its_end end{seen};
        const auto scope = number.scoped(3);
        held.set(value);
        co_await std::suspend_always{};
        ADD_FAILURE() << "nobody resumed it";
    };
    number.set(1);
    {
        const auto never_resumed = body();
        const auto suspended = body();
        suspended.handle.resume();
        EXPECT_EQ(value.use_count(), 2);
    }
    auto suspended = std::make_unique<coroutine<>>(body());
    suspended->handle.resume();
    std::thread([&] {
        number.set(4);
        suspended.reset();
        EXPECT_EQ(number.get(), 4);
    }).join();
    EXPECT_EQ(seen, (std::vector<int>{1, 4})) << "the context of who destroys it is current";
    EXPECT_EQ(value.use_count(), 1);
    EXPECT_EQ(number.get(), 1);
    EXPECT_TRUE(diagnostics.empty());
}

TEST_F(CoroutineTest, that_ended_releases_its_bindings_when_its_frame_goes) {
    const auto value = std::make_shared<int>(0);
    cv::ContextVar<std::shared_ptr<int>> held{"held"};
    const auto body = [&]() -> coroutine<> {
        held.set(value);
        co_return;
    };
    {
        const auto ends = body();
        ends.handle.resume();
        EXPECT_EQ(value.use_count(), 2);
    }
    EXPECT_EQ(value.use_count(), 1);
}

namespace {

/// Its coroutines may await numbers, as suspensions that give ten times as much.
class awaits_numbers {
public:
    struct promise_type : cv::context_promise<promise_type> {
        awaits_numbers get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        auto initial_suspend() noexcept { return starts(std::suspend_never{}); }
        auto final_suspend() noexcept { return ends(std::suspend_always{}); }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }

        struct awaiter : std::suspend_always {
            int given;
            int await_resume() const { return 10 * given + number.get(); }
        };
        auto await_transform(int given) {
            return this->context_promise::await_transform(awaiter{{}, given});
        }
    };
    std::coroutine_handle<promise_type> handle;
};

} // namespace

TEST_F(CoroutineTest, may_have_an_await_transform_of_its_own) {
    number.set(1);
    int seen = 0;
    const auto body = [&seen]() -> awaits_numbers {
        number.set(3);
        seen = co_await 7;
        seen += 100 * number.get();
    };
    const auto awaits = body();
    EXPECT_EQ(number.get(), 1);
    awaits.handle.resume();
    EXPECT_EQ(seen, 373);
    EXPECT_EQ(number.get(), 1);
    awaits.handle.destroy();
}

// Ways out of a coroutine besides await and return.

namespace {

/// What is made of yields() and rethrows().
class generator {
public:
    struct promise_type : cv::context_promise<promise_type> {
        int value = 0;

        generator get_return_object() {
            return generator(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        auto initial_suspend() noexcept { return starts(std::suspend_always{}); }
        auto final_suspend() noexcept { return ends(std::suspend_always{}); }
        auto yield_value(int next) {
            value = next;
            return yields(std::suspend_always{});
        }
        void return_void() noexcept {}
        void unhandled_exception() {
            const auto guard = rethrows();
            EXPECT_TRUE(has_marks(2));
            throw;
        }
    };

    generator(generator&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    generator& operator=(generator&&) = delete;
    ~generator() {
        if (handle_)
            handle_.destroy();
    }

    bool next() {
        handle_.resume();
        return !handle_.done();
    }
    int value() const { return handle_.promise().value; }

private:
    explicit generator(std::coroutine_handle<promise_type> handle) : handle_(handle) {}
    std::coroutine_handle<promise_type> handle_;
};

generator up_to(int end, bool fails) {
    set_marks(2);
    for (int i = 0; i != end; ++i) {
        co_yield i;
        EXPECT_TRUE(has_marks(2));
    }
    if (fails)
        throw std::runtime_error("thrown by a generator");
}

} // namespace

TEST_F(CoroutineTest, that_yields_shows_its_consumer_nothing_that_it_sets) {
    set_marks(1);
    auto values = up_to(3, false);
    int sum = 0;
    while (values.next()) {
        EXPECT_TRUE(has_marks(1));
        sum += values.value();
        set_marks(1);
    }
    EXPECT_EQ(sum, 3);
    EXPECT_TRUE(has_marks(1));
}

TEST_F(CoroutineTest, that_is_dropped_where_it_yields_leaves_its_consumer_its_context) {
    set_marks(1);
    {
        auto values = up_to(3, false);
        values.next();
    }
    EXPECT_TRUE(has_marks(1));
}

TEST_F(CoroutineTest, that_is_dropped_inside_another_leaves_that_its_context) {
    const auto body = []() -> coroutine<> {
        set_marks(1);
        {
            auto values = up_to(3, false);
            values.next();
            EXPECT_TRUE(has_marks(1));
            co_await std::suspend_always{};
        }
        EXPECT_TRUE(has_marks(1));
    };
    const auto outer = body();
    outer.handle.resume();
    std::thread([&] { outer.handle.resume(); }).join();
    EXPECT_TRUE(outer.handle.done());
}

TEST_F(CoroutineTest, that_rethrows_gives_its_resumer_its_own_context_back) {
    set_marks(1);
    auto values = up_to(1, true);
    values.next();
    bool caught = false;
    try {
        values.next();
    } catch (const std::runtime_error&) {
        caught = true;
        EXPECT_TRUE(has_marks(1));
    }
    EXPECT_TRUE(caught);
    EXPECT_TRUE(has_marks(1));
}

namespace {

/// A callee that shares its caller's context, and in the end resumes somebody else.
class hands_over {
public:
    struct promise_type : cv::context_promise<promise_type> {
        std::coroutine_handle<> successor;

        hands_over get_return_object() {
            return hands_over(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        auto initial_suspend() noexcept { return starts(std::suspend_always{}); }
        auto final_suspend() noexcept {
            struct awaiter {
                bool await_ready() const noexcept { return false; }
                std::coroutine_handle<>
                await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                    return self.promise().successor;
                }
                void await_resume() const noexcept {}
            };
            return ends(awaiter{});
        }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };

    hands_over(hands_over&& other) noexcept : handle(std::exchange(other.handle, {})) {}
    hands_over& operator=(hands_over&&) = delete;
    ~hands_over() {
        if (handle)
            handle.destroy();
    }

    bool await_ready() const noexcept { return false; }
    template <class Caller>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Caller> caller) const noexcept {
        handle.promise().join(caller.promise());
        return handle;
    }
    void await_resume() const noexcept {}

    std::coroutine_handle<promise_type> handle;

private:
    explicit hands_over(std::coroutine_handle<promise_type> h) : handle(h) {}
};

} // namespace

TEST_F(CoroutineTest, that_ends_by_a_transfer_to_a_third_leaves_that_one_its_own_context) {
    set_marks(1);
    bool seen = false;
    const auto sees = [&]() -> coroutine<> {
        EXPECT_TRUE(has_marks(1));
        seen = true;
        co_return;
    };
    const auto third = sees();
    const auto sets = []() -> hands_over {
        set_marks(2);
        co_return;
    };
    auto callee = sets();
    callee.handle.promise().successor = third.handle;
    const auto awaits = [&]() -> coroutine<> {
        co_await callee;
        EXPECT_TRUE(has_marks(2));
    };
    const auto caller = awaits();
    caller.handle.resume();
    EXPECT_TRUE(seen);
    EXPECT_TRUE(has_marks(1));
    EXPECT_FALSE(caller.handle.done());
    caller.handle.resume();
    EXPECT_TRUE(caller.handle.done());
    EXPECT_TRUE(has_marks(1));
}
