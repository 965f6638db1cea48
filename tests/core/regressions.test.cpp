// SPDX-License-Identifier: MIT
//
// Bugs that systems of other languages and libraries had, each as a test that has the bug's name. Two that
// need programs of their own are tests/consumer/two_modules (opentelemetry-cpp 2534: each module had a
// slot) and tests/hop (a coroutine that hops threads, at every level of optimisation and with each
// compiler). Of the integrations, those of libuv and TBB have the same bugs with real pools and timers.
#include <contextvars/contextvars.hpp>
#include <contextvars/coroutine.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <condition_variable>
#include <coroutine>
#include <cstddef>
#include <deque>
#include <functional>
#include <future>
#include <latch>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;
using contextvars_tests::RecordedDiagnostics;
using RegressionTest = contextvars_tests::Isolated;

namespace {

cv::ContextVar<int> request{"request", 0};
cv::ContextVar<std::shared_ptr<Counted>> held{"held"};

/// One thread that runs what is queued.
class pool {
public:
    pool()
        : thread_([this] {
              for (;;) {
                  std::unique_lock lock(mutex_);
                  changed_.wait(lock, [this] { return !queue_.empty(); });
                  auto next = std::move(queue_.front());
                  queue_.pop_front();
                  lock.unlock();
                  if (!next.valid())
                      return;
                  next();
              }
          }) {}
    pool(const pool&) = delete;
    pool& operator=(const pool&) = delete;
    ~pool() {
        push({});
        thread_.join();
    }

