// SPDX-License-Identifier: MIT
#include <contextvars/context_var.hpp>

#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::message_of;
using contextvars_tests::NothingLeaks;
using ContextVarTest = contextvars_tests::Isolated;

namespace {

constinit cv::ContextVar<int> constant_initialised{"constant_initialised", 3};
constinit cv::ContextVar<std::string> without_default{"without_default"};

struct eight_bytes {
    std::int32_t a, b;
};
struct nine_bytes {
    char a[9];
};
struct not_trivial {
    not_trivial(const not_trivial& other) : a(other.a) {}
    int a;
};

static_assert(cv::stored_inline<int>);
static_assert(cv::stored_inline<double>);
static_assert(cv::stored_inline<const char*>);
static_assert(cv::stored_inline<eight_bytes>);
static_assert(!cv::stored_inline<nine_bytes>);
static_assert(!cv::stored_inline<not_trivial>);
static_assert(!cv::stored_inline<std::string>);
static_assert(!cv::stored_inline<std::unique_ptr<int>>);

template <class T>
using get_result = decltype(std::declval<const cv::ContextVar<T>&>().get());
static_assert(std::is_same_v<get_result<int>, int>);
static_assert(std::is_same_v<get_result<eight_bytes>, eight_bytes>);
static_assert(std::is_same_v<get_result<nine_bytes>, const nine_bytes&>);
static_assert(std::is_same_v<get_result<std::string>, const std::string&>);
static_assert(std::is_same_v<decltype(std::declval<const cv::ContextVar<std::string>&>().get("")),
                             std::string>);
static_assert(
    std::is_same_v<decltype(std::declval<const cv::ContextVar<int>&>().try_get()), const int*>);
static_assert(noexcept(constant_initialised.try_get()));
static_assert(noexcept(without_default.try_get()));

static_assert(!std::is_copy_constructible_v<cv::ContextVar<int>>);
static_assert(!std::is_move_constructible_v<cv::ContextVar<int>>);
static_assert(!std::is_copy_assignable_v<cv::ContextVar<int>>);
static_assert(!std::is_move_assignable_v<cv::ContextVar<int>>);

} // namespace

TEST_F(ContextVarTest, has_the_name_it_was_given) {
    cv::ContextVar<int> v{"request_id"};
    static_assert(std::is_same_v<decltype(v.name()), std::string_view>);
    EXPECT_EQ(v.name(), "request_id");
}

TEST_F(ContextVarTest, may_have_an_empty_name) {
    cv::ContextVar<int> v{""};
    EXPECT_EQ(v.name(), "");
}

TEST_F(ContextVarTest, keeps_a_name_that_was_a_temporary_string) {
    const auto v = std::make_unique<cv::ContextVar<int>>(std::string(100, 'n'));
    std::string fills_the_memory_of_the_temporary(100, 'x');
    EXPECT_EQ(v->name(), std::string(100, 'n'));
}

TEST_F(ContextVarTest, keeps_a_name_that_was_changed_later) {
    std::string name = "short";
    cv::ContextVar<int> v{name};
    name = "other"; // in the same buffer
    EXPECT_EQ(v.name(), "short");
}

TEST_F(ContextVarTest, without_value_and_default_throws_a_LookupError_that_names_it) {
    cv::ContextVar<int> v{"lonely"};
    EXPECT_CONTAINS(message_of<cv::LookupError>([&] { v.get(); }), "<ContextVar name='lonely'");
}

TEST_F(ContextVarTest, gives_its_default_where_it_is_missing) {
    cv::ContextVar<int> number{"number", 5};
    cv::ContextVar<std::string> text{"text", "five"};
    EXPECT_EQ(number.get(), 5);
    EXPECT_EQ(text.get(), "five");
    EXPECT_EQ(*number.try_get(), 5);
    EXPECT_EQ(*text.try_get(), "five");
}

TEST_F(ContextVarTest, takes_a_value_made_of_zero_bits_for_a_default) {
    cv::ContextVar<int> zero{"zero", 0};
    cv::ContextVar<int*> null{"null", nullptr};
    EXPECT_EQ(zero.get(), 0);
    EXPECT_EQ(null.get(), nullptr);
    ASSERT_NE(null.try_get(), nullptr);
}

