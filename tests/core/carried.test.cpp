// SPDX-License-Identifier: MIT
//
// carried(awaitable): for coroutines whose promise knows nothing of contexts. What is awaited is completed in
// each of several ways, in coroutines that begin in each of several ways.
#include <contextvars/coroutine.hpp>

#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"
#include "support/marks.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <coroutine>
#include <deque>
#include <exception>
#include <latch>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <type_traits>
#include <utility>

namespace cv = contextvars;
using contextvars_tests::has_marks;
using contextvars_tests::isolated;
using contextvars_tests::number;
using contextvars_tests::set_marks;
using CarriedTest = contextvars_tests::Isolated;

namespace {

struct eager {
    using initial = std::suspend_never;
};
struct lazy {
    using initial = std::suspend_always;
};

/// Somebody else's coroutine: nothing can be derived from its promise.
template <class How>
class task {
public:
    struct promise_type;
    using handle_type = std::coroutine_handle<promise_type>;

    struct promise_type final {
        // nullptr, then the coroutine that awaits, then `finished`. The one that comes second, of that
        // coroutine and the end, resumes it: an eager one may end on another thread at any time.
        std::atomic<void*> state = nullptr;
        std::exception_ptr thrown;

        task get_return_object() { return task(handle_type::from_promise(*this)); }
        typename How::initial initial_suspend() noexcept { return {}; }
        auto final_suspend() noexcept {
            struct awaiter {
                bool await_ready() const noexcept { return false; }
                std::coroutine_handle<> await_suspend(handle_type self) const noexcept {
                    void* const caller = self.promise().state.exchange(&finished);
                    return caller != nullptr ? std::coroutine_handle<>::from_address(caller)
                                             : std::noop_coroutine();
                }
                void await_resume() const noexcept {}
            };
            return awaiter{};
        }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { thrown = std::current_exception(); }
    };

    task(task&& other) noexcept : handle_(std::exchange(other.handle_, {})) {}
    task& operator=(task&&) = delete;
    ~task() { destroy(); }

    bool await_ready() const noexcept { return done(); }
    std::coroutine_handle<> await_suspend(std::coroutine_handle<> caller) const noexcept {
        void* none = nullptr;
        if (!handle_.promise().state.compare_exchange_strong(none, caller.address()))
            return caller;
        return std::is_same_v<How, lazy> ? std::coroutine_handle<>(handle_) : std::noop_coroutine();
    }
    void await_resume() const {
        if (handle_.promise().thrown)
            std::rethrow_exception(handle_.promise().thrown);
    }

    void start() const {
        if (std::is_same_v<How, lazy>)
            handle_.resume();
    }
    bool done() const noexcept { return handle_.promise().state == &finished; }
    void destroy() {
        if (handle_)
            std::exchange(handle_, {}).destroy();
    }

private:
    explicit task(handle_type handle) : handle_(handle) {}

    static inline char finished = 0;

    handle_type handle_;
};

/// Ways to complete what is awaited. Each resumes with bindings of its own, which it must have again.
constexpr int other_mark = 666;

void resume_elsewhere(std::coroutine_handle<> handle) {
    isolated([&] {
        set_marks(other_mark);
        handle.resume();
        EXPECT_TRUE(has_marks(other_mark));
        EXPECT_EQ(cv::copy_context().size(), 2U);
    });
}

struct at_once {
    bool await_ready() const noexcept { return true; }
    void await_suspend(std::coroutine_handle<>) const noexcept {}
    void await_resume() const noexcept {}
    static void finish() {}
};
struct at_once_after_all {
    bool await_ready() const noexcept { return false; }
    bool await_suspend(std::coroutine_handle<>) const noexcept {
        set_marks(other_mark);
        return false;
    }
    void await_resume() const noexcept {}
    static void finish() {}
};

std::deque<std::coroutine_handle<>> queue;
struct by_a_queue {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const { queue.push_back(handle); }
    void await_resume() const noexcept {}
    static void finish() {
        for (; !queue.empty(); queue.pop_front())
            resume_elsewhere(queue.front());
    }
};

std::atomic<int> running = 0; // a thread starts the next before it ends
void begin_thread(std::coroutine_handle<> handle) {
    ++running;
    std::thread([handle] {
        resume_elsewhere(handle);
        if (--running == 0)
            running.notify_all();
    }).detach();
}
struct by_a_thread {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const { begin_thread(handle); }
    void await_resume() const noexcept {}
    static void finish() {
        for (int left = running; left != 0; left = running)
            running.wait(left);
    }
};

struct before_it_has_suspended {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const { resume_elsewhere(handle); }
    void await_resume() const noexcept {}
    static void finish() {}
};

struct on_a_thread_before_it_has_suspended {
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> handle) const {
        std::latch resumed(1); // on this stack: the coroutine may be gone when it is counted
        std::thread([&] {
            resume_elsewhere(handle);
            resumed.count_down();
        }).detach();
        resumed.wait();
    }
    void await_resume() const noexcept {}
    static void finish() {}
};

struct with_an_exception : by_a_queue {
    void await_resume() const { throw std::runtime_error("what was awaited failed"); }
};

template <class How, class Completion>
task<How> awaits(int& steps) {
    set_marks(1);
    for (int mark = 1; mark != 4; ++mark) {
        set_marks(mark);
        bool caught = false;
        try {
            co_await cv::carried(Completion{});
        } catch (const std::runtime_error&) {
            caught = true;
        }
        EXPECT_EQ(caught, (std::is_same_v<Completion, with_an_exception>));
        EXPECT_TRUE(has_marks(mark));
        ++steps;
    }
}

