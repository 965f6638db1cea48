// SPDX-License-Identifier: MIT
//
// A context as a mapping of variables to values: lookup, size and ==.
#include <contextvars/context.hpp>

#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstddef>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <queue>
#include <stack>
#include <stdexcept>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::isolated;
using MappingTest = contextvars_tests::Isolated;

namespace {

struct Opaque { // no ==
    Opaque(std::string value) : text(std::move(value)) {}
    std::string text;
};
struct OpaqueBits { // no ==, stored inline
    int bits;
};
struct SaysNo { // == that is never true, and a type that is not stored inline
    std::string text;
    friend bool operator==(const SaysNo&, const SaysNo&) { return false; }
};
struct Ignored { // has ==, and its user says that contexts are not to use it
    std::string text;
    bool operator==(const Ignored&) const { return true; }
};
struct Throws {
    std::string text;
    friend bool operator==(const Throws&, const Throws&) { throw std::logic_error("=="); }
};

template <class T>
cv::Context with(const cv::ContextVar<T>& v, std::type_identity_t<T> value) {
    cv::Context context;
    context.run([&] { v.set(std::move(value)); });
    return context;
}

} // namespace

template <>
inline constexpr bool contextvars::enable_equality<Ignored> = false;

static_assert(cv::enable_equality<int>);
static_assert(cv::enable_equality<std::vector<std::string>>);
static_assert(cv::enable_equality<std::map<int, std::pair<int, std::string>>>);
static_assert(!cv::enable_equality<Opaque>);
static_assert(!cv::enable_equality<std::vector<Opaque>>);
static_assert(!cv::enable_equality<std::vector<std::vector<Opaque>>>);
static_assert(!cv::enable_equality<std::map<int, Opaque>>);
static_assert(!cv::enable_equality<std::array<Opaque, 2>>);
static_assert(!cv::enable_equality<std::pair<int, Opaque>>);
static_assert(!cv::enable_equality<std::tuple<int, Opaque>>);
static_assert(!cv::enable_equality<std::optional<Opaque>>);
static_assert(!cv::enable_equality<std::variant<int, Opaque>>);
static_assert(!cv::enable_equality<std::optional<std::vector<Opaque>>>);
static_assert(cv::enable_equality<std::tuple<>>);
static_assert(cv::enable_equality<std::variant<std::monostate, int>>);

TEST_F(MappingTest, contains_what_is_bound_and_not_what_has_a_default) {
    cv::ContextVar<int> bound{"bound"};
    cv::ContextVar<int> with_default{"with_default", 1};
    bound.set(1);
    const cv::Context context = cv::copy_context();
    EXPECT_TRUE(context.contains(bound));
    EXPECT_FALSE(context.contains(with_default));
    EXPECT_EQ(context.size(), 1u);
    EXPECT_FALSE(context.empty());
}

TEST_F(MappingTest, is_indexed_by_a_variable) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    text.set("one");
    const cv::Context context = cv::copy_context();
    EXPECT_EQ(context[number], 1);
    static_assert(std::is_same_v<decltype(context[text]), const std::string&>);
    EXPECT_EQ(context[text], "one");
}

TEST_F(MappingTest, throws_a_KeyError_for_a_missing_variable_even_with_a_default) {
    cv::ContextVar<int> v{"v", 1};
    const cv::Context context;
    EXPECT_THROW(static_cast<void>(context[v]), cv::KeyError);
}

TEST_F(MappingTest, gets_a_pointer_a_fallback_or_nothing) {
    cv::ContextVar<int> number{"number", 9};
    cv::ContextVar<std::string> text{"text", "nine"};
    const cv::Context empty;
    static_assert(std::is_same_v<decltype(empty.get(text)), const std::string*>);
    static_assert(std::is_same_v<decltype(empty.get(text, "")), std::string>);
    EXPECT_EQ(empty.get(number), nullptr) << "a default is not a binding";
    EXPECT_EQ(empty.get(text), nullptr);
    EXPECT_EQ(empty.get(number, 2), 2);
    EXPECT_EQ(empty.get(text, "two"), "two");
    number.set(1);
    text.set("one");
    const cv::Context context = cv::copy_context();
    EXPECT_EQ(*context.get(number), 1);
    EXPECT_EQ(*context.get(text), "one");
    EXPECT_EQ(context.get(number, 2), 1);
    EXPECT_EQ(context.get(text, "two"), "one");
}

TEST_F(MappingTest, counts_each_variable_once) {
    cv::ContextVar<int> a{"a"};
    cv::ContextVar<std::string> b{"b"};
    auto first = a.set(1);
    a.set(2);
    EXPECT_EQ(cv::copy_context().size(), 1u);
    b.set("b");
    EXPECT_EQ(cv::copy_context().size(), 2u);
    a.reset(first);
    EXPECT_EQ(cv::copy_context().size(), 1u);
}

