// SPDX-License-Identifier: MIT
//
// Contexts that are values of contexts: no operation needs a stack as deep as they are nested, and none
// takes a time that grows with the ways to a context instead of their number.
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <ostream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace cv = contextvars;
using NestedContextsTest = contextvars_tests::Isolated;

namespace {

constexpr int deep = 200'000; // calls in calls so deep do not fit on a stack

/// Contexts that hold one another by `variable`; the innermost binds `name`.
cv::Context nest(const cv::ContextVar<cv::Context>& variable,
                 const cv::ContextVar<std::string>& name, const char* innermost) {
    cv::Context context;
    context.run([&] { name.set(innermost); });
    for (int i = 0; i < deep; ++i) {
        cv::Context outer;
        outer.run([&] { variable.set(std::move(context)); });
        context = std::move(outer);
    }
    return context;
}

/// A value with a context in it, which prints it.
struct session {
    cv::Context context;
    friend std::ostream& operator<<(std::ostream& out, const session& s) {
        return out << "session " << s.context;
    }
};

struct unprintable {
    friend std::ostream& operator<<(std::ostream&, const unprintable&) {
        throw std::runtime_error("no output");
    }
};

std::string printed(const auto& value) {
    std::ostringstream out;
    out << value;
    return out.str();
}

} // namespace

TEST_F(NestedContextsTest, are_compared_copied_and_destroyed_however_deep) {
    const cv::ContextVar<cv::Context> inner{"inner"};
    const cv::ContextVar<std::string> name{"name"};
    const cv::Context a = nest(inner, name, "same");
    const cv::Context b = nest(inner, name, "same");
    const cv::Context c = nest(inner, name, "other");
    EXPECT_TRUE(a == b);
    EXPECT_FALSE(a == c);
    EXPECT_TRUE(a == a.copy());
    EXPECT_FALSE(a == a[inner]);
}

TEST_F(NestedContextsTest, print_without_the_bindings_of_the_inner_ones) {
    const cv::ContextVar<cv::Context> inner{"inner"};
    const cv::ContextVar<std::string> name{"name"};
    cv::Context context = nest(inner, name, "innermost");
    context.run([&] { name.set("outermost"); });
    const std::string text = printed(context);
    EXPECT_CONTAINS(text, "name='outermost'");
    EXPECT_CONTAINS(text, "inner=<Context at 0x");
    EXPECT_LT(text.size(), 200u);
    EXPECT_EQ(printed(context[inner]).find("innermost"), std::string::npos);
}

TEST_F(NestedContextsTest, print_without_their_bindings_in_other_values_too) {
    const cv::ContextVar<session> variable{"session"};
    const cv::ContextVar<std::string> name{"name"};
    cv::Context inner;
    inner.run([&] { name.set("inner"); });
    cv::Context outer;
    outer.run([&] { variable.set(session{inner}); });
    EXPECT_CONTAINS(printed(outer), "session=session <Context at 0x");
    EXPECT_EQ(printed(outer).find("name="), std::string::npos);
    for (auto&& [key, value] : outer) {
        EXPECT_EQ(printed(value).find("name="), std::string::npos);
    }
    EXPECT_CONTAINS(printed(session{inner}), "name='inner'") << "outside a context";
    const cv::ContextVar<cv::Context> with_default{"v", inner};
    EXPECT_EQ(printed(with_default).find("inner"), std::string::npos);
}

TEST_F(NestedContextsTest, print_again_with_their_bindings_after_an_output_that_threw) {
    const cv::ContextVar<unprintable> variable{"v"};
    const cv::ContextVar<int> number{"number"};
    cv::Context context;
    context.run([&] { number.set(1); });
    EXPECT_CONTAINS(printed(context), "number=1");
    context.run([&] { variable.set(unprintable{}); });
    EXPECT_THROW(printed(context), std::runtime_error);
    EXPECT_CONTAINS(printed(context.with(number.to(2))[number]), "2");
    cv::Context other;
    other.run([&] { number.set(3); });
    EXPECT_CONTAINS(printed(other), "number=3");
}

TEST_F(NestedContextsTest, are_compared_once_however_many_ways_lead_to_them) {
    const cv::ContextVar<cv::Context> left{"left"};
    const cv::ContextVar<cv::Context> right{"right"};
    const cv::ContextVar<int> number{"number"};
    const auto make = [&](int innermost) {
        cv::Context context;
        context.run([&] { number.set(innermost); });
        for (int i = 0; i < 60; ++i) { // 2^60 ways
            cv::Context outer;
            outer.run([&] {
                left.set(context);
                right.set(context);
            });
            context = std::move(outer);
        }
        return context;
    };
    EXPECT_TRUE(make(1) == make(1));
    EXPECT_FALSE(make(1) == make(2));
}

