// SPDX-License-Identifier: MIT
//
// as_callback and bind_context in libuv: timers, other threads, the pool, and loops that end with work in them.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <uv.h>

#include <gtest/gtest.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;

namespace {

cv::ContextVar<int> request{"request", 0};
cv::ContextVar<std::shared_ptr<Counted>> held{"held"};

class LibuvTest : public contextvars_tests::Isolated {
protected:
    LibuvTest() { uv_loop_init(&loop); }
    ~LibuvTest() override { EXPECT_EQ(uv_loop_close(&loop), 0) << "a handle was not closed"; }

    void run() { uv_run(&loop, UV_RUN_DEFAULT); }

    uv_loop_t loop{};
};

/// A timer that owns its callback.
class timer {
public:
    using callback_type = cv::Callback<void(uv_timer_t*, void*)>;

    template <class F>
    timer(uv_loop_t* loop, std::uint64_t repeat, F f)
        : callback_(cv::as_callback<void(uv_timer_t*, void*)>(std::move(f))) {
        uv_timer_init(loop, handle_.get());
        handle_->data = callback_.data();
        uv_timer_start(
            handle_.get(), [](uv_timer_t* t) { callback_type::call(t, t->data); }, 0, repeat);
    }
    timer(const timer&) = delete;
    timer& operator=(const timer&) = delete;
    ~timer() {
        uv_close(reinterpret_cast<uv_handle_t*>(handle_.release()),
                 [](uv_handle_t* handle) { delete reinterpret_cast<uv_timer_t*>(handle); });
    }

private:
    std::unique_ptr<uv_timer_t> handle_ = std::make_unique<uv_timer_t>();
    callback_type callback_;
};

} // namespace

TEST_F(LibuvTest, a_queued_callback_gets_the_context_of_its_own_caller) {
    std::vector<int> seen;
    std::deque<timer> timers;
    for (int i = 1; i <= 5; ++i) {
        const auto scope = request.scoped(i);
        timers.emplace_back(&loop, 0, [&](uv_timer_t*) { seen.push_back(request.get()); });
    }
    const auto scope = request.scoped(100); // who runs the loop
    run();
    EXPECT_EQ(seen, (std::vector{1, 2, 3, 4, 5}));
    EXPECT_EQ(request.get(), 100);
    timers.clear();
    run();
}

TEST_F(LibuvTest, a_repeating_timer_begins_each_time_in_the_same_context) {
    int calls = 0;
    std::optional<timer> ticks;
    {
        const auto scope = request.scoped(7);
        ticks.emplace(&loop, 1, [&](uv_timer_t* handle) {
            EXPECT_EQ(request.get(), 7);
            request.set(8);
            if (++calls == 3)
                uv_timer_stop(handle);
        });
    }
    run();
    EXPECT_EQ(calls, 3);
    ticks.reset();
    run();
}

TEST_F(LibuvTest, a_timer_does_not_retain_a_shadowed_value) {
    const NothingLeaks checks;
    const auto shadowed = held.scoped(std::make_shared<Counted>(1));
    const std::weak_ptr<Counted> first = held.get();
    std::optional<timer> ticks;
    {
        const auto scope = held.scoped(std::make_shared<Counted>(2));
        const std::weak_ptr<Counted> second = held.get();
        ticks.emplace(&loop, 0, [](uv_timer_t*) { EXPECT_EQ(held.get()->value, 2); });
        EXPECT_EQ(first.use_count(), 1) << "held by the guard's token alone";
        EXPECT_EQ(second.use_count(), 1) << "one value, which both contexts share";
    }
    run();
    ticks.reset();
    run();
    EXPECT_EQ(held.get()->value, 1);
}

