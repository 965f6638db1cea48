// SPDX-License-Identifier: MIT
//
// Callbacks for C libraries, as which stand here functions that keep a function and a void*.
#include <contextvars/as_callback.hpp>

#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <latch>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;
using AsCallbackTest = contextvars_tests::Isolated;
using AsCallbackDeathTest = contextvars_tests::Isolated;

namespace {

/// What a C library keeps.
template <class Function>
struct registration {
    Function* function;
    void* data;
};

cv::ContextVar<int> number{"number", 0};

/// A value of which a context, and a callable, may hold a share.
struct shared_counted {
    std::shared_ptr<Counted> counted = std::make_shared<Counted>();
};
cv::ContextVar<shared_counted> held{"held"};

} // namespace

TEST_F(AsCallbackTest, runs_in_the_context_in_which_it_was_made_on_any_thread) {
    number.set(1);
    const auto callback =
        cv::as_callback<int(int, void*)>([](int x) { return 10 * number.get() + x; });
    number.set(2);
    const registration<int(int, void*)> c{callback.function(), callback.data()};
    EXPECT_EQ(c.function(5, c.data), 15);
    std::thread([&] { EXPECT_EQ(c.function(6, c.data), 16); }).join();
}

TEST_F(AsCallbackTest, may_be_called_many_times_each_in_a_fresh_copy) {
    number.set(1);
    const auto callback = cv::as_callback<void(void*)>([] {
        EXPECT_EQ(number.get(), 1);
        number.set(2);
    });
    callback.call(callback.data());
    callback.call(callback.data());
    EXPECT_EQ(number.get(), 1);
}

TEST_F(AsCallbackTest, has_the_data_last_or_else_first_and_f_does_not_see_it) {
    const auto last = cv::as_callback<int(void*, int, void*)>(
        [](void* other, int x) { return other == nullptr ? x : 0; });
    EXPECT_EQ(last.call(nullptr, 3, last.data()), 3);
    const auto first = cv::as_callback<int(void*, int, const char*)>(
        [](int x, const std::string& text) { return x + static_cast<int>(text.size()); });
    EXPECT_EQ(first.call(first.data(), 3, "four"), 7);
}

TEST_F(AsCallbackTest, takes_the_librarys_own_type_of_function) {
    using event_callback = void (*)(int fd, short what, void* data);
    int seen = 0;
    const auto callback = cv::as_callback<event_callback>([&](int fd, short) { seen = fd; });
    static_assert(std::is_same_v<decltype(callback.function()), event_callback>);
    callback.function()(7, 0, callback.data());
    EXPECT_EQ(seen, 7);
    using noexcept_callback = int (*)(void*) noexcept;
    const auto other = cv::as_callback<noexcept_callback>([] { return 1; });
    static_assert(std::is_same_v<decltype(other.function()), noexcept_callback>);
    EXPECT_EQ(other.function()(other.data()), 1);
}

TEST_F(AsCallbackTest, is_reached_by_data_that_lies_inside_a_handle) {
    struct handle {
        void* data = nullptr;
    };
    using callback_type = cv::Callback<int(handle*, void*)>;
    const auto callback =
        cv::as_callback<int(handle*, void*)>([](handle* h) { return h != nullptr ? 1 : 0; });
    handle timer{callback.data()};
    int (*const function)(handle*) = [](handle* h) { return callback_type::call(h, h->data); };
    EXPECT_EQ(function(&timer), 1);
}

TEST_F(AsCallbackTest, passes_arguments_and_results_on_as_they_are) {
    const auto callback = cv::as_callback<std::unique_ptr<int>(std::unique_ptr<int>, int&, void*)>(
        [](std::unique_ptr<int> p, int& out) {
            out = *p;
            return p;
        });
    int out = 0;
    EXPECT_EQ(*callback.call(std::make_unique<int>(4), out, callback.data()), 4);
    EXPECT_EQ(out, 4);
}

TEST_F(AsCallbackTest, leaves_a_bound_callable_its_own_context) {
    number.set(1);
    auto bound = cv::bind_context([] { return number.get(); });
    number.set(2);
    const auto callback = cv::as_callback<int(void*)>(std::move(bound));
    EXPECT_EQ(callback.call(callback.data()), 1);
}