TEST_F(ContextVarTest, gives_the_argument_of_get_before_its_own_default) {
    cv::ContextVar<int> v{"v", 5};
    EXPECT_EQ(v.get(7), 7);
    v.set(6);
    EXPECT_EQ(v.get(7), 6);
}

TEST_F(ContextVarTest, gives_the_argument_of_get_where_it_has_no_default) {
    cv::ContextVar<std::string> v{"v"};
    EXPECT_EQ(v.get("fallback"), "fallback");
    v.set("bound");
    EXPECT_EQ(v.get("fallback"), "bound");
}

TEST_F(ContextVarTest, gives_no_pointer_where_there_is_neither_value_nor_default) {
    cv::ContextVar<int> number{"number"};
    cv::ContextVar<std::string> text{"text"};
    EXPECT_EQ(number.try_get(), nullptr);
    EXPECT_EQ(text.try_get(), nullptr);
}

TEST_F(ContextVarTest, gives_what_was_set_last) {
    cv::ContextVar<int> number{"number", 5};
    cv::ContextVar<std::string> text{"text"};
    number.set(1);
    number.set(2);
    text.set("one");
    text.set("two");
    EXPECT_EQ(number.get(), 2);
    EXPECT_EQ(*number.try_get(), 2);
    EXPECT_EQ(text.get(), "two");
    EXPECT_EQ(*text.try_get(), "two");
}

TEST_F(ContextVarTest, is_known_by_its_identity_and_not_by_its_name) {
    cv::ContextVar<int> a{"same"};
    cv::ContextVar<int> b{"same"};
    a.set(1);
    EXPECT_EQ(b.try_get(), nullptr);
    b.set(2);
    EXPECT_EQ(a.get(), 1);
    EXPECT_EQ(b.get(), 2);
}

TEST_F(ContextVarTest, gives_a_reference_to_the_bound_object_itself) {
    cv::ContextVar<std::string> v{"v"};
    v.set("value");
    EXPECT_EQ(&v.get(), v.try_get());
    EXPECT_EQ(&v.get(), &v.get());
}

TEST_F(ContextVarTest, keeps_a_reference_good_while_other_variables_are_set) {
    cv::ContextVar<std::string> v{"v"};
    v.set("a value that is too long for the small string buffer");
    const std::string& held = v.get();
    std::vector<std::unique_ptr<cv::ContextVar<int>>> others;
    for (int i = 0; i < 200; ++i) {
        others.push_back(std::make_unique<cv::ContextVar<int>>("other"));
        others.back()->set(i);
    }
    const cv::Context captured = cv::copy_context();
    others[0]->set(-1);
    EXPECT_EQ(held, "a value that is too long for the small string buffer");
    EXPECT_EQ(&held, &v.get());
}

TEST_F(ContextVarTest, moves_what_is_set_and_copies_nothing) {
    cv::ContextVar<Counted> v{"v"};
    Counted value(4);
    Counted::forget();
    v.set(std::move(value));
    EXPECT_EQ(Counted::copies, 0);
    EXPECT_GE(Counted::moves, 1);
    EXPECT_EQ(v.get().value, 4);
    v.get();
    v.try_get();
    const cv::Context captured = cv::copy_context();
    v.set(Counted(5));
    EXPECT_EQ(Counted::copies, 0) << "capturing and unsharing share values, they do not copy them";
}

TEST_F(ContextVarTest, leaves_an_lvalue_that_is_set_as_it_was) {
    cv::ContextVar<std::string> v{"v"};
    const std::string value = "kept";
    v.set(value);
    EXPECT_EQ(value, "kept");
    EXPECT_EQ(v.get(), "kept");
}

