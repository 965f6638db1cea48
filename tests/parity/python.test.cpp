// SPDX-License-Identifier: MIT
//
// Python's rules for Context, copy_context and threads, one named case each, and the scenarios in
// which CPython tests them together. The page docs/semantics.md lists all of them.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <barrier>
#include <concepts>
#include <limits>
#include <memory>
#include <ranges>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::message_of;
using contextvars_tests::NothingLeaks;
using PythonContext = contextvars_tests::Isolated;
using PythonThreads = contextvars_tests::Isolated;
using PythonScenario = contextvars_tests::Isolated;

namespace {

template <class... Args>
concept runs =
    requires(cv::Context& context, Args&&... args) { context.run(std::forward<Args>(args)...); };
template <class Key>
concept indexes = requires(const cv::Context& context, const Key& key) { context[key]; };
template <class Key>
concept contains_asks = requires(const cv::Context& c, const Key& key) { c.contains(key); };
template <class V>
concept assigns_items = requires(cv::Context& context, const V& v) { context[v] = 1; };
template <class T>
concept hashable = requires(const T& t) { std::hash<T>()(t); };

template <class T>
std::string printed(const T& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

} // namespace

// 1.4 Context

TEST_F(PythonContext, is_made_empty_and_of_nothing) {
    static_assert(!std::is_constructible_v<cv::Context, int>);
    const cv::Context context;
    EXPECT_TRUE(context.empty());
}

TEST_F(PythonContext, prints_its_class_and_address) {
    EXPECT_CONTAINS(printed(cv::Context()), "<Context at 0x");
}

TEST_F(PythonContext, cannot_be_hashed) {
    static_assert(!hashable<cv::Context>);
    SUCCEED();
}

TEST_F(PythonContext, runs_a_callable_with_its_arguments_and_gives_its_result) {
    static_assert(runs<int (*)(int), int>);
    static_assert(!runs<> && !runs<int> && !runs<int (*)(int)>);
    cv::Context context;
    EXPECT_EQ(context.run([](int a, int b) { return 10 * a + b; }, 1, 2), 12);
}

TEST_F(PythonContext, cannot_be_entered_twice_directly_or_indirectly) {
    cv::Context a;
    cv::Context b;
    a.run([&] {
        EXPECT_CONTAINS(message_of<cv::RuntimeError>([&] { a.run([] {}); }),
                        "cannot enter context: ");
        b.run([&] {
            EXPECT_CONTAINS(message_of<cv::RuntimeError>([&] { a.run([] {}); }),
                            "is already entered");
        });
    });
}

TEST_F(PythonContext, keeps_its_changes_when_f_throws_and_can_be_entered_again) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    EXPECT_THROW(context.run([&] {
        v.set(1);
        throw std::logic_error("mine");
    }),
                 std::logic_error);
    EXPECT_EQ(v.try_get(), nullptr);
    EXPECT_EQ(context.run([&] { return v.get(); }), 1);
}

TEST_F(PythonContext, is_indexed_by_variables_only_and_fails_on_missing_ones) {
    static_assert(indexes<cv::ContextVar<int>>);
    static_assert(!indexes<int> && !indexes<std::string>);
    static_assert(!contains_asks<int> && !contains_asks<std::string>);
    cv::ContextVar<int> v{"v", 1};
    const cv::Context context;
    EXPECT_CONTAINS(message_of<cv::KeyError>([&] { static_cast<void>(context[v]); }),
                    "<ContextVar name='v'");
}

TEST_F(PythonContext, contains_what_was_set_in_it) {
    cv::ContextVar<int> v{"v", 1};
    cv::Context context;
    EXPECT_FALSE(context.contains(v));
    context.run([&] { v.set(2); });
    EXPECT_TRUE(context.contains(v));
    EXPECT_FALSE(cv::copy_context().contains(v));
}

TEST_F(PythonContext, gets_without_asking_for_the_variables_default) {
    cv::ContextVar<int> v{"v", 1};
    const cv::Context context;
    EXPECT_EQ(context.get(v), nullptr);
    EXPECT_EQ(context.get(v, 3), 3);
}