TEST_F(AsCallbackTest, ends_with_its_object_if_it_is_never_called) {
    const NothingLeaks checks;
    auto token = held.set({});
    const std::weak_ptr<Counted> seen = held.get().counted;
    {
        const auto callback = cv::as_callback<void(void*)>([c = Counted()] {});
        const auto once = cv::as_callback_once<void(void*)>([c = Counted()] {});
        held.reset(token);
        {
            const auto drop = std::move(token);
        }
        EXPECT_FALSE(seen.expired());
    }
    EXPECT_TRUE(seen.expired()) << "the context ended as well";
}

TEST_F(AsCallbackTest, for_one_call_ends_with_the_call_and_calls_an_rvalue) {
    const NothingLeaks checks;
    struct one_shot {
        Counted counted;
        int operator()() && { return 1; }
    };
    auto callback = cv::as_callback_once<int(void*)>(one_shot{});
    const registration<int(void*)> c{callback.function(), callback.hand_over()};
    EXPECT_EQ(callback.data(), nullptr);
    EXPECT_FALSE(checks.holds());
    EXPECT_EQ(c.function(c.data), 1);
    EXPECT_TRUE(checks.holds());
    cv::release_callback(c.data); // by a library that calls, and also frees
}

TEST_F(AsCallbackTest, for_one_call_may_be_called_before_it_is_handed_over) {
    const NothingLeaks checks;
    auto callback = cv::as_callback_once<void(void*)>([c = Counted()] {});
    callback.call(callback.data());
    EXPECT_TRUE(checks.holds());
    cv::release_callback(callback.hand_over());
}

TEST_F(AsCallbackTest, that_was_handed_over_lives_until_it_is_released) {
    const NothingLeaks checks;
    void* data = nullptr;
    {
        auto callback = cv::as_callback<void(void*)>([c = Counted()] {});
        data = callback.hand_over();
    }
    cv::Callback<void(void*)>::call(data);
    EXPECT_FALSE(checks.holds());
    void (*const free_function)(void*) = cv::release_callback; // as a library is given it
    free_function(data);
    EXPECT_TRUE(checks.holds());
    free_function(data); // nothing is freed twice
    free_function(nullptr);
    int no_callback = 0;
    free_function(&no_callback);
}

TEST_F(AsCallbackTest, whose_object_is_moved_stays_the_same) {
    const NothingLeaks checks;
    std::optional<cv::Callback<int(void*)>> member;
    auto callback = cv::as_callback<int(void*)>([c = Counted(3)] { return c.value; });
    void* const data = callback.data();
    member.emplace(std::move(callback));
    EXPECT_EQ(member->data(), data);
    EXPECT_EQ(member->call(data), 3);
    *member = cv::as_callback<int(void*)>([c = Counted(4)] { return c.value; });
    EXPECT_EQ(member->call(member->data()), 4);
    auto& self = *member;
    *member = std::move(self);
    EXPECT_EQ(member->call(member->data()), 4);
}

TEST_F(AsCallbackTest, that_ends_during_its_own_call_lives_to_the_end_of_the_call) {
    const NothingLeaks checks;
    std::optional<cv::Callback<void(void*)>> callback;
    bool ran = false;
    callback.emplace(cv::as_callback<void(void*)>([&, c = std::make_unique<Counted>(5)] {
        callback.reset();
        EXPECT_EQ(c->value, 5);
        ran = true;
    }));
    callback->call(callback->data());
    EXPECT_TRUE(ran);
    EXPECT_TRUE(checks.holds());
}

TEST_F(AsCallbackTest, that_ends_while_another_thread_calls_it_goes_with_that_call) {
    const NothingLeaks checks;
    std::latch inside(1);
    std::latch go_on(1);
    auto callback = std::make_unique<cv::Callback<void(void*)>>(
        cv::as_callback<void(void*)>([&, c = std::make_unique<Counted>(5)] {
            inside.count_down();
            go_on.wait();
            EXPECT_EQ(c->value, 5);
        }));
    std::thread thread(callback->function(), callback->data());
    inside.wait();
    callback.reset();
    EXPECT_FALSE(checks.holds());
    go_on.count_down();
    thread.join();
    EXPECT_TRUE(checks.holds());
}