TEST_F(MappingTest, equals_one_with_the_same_variables_and_equal_values) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    cv::Context a = with(number, 1);
    cv::Context b = with(number, 1);
    EXPECT_TRUE(a == b);
    EXPECT_FALSE(a != b);
    a.run([&] { text.set("one"); });
    EXPECT_FALSE(a == b);
    EXPECT_FALSE(b == a);
    b.run([&] { text.set("one"); });
    EXPECT_TRUE(a == b);
    b.run([&] { text.set("two"); });
    EXPECT_TRUE(a != b);
    EXPECT_TRUE(cv::Context() == cv::Context());
    EXPECT_FALSE(cv::Context() == a);
}

TEST_F(MappingTest, does_not_equal_one_of_the_same_size_with_other_variables) {
    cv::ContextVar<int> v{"same"};
    cv::ContextVar<int> w{"same"};
    EXPECT_FALSE(with(v, 1) == with(w, 1));
}

TEST_F(MappingTest, does_not_care_for_the_order_of_sets_or_for_being_entered) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<int> w{"w"};
    cv::Context a = with(v, 1);
    cv::Context b = with(w, 2);
    a.run([&] { w.set(2); });
    b.run([&] {
        v.set(1);
        EXPECT_TRUE(a == b);
        EXPECT_TRUE(b == b);
    });
}

TEST_F(MappingTest, asks_for_identity_before_it_asks_for_equality) {
    cv::ContextVar<SaysNo> v{"v"};
    cv::ContextVar<double> number{"number"};
    cv::Context a = with(v, SaysNo{"x"});
    a.run([&] { number.set(std::numeric_limits<double>::quiet_NaN()); });
    EXPECT_TRUE(a == a);
    EXPECT_TRUE(a == a.copy());
    cv::Context unshared = a;
    cv::ContextVar<int> other{"other"};
    auto token = unshared.run([&] { return other.set(1); });
    unshared.run([&] { other.reset(token); });
    EXPECT_TRUE(a == unshared) << "the values are still the same objects";
    EXPECT_FALSE(a == with(v, SaysNo{"x"}));
    EXPECT_FALSE(with(v, SaysNo{"x"}) == with(v, SaysNo{"x"}));
}

TEST_F(MappingTest, compares_values_without_equality_by_identity_only) {
    cv::ContextVar<Opaque> v{"v"};
    cv::ContextVar<OpaqueBits> bits{"bits"};
    cv::ContextVar<std::vector<Opaque>> many{"many"};
    cv::Context a = with(v, Opaque("x"));
    a.run([&] {
        bits.set({1});
        many.set({Opaque("y")});
    });
    EXPECT_TRUE(a == a.copy());
    EXPECT_FALSE(with(v, Opaque("x")) == with(v, Opaque("x")));
    EXPECT_FALSE(with(many, {Opaque("x")}) == with(many, {Opaque("x")}));
    EXPECT_FALSE(with(bits, {1}) == with(bits, {2}));
}

TEST_F(MappingTest, uses_equality_only_where_the_trait_says_so) {
    cv::ContextVar<Ignored> v{"v"};
    EXPECT_FALSE(with(v, Ignored{"x"}) == with(v, Ignored{"x"}));
    EXPECT_TRUE(with(v, Ignored{"x"}) != with(v, Ignored{"y"}));
}

TEST_F(MappingTest, compares_containers_of_comparable_values) {
    cv::ContextVar<std::vector<std::string>> v{"v"};
    EXPECT_TRUE(with(v, {"a", "b"}) == with(v, {"a", "b"}));
    EXPECT_FALSE(with(v, {"a", "b"}) == with(v, {"a"}));
}

TEST_F(MappingTest, compares_adaptors_of_containers_where_their_values_are_comparable) {
    cv::ContextVar<std::stack<int>> stack{"stack"};
    EXPECT_TRUE(with(stack, std::stack<int>({1, 2})) == with(stack, std::stack<int>({1, 2})));
    static_assert(!cv::enable_equality<std::stack<Opaque>>);
    cv::ContextVar<std::queue<Opaque>> queue{"queue"};
    EXPECT_FALSE(with(queue, {}) == with(queue, {}));
}

TEST_F(MappingTest, compares_doubles_as_numbers) {
    cv::ContextVar<double> v{"v"};
    EXPECT_TRUE(with(v, 0.0) == with(v, -0.0));
}

TEST_F(MappingTest, lets_the_exception_of_an_equality_pass) {
    cv::ContextVar<Throws> v{"v"};
    const cv::Context a = with(v, Throws{"x"});
    const cv::Context b = with(v, Throws{"x"});
    EXPECT_THROW(static_cast<void>(a == b), std::logic_error);
    EXPECT_TRUE(a == a.copy());
}

namespace {
template <class T>
concept comparable = requires(const cv::Context& context, const T& other) { context == other; };
template <class T>
concept ordered = requires(const cv::Context& context, const T& other) { context < other; };
} // namespace

TEST_F(MappingTest, cannot_be_compared_with_anything_else_or_ordered) {
    static_assert(comparable<cv::Context> && !ordered<cv::Context>);
    static_assert(!comparable<std::map<int, int>> && !comparable<int>);
    static_assert(!comparable<std::nullptr_t> && !comparable<cv::ContextVar<int>>);
}