TEST_F(PythonContext, has_a_length_and_is_false_when_empty) {
    cv::ContextVar<int> v{"v", 1};
    cv::Context context;
    EXPECT_TRUE(context.empty());
    context.run([&] { v.set(1); });
    EXPECT_FALSE(context.empty());
    EXPECT_EQ(context.size(), 1u);
}

TEST_F(PythonContext, iterates_over_a_snapshot) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<int> w{"w"};
    cv::Context context;
    context.run([&] {
        v.set(1);
        const auto items = context.items();
        v.set(2);
        w.set(3);
        EXPECT_EQ(items.size(), 1u);
        for (auto&& [variable, value] : items) {
            EXPECT_EQ(*value.template as<int>(), 1);
        }
    });
    static_assert(std::ranges::range<const cv::Context>, "it is a mapping that one can iterate");
}

TEST_F(PythonContext, is_equal_where_variables_and_values_are) {
    cv::ContextVar<std::string> v{"v"};
    cv::Context a;
    cv::Context b;
    EXPECT_TRUE(a == b);
    a.run([&] { v.set("x"); });
    EXPECT_TRUE(a != b);
    b.run([&] {
        v.set("x");
        EXPECT_TRUE(a == b) << "being entered does not matter";
    });
    static_assert(!std::equality_comparable_with<cv::Context, int>);
    static_assert(!std::totally_ordered<cv::Context>);
}

TEST_F(PythonContext, is_equal_to_its_copy_even_with_values_that_are_not_equal_to_themselves) {
    cv::ContextVar<double> v{"v"};
    v.set(std::numeric_limits<double>::quiet_NaN());
    EXPECT_TRUE(cv::copy_context() == cv::copy_context());
}

TEST_F(PythonContext, cannot_be_changed_through_the_mapping) {
    static_assert(!assigns_items<cv::ContextVar<int>>);
    SUCCEED();
}

TEST_F(PythonContext, is_copied_while_it_is_entered_and_the_copy_is_not) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    context.run([&] {
        v.set(1);
        cv::Context copy = context.copy();
        EXPECT_EQ(copy.run([&] { return v.get(); }), 1);
    });
}

TEST_F(PythonContext, keeps_its_values_alive_and_lets_them_go) {
    const NothingLeaks leaks;
    cv::ContextVar<Counted> v{"v"};
    {
        cv::Context context;
        context.run([&] { v.set(Counted(1)); });
        EXPECT_FALSE(leaks.holds());
    }
}

// 1.5 copy_context

TEST_F(PythonContext, copied_by_copy_context_is_equal_and_another_one) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    cv::Context a = cv::copy_context();
    cv::Context b = cv::copy_context();
    EXPECT_TRUE(a == b);
    a.run([&] { v.set(2); });
    EXPECT_EQ(*b.get(v), 1);
    EXPECT_EQ(v.get(), 1);
    EXPECT_EQ(b.run([&] { return v.try_reset(token); }), cv::reset_result::wrong_context);
}

TEST_F(PythonContext, copied_on_a_fresh_thread_is_empty) {
    std::thread([] { EXPECT_TRUE(cv::copy_context().empty()); }).join();
}

// 1.6 Threads

TEST_F(PythonThreads, begin_empty_and_have_a_stack_of_their_own) {
    cv::ContextVar<int> v{"v", 0};
    v.set(1);
    std::thread([&] {
        EXPECT_EQ(v.get(), 0);
        isolated([&] { v.set(2); });
        EXPECT_EQ(v.get(), 0);
        v.set(3);
    }).join();
    EXPECT_EQ(v.get(), 1);
}

TEST_F(PythonThreads, enter_any_context_one_at_a_time) {
    cv::ContextVar<int> v{"v", 0};
    cv::Context context;
    for (int i = 0; i < 3; ++i) {
        std::thread([&] { context.run([&] { v.set(v.get() + 1); }); }).join();
    }
    EXPECT_EQ(*context.get(v), 3);
    context.run(
        [&] { std::thread([&] { EXPECT_THROW(context.run([] {}), cv::RuntimeError); }).join(); });
}

TEST_F(PythonThreads, do_not_accept_tokens_of_another_threads_base_context) {
    cv::ContextVar<int> v{"v"};
    std::vector<cv::Token<int>> tokens;
    std::thread([&] { tokens.push_back(v.set(1)); }).join();
    std::thread([&] {
        EXPECT_EQ(v.try_reset(tokens[0]), cv::reset_result::wrong_context);
        v.set(1);
        EXPECT_EQ(v.try_reset(tokens[0]), cv::reset_result::wrong_context);
    }).join();
}

