// SPDX-License-Identifier: MIT
#include <contextvars/token.hpp>

#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <memory>
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
using TokenTest = contextvars_tests::Isolated;

static_assert(!std::is_copy_constructible_v<cv::Token<int>>);
static_assert(!std::is_copy_assignable_v<cv::Token<int>>);
static_assert(std::is_nothrow_move_constructible_v<cv::Token<int>>);
static_assert(std::is_nothrow_move_constructible_v<cv::Token<std::string>>);
static_assert(std::is_move_assignable_v<cv::Token<std::string>>);
static_assert(noexcept(
    std::declval<const cv::ContextVar<int>&>().try_reset(std::declval<cv::Token<int>&>())));

TEST_F(TokenTest, knows_its_variable) {
    cv::ContextVar<int> v{"v"};
    const cv::Token<int> token = v.set(1);
    static_assert(std::is_same_v<decltype(token.var()), const cv::ContextVar<int>&>);
    EXPECT_EQ(&token.var(), &v);
}

TEST_F(TokenTest, gives_back_its_share_of_an_old_value_that_its_context_has_again) {
    const NothingLeaks leaks;
    isolated([] {
        cv::ContextVar<Counted> v{"v"};
        v.set(Counted(1));
        {
            auto token = v.set(Counted(2));
            v.reset(token);
            EXPECT_EQ(token.old_value()->value, 1);
        }
        EXPECT_EQ(v.get().value, 1);
    });
    EXPECT_TRUE(leaks.holds());
}

TEST_F(TokenTest, knows_the_value_before) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    text.set("one");
    auto a = number.set(2);
    auto b = text.set("two");
    static_assert(std::is_same_v<decltype(a.old_value()), const int*>);
    ASSERT_NE(a.old_value(), nullptr);
    EXPECT_EQ(*a.old_value(), 1);
    ASSERT_NE(b.old_value(), nullptr);
    EXPECT_EQ(*b.old_value(), "one");
}

TEST_F(TokenTest, says_MISSING_where_there_was_no_binding) {
    cv::ContextVar<int> v{"v"};
    auto first = v.set(1);
    EXPECT_TRUE(first.old_value() == cv::Token<int>::MISSING);
    EXPECT_TRUE(cv::Token<int>::MISSING == first.old_value());
    auto second = v.set(2);
    EXPECT_FALSE(second.old_value() == cv::Token<int>::MISSING);
    EXPECT_TRUE(second.old_value() != cv::Token<int>::MISSING);
}

TEST_F(TokenTest, does_not_take_a_default_for_the_value_before) {
    cv::ContextVar<std::string> v{"v", "default"};
    auto token = v.set("value");
    EXPECT_TRUE(token.old_value() == cv::Token<std::string>::MISSING);
}

TEST_F(TokenTest, gives_the_value_before_also_after_it_was_used) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    text.set("one");
    auto a = number.set(2);
    auto b = text.set("two");
    number.reset(a);
    text.reset(b);
    text.set("three");
    EXPECT_EQ(*a.old_value(), 1);
    EXPECT_EQ(*b.old_value(), "one");
    EXPECT_EQ(&a.var(), &number);
}

TEST_F(TokenTest, restores_the_value_before) {
    cv::ContextVar<std::string> v{"v"};
    v.set("one");
    auto token = v.set("two");
    v.reset(token);
    EXPECT_EQ(v.get(), "one");
}

TEST_F(TokenTest, removes_the_binding_where_there_was_none) {
    cv::ContextVar<int> v{"v", 9};
    auto token = v.set(1);
    v.reset(token);
    EXPECT_EQ(v.get(), 9);
    EXPECT_FALSE(cv::copy_context().contains(v));
}

