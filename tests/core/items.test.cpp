// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <memory>
#include <ranges>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <typeinfo>
#include <utility>
#include <vector>

namespace cv = contextvars;
using ItemsTest = contextvars_tests::Isolated;

namespace {

std::multiset<std::string> names(const cv::Context& context) {
    std::multiset<std::string> result;
    for (auto&& variable : context.keys()) {
        result.emplace(variable.name());
    }
    return result;
}

/// The numbers among the values of a context.
std::multiset<int> numbers(const cv::Context& context) {
    std::multiset<int> result;
    for (auto&& value : context.values()) {
        if (const int* number = value.template as<int>()) {
            result.insert(*number);
        }
    }
    return result;
}

template <class T>
std::string printed(const T& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

} // namespace

TEST_F(ItemsTest, of_an_empty_context_are_empty) {
    const cv::Context context;
    EXPECT_EQ(context.keys().size(), 0u);
    EXPECT_EQ(context.values().size(), 0u);
    EXPECT_EQ(context.items().size(), 0u);
    EXPECT_EQ(std::ranges::distance(context.items()), 0);
    for ([[maybe_unused]] auto&& item : context) {
        FAIL();
    }
}

TEST_F(ItemsTest, list_every_binding_once) {
    cv::ContextVar<int> a{"a"};
    cv::ContextVar<int> b{"b"};
    cv::ContextVar<std::string> c{"c"};
    cv::ContextVar<int> unbound{"unbound", 4};
    a.set(1);
    b.set(2);
    b.set(3);
    c.set("three");
    const cv::Context context = cv::copy_context();
    EXPECT_EQ(names(context), (std::multiset<std::string>{"a", "b", "c"}));
    EXPECT_EQ(numbers(context), (std::multiset<int>{1, 3}));
    EXPECT_EQ(context.keys().size(), 3u);
    EXPECT_EQ(context.values().size(), 3u);
    EXPECT_EQ(context.items().size(), 3u);
}

TEST_F(ItemsTest, pair_each_variable_with_its_value) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    text.set("one");
    const cv::Context context = cv::copy_context();
    int seen = 0;
    for (auto&& [variable, value] : context) {
        ++seen;
        if (variable.name() == "number") {
            EXPECT_EQ(*value.template as<int>(), 1);
        } else {
            EXPECT_EQ(variable.name(), "text");
            EXPECT_EQ(*value.template as<std::string>(), "one");
        }
    }
    EXPECT_EQ(seen, 2);
    seen = 0;
    for (auto&& item : context.items()) {
        ++seen;
        EXPECT_EQ(item.value.type() == typeid(int), item.variable.name() == "number");
    }
    EXPECT_EQ(seen, 2);
}

TEST_F(ItemsTest, agree_with_keys_and_values_in_their_order) {
    std::vector<std::unique_ptr<cv::ContextVar<int>>> variables;
    for (int i = 0; i < 100; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<int>>(std::to_string(i)));
        variables.back()->set(i);
    }
    const cv::Context context = cv::copy_context();
    const auto keys = context.keys();
    const auto values = context.values();
    const auto items = context.items();
    auto key = keys.begin();
    auto value = values.begin();
    for (auto&& item : items) {
        ASSERT_NE(key, keys.end());
        ASSERT_NE(value, values.end());
        EXPECT_TRUE(item.variable == *key);
        EXPECT_EQ(*item.value.template as<int>(), *(*value).template as<int>());
        EXPECT_EQ(std::string(item.variable.name()),
                  std::to_string(*item.value.template as<int>()));
        ++key;
        ++value;
    }
    EXPECT_EQ(key, keys.end());
}

TEST_F(ItemsTest, know_a_variable_by_its_identity) {
    cv::ContextVar<int> a{"same"};
    cv::ContextVar<int> b{"same"};
    a.set(1);
    const cv::Context only_a = cv::copy_context();
    b.set(2);
    const cv::Context both = cv::copy_context();
    const auto first = *only_a.keys().begin();
    int equal = 0;
    int same_identity = 0;
    for (auto&& variable : both.keys()) {
        equal += variable == first ? 1 : 0;
        same_identity += variable.identity() == first.identity() ? 1 : 0;
    }
    EXPECT_EQ(equal, 1);
    EXPECT_EQ(same_identity, 1);
}

TEST_F(ItemsTest, know_the_variable_itself) {
    cv::ContextVar<int> a{"same"};
    cv::ContextVar<int> b{"same"};
    cv::ContextVar<int> unbound{"same"};
    a.set(1);
    b.set(2);
    const cv::Context both = cv::copy_context();
    int found = 0;
    for (auto&& variable : both.keys()) {
        found += variable == a ? 1 : 0;
        found += b == variable ? 10 : 0;
        EXPECT_NE(variable, unbound);
    }
    EXPECT_EQ(found, 11);
}

