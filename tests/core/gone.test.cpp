// SPDX-License-Identifier: MIT
//
// What do a guard, a scope of several variables and a token do when their variable, context, thread
// or process is gone? docs/semantics.md has the table; each cell is a test here.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;
using contextvars_tests::RecordedDiagnostics;
using GoneTest = contextvars_tests::Isolated;

namespace {

/// A variable dies before its guard, another one takes its place, and then the guard ends.
template <class T>
void expect_that_the_next_variable_keeps_its_binding(T first, T second, bool bound_before,
                                                     int others) {
    isolated([&] {
        std::deque<cv::ContextVar<T>> many; // so that places in the trie are used as well
        for (int i = 0; i < others; ++i) {
            many.emplace_back("other").set(second);
        }
        auto variable = std::make_unique<cv::ContextVar<T>>("old");
        if (bound_before) {
            variable->set(first);
        }
        auto guard = std::make_unique<cv::Scope<T>>(*variable, first);
        variable.reset();
        cv::ContextVar<T> next{"new"};
        next.set(second);
        guard.reset();
        ASSERT_NE(next.try_get(), nullptr);
        EXPECT_EQ(*next.try_get(), second);
        EXPECT_TRUE(cv::copy_context().contains(next));
    });
}

} // namespace

TEST_F(GoneTest, variable_of_a_guard_leaves_the_next_one_its_binding) {
    for (const int others : {0, 3, 70, 300}) {
        for (const bool bound_before : {false, true}) {
            expect_that_the_next_variable_keeps_its_binding<int>(1, 42, bound_before, others);
            expect_that_the_next_variable_keeps_its_binding<std::string>("a", "b", bound_before,
                                                                         others);
        }
    }
}

TEST_F(GoneTest, variable_of_a_guard_leaves_the_next_one_missing) {
    auto variable = std::make_unique<cv::ContextVar<int>>("old");
    auto outer = std::make_unique<cv::Scope<int>>(*variable, 1);
    auto inner = std::make_unique<cv::Scope<int>>(*variable, 2);
    variable.reset();
    cv::ContextVar<int> next{"new"};
    next.set(1);
    auto token = next.set(2);
    next.reset(token);
    outer.reset(); // out of order, so that the other one would restore what is not there
    inner.reset();
    EXPECT_EQ(next.get(), 1);
}

TEST_F(GoneTest, variable_of_a_guard_in_a_captured_context_leaves_the_next_one_its_binding) {
    auto variable = std::make_unique<cv::ContextVar<std::string>>("old");
    auto guard = std::make_unique<cv::Scope<std::string>>(*variable, "a");
    variable.reset();
    cv::ContextVar<std::string> next{"new"};
    next.set("b");
    const cv::Context captured = cv::copy_context(); // so that the guard finds a map that is shared
    guard.reset();
    EXPECT_EQ(next.get(), "b");
    EXPECT_EQ(captured[next], "b");
}

TEST_F(GoneTest, variable_of_a_guard_is_unbound_if_nothing_took_its_place) {
    const NothingLeaks leaks;
    auto variable = std::make_unique<cv::ContextVar<Counted>>("old");
    auto guard = std::make_unique<cv::Scope<Counted>>(*variable, Counted(1));
    variable.reset();
    EXPECT_EQ(cv::copy_context().size(), 1u);
    guard.reset();
    EXPECT_EQ(cv::copy_context().size(), 0u);
}

TEST_F(GoneTest, variable_of_a_guard_whose_place_was_taken_stays_bound_until_the_context_goes) {
    const NothingLeaks leaks;
    isolated([] {
        auto variable = std::make_unique<cv::ContextVar<Counted>>("old");
        auto guard = std::make_unique<cv::Scope<Counted>>(*variable, Counted(1));
        variable.reset();
        cv::ContextVar<Counted> next{"new"};
        next.set(Counted(2));
        guard.reset();
        std::ostringstream out;
        out << cv::copy_context();
        EXPECT_CONTAINS(out.str(), "old (destroyed)");
    });
}