TEST_F(TokenTest, is_accepted_as_lvalue_and_as_rvalue) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    v.reset(std::move(token));
    EXPECT_EQ(v.try_get(), nullptr);
    v.reset(v.set(2));
    EXPECT_EQ(v.try_get(), nullptr);
    EXPECT_EQ(v.try_reset(v.set(3)), cv::reset_result::ok);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(TokenTest, does_not_enforce_an_order) {
    cv::ContextVar<int> v{"v"};
    auto a = v.set(1);
    auto b = v.set(2);
    v.reset(a);
    EXPECT_EQ(v.try_get(), nullptr);
    v.reset(b);
    EXPECT_EQ(v.get(), 1);
}

TEST_F(TokenTest, works_once) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    v.reset(token);
    v.set(2);
    EXPECT_THROW(v.reset(token), cv::RuntimeError);
    EXPECT_EQ(v.try_reset(token), cv::reset_result::used);
    EXPECT_EQ(v.get(), 2);
}

TEST_F(TokenTest, works_for_its_own_variable_only_and_stays_usable) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<int> w{"w"};
    auto token = v.set(1);
    w.set(10);
    EXPECT_THROW(w.reset(token), cv::ValueError);
    EXPECT_EQ(w.try_reset(token), cv::reset_result::wrong_variable);
    EXPECT_EQ(w.get(), 10);
    EXPECT_EQ(v.get(), 1);
    v.reset(token);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(TokenTest, works_in_its_own_context_only_and_stays_usable) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    cv::Context copy = cv::copy_context();
    copy.run([&] {
        v.set(2);
        EXPECT_THROW(v.reset(token), cv::ValueError);
        EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context);
        EXPECT_EQ(v.get(), 2);
    });
    v.reset(token);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(TokenTest, works_again_when_its_context_is_entered_again) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    auto token = context.run([&] { return v.set(1); });
    EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context);
    context.run([&] { v.reset(token); });
    EXPECT_FALSE(context.contains(v));
}

TEST_F(TokenTest, works_on_another_thread_that_entered_its_context) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    auto token = context.run([&] { return v.set(1); });
    std::thread([&] { context.run([&] { v.reset(token); }); }).join();
    EXPECT_FALSE(context.contains(v));
}

TEST_F(TokenTest, gives_one_of_four_results) {
    const auto name = [](cv::reset_result result) {
        switch (result) { // complete, as compilers' warnings see it
        case cv::reset_result::ok:
            return "ok";
        case cv::reset_result::used:
            return "used";
        case cv::reset_result::wrong_variable:
            return "wrong_variable";
        case cv::reset_result::wrong_context:
            return "wrong_context";
        }
        return "no memory";
    };
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<int> w{"w"};
    auto token = v.set(1);
    EXPECT_STREQ(name(w.try_reset(token)), "wrong_variable");
    EXPECT_STREQ(name(cv::Context().run([&] { return v.try_reset(token); })), "wrong_context");
    EXPECT_STREQ(name(v.try_reset(token)), "ok");
    EXPECT_STREQ(name(v.try_reset(token)), "used");
    EXPECT_STREQ(name(cv::reset_no_memory), "no memory");
}

TEST_F(TokenTest, is_checked_for_use_then_variable_then_context) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<int> w{"w"};
    auto fresh = v.set(1);
    auto used = v.set(2);
    v.reset(used);
    isolated([&] {
        EXPECT_EQ(w.try_reset(used), cv::reset_result::used);
        EXPECT_EQ(v.try_reset(used), cv::reset_result::used);
        EXPECT_EQ(w.try_reset(fresh), cv::reset_result::wrong_variable);
        EXPECT_EQ(v.try_reset(fresh), cv::reset_result::wrong_context);
        EXPECT_THROW(w.reset(used), cv::RuntimeError);
        EXPECT_CONTAINS(message_of<cv::ValueError>([&] { w.reset(fresh); }),
                        "different ContextVar");
        EXPECT_CONTAINS(message_of<cv::ValueError>([&] { v.reset(fresh); }), "different Context");
    });
    EXPECT_EQ(w.try_reset(used), cv::reset_result::used);
    EXPECT_EQ(w.try_reset(fresh), cv::reset_result::wrong_variable);
    EXPECT_EQ(v.try_reset(fresh), cv::reset_result::ok);
}

