// SPDX-License-Identifier: MIT
//
// The check of event loops, with a loop that is none. Each test is a process of its own, since the
// check is not switched off again.
#include <contextvars/diagnostics.hpp>
#include <contextvars/ext/event_loop.hpp>

#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>
#include <contextvars/suppress_flow.hpp>

#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>

namespace cv = contextvars;
using contextvars_tests::RecordedDiagnostics;

namespace {

thread_local bool loop_runs = false;

bool runs_here() noexcept { return loop_runs; }

/// An event loop is on the stack.
class in_loop {
public:
    in_loop() noexcept { loop_runs = true; }
    in_loop(const in_loop&) = delete;
    in_loop& operator=(const in_loop&) = delete;
    ~in_loop() { loop_runs = false; }
};

cv::ContextVar<int> small{"small", 0};
cv::ContextVar<int> bound{"bound", 0};
cv::ContextVar<std::string> large{"large", "-"};

[[gnu::noinline]] void set_at_one_place(int value) { small.set(value); }

class EventLoopCheck : public testing::Test {
protected:
    EventLoopCheck() { cv::check_event_loops(); }

    cv::ext::event_loop loop_{runs_here, "do as the test says"};
    RecordedDiagnostics told_;
};

TEST_F(EventLoopCheck, reports_a_set_in_the_thread_s_own_context) {
    const in_loop loop;
    large.set("ann");
    ASSERT_EQ(told_.all().size(), 1U);
    const RecordedDiagnostics::Record report = told_.all().front();
    EXPECT_EQ(report.kind, cv::diagnostic_kind::set_in_event_loop);
    EXPECT_EQ(report.variable, "large");
    EXPECT_TRUE(report.what.ends_with("do as the test says")) << report.what;
    EXPECT_EQ(large.get(), "ann");
}

TEST_F(EventLoopCheck, reports_the_sets_of_each_variable_also_of_one_that_is_bound) {
    bound.set(1);
    const in_loop loop;
    small.set(1);
    bound.set(2);
    large.set("ann");
    EXPECT_EQ(told_.all().size(), 3U);
}

TEST_F(EventLoopCheck, reports_a_place_once) {
    const in_loop loop;
    for (int i = 0; i != 10; ++i)
        set_at_one_place(i);
    std::thread([] {
        const in_loop also;
        set_at_one_place(10);
    }).join();
    EXPECT_EQ(told_.all().size(), 1U);
    EXPECT_EQ(small.get(), 9);
}

TEST_F(EventLoopCheck, is_silent_outside_of_loops) {
    small.set(1);
    large.set("ann");
    EXPECT_TRUE(told_.empty());
}

TEST_F(EventLoopCheck, is_silent_inside_other_contexts) {
    small.set(1);
    const in_loop loop;
    cv::Context context = cv::copy_context();
    context.run([] { small.set(2); });
    cv::bind_context([] { large.set("ann"); })();
    cv::ext::flow flow;
    for (int i = 0; i != 2; ++i) {
        const cv::ext::flow_scope scope(flow);
        small.set(i);
    }
    EXPECT_TRUE(told_.empty());
    EXPECT_EQ(small.get(), 1);
}

TEST_F(EventLoopCheck, is_silent_once_the_loop_is_unknown) {
    {
        const cv::ext::event_loop other(runs_here, "other");
    }
    const in_loop loop;
    small.set(1);
    ASSERT_EQ(told_.all().size(), 1U);
    EXPECT_TRUE(told_.all().front().what.ends_with("as the test says"));
}

TEST_F(EventLoopCheck, is_silent_about_guards_that_end_in_order) {
    const in_loop loop;
    {
        auto one = small.scoped(1);
        auto two = large.scoped("ann");
        auto both = cv::scoped(small.to(2), large.to("bob"));
        EXPECT_EQ(small.get(), 2);
    }
    EXPECT_EQ(small.get(), 0);
    EXPECT_EQ(large.get(), "-");
    EXPECT_TRUE(told_.empty());
}

TEST_F(EventLoopCheck, reports_a_guard_that_ends_before_a_later_one) {
    const in_loop loop;
    std::optional<cv::Scope<int>> one(std::in_place, small, 1);
    std::optional<cv::Scope<int>> two(std::in_place, small, 2);
    one.reset();
    ASSERT_EQ(told_.all().size(), 1U);
    EXPECT_EQ(told_.all().front().kind, cv::diagnostic_kind::scope_in_event_loop);
    EXPECT_EQ(told_.all().front().variable, "small");
    two.reset();
    EXPECT_EQ(told_.all().size(), 1U);
    EXPECT_EQ(small.get(), 1); // as without the check
}

TEST_F(EventLoopCheck, reports_a_guard_that_ends_on_another_thread) {
    std::unique_ptr<cv::Scope<int>> guard;
    {
        const in_loop loop;
        guard = std::make_unique<cv::Scope<int>>(small, 1);
    }
    std::thread([&] {
        const in_loop loop;
        guard.reset();
    }).join();
    ASSERT_EQ(told_.all().size(), 1U);
    EXPECT_EQ(told_.all().front().kind, cv::diagnostic_kind::scope_in_event_loop);
}

TEST_F(EventLoopCheck, is_silent_about_a_guard_of_a_suspended_flow_that_ends_outside_of_it) {
    const in_loop loop;
    std::unique_ptr<cv::Scope<int>> guard;
    cv::ext::flow flow;
    {
        const cv::ext::flow_scope scope(flow);
        guard = std::make_unique<cv::Scope<int>>(small, 1);
    }
    guard.reset();
    EXPECT_TRUE(told_.empty());
}

TEST_F(EventLoopCheck, leaves_suppress_flow_in_the_thread_s_own_context_as_it_is) {
    const in_loop loop;
    {
        const auto suppressed = cv::suppress_flow();
        EXPECT_TRUE(cv::copy_context().empty());
        small.set(1);
        EXPECT_TRUE(cv::copy_context().empty());
    }
    EXPECT_EQ(cv::copy_context().size(), 1U);
    EXPECT_EQ(told_.all().size(), 1U) << "of the set";
}

TEST_F(EventLoopCheck, looks_at_no_more_than_127_guards) {
    const in_loop loop;
    std::optional<cv::Scope<int>> guards[200];
    for (auto& guard : guards)
        guard.emplace(small, 1);
    for (auto& guard : guards)
        guard.reset();
    EXPECT_FALSE(told_.empty());
    EXPECT_EQ(small.get(), 1);
}

TEST(EventLoopCheckSwitchedOn, keeps_bindings_and_tokens_that_were_there) {
    cv::ext::event_loop known(runs_here, "do as the test says");
    const RecordedDiagnostics told;
    auto token = small.set(1);
    auto large_token = large.set("ann");
    std::optional<cv::Scope<int>> guard(std::in_place, small, 2);
    cv::Context context;
    context.run([] {
        small.set(3);
        cv::check_event_loops();
        EXPECT_EQ(small.get(), 3);
    });
    EXPECT_EQ(small.get(), 2);
    guard.reset();
    small.reset(token);
    EXPECT_EQ(small.get(), 0);
    const in_loop loop;
    small.set(4);
    EXPECT_EQ(told.all().size(), 1U);
    large.reset(large_token);
    EXPECT_EQ(large.get(), "-");
    EXPECT_THROW(small.reset(token), cv::RuntimeError);
}

TEST(EventLoopCheckSwitchedOn, lets_a_suppression_end_that_was_there) {
    small.set(1);
    {
        const auto suppressed = cv::suppress_flow();
        cv::check_event_loops();
        EXPECT_TRUE(cv::copy_context().empty());
    }
    EXPECT_EQ(cv::copy_context().size(), 1U);
}

TEST(EventLoopCheckSwitchedOn, at_the_bottom_keeps_bindings_and_tokens_that_were_there) {
    cv::ext::event_loop known(runs_here, "do as the test says");
    const RecordedDiagnostics told;
    auto token = small.set(1);
    cv::check_event_loops();
    const in_loop loop;
    small.set(2);
    EXPECT_EQ(told.all().size(), 1U);
    small.reset(token);
    EXPECT_EQ(small.get(), 0);
}

} // namespace
