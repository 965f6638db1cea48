// SPDX-License-Identifier: MIT
//
// Python's rules for ContextVar and Token, one named case each. The page docs/semantics.md lists
// them, and says which cannot be expressed in C++ or differ on purpose.
#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <concepts>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::message_of;
using contextvars_tests::NothingLeaks;
using PythonContextVar = contextvars_tests::Isolated;
using PythonToken = contextvars_tests::Isolated;

namespace {

template <class T>
std::string printed(const T& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

template <class V, class... Args>
concept gets_with = requires(const V& v, Args&&... args) { v.get(std::forward<Args>(args)...); };
template <class V, class... Args>
concept sets_with = requires(const V& v, Args&&... args) { v.set(std::forward<Args>(args)...); };
template <class V, class Arg>
concept resets_with = requires(const V& v, Arg&& arg) { v.reset(std::forward<Arg>(arg)); };
template <class T>
concept hashable = requires(const T& t) { std::hash<T>()(t); };

} // namespace

// 1.2 ContextVar

TEST_F(PythonContextVar, takes_a_name_and_perhaps_a_default) {
    using variable = cv::ContextVar<int>;
    static_assert(std::is_constructible_v<variable, const char*>);
    static_assert(std::is_constructible_v<variable, const char*, int>);
    cv::ContextVar<int> plain{"plain"};
    cv::ContextVar<int> with_default{"with_default", 1};
    EXPECT_EQ(plain.try_get(), nullptr);
    EXPECT_EQ(with_default.get(), 1);
}

TEST_F(PythonContextVar, takes_nothing_else) {
    using variable = cv::ContextVar<int>;
    static_assert(!std::is_default_constructible_v<variable>);
    static_assert(!std::is_constructible_v<variable, const char*, int, int>);
    static_assert(!std::is_constructible_v<variable, const char*, std::string>);
    SUCCEED();
}

TEST_F(PythonContextVar, takes_a_text_for_its_name_and_nothing_else) {
    using variable = cv::ContextVar<int>;
    static_assert(std::is_constructible_v<variable, std::string>);
    static_assert(!std::is_constructible_v<variable, int>);
    static_assert(!std::is_constructible_v<variable, std::vector<char>>);
    cv::ContextVar<int> unnamed{""};
    EXPECT_EQ(unnamed.name(), "");
}

TEST_F(PythonContextVar, has_a_name_that_can_only_be_read) {
    cv::ContextVar<int> v{"v"};
    static_assert(std::is_same_v<decltype(v.name()), std::string_view>);
    EXPECT_EQ(v.name(), "v");
}

TEST_F(PythonContextVar, takes_nothing_at_all_for_a_real_default) {
    cv::ContextVar<int*> pointer{"pointer", nullptr};
    cv::ContextVar<std::optional<int>> maybe{"maybe", std::nullopt};
    EXPECT_EQ(pointer.get(), nullptr);
    EXPECT_EQ(maybe.get(), std::nullopt);
}

TEST_F(PythonContextVar, gets_the_value_then_the_argument_then_the_default_then_fails) {
    cv::ContextVar<int> v{"v", 3};
    EXPECT_EQ(v.get(), 3);
    EXPECT_EQ(v.get(2), 2);
    v.set(1);
    EXPECT_EQ(v.get(2), 1);
    EXPECT_EQ(v.get(), 1);
    cv::ContextVar<int> without{"without"};
    EXPECT_EQ(without.get(2), 2);
    EXPECT_CONTAINS(message_of<cv::LookupError>([&] { without.get(); }), printed(without));
}

TEST_F(PythonContextVar, gets_with_at_most_one_argument) {
    using variable = cv::ContextVar<int>;
    static_assert(gets_with<variable> && gets_with<variable, int>);
    static_assert(!gets_with<variable, int, int>);
    SUCCEED();
}

TEST_F(PythonContextVar, gets_the_argument_rather_than_its_default) {
    cv::ContextVar<int> v{"v", 5};
    EXPECT_EQ(v.get(7), 7);
}

TEST_F(PythonContextVar, sets_one_value_of_any_kind_and_gives_a_new_token_each_time) {
    using variable = cv::ContextVar<int*>;
    static_assert(sets_with<variable, int*> && sets_with<variable, std::nullptr_t>);
    static_assert(!sets_with<variable> && !sets_with<variable, int*, int*>);
    variable v{"v"};
    auto first = v.set(nullptr);
    auto second = v.set(nullptr);
    v.reset(second);
    EXPECT_NE(v.try_get(), nullptr) << "it is bound, to nullptr";
    EXPECT_EQ(v.try_reset(first), cv::reset_result::ok) << "the same value, but another token";
}

TEST_F(PythonContextVar, resets_by_tokens_only) {
    using variable = cv::ContextVar<int>;
    static_assert(resets_with<variable, cv::Token<int>> && resets_with<variable, cv::Token<int>&>);
    static_assert(!resets_with<variable, int>);
    static_assert(!resets_with<variable, const cv::Token<int>&>);
    static_assert(!resets_with<variable, cv::Token<long>&>);
    static_assert(std::is_void_v<decltype(std::declval<const variable&>().reset(
                      std::declval<cv::Token<int>&>()))>);
    SUCCEED();
}

TEST_F(PythonContextVar, checks_a_token_for_use_then_variable_then_context) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<int> w{"w"};
    auto fresh = v.set(1);
    auto used = v.set(2);
    v.reset(used);
    isolated([&] {
        EXPECT_CONTAINS(message_of<cv::RuntimeError>([&] { w.reset(used); }),
                        "has already been used once");
        EXPECT_CONTAINS(message_of<cv::ValueError>([&] { w.reset(fresh); }),
                        "was created by a different ContextVar");
        EXPECT_CONTAINS(message_of<cv::ValueError>([&] { v.reset(fresh); }),
                        "was created in a different Context");
    });
}

