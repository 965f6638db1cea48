// SPDX-License-Identifier: MIT
#include <contextvars/thread.hpp>

#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <latch>
#include <memory>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#if defined(__cpp_lib_jthread) // libc++ has none of it yet
#include <stop_token>
#endif

namespace cv = contextvars;
using contextvars_tests::isolated;
using ThreadTest = contextvars_tests::Isolated;

TEST_F(ThreadTest, of_the_standard_library_starts_empty) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    std::thread([&] {
        EXPECT_EQ(v.try_get(), nullptr);
        EXPECT_TRUE(cv::copy_context().empty());
        v.set(2);
    }).join();
    EXPECT_EQ(v.get(), 1);
}

TEST_F(ThreadTest, of_this_library_starts_with_a_copy_of_the_current_context) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    text.set("one");
    cv::thread thread([&] {
        EXPECT_EQ(number.get(), 1);
        EXPECT_EQ(text.get(), "one");
        number.set(2);
        text.set("two");
    });
    thread.join();
    EXPECT_EQ(number.get(), 1);
    EXPECT_EQ(text.get(), "one");
}

TEST_F(ThreadTest, of_this_library_does_not_see_what_is_set_after_it_was_made) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    std::latch go(1);
    cv::thread thread([&] {
        go.wait();
        EXPECT_EQ(v.get(), 1);
    });
    v.set(2);
    go.count_down();
    thread.join();
}

TEST_F(ThreadTest, of_this_library_forwards_arguments_as_the_standard_one) {
    int object = 0;
    cv::thread thread([](int& out, const std::string& text,
                         std::unique_ptr<int> p) { out = static_cast<int>(text.size()) + *p; },
                      std::ref(object), "four", std::make_unique<int>(10));
    thread.join();
    EXPECT_EQ(object, 14);
}

TEST_F(ThreadTest, of_this_library_copies_its_arguments) {
    std::string text = "before";
    std::latch go(1);
    cv::thread thread(
        [&go](const std::string& copy) {
            go.wait();
            EXPECT_EQ(copy, "before");
        },
        text);
    text = "after";
    go.count_down();
    thread.join();
}

TEST_F(ThreadTest, of_this_library_calls_members) {
    struct S {
        int seen = 0;
        void take(int x) { seen = x; }
    } s;
    cv::thread(&S::take, &s, 5).join();
    EXPECT_EQ(s.seen, 5);
}

TEST_F(ThreadTest, of_this_library_joins_moves_and_tells_its_id) {
    cv::thread none;
    EXPECT_FALSE(none.joinable());
    std::latch done(1);
    cv::thread thread([&] { done.wait(); });
    EXPECT_TRUE(thread.joinable());
    EXPECT_NE(thread.get_id(), std::this_thread::get_id());
    cv::thread other = std::move(thread);
    EXPECT_FALSE(thread.joinable());
    none = std::move(other);
    done.count_down();
    none.join();
    EXPECT_FALSE(none.joinable());
    static_assert(!std::is_copy_constructible_v<cv::thread>);
}

TEST_F(ThreadTest, makes_the_parents_tokens_foreign) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    cv::thread([&] { EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context); }).join();
    EXPECT_EQ(v.try_reset(token), cv::reset_result::ok);
}

#if defined(__cpp_lib_jthread)
TEST_F(ThreadTest, of_a_jthread_runs_without_a_stop_token) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    int seen = 0;
    {
        cv::jthread thread([&](int x) { seen = v.get() + x; }, 10);
    }
    EXPECT_EQ(seen, 11) << "its destructor joins";
}

TEST_F(ThreadTest, of_a_jthread_runs_with_a_stop_token) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    int seen = 0;
    bool stopped = false;
    {
        cv::jthread thread(
            [&](const std::stop_token& stop, int x) {
                seen = v.get() + x;
                std::latch stop_requested(1);
                const std::stop_callback on_stop(stop, [&] { stop_requested.count_down(); });
                stop_requested.wait();
                stopped = stop.stop_requested();
            },
            10);
    }
    EXPECT_EQ(seen, 11);
    EXPECT_TRUE(stopped) << "its destructor requests a stop";
}

TEST_F(ThreadTest, of_a_jthread_stops_on_request) {
    cv::jthread thread([](std::stop_token stop) {
        std::latch stop_requested(1);
        const std::stop_callback on_stop(stop, [&] { stop_requested.count_down(); });
        stop_requested.wait();
    });
    EXPECT_TRUE(thread.joinable());
    EXPECT_FALSE(thread.get_stop_token().stop_requested());
    EXPECT_TRUE(thread.request_stop());
    thread.join();
    EXPECT_TRUE(thread.get_stop_source().stop_requested());
}
#endif

TEST_F(ThreadTest, started_in_a_thread_of_this_library_carries_on) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    cv::thread([&] {
        v.set(2);
        cv::thread([&] { EXPECT_EQ(v.get(), 2); }).join();
    }).join();
}

TEST_F(ThreadTest, that_is_detached_keeps_its_context) {
    cv::ContextVar<std::string> v{"v"};
    std::latch go(1);
    std::latch done(1);
    std::string seen;
    isolated([&] {
        v.set("a text that is too long for the small string buffer");
        cv::thread([&] {
            go.wait();
            seen = v.get();
            done.count_down();
        }).detach();
    });
    go.count_down();
    done.wait();
    EXPECT_EQ(seen, "a text that is too long for the small string buffer");
}