TEST_F(ItemsTest, give_a_value_as_its_own_type_only) {
    cv::ContextVar<int> number{"number"};
    number.set(7);
    const cv::Context context = cv::copy_context();
    auto values = context.values();
    auto&& value = *values.begin();
    static_assert(std::is_same_v<decltype(value.template as<int>()), const int*>);
    EXPECT_EQ(value.type(), typeid(int));
    ASSERT_NE(value.template as<int>(), nullptr);
    EXPECT_EQ(*value.template as<int>(), 7);
    EXPECT_EQ(value.template as<unsigned>(), nullptr);
    EXPECT_EQ(value.template as<long>(), nullptr);
    EXPECT_EQ(value.template as<std::string>(), nullptr);
}

TEST_F(ItemsTest, give_the_bound_object_of_a_type_that_is_not_inline) {
    cv::ContextVar<std::unique_ptr<int>> v{"v"};
    v.set(std::make_unique<int>(3));
    const cv::Context context = cv::copy_context();
    ASSERT_EQ(context.items().size(), 1u);
    for (auto&& [variable, value] : context.items()) {
        EXPECT_EQ(value.type(), typeid(std::unique_ptr<int>));
        ASSERT_NE(value.template as<std::unique_ptr<int>>(), nullptr);
        EXPECT_EQ(value.template as<std::unique_ptr<int>>()->get(), context[v].get());
    }
}

TEST_F(ItemsTest, print_their_values) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(12345);
    text.set("some text");
    const cv::Context context = cv::copy_context();
    int seen = 0;
    for (auto&& [variable, value] : context) {
        ++seen;
        EXPECT_EQ(printed(value), variable.name() == "number" ? "12345" : "some text");
        EXPECT_CONTAINS(printed(variable), std::string(variable.name()));
    }
    EXPECT_EQ(seen, 2);
}

TEST_F(ItemsTest, are_a_snapshot) {
    cv::ContextVar<int> a{"a"};
    cv::ContextVar<int> b{"b"};
    cv::Context context;
    context.run([&] {
        a.set(1);
        const auto keys = context.keys();
        const auto values = context.values();
        const auto items = context.items();
        a.set(2);
        b.set(3);
        EXPECT_EQ(keys.size(), 1u);
        EXPECT_EQ(std::ranges::distance(keys), 1);
        EXPECT_EQ(*(*values.begin()).template as<int>(), 1);
        EXPECT_EQ(*(*items.begin()).value.template as<int>(), 1);
        EXPECT_EQ(context.keys().size(), 2u);
    });
}

TEST_F(ItemsTest, do_not_see_what_is_set_while_one_iterates) {
    std::vector<std::unique_ptr<cv::ContextVar<std::string>>> variables;
    for (int i = 0; i < 40; ++i) {
        variables.push_back(std::make_unique<cv::ContextVar<std::string>>(std::to_string(i)));
        variables.back()->set("old");
    }
    cv::Context context = cv::copy_context();
    context.run([&] {
        int seen = 0;
        for (auto&& [variable, value] : context) {
            EXPECT_EQ(*value.template as<std::string>(), "old");
            for (const auto& v : variables) {
                v->set("new");
            }
            ++seen;
        }
        EXPECT_EQ(seen, 40);
    });
}

TEST_F(ItemsTest, outlive_their_context) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    text.set("a text that is too long for the small string buffer");
    auto context = std::make_unique<cv::Context>(cv::copy_context());
    const auto items = context->items();
    const auto values = context->values();
    context.reset();
    number.set(2);
    text.set("another text that is too long for the small string buffer");
    int seen = 0;
    for (auto&& [variable, value] : items) {
        ++seen;
        if (const auto* found = value.template as<std::string>()) {
            EXPECT_EQ(*found, "a text that is too long for the small string buffer");
        } else {
            EXPECT_EQ(*value.template as<int>(), 1);
        }
    }
    EXPECT_EQ(seen, 2);
    EXPECT_EQ(values.size(), 2u);
}

TEST_F(ItemsTest, can_be_iterated_more_than_once) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    const cv::Context context = cv::copy_context();
    const auto keys = context.keys();
    static_assert(std::ranges::forward_range<decltype(keys)>);
    static_assert(std::ranges::forward_range<decltype(context.values())>);
    static_assert(std::ranges::forward_range<decltype(context.items())>);
    static_assert(std::ranges::forward_range<const cv::Context>);
    auto first = keys.begin();
    const auto second = first;
    ++first;
    EXPECT_EQ(first, keys.end());
    EXPECT_EQ((*second).name(), "v") << "each iterator has a place of its own";
    EXPECT_EQ(std::ranges::distance(keys), 1);
}