/// Awaits a coroutine, which sets something, by symmetric transfer.
template <class How, class Completion>
task<How> awaits_a_task(int& steps) {
    for (int mark = 10; mark != 13; ++mark) {
        set_marks(mark);
        co_await cv::carried(awaits<lazy, Completion>(steps));
        EXPECT_TRUE(has_marks(mark));
        // What begins at once does so before carried() is called.
        co_await cv::carried(
            cv::copy_context().run([&] { return awaits<eager, Completion>(steps); }));
        EXPECT_TRUE(has_marks(mark));
    }
}

template <class How, class Completion>
void expect_right() {
    int steps = 0;
    isolated([&] {
        const auto alone = awaits<How, Completion>(steps);
        alone.start();
        Completion::finish();
        EXPECT_TRUE(alone.done());
    });
    EXPECT_EQ(steps, 3);
    isolated([&] {
        const auto nested = awaits_a_task<How, Completion>(steps);
        nested.start();
        Completion::finish();
        EXPECT_TRUE(nested.done());
    });
    EXPECT_EQ(steps, 3 + 18);
}

template <class Completion>
void expect_right_lazy_and_eager() {
    expect_right<lazy, Completion>();
    expect_right<eager, Completion>();
}

} // namespace

TEST_F(CarriedTest, what_completes_at_once_leaves_the_bindings) {
    expect_right_lazy_and_eager<at_once>();
    expect_right_lazy_and_eager<at_once_after_all>();
}

TEST_F(CarriedTest, what_a_queue_completes_goes_on_with_the_bindings) {
    expect_right_lazy_and_eager<by_a_queue>();
}

TEST_F(CarriedTest, what_a_thread_completes_goes_on_with_the_bindings) {
    expect_right_lazy_and_eager<by_a_thread>();
}

TEST_F(CarriedTest, what_is_completed_before_it_has_suspended_goes_on_with_the_bindings) {
    expect_right_lazy_and_eager<before_it_has_suspended>();
    expect_right_lazy_and_eager<on_a_thread_before_it_has_suspended>();
}

TEST_F(CarriedTest, what_fails_goes_on_with_the_bindings) {
    expect_right_lazy_and_eager<with_an_exception>();
}

TEST_F(CarriedTest, captures_at_the_call) {
    std::optional<bool> right;
    const auto waits = [&]() -> task<lazy> {
        set_marks(1);
        auto carried = cv::carried(by_a_queue{});
        set_marks(2);
        co_await std::move(carried);
        right = has_marks(1);
    };
    isolated([&] {
        const auto waiting = waits();
        waiting.start();
        by_a_queue::finish();
        EXPECT_EQ(right, true);
    });
}

TEST_F(CarriedTest, no_bindings_are_restored_as_well) {
    const auto waits = []() -> task<lazy> {
        co_await cv::carried(by_a_queue{});
        EXPECT_TRUE(cv::copy_context().empty());
        co_await cv::carried(at_once_after_all{});
        EXPECT_TRUE(cv::copy_context().empty());
    };
    isolated([&] {
        const auto waiting = waits();
        waiting.start();
        by_a_queue::finish();
        EXPECT_TRUE(waiting.done());
    });
}

TEST_F(CarriedTest, a_coroutine_destroyed_while_it_waits_gives_its_bindings_back) {
    const auto value = std::make_shared<int>(0);
    cv::ContextVar<std::shared_ptr<int>> held{"held"};
    const auto waits = [&](auto nested) -> task<lazy> {
        held.set(value);
        co_await cv::carried(nested());
    };
    isolated([&] {
        set_marks(1);
        auto by_its_owner = waits([] { return by_a_queue{}; });
        cv::Context().run([&] { by_its_owner.start(); });
        EXPECT_GT(value.use_count(), 1);
        by_its_owner.destroy();
        EXPECT_EQ(value.use_count(), 1);
        EXPECT_TRUE(has_marks(1));
        queue.clear();
    });
}

TEST_F(CarriedTest, a_handle_that_is_destroyed_destroys_the_coroutine) {
    struct detached {
        struct promise_type {
            detached get_return_object() noexcept { return {}; }
            std::suspend_never initial_suspend() noexcept { return {}; }
            std::suspend_never final_suspend() noexcept { return {}; }
            void return_void() noexcept {}
            void unhandled_exception() noexcept { std::terminate(); }
        };
    };
    const auto value = std::make_shared<int>(0);
    [](std::shared_ptr<int>) -> detached { co_await cv::carried(by_a_queue{}); }(value);
    EXPECT_EQ(value.use_count(), 2);
    queue.front().destroy();
    queue.clear();
    EXPECT_EQ(value.use_count(), 1);
}

TEST_F(CarriedTest, a_loop_in_which_everything_completes_at_once_needs_no_stack) {
    constexpr int rounds = 1'000'000;
    int done = 0;
    const auto nothing = []() -> task<lazy> { co_return; };
    const auto loops = [&]() -> task<lazy> {
        number.set(1);
        for (int i = 0; i != rounds; ++i) {
            co_await cv::carried(nothing());
            done += number.get();
        }
    };
    isolated([&] {
        const auto looping = loops();
        looping.start();
        EXPECT_TRUE(looping.done());
    });
    EXPECT_EQ(done, rounds);
}
