// SPDX-License-Identifier: MIT
//
// carried(awaitable) in coroutines of QCoro, whose promises are final and know nothing of contexts.
#include <contextvars/contextvars.hpp>
#include <contextvars/coroutine.hpp>

#include "support/isolated.hpp"
#include "support/marks.hpp"

#include <QCoroTask>

#include <gtest/gtest.h>

#include <coroutine>
#include <functional>
#include <stdexcept>
#include <thread>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::has_marks;
using contextvars_tests::has_no_marks;
using contextvars_tests::set_marks;
using QCoroCarried = contextvars_tests::Isolated;

namespace {

/// What is awaited is done when somebody calls finish(), or at once.
struct source {
    bool at_once = false;
    std::coroutine_handle<> waiting{};

    bool await_ready() const noexcept { return at_once; }
    void await_suspend(std::coroutine_handle<> coroutine) noexcept { waiting = coroutine; }
    void await_resume() const noexcept {}

    void finish() { std::exchange(waiting, nullptr).resume(); }
};

/// Calls `f` on a thread with marks of its own, which it must have again afterwards.
void on_another_thread(const std::function<void()>& f) {
    std::thread([&] {
        set_marks(666);
        f();
        EXPECT_TRUE(has_marks(666));
    }).join();
}

QCoro::Task<int> callee(source& first) {
    co_await cv::carried(first);
    set_marks(77); // its own
    co_return 1;
}

QCoro::Task<> caller(source& first, source& second, bool& ended) {
    for (int i = 0; i != 3; ++i) {
        co_await cv::carried(first);
        EXPECT_TRUE(has_marks(1 + i));
        set_marks(2 + i); // between two of them, what it sets is its own
    }
    const int result = co_await cv::carried(callee(second));
    EXPECT_EQ(result, 1);
    EXPECT_TRUE(has_marks(second.at_once ? 77 : 4)); // a callee that has not stopped acts here
    ended = true;
}

TEST_F(QCoroCarried, goes_on_with_its_bindings_whoever_resumes_it) {
    source first;
    source second;
    bool ended = false;
    set_marks(1);
    const QCoro::Task<> task = caller(first, second, ended);
    set_marks(9);
    on_another_thread([&] { first.finish(); });
    first.finish();
    EXPECT_TRUE(has_marks(9));
    on_another_thread([&] { first.finish(); });
    on_another_thread([&] { second.finish(); });
    EXPECT_TRUE(ended);
    EXPECT_TRUE(has_marks(9));
}

TEST_F(QCoroCarried, goes_on_with_its_bindings_if_it_completes_at_once) {
    source first{.at_once = true};
    source second{.at_once = true};
    bool ended = false;
    cv::Context().run([&] {
        set_marks(1);
        const QCoro::Task<> task = caller(first, second, ended);
    });
    EXPECT_TRUE(ended);
    EXPECT_TRUE(has_no_marks());
}

QCoro::Task<> throws(source& first) {
    co_await cv::carried(first);
    throw std::runtime_error("thrown");
}

QCoro::Task<> catches(source& first, bool& caught) {
    try {
        co_await cv::carried(throws(first));
    } catch (const std::runtime_error&) {
        caught = true;
    }
    EXPECT_TRUE(has_marks(1));
}

TEST_F(QCoroCarried, goes_on_with_its_bindings_after_an_exception) {
    source first;
    bool caught = false;
    set_marks(1);
    const QCoro::Task<> task = catches(first, caught);
    set_marks(9);
    on_another_thread([&] { first.finish(); });
    EXPECT_TRUE(caught);
    EXPECT_TRUE(has_marks(9));
}

TEST_F(QCoroCarried, keeps_many_coroutines_apart) {
    constexpr int count = 100;
    std::vector<source> sources(count);
    std::vector<QCoro::Task<>> tasks;
    int right = 0;
    const auto one = [](source& first, int mark, int& good) -> QCoro::Task<> {
        for (int i = 0; i != 10; ++i)
            co_await cv::carried(first);
        good += has_marks(mark);
    };
    for (int i = 0; i != count; ++i)
        cv::Context().run([&] {
            set_marks(i);
            tasks.push_back(one(sources[static_cast<std::size_t>(i)], i, right));
        });
    for (int i = 0; i != 10; ++i)
        for (source& each : sources)
            each.finish();
    EXPECT_EQ(right, count);
    EXPECT_TRUE(has_no_marks());
}

} // namespace