TEST_F(GoneTest, variable_of_a_guard_of_several_leaves_the_next_ones_their_bindings) {
    auto a = std::make_unique<cv::ContextVar<int>>("a");
    auto b = std::make_unique<cv::ContextVar<std::string>>("b");
    auto guard = std::make_unique<cv::Scopes<int, std::string>>(a->to(1), b->to("one"));
    a.reset();
    b.reset();
    cv::ContextVar<int> next_a{"next a"};
    cv::ContextVar<std::string> next_b{"next b"};
    next_a.set(2);
    next_b.set("two");
    guard.reset();
    EXPECT_EQ(next_a.get(), 2);
    EXPECT_EQ(next_b.get(), "two");
}

TEST_F(GoneTest, variable_of_a_guard_in_a_flow_leaves_the_next_one_its_binding) {
    auto variable = std::make_unique<cv::ContextVar<int>>("old");
    std::unique_ptr<cv::Scope<int>> guard;
    cv::ext::flow flow;
    flow.resume();
    guard = std::make_unique<cv::Scope<int>>(*variable, 1);
    flow.suspend();
    variable.reset();
    cv::ContextVar<int> next{"new"};
    flow.resume();
    next.set(2);
    guard.reset();
    EXPECT_EQ(next.get(), 2);
    flow.suspend();
}

TEST_F(GoneTest, variable_of_a_token_makes_it_foreign_to_the_next_one) {
    auto variable = std::make_unique<cv::ContextVar<int>>("old");
    auto token = variable->set(1);
    variable.reset();
    cv::ContextVar<int> next{"new"};
    next.set(2);
    EXPECT_EQ(next.try_reset(token), cv::reset_result::wrong_variable);
    EXPECT_EQ(next.get(), 2);
    std::ostringstream out;
    out << token;
    EXPECT_CONTAINS(out.str(), "<ContextVar name='old' destroyed>");
}

TEST_F(GoneTest, variable_of_a_token_leaves_it_its_old_value) {
    const NothingLeaks leaks;
    isolated([] {
        auto variable = std::make_unique<cv::ContextVar<Counted>>("old");
        variable->set(Counted(1));
        auto token = variable->set(Counted(2));
        variable.reset();
        cv::ContextVar<Counted> next{"new"};
        auto next_token = next.set(Counted(3));
        EXPECT_EQ(token.old_value()->value, 1);
        next.reset(next_token);
    });
}

TEST_F(GoneTest, context_of_a_guard_is_not_missed_by_anybody) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<std::string> v{"v"};
    v.set("here");
    std::optional<cv::Context> context(std::in_place);
    auto guard = context->run([&] { return std::make_unique<cv::Scope<std::string>>(v, "there"); });
    context.reset();
    guard.reset();
    EXPECT_EQ(v.get(), "here");
    EXPECT_TRUE(diagnostics.empty());
}

TEST_F(GoneTest, context_of_a_token_makes_it_foreign_everywhere) {
    cv::ContextVar<std::string> v{"v"};
    std::optional<cv::Context> context(std::in_place);
    context->run([&] { v.set("old"); });
    auto token = context->run([&] { return v.set("there"); });
    context.emplace(); // at the same address
    EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context);
    EXPECT_EQ(context->run([&] { return v.try_reset(token); }), cv::reset_result::wrong_context);
    EXPECT_EQ(*token.old_value(), "old");
}

TEST_F(GoneTest, thread_of_a_guard_is_not_missed_by_anybody) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<std::string> v{"v"};
    v.set("here");
    std::unique_ptr<cv::Scope<std::string>> guard;
    std::thread([&] { guard = std::make_unique<cv::Scope<std::string>>(v, "there"); }).join();
    guard.reset();
    EXPECT_EQ(v.get(), "here");
    std::thread([&] { guard = std::make_unique<cv::Scope<std::string>>(v, "there"); }).join();
    std::thread([&] { // perhaps where the other thread was
        v.set("elsewhere");
        guard.reset();
        EXPECT_EQ(v.get(), "elsewhere");
    })
        .join();
    EXPECT_TRUE(diagnostics.empty());
}

TEST_F(GoneTest, thread_of_a_token_makes_it_foreign_everywhere) {
    cv::ContextVar<std::string> v{"v"};
    std::optional<cv::Token<std::string>> token;
    std::thread([&] {
        v.set("old");
        token.emplace(v.set("there"));
    }).join();
    EXPECT_EQ(v.try_reset(*token), cv::reset_result::wrong_context);
    std::thread([&] {
        v.set("x");
        EXPECT_EQ(v.try_reset(*token), cv::reset_result::wrong_context);
    }).join();
    EXPECT_EQ(*token->old_value(), "old");
}