TEST_F(AsCallbackTest, is_freed_once_if_the_call_and_the_release_meet) {
    const NothingLeaks checks;
    std::atomic<int> calls = 0;
    for (int i = 0; i < 2000; ++i) {
        auto callback = cv::as_callback_once<void(void*)>([&, c = Counted()] { ++calls; });
        void* const data = callback.data();
        std::latch both(2);
        std::thread thread([&, owner = std::move(callback)]() mutable {
            both.arrive_and_wait();
            const auto ended = std::move(owner);
        });
        both.arrive_and_wait();
        cv::release_callback(data);
        thread.join();
    }
    EXPECT_EQ(calls, 0);
}

TEST_F(AsCallbackTest, may_be_called_by_several_threads_at_once) {
    number.set(7);
    std::atomic<int> sum = 0;
    {
        const auto callback = cv::as_callback<void(void*)>([&] { sum += number.get(); });
        std::vector<std::thread> threads;
        for (int i = 0; i < 4; ++i)
            threads.emplace_back([&] {
                for (int j = 0; j < 1000; ++j)
                    callback.call(callback.data());
            });
        for (auto& thread : threads)
            thread.join();
    }
    EXPECT_EQ(sum, 7 * 4 * 1000);
}

TEST_F(AsCallbackTest, may_make_call_and_end_others_in_its_call_and_in_its_destructor) {
    const NothingLeaks checks;
    struct ends_another {
        std::unique_ptr<Counted> counted = std::make_unique<Counted>();
        cv::Callback<int(void*)> other =
            cv::as_callback<int(void*)>([c = Counted(2)] { return c.value; });
        ends_another() = default;
        ends_another(ends_another&&) = default;
        ~ends_another() {
            if (counted != nullptr) {
                EXPECT_EQ(other.call(other.data()), 2);
            }
        }
    };
    auto callback =
        cv::as_callback<int(void*)>([e = ends_another()] { return e.other.call(e.other.data()); });
    EXPECT_EQ(callback.call(callback.data()), 2);
}

TEST_F(AsCallbackTest, leaves_nothing_if_copying_f_throws) {
    struct throws {
        throws() = default;
        throws(const throws&) { throw std::runtime_error("copy"); }
        void operator()() const {}
        Counted counted;
    };
    const NothingLeaks checks;
    const throws f;
    EXPECT_THROW(static_cast<void>(cv::as_callback<void(void*)>(f)), std::runtime_error);
}

TEST_F(AsCallbackTest, never_has_a_number_again) {
    std::vector<void*> seen;
    for (int i = 0; i < 100; ++i) {
        const auto callback = cv::as_callback<void(void*)>([] {});
        for (void* const before : seen)
            ASSERT_NE(callback.data(), before);
        seen.push_back(callback.data());
    }
}

TEST_F(AsCallbackDeathTest, a_call_after_the_end_tells_the_hook_and_terminates) {
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
    const auto late = [](auto end) {
        auto callback = cv::as_callback_once<void(void*)>([] {});
        void* const data = callback.data();
        end(callback);
        const auto successor = cv::as_callback<void(void*)>([] { std::puts("another's call"); });
        cv::Callback<void(void*)>::call(data);
    };
    const char* const message = "a C library called a callback that has ended";
    EXPECT_DEATH(late([](auto& c) { const auto ended = std::move(c); }), message);
    EXPECT_DEATH(late([](auto& c) { c.call(c.data()); }), message);
    EXPECT_DEATH(late([](auto& c) { cv::release_callback(c.hand_over()); }), message);
    EXPECT_DEATH(cv::Callback<void(void*)>::call(nullptr), message);
}

TEST_F(AsCallbackDeathTest, an_exception_does_not_cross_c) {
    ::testing::GTEST_FLAG(death_test_style) = "threadsafe";
    const auto callback = cv::as_callback<void(void*)>([] { throw std::runtime_error("lost"); });
    EXPECT_DEATH(callback.call(callback.data()), "lost");
}