TEST_F(PythonContextVar, leaves_a_token_usable_when_reset_fails) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<int> w{"w"};
    auto token = v.set(1);
    EXPECT_THROW(w.reset(token), cv::ValueError);
    isolated([&] { EXPECT_THROW(v.reset(token), cv::ValueError); });
    v.reset(token);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(PythonContextVar, resets_in_any_order) {
    cv::ContextVar<int> v{"v"};
    auto a = v.set(1);
    auto b = v.set(2);
    v.reset(a);
    EXPECT_EQ(v.try_get(), nullptr);
    v.reset(b);
    EXPECT_EQ(v.get(), 1);
}

TEST_F(PythonContextVar, accepts_a_token_when_its_context_is_entered_again_by_any_thread) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    auto token = context.run([&] { return v.set(1); });
    cv::Context copy = context;
    EXPECT_EQ(copy.run([&] { return v.try_reset(token); }), cv::reset_result::wrong_context);
    std::thread([&] { context.run([&] { v.reset(token); }); }).join();
    EXPECT_TRUE(context.empty());
    EXPECT_FALSE(copy.empty());
}

TEST_F(PythonContextVar, is_removed_where_it_was_missing_before) {
    cv::ContextVar<int> v{"v", 5};
    auto token = v.set(1);
    EXPECT_EQ(cv::copy_context().size(), 1u);
    v.reset(token);
    EXPECT_EQ(cv::copy_context().size(), 0u);
    EXPECT_EQ(v.get(), 5);
}

TEST_F(PythonContextVar, is_equal_to_itself_only) {
    cv::ContextVar<int> a{"same"};
    cv::ContextVar<int> b{"same"};
    a.set(1);
    const cv::Context only_a = cv::copy_context();
    b.set(1);
    int equal = 0;
    for (auto&& key : cv::copy_context().keys()) {
        equal += key == *only_a.keys().begin() ? 1 : 0;
    }
    EXPECT_EQ(equal, 1);
}

TEST_F(PythonContextVar, prints_its_name_default_and_address) {
    cv::ContextVar<int> a{"a"};
    cv::ContextVar<int> b{"b", 1};
    EXPECT_CONTAINS(printed(a), "<ContextVar name='a' at 0x");
    EXPECT_CONTAINS(printed(b), "<ContextVar name='b' default=1 at 0x");
}

TEST_F(PythonContextVar, cannot_be_a_base_class) {
    EXPECT_TRUE(std::is_final_v<cv::ContextVar<int>>);
    EXPECT_TRUE(std::is_final_v<cv::Token<int>>);
    EXPECT_TRUE(std::is_final_v<cv::Context>);
}

TEST_F(PythonContextVar, cannot_be_copied) {
    static_assert(!std::is_copy_constructible_v<cv::ContextVar<int>>);
    static_assert(!std::is_move_constructible_v<cv::ContextVar<int>>);
    static_assert(!std::is_copy_assignable_v<cv::ContextVar<int>>);
    SUCCEED();
}