TEST_F(PythonThreads, with_a_context_of_the_starter_or_a_given_one) {
    cv::ContextVar<int> v{"v", 0};
    v.set(1);
    cv::thread([&] { EXPECT_EQ(v.get(), 1); }).join();
    cv::Context given;
    std::thread([&] { given.run([&] { v.set(2); }); }).join();
    EXPECT_EQ(*given.get(v), 2) << "a given context is used itself";
    EXPECT_EQ(v.get(), 1);
}

// Scenarios

TEST_F(PythonScenario, of_a_default_that_no_mapping_shows) {
    cv::ContextVar<int> v{"v", 42};
    cv::Context context;
    context.run([&] {
        EXPECT_EQ(v.get(), 42);
        EXPECT_FALSE(context.contains(v));
        EXPECT_EQ(context.get(v, 7), 7);
        auto token = v.set(1);
        EXPECT_EQ(context[v], 1);
        EXPECT_EQ(context.size(), 1u);
        v.reset(token);
        EXPECT_EQ(v.get(), 42);
        EXPECT_TRUE(context.empty());
    });
}

TEST_F(PythonScenario, of_three_contexts_inside_each_other) {
    cv::ContextVar<std::string> v{"v", "none"};
    cv::Context one;
    cv::Context two;
    one.run([&] {
        v.set("one");
        two.run([&] {
            EXPECT_EQ(v.get(), "none");
            v.set("two");
            cv::Context three = cv::copy_context();
            three.run([&] {
                EXPECT_EQ(v.get(), "two");
                v.set("three");
                EXPECT_EQ(two[v], "two");
                EXPECT_EQ(one[v], "one");
            });
            EXPECT_EQ(three[v], "three");
            EXPECT_EQ(v.get(), "two");
        });
        EXPECT_EQ(v.get(), "one");
    });
    EXPECT_EQ(v.get(), "none");
}

TEST_F(PythonScenario, of_tokens_made_at_each_level_and_reset_at_another) {
    cv::ContextVar<int> v{"v", 0};
    auto outer = v.set(1);
    cv::Context inside = cv::copy_context();
    auto inner = inside.run([&] {
        EXPECT_THROW(v.reset(outer), cv::ValueError);
        return v.set(2);
    });
    EXPECT_THROW(v.reset(inner), cv::ValueError);
    inside.run([&] { v.reset(inner); });
    EXPECT_EQ(inside[v], 1);
    v.reset(outer);
    EXPECT_EQ(v.get(), 0);
    EXPECT_THROW(v.reset(outer), cv::RuntimeError);
}

TEST_F(PythonScenario, of_ten_threads_that_count_in_turns_and_never_meet) {
    constexpr int threads = 10;
    constexpr int turns = 50;
    cv::ContextVar<int> v{"v"};
    v.set(-1);
    std::barrier turn(threads);
    std::vector<cv::thread> all;
    for (int id = 0; id < threads; ++id) {
        all.emplace_back([&, id] {
            EXPECT_EQ(v.get(), -1);
            for (int i = 0; i < turns; ++i) {
                v.set(1000 * id + i);
                turn.arrive_and_wait();
                EXPECT_EQ(v.get(), 1000 * id + i);
            }
        });
    }
    for (auto& thread : all) {
        thread.join();
    }
    EXPECT_EQ(v.get(), -1);
}

TEST_F(PythonScenario, of_an_equality_that_runs_the_context_it_compares) {
    static cv::Context* compared = nullptr;
    static cv::ContextVar<int> other{"other"};
    struct Reentrant {
        std::string text;
        bool operator==(const Reentrant&) const {
            compared->run([] { other.set(1); });
            return true;
        }
    };
    cv::ContextVar<Reentrant> v{"v"};
    cv::Context a;
    cv::Context b;
    compared = &a;
    a.run([&] { v.set({"x"}); });
    b.run([&] { v.set({"x"}); });
    EXPECT_TRUE(a == b);
    EXPECT_EQ(a.size(), 2u);
}