TEST_F(ContextVarTest, emplaces_without_moving) {
    cv::ContextVar<Counted> v{"v"};
    Counted::forget();
    auto token = v.emplace(2, 3);
    static_assert(std::is_same_v<decltype(token), cv::Token<Counted>>);
    EXPECT_EQ(v.get().value, 5);
    EXPECT_EQ(Counted::made, 1);
    EXPECT_EQ(Counted::copies + Counted::moves, 0);
    v.reset(token);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(ContextVarTest, emplaces_an_inline_type) {
    cv::ContextVar<eight_bytes> v{"v"};
    v.emplace(eight_bytes{1, 2});
    EXPECT_EQ(v.get().a, 1);
    EXPECT_EQ(v.get().b, 2);
}

TEST_F(ContextVarTest, holds_a_type_that_can_only_be_moved) {
    cv::ContextVar<std::unique_ptr<int>> v{"v"};
    auto token = v.set(std::make_unique<int>(1));
    EXPECT_EQ(*v.get(), 1);
    auto inner = v.emplace(new int(2));
    EXPECT_EQ(**v.try_get(), 2);
    v.reset(inner);
    EXPECT_EQ(*v.get(), 1);
    v.reset(token);
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(ContextVarTest, holds_a_type_that_can_be_neither_copied_nor_moved) {
    struct Pinned {
        explicit Pinned(int number) : value(number) {}
        Pinned(const Pinned&) = delete;
        int value;
    };
    cv::ContextVar<Pinned> v{"v"};
    v.emplace(8);
    EXPECT_EQ(v.get().value, 8);
}

TEST_F(ContextVarTest, holds_an_over_aligned_type_at_its_alignment) {
    struct alignas(64) Wide {
        int value;
    };
    cv::ContextVar<Wide> v{"v"};
    std::vector<cv::Token<Wide>> tokens;
    for (int i = 0; i < 20; ++i) {
        tokens.push_back(v.set(Wide{i}));
        EXPECT_EQ(reinterpret_cast<std::uintptr_t>(&v.get()) % 64, 0u);
        EXPECT_EQ(v.get().value, i);
    }
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(tokens.back().old_value()) % 64, 0u);
}

TEST_F(ContextVarTest, sets_emplaces_and_resets_through_a_const_object) {
    const cv::ContextVar<int> v{"v", 0};
    auto token = v.set(1);
    v.emplace(2);
    v.reset(token);
    EXPECT_EQ(v.get(), 0);
    auto again = v.set(1);
    EXPECT_EQ(v.try_reset(again), cv::reset_result::ok);
    const auto scope = v.scoped(3);
    EXPECT_EQ(v.get(), 3);
}

TEST_F(ContextVarTest, is_not_reset_when_its_token_is_dropped) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    {
        auto dropped = v.set(2);
    }
    EXPECT_EQ(v.get(), 2);
}

TEST_F(ContextVarTest, may_hold_its_value_again) {
    cv::ContextVar<std::string> v{"v"};
    v.set("self");
    v.set(v.get());
    EXPECT_EQ(v.get(), "self");
    v.set(v.get() + "!");
    EXPECT_EQ(v.get(), "self!");
}

TEST_F(ContextVarTest, at_namespace_scope_is_constant_initialised) {
    EXPECT_EQ(constant_initialised.get(), 3);
    EXPECT_EQ(without_default.try_get(), nullptr);
    without_default.set("set");
    EXPECT_EQ(without_default.get(), "set");
}

TEST_F(ContextVarTest, lets_go_of_a_replaced_value_as_soon_as_its_token_is_gone) {
    const NothingLeaks leaks;
    isolated([] {
        cv::ContextVar<Counted> v{"v"};
        const int before = Counted::alive;
        v.set(Counted(1));
        EXPECT_EQ(Counted::alive, before + 1);
        {
            auto token = v.set(Counted(2));
            EXPECT_EQ(Counted::alive, before + 2) << "the token keeps the value it replaced";
        }
        EXPECT_EQ(Counted::alive, before + 1);
        isolated([&] { v.set(Counted(3)); });
        EXPECT_EQ(Counted::alive, before + 1) << "a context that is gone keeps nothing";
    });
}

TEST_F(ContextVarTest, of_an_enum_a_pointer_and_a_bool_is_stored_inline) {
    enum class Level : std::uint8_t { low, high };
    static_assert(cv::stored_inline<Level> && cv::stored_inline<bool>);
    cv::ContextVar<Level> level{"level", Level::low};
    cv::ContextVar<bool> flag{"flag"};
    cv::ContextVar<const char*> text{"text"};
    level.set(Level::high);
    flag.set(false);
    text.set("literal");
    EXPECT_EQ(level.get(), Level::high);
    EXPECT_FALSE(flag.get());
    ASSERT_NE(flag.try_get(), nullptr);
    EXPECT_STREQ(text.get(), "literal");
}