TEST_F(TokenTest, that_was_moved_from_is_a_used_one) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    auto owner = std::move(token);
    EXPECT_EQ(v.try_reset(token), cv::reset_result::used);
    EXPECT_THROW(v.reset(token), cv::RuntimeError);
    EXPECT_EQ(v.get(), 1);
    v.reset(owner);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(TokenTest, takes_over_what_another_token_knew_when_it_is_assigned) {
    const NothingLeaks leaks;
    isolated([] {
        cv::ContextVar<Counted> v{"v"};
        const int before = Counted::alive;
        v.set(Counted(1));
        auto a = v.set(Counted(2));
        auto b = v.set(Counted(3));
        a = std::move(b);
        EXPECT_EQ(Counted::alive, before + 2) << "value 1, which only a knew, is gone";
        EXPECT_EQ(v.try_reset(b), cv::reset_result::used);
        v.reset(a);
        EXPECT_EQ(v.get().value, 2);
    });
}

TEST_F(TokenTest, of_a_token_already_used_stays_used_when_it_is_moved) {
    cv::ContextVar<int> v{"v"};
    auto token = v.set(1);
    v.reset(token);
    auto moved = std::move(token);
    EXPECT_EQ(v.try_reset(moved), cv::reset_result::used);
}

TEST_F(TokenTest, may_outlive_its_context) {
    cv::ContextVar<std::string> v{"v"};
    auto context = std::make_unique<cv::Context>();
    context->run([&] { v.set("one"); });
    auto token = context->run([&] { return v.set("two"); });
    context.reset();
    EXPECT_EQ(*token.old_value(), "one");
    EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context);
    cv::Context next;
    next.run([&] { EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context); });
}

TEST_F(TokenTest, is_foreign_to_every_context_made_where_its_own_one_was) {
    cv::ContextVar<int> v{"v"};
    alignas(cv::Context) unsigned char place[sizeof(cv::Context)];
    auto* first = new (place) cv::Context;
    auto token = first->run([&] { return v.set(1); });
    first->~Context();
    for (int i = 0; i < 100; ++i) {
        auto* next = new (place) cv::Context;
        next->run([&] { EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context); });
        next->~Context();
    }
}

TEST_F(TokenTest, may_outlive_its_variable) {
    const NothingLeaks leaks;
    isolated([] {
        auto v = std::make_unique<cv::ContextVar<Counted>>("v");
        v->set(Counted(1));
        auto token = v->set(Counted(2));
        v.reset();
        EXPECT_EQ(token.old_value()->value, 1);
        cv::ContextVar<Counted> other{"other"};
        EXPECT_EQ(other.try_reset(token), cv::reset_result::wrong_variable);
    });
}

TEST_F(TokenTest, may_be_stored_in_the_context_it_belongs_to) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<std::shared_ptr<cv::Token<int>>> stored{"stored"};
    stored.set(std::make_shared<cv::Token<int>>(v.set(1)));
    v.reset(*stored.get());
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(TokenTest, made_by_every_set_is_a_new_one_even_for_the_same_value) {
    cv::ContextVar<int> v{"v"};
    auto a = v.set(1);
    auto b = v.set(1);
    v.reset(b);
    EXPECT_EQ(v.get(), 1);
    v.reset(a);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(TokenTest, of_many_resets_in_any_order_restores_what_each_one_replaced) {
    cv::ContextVar<std::string> v{"v"};
    std::vector<cv::Token<std::string>> tokens;
    for (int i = 0; i < 10; ++i) {
        tokens.push_back(v.set(std::to_string(i)));
    }
    for (const int i : {3, 9, 1, 7, 5}) {
        v.reset(tokens[static_cast<std::size_t>(i)]);
        EXPECT_EQ(v.get(), std::to_string(i - 1));
    }
    v.reset(tokens[0]);
    EXPECT_EQ(v.try_get(), nullptr);
}