TEST_F(PythonContextVar, says_the_type_of_its_values) {
    cv::ContextVar<std::string> v{"v"};
    static_assert(!sets_with<cv::ContextVar<std::string>, std::vector<int>>);
    static_assert(std::is_same_v<decltype(v.set("x")), cv::Token<std::string>>);
    SUCCEED();
}

TEST_F(PythonContextVar, may_hold_a_default_that_refers_to_it) {
    const NothingLeaks leaks;
    {
        struct Node {
            Counted counted;
            const void* variable;
        };
        cv::ContextVar<Node> v{"v", Node{Counted(1), &v}};
        EXPECT_EQ(v.get().variable, &v);
    }
}

TEST_F(PythonContextVar, creates_no_context_by_get) {
    std::thread([] {
        cv::ContextVar<int> v{"v", 1};
        EXPECT_EQ(v.get(), 1);
        EXPECT_EQ(v.get(2), 2);
        EXPECT_TRUE(cv::copy_context().empty());
    }).join();
}

// 1.3 Token

TEST_F(PythonToken, is_made_by_variables_only) {
    static_assert(!std::is_default_constructible_v<cv::Token<int>>);
    static_assert(!std::is_constructible_v<cv::Token<int>, const cv::ContextVar<int>&>);
    static_assert(!std::is_copy_constructible_v<cv::Token<int>>);
    SUCCEED();
}

TEST_F(PythonToken, gives_its_variable) {
    cv::ContextVar<int> v{"v"};
    const auto token = v.set(1);
    EXPECT_EQ(&token.var(), &v);
}

TEST_F(PythonToken, gives_the_old_value_or_MISSING_also_after_use) {
    cv::ContextVar<int> v{"v", 9};
    auto first = v.set(1);
    auto second = v.set(2);
    EXPECT_TRUE(first.old_value() == cv::Token<int>::MISSING);
    EXPECT_EQ(*second.old_value(), 1);
    v.reset(second);
    v.reset(first);
    EXPECT_TRUE(first.old_value() == cv::Token<int>::MISSING);
    EXPECT_EQ(*second.old_value(), 1);
}

TEST_F(PythonToken, has_one_MISSING_that_is_no_value) {
    cv::ContextVar<int*> v{"v"};
    v.set(nullptr);
    const auto token = v.set(nullptr);
    EXPECT_FALSE(token.old_value() == cv::Token<int*>::MISSING);
    static_assert(std::is_const_v<std::remove_reference_t<decltype((cv::Token<int*>::MISSING))>>);
}

TEST_F(PythonToken, prints_its_variable_and_whether_it_was_used) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    EXPECT_CONTAINS(printed(token), "<Token var=" + printed(v) + " at 0x");
    v.reset(token);
    EXPECT_CONTAINS(printed(token), "<Token used var=" + printed(v) + " at 0x");
}

TEST_F(PythonToken, can_be_neither_hashed_nor_compared) {
    static_assert(!std::equality_comparable<cv::Token<int>>);
    static_assert(!hashable<cv::Token<int>>);
    SUCCEED();
}

TEST_F(PythonToken, as_a_guard_discards_what_was_set_inside) {
    cv::ContextVar<int> v{"v", 36};
    {
        const auto scope = v.scoped(42);
        EXPECT_EQ(v.get(), 42);
        v.set(43);
    }
    EXPECT_EQ(v.get(), 36);
}

TEST_F(PythonToken, as_a_guard_lets_exceptions_pass) {
    cv::ContextVar<int> v{"v", 36};
    EXPECT_THROW(
        {
            const auto scope = v.scoped(42);
            throw 1;
        },
        int);
    EXPECT_EQ(v.get(), 36);
}

TEST_F(PythonToken, keeps_the_old_value_for_its_whole_life) {
    const NothingLeaks leaks;
    {
        cv::ContextVar<Counted> v{"v"};
        auto context = std::make_unique<cv::Context>();
        context->run([&] { v.set(Counted(1)); });
        auto token = context->run([&] { return v.set(Counted(2)); });
        context->run([&] { v.reset(token); });
        context.reset();
        EXPECT_EQ(token.old_value()->value, 1);
    }
}

TEST_F(PythonToken, stored_in_its_own_context_leaks_nothing) {
    const NothingLeaks leaks;
    isolated([] {
        static cv::ContextVar<Counted> v{"v"};
        static cv::ContextVar<std::shared_ptr<cv::Token<Counted>>> stored{"stored"};
        v.set(Counted(1));
        stored.set(std::make_shared<cv::Token<Counted>>(v.set(Counted(2))));
        stored.set(std::make_shared<cv::Token<Counted>>(v.set(Counted(3))));
    });
}