    void push(std::packaged_task<void()> task) {
        {
            const std::lock_guard lock(mutex_);
            queue_.push_back(std::move(task));
        }
        changed_.notify_one();
    }

private:
    std::mutex mutex_;
    std::condition_variable changed_;
    std::deque<std::packaged_task<void()>> queue_;
    std::thread thread_;
};

/// A coroutine that its owner resumes.
class coroutine {
public:
    struct promise_type : cv::context_promise<promise_type> {
        coroutine get_return_object() {
            return coroutine(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        auto initial_suspend() noexcept { return this->starts(std::suspend_always{}); }
        auto final_suspend() noexcept { return this->ends(std::suspend_always{}); }
        void return_void() noexcept {}
        void unhandled_exception() noexcept {}
    };

    coroutine(coroutine&& other) noexcept : handle(std::exchange(other.handle, {})) {}
    coroutine& operator=(coroutine&&) = delete;
    ~coroutine() {
        if (handle)
            handle.destroy();
    }

    std::coroutine_handle<promise_type> handle;

private:
    explicit coroutine(std::coroutine_handle<promise_type> h) : handle(h) {}
};

} // namespace

// oven-sh/bun 43652: a queued callback of a pool ran in another request's context.
TEST_F(RegressionTest, queued_pool_callback_gets_its_own_callers_context) {
    constexpr int count = 100;
    std::vector<int> seen(count);
    {
        pool workers;
        for (int i = 0; i < count; ++i) {
            const auto scope = request.scoped(i);
            workers.push(std::packaged_task<void()>(
                cv::bind_context([&, i] { seen[static_cast<std::size_t>(i)] = request.get(); })));
        }
    }
    for (int i = 0; i < count; ++i)
        EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

// std::async with the deferred policy calls on the thread that asks for the result, in its context.
TEST_F(RegressionTest, deferred_call_runs_in_the_context_of_who_started_it_not_of_who_waits) {
    std::optional<std::future<int>> deferred;
    std::optional<std::future<int>> unbound;
    {
        const auto scope = request.scoped(1);
        deferred =
            std::async(std::launch::deferred, cv::bind_context([] { return request.get(); }));
        unbound = std::async(std::launch::deferred, [] { return request.get(); });
    }
    const auto scope = request.scoped(2);
    EXPECT_EQ(deferred->get(), 1);
    EXPECT_EQ(unbound->get(), 2) << "the wrong way";
    EXPECT_EQ(request.get(), 2);
}

// oven-sh/bun 41359, open-telemetry/opentelemetry-rust 3262: what was shadowed stayed alive in a timer.
TEST_F(RegressionTest, timer_does_not_retain_a_shadowed_value) {
    const NothingLeaks checks;
    std::function<void()> timer;
    std::weak_ptr<Counted> shadowed;
    {
        auto outer = held.set(std::make_shared<Counted>(1));
        shadowed = held.get();
        {
            const auto inner = held.scoped(std::make_shared<Counted>(2));
            timer = cv::bind_context([] { EXPECT_EQ(held.get()->value, 2); });
        }
        held.reset(outer);
        const auto token_ends = std::move(outer);
    }
    EXPECT_TRUE(shadowed.expired());
    timer();
    timer = nullptr;
    EXPECT_TRUE(checks.holds());
}

// OpenTelemetry Java 910, aiohttp 3938: what a request starts for all keeps that request.
TEST_F(RegressionTest, background_loop_does_not_keep_the_request_that_started_it) {
    const NothingLeaks checks;
    std::function<void()> loop;
    {
        const auto scope = held.scoped(std::make_shared<Counted>());
        const auto suppressed = cv::suppress_flow();
        loop = cv::bind_context([] { EXPECT_EQ(held.try_get(), nullptr); });
    }
    EXPECT_TRUE(checks.holds());
    loop();
}

// ArangoDB, ClickHouse, Kotlin 985: a suspension left the coroutine's context on the thread.
TEST_F(RegressionTest, suspension_leaves_no_context_on_the_thread) {
    const auto steps = []() -> coroutine {
        request.set(1);
        co_await std::suspend_never(); // completes at once
        EXPECT_EQ(request.get(), 1);
        co_await std::suspend_always();
        EXPECT_EQ(request.get(), 1);
        throw std::runtime_error("ends by an exception");
    };
    const auto scope = request.scoped(7);
    coroutine ends = steps();
    EXPECT_EQ(request.get(), 7);
    ends.handle.resume();
    EXPECT_EQ(request.get(), 7) << "after a suspension";
    ends.handle.resume();
    EXPECT_TRUE(ends.handle.done());
    EXPECT_EQ(request.get(), 7) << "after an exception";
    {
        const coroutine destroyed = steps();
        destroyed.handle.resume();
    }
    EXPECT_EQ(request.get(), 7) << "after a suspended coroutine was destroyed";
}

// Kotlin 2930: another thread resumed the coroutine before its suspension had returned.
TEST_F(RegressionTest, resumption_before_suspend_returns_leaves_each_thread_its_context) {
    struct hop {
        std::thread& to;
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> handle) const {
            std::latch resumed(1);
            to = std::thread([handle, &resumed] {
                handle.resume();
                EXPECT_EQ(request.get(), 0);
                resumed.count_down();
            });
            resumed.wait(); // the coroutine has gone on by now
            EXPECT_EQ(request.get(), 1) << "what is awaited reads what the coroutine had";
        }
        void await_resume() const noexcept {}
    };
    std::thread other;
    const auto hops = [&]() -> coroutine {
        request.set(1);
        co_await hop{other};
        EXPECT_EQ(request.get(), 1);
        request.set(2);
    };
    const auto scope = request.scoped(7);
    const coroutine c = hops();
    c.handle.resume();
    EXPECT_EQ(request.get(), 7);
    other.join();
}

// facebook/folly 2017: a task that had no context went on with that of the thread that resumed it.
TEST_F(RegressionTest, empty_context_is_not_filled_by_the_thread_that_resumes) {
    const auto waits = []() -> coroutine {
        EXPECT_EQ(held.try_get(), nullptr);
        co_await std::suspend_always();
        EXPECT_EQ(held.try_get(), nullptr);
    };
    const coroutine c = waits();
    c.handle.resume();
    const auto scope = held.scoped(std::make_shared<Counted>());
    c.handle.resume();
}

// opentelemetry-python 2606, sentry-python 4925: a reset in a foreign context is an error that names both.
TEST_F(RegressionTest, reset_in_a_foreign_context_changes_nothing_and_says_so) {
    auto token = request.set(1);
    cv::copy_context().run([&] {
        EXPECT_EQ(request.try_reset(token), cv::reset_result::wrong_context);
        EXPECT_THROW(request.reset(token), cv::ValueError);
        EXPECT_EQ(request.get(), 1);
    });
    EXPECT_EQ(request.try_reset(token), cv::reset_result::ok);
}

TEST_F(RegressionTest, token_that_is_reused_moved_from_or_outlives_its_context_is_harmless) {
    auto token = request.set(1);
    request.reset(token);
    EXPECT_EQ(request.try_reset(token), cv::reset_result::used);
    auto other = request.set(2);
    auto moved = std::move(other);
    EXPECT_NE(request.try_reset(other), cv::reset_result::ok); // NOLINT(bugprone-use-after-move)
    EXPECT_EQ(request.try_reset(moved), cv::reset_result::ok);
    std::optional<cv::Token<int>> outlives;
    isolated([&] { outlives = request.set(3); });
    EXPECT_EQ(request.try_reset(*outlives), cv::reset_result::wrong_context);
}

// CPython 148891, 142829 and others: user code that runs inside an operation changed the context.
TEST_F(RegressionTest, destructor_that_gets_sets_runs_and_copies_finds_a_whole_context) {
    struct busy {
        busy() = default;
        busy(busy&&) = default;
        ~busy() {
            if (alive == nullptr)
                return;
            auto token = request.set(request.get() + 1);
            cv::copy_context().run([] { EXPECT_EQ(request.get(), 1); });
            EXPECT_TRUE(cv::diff(cv::copy_context(), cv::copy_context()).empty());
            const auto suppressed = cv::suppress_flow();
            EXPECT_TRUE(cv::copy_context().empty());
            request.reset(token);
        }
        std::unique_ptr<int> alive = std::make_unique<int>();
    };
    cv::ContextVar<busy> v{"v"};
    request.set(0);
    v.emplace();
    v.emplace(); // destroys the first with its token
    {
        const auto scope = v.scoped({});
        const cv::Context copy = cv::copy_context();
    }
    EXPECT_EQ(request.get(), 0);
}

// CPython 155519: the context below was dropped by everybody while another one ran.
TEST_F(RegressionTest, previous_context_that_everybody_drops_is_current_again) {
    request.set(1);
    auto below = std::make_unique<cv::Context>(cv::copy_context());
    auto bound = std::make_unique<cv::Bound<std::function<void()>>>(
        cv::bind_context(std::function<void()>([&] {
            below.reset(); // the capture of the call that runs
            cv::Context().run([] { EXPECT_EQ(request.get(), 0); });
            EXPECT_EQ(request.get(), 1);
        })));
    (*bound)();
    bound.reset();
    EXPECT_EQ(request.get(), 1);
}

// workerd: a key that was used again found the dead variable's value.
TEST_F(RegressionTest, variable_destroyed_while_bound_leaves_its_successor_nothing) {
    for (int i = 0; i < 100; ++i) {
        const cv::ContextVar<int> v{"v"};
        EXPECT_EQ(v.try_get(), nullptr);
        v.set(i);
    }
    const cv::ContextVar<int> successor{"v"};
    EXPECT_EQ(successor.try_get(), nullptr);
}

// google-cloud-cpp 13193: a token was destroyed after the thread's state.
TEST_F(RegressionTest, thread_that_exits_with_scopes_open_leaves_tokens_whole) {
    const NothingLeaks checks;
    std::optional<cv::Token<std::shared_ptr<Counted>>> outlives;
    std::thread([&] {
        outlives = held.set(std::make_shared<Counted>());
        static thread_local std::optional<cv::Scope<int>> open;
        open.emplace(request, 5);
    }).join();
    EXPECT_EQ(held.try_reset(*outlives), cv::reset_result::wrong_context);
    outlives.reset();
}