TEST_F(LibuvTest, a_timer_that_is_started_without_flow_keeps_no_request_alive) {
    const NothingLeaks checks;
    std::optional<timer> ticks;
    {
        const auto scope = held.scoped(std::make_shared<Counted>());
        const auto suppressed = cv::suppress_flow();
        ticks.emplace(&loop, 0, [](uv_timer_t*) { EXPECT_EQ(held.try_get(), nullptr); });
    }
    EXPECT_TRUE(checks.holds());
    run();
    ticks.reset();
    run();
}

TEST_F(LibuvTest, another_thread_wakes_the_loop_and_lends_it_no_context) {
    using wake_callback = cv::Callback<void(void*)>;
    int seen = 0;
    uv_async_t wake{};
    const auto callback = [&] {
        const auto scope = request.scoped(5);
        return cv::as_callback<void(void*)>([&] {
            seen = request.get();
            uv_close(reinterpret_cast<uv_handle_t*>(&wake), nullptr);
        });
    }();
    uv_async_init(&loop, &wake, [](uv_async_t* a) { wake_callback::call(a->data); });
    wake.data = callback.data();
    std::thread([&] {
        const auto scope = request.scoped(6);
        uv_async_send(&wake);
    }).join();
    run();
    EXPECT_EQ(seen, 5);
}

TEST_F(LibuvTest, a_queued_pool_callback_gets_its_own_callers_context) {
    struct job {
        uv_work_t work{};
        std::function<void()> on_pool;
        std::function<void()> done;
    };
    constexpr int count = 200;
    std::vector<int> on_pool(count);
    std::vector<int> after(count);
    std::deque<job> jobs(count);
    for (std::size_t i = 0; i < count; ++i) {
        const auto scope = request.scoped(static_cast<int>(i));
        jobs[i].on_pool = cv::bind_context([&, i] {
            on_pool[i] = request.get();
            request.set(-1);
        });
        jobs[i].done = cv::bind_context([&, i] { after[i] = request.get(); });
        jobs[i].work.data = &jobs[i];
        ASSERT_EQ(uv_queue_work(
                      &loop, &jobs[i].work,
                      [](uv_work_t* w) { static_cast<job*>(w->data)->on_pool(); },
                      [](uv_work_t* w, int) { static_cast<job*>(w->data)->done(); }),
                  0);
    }
    run();
    for (std::size_t i = 0; i < count; ++i) {
        EXPECT_EQ(on_pool[i], static_cast<int>(i));
        EXPECT_EQ(after[i], static_cast<int>(i));
    }
}

TEST_F(LibuvTest, a_callback_that_the_loop_never_calls_is_freed_when_its_handle_is_closed) {
    const NothingLeaks checks;
    auto handle = std::make_unique<uv_timer_t>();
    {
        const auto scope = held.scoped(std::make_shared<Counted>());
        auto callback = cv::as_callback<void(void*)>([c = Counted()] { ADD_FAILURE(); });
        uv_timer_init(&loop, handle.get());
        handle->data = callback.hand_over();
        uv_timer_start(
            handle.get(), [](uv_timer_t* t) { cv::Callback<void(void*)>::call(t->data); }, 1000000,
            0);
    }
    EXPECT_FALSE(checks.holds());
    uv_close(reinterpret_cast<uv_handle_t*>(handle.get()),
             [](uv_handle_t* h) { cv::release_callback(h->data); });
    run();
    EXPECT_TRUE(checks.holds());
}

TEST_F(LibuvTest, a_callback_may_close_its_own_handle_and_end_itself) {
    const NothingLeaks checks;
    struct self_closing {
        std::optional<timer> ticks;
    };
    auto owner = std::make_unique<self_closing>();
    bool done = false;
    owner->ticks.emplace(&loop, 0, [&, c = std::make_shared<Counted>(4)](uv_timer_t*) {
        owner->ticks.reset(); // destroys the callable that runs here, after this call
        EXPECT_EQ(c->value, 4);
        done = true;
    });
    run();
    EXPECT_TRUE(done);
    EXPECT_TRUE(checks.holds());
}