namespace {

using contexts = std::vector<cv::Context>;

/// `levels` contexts, each of which binds `variable` to two copies of the next in a vector.
cv::Context nest_in_vectors(const cv::ContextVar<contexts>& variable,
                            const cv::ContextVar<int>& number, int innermost, int levels) {
    cv::Context context;
    context.run([&] { number.set(innermost); });
    for (int i = 0; i < levels; ++i) {
        cv::Context outer;
        outer.run([&] { variable.set({context, context}); });
        context = std::move(outer);
    }
    return context;
}

struct unlike {
    cv::Context context;
    friend bool operator==(const unlike& a, const unlike& b) { return !(a.context == b.context); }
};

struct asks_twice {
    cv::Context context;
    friend bool operator==(const asks_twice& a, const asks_twice& b) {
        const bool first = a.context == b.context;
        const bool second = a.context == b.context;
        EXPECT_EQ(first, second);
        return first;
    }
};

} // namespace

TEST_F(NestedContextsTest, inside_other_values_are_compared_once_however_many_ways_lead_to_them) {
    const cv::ContextVar<contexts> variable{"v"};
    const cv::ContextVar<int> number{"number"};
    const auto make = [&](int innermost) {
        return nest_in_vectors(variable, number, innermost, 60);
    };
    EXPECT_TRUE(make(1) == make(1));
    EXPECT_FALSE(make(1) == make(2));
}

TEST_F(NestedContextsTest, inside_other_values_are_refused_if_they_are_too_deep_for_a_stack) {
    const cv::ContextVar<contexts> variable{"v"};
    const cv::ContextVar<int> number{"number"};
    const auto make = [&](int levels) { return nest_in_vectors(variable, number, 1, levels); };
    const cv::Context a = make(deep);
    const cv::Context b = make(deep);
    EXPECT_THROW(static_cast<void>(a == b), cv::RuntimeError);
    EXPECT_TRUE(a == a.copy());
    EXPECT_TRUE(make(99) == make(99)) << "after the failure, too";
    EXPECT_THROW(static_cast<void>(make(100) == make(100)), cv::RuntimeError);
}

TEST_F(NestedContextsTest, are_compared_right_by_an_operator_that_asks_for_the_contrary) {
    const cv::ContextVar<unlike> variable{"v"};
    const cv::ContextVar<asks_twice> twice{"twice"};
    const cv::ContextVar<cv::Context> inner{"inner"};
    const cv::ContextVar<int> number{"number"};
    const auto numbered = [&](int n) {
        cv::Context context;
        context.run([&] { number.set(n); });
        cv::Context outer;
        outer.run([&] { inner.set(context); });
        return outer;
    };
    const auto bind = [&](const cv::Context& value, const cv::Context& of_twice) {
        cv::Context context;
        context.run([&] {
            inner.set(value);
            variable.set(unlike{value});
            twice.set(asks_twice{of_twice});
        });
        return context;
    };
    EXPECT_FALSE(bind(numbered(1), numbered(1)) == bind(numbered(1), numbered(1)));
    EXPECT_FALSE(bind(numbered(1), numbered(1)) == bind(numbered(2), numbered(1)));
    cv::Context a;
    cv::Context b;
    a.run([&] { variable.set(unlike{bind(numbered(1), numbered(3))}); });
    b.run([&] { variable.set(unlike{bind(numbered(2), numbered(3))}); });
    EXPECT_TRUE(a == b)
        << "a context that differs in what waits for its turn differs for all who ask";
}

TEST_F(NestedContextsTest, end_one_after_the_other_inside_values_too) {
    struct holder {
        std::unique_ptr<cv::Context> context;
    };
    const cv::ContextVar<holder> variable{"v"};
    auto context = std::make_unique<cv::Context>();
    for (int i = 0; i < deep; ++i) {
        auto outer = std::make_unique<cv::Context>();
        outer->run([&] { variable.set(holder{std::move(context)}); });
        context = std::move(outer);
    }
    context.reset();
    EXPECT_EQ(variable.try_get(), nullptr);
}

TEST_F(NestedContextsTest, compare_bindings_of_many_variables_that_are_gone) {
    cv::Context context;
    context.run([] {
        for (int i = 0; i < 20'000; ++i) {
            const cv::ContextVar<int> v{"dead"};
            v.set(i);
        }
    });
    cv::Context copy = context;
    const cv::ContextVar<int> other{"other"};
    copy.run([&] { other.set(1); });
    EXPECT_FALSE(copy == context);
    context.run([&] { other.set(1); });
    EXPECT_TRUE(copy == context);
    context.run([&] { other.set(2); });
    EXPECT_FALSE(copy == context);
}
