// SPDX-License-Identifier: MIT
//
// What does not flow: suppress_flow(), without_context(), and variables that are never captured. Each is
// looked at in every way to capture that the core has.
#include <contextvars/suppress_flow.hpp>

#include <contextvars/contextvars.hpp>
#include <contextvars/detail/mixed_flow.hpp>
#include <contextvars/ext/flow.hpp>

#include "current/validate.hpp"
#include "support/counted.hpp"
#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <functional>
#include <latch>
#include <memory>
#include <optional>
#include <sstream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::isolated;
using contextvars_tests::message_of;
using contextvars_tests::NothingLeaks;
using contextvars_tests::RecordedDiagnostics;

namespace {

constexpr cv::attributes never_captured{.captured = cv::capture_policy::never};

cv::ContextVar<int> plain{"plain", 0};
cv::ContextVar<std::string> text{"text", "none"};

class FlowControl : public contextvars_tests::Isolated {
protected:
    ~FlowControl() override {
        EXPECT_STREQ(cv::detail::broken_invariant(*cv::detail::current_map()), nullptr);
    }
};
using SuppressFlowTest = FlowControl;
using WithoutContextTest = FlowControl;
using CapturePolicyTest = FlowControl;

/// Makes a guard that may end elsewhere.
std::unique_ptr<cv::FlowSuppression> make_guard() {
    return std::unique_ptr<cv::FlowSuppression>(new cv::FlowSuppression(cv::suppress_flow()));
}

struct way {
    const char* name;
    std::function<void(const std::function<void()>&)> run; ///< calls the function in a capture
};

/// Every way in which the core captures the current context.
std::vector<way> all_ways() {
    return {
        {"copy_context", [](const auto& f) { cv::copy_context().run(f); }},
        {"an entered copy_context",
         [](const auto& f) {
             auto copy = cv::copy_context();
             copy.run(f);
         }},
        {"bind_context", [](const auto& f) { cv::bind_context(f)(); }},
        {"bind_context with a signature", [](const auto& f) { cv::bind_context<void()>(f)(); }},
        {"as_callback",
         [](const auto& f) {
             const auto callback = cv::as_callback<void(void*)>(f);
             callback.call(callback.data());
         }},
        {"thread", [](const auto& f) { cv::thread(f).join(); }},
        {"ext::snapshot::of_current",
         [](const auto& f) {
             const cv::ext::copy_scope scope(cv::ext::snapshot::of_current());
             f();
         }},
        {"ext::snapshot::shared",
         [](const auto& f) {
             const cv::ext::copy_scope scope(cv::ext::snapshot::shared());
             f();
         }},
        {"a copy of an ext::snapshot",
         [](const auto& f) {
             const auto snapshot = cv::ext::snapshot::shared();
             const cv::ext::copy_scope scope(snapshot);
             f();
         }},
        {"ext::flow",
         [](const auto& f) {
             cv::ext::flow flow;
             const cv::ext::flow_scope scope(flow);
             f();
         }},
    };
}

} // namespace

TEST_F(SuppressFlowTest, leaves_every_capture_empty) {
    plain.set(1);
    text.set("ann");
    for (const way& way : all_ways()) {
        SCOPED_TRACE(way.name);
        {
            const auto suppressed = cv::suppress_flow();
            way.run([] { EXPECT_TRUE(cv::copy_context().empty()); });
        }
        way.run([] { EXPECT_EQ(plain.get(), 1); });
    }
}

TEST_F(SuppressFlowTest, leaves_get_set_and_reset_as_they_are) {
    auto before = plain.set(1);
    {
        const auto suppressed = cv::suppress_flow();
        EXPECT_EQ(plain.get(), 1);
        auto token = plain.set(2);
        plain.reset(token);
        plain.reset(before);
        EXPECT_EQ(plain.get(), 0);
        text.set("set inside");
        EXPECT_TRUE(cv::copy_context().empty()) << "what is set inside is not captured either";
    }
    EXPECT_EQ(text.get(), "set inside");
    EXPECT_EQ(cv::copy_context().size(), 1U);
}

TEST_F(SuppressFlowTest, holds_also_if_nothing_was_bound_before_and_if_the_map_grows) {
    const auto suppressed = cv::suppress_flow();
    std::deque<cv::ContextVar<int>> variables;
    for (int i = 0; i < 200; ++i) {
        variables.emplace_back("v").set(i);
        ASSERT_TRUE(cv::copy_context().empty());
    }
    ASSERT_STREQ(cv::detail::broken_invariant(*cv::detail::current_map()), nullptr);
}

TEST_F(SuppressFlowTest, does_not_hold_in_contexts_that_are_entered_inside) {
    plain.set(1);
    const cv::Context given = cv::copy_context();
    const auto bound = cv::bind_context([] { return cv::copy_context().size(); });
    const auto suppressed = cv::suppress_flow();
    EXPECT_EQ(bound(), 1U) << "what was bound before captures as ever";
    EXPECT_EQ(given.copy().run([] { return cv::copy_context().size(); }), 1U);
    EXPECT_EQ(cv::bind_context(given, [] { return plain.get(); })(), 1)
        << "a context that is given is carried";
    EXPECT_EQ(cv::bind_context(bound)(), 1U) << "the inner binding wins";
}

TEST_F(SuppressFlowTest, leaves_copies_of_a_context_that_is_named_as_they_are) {
    cv::Context context;
    context.run([&] {
        plain.set(1);
        const auto suppressed = cv::suppress_flow();
        text.set("ann");
        const cv::Context copy = context;
        EXPECT_EQ(copy.size(), 2U);
        EXPECT_EQ(cv::ext::flow(cv::ext::snapshot(context)).running(), false);
        cv::Context moved = std::move(context); // entered, so it is copied
        EXPECT_EQ(moved.size(), 2U);
        moved.run(
            [] { EXPECT_EQ(cv::copy_context().size(), 2U) << "but the copy is not suppressed"; });
        EXPECT_EQ(context.items().size(), 2U);
        EXPECT_TRUE(context == copy);
        text.set("bob"); // after the map was read, in a clone
        EXPECT_TRUE(cv::copy_context().empty());
    });
    EXPECT_EQ(context.size(), 2U);
    context.run([] { EXPECT_EQ(cv::copy_context().size(), 2U); });
}

TEST_F(SuppressFlowTest, is_counted_so_that_guards_nest_in_any_order) {
    plain.set(1);
    auto first = make_guard();
    auto second = make_guard();
    first.reset();
    EXPECT_TRUE(cv::copy_context().empty());
    second.reset();
    EXPECT_EQ(cv::copy_context().size(), 1U);
}

TEST_F(SuppressFlowTest, refuses_the_256th_guard) {
    plain.set(1);
    std::deque<std::unique_ptr<cv::FlowSuppression>> guards;
    for (int i = 0; i < 255; ++i)
        guards.push_back(make_guard());
    EXPECT_CONTAINS(message_of<cv::RuntimeError>([] { const auto g = cv::suppress_flow(); }),
                    "255 times");
    EXPECT_TRUE(cv::copy_context().empty());
    guards.clear();
    EXPECT_EQ(cv::copy_context().size(), 1U);
}

TEST_F(SuppressFlowTest, goes_with_a_flow_from_thread_to_thread) {
    plain.set(1);
    cv::ext::flow flow;
    std::unique_ptr<cv::FlowSuppression> guard;
    {
        const cv::ext::flow_scope scope(flow);
        guard = make_guard();
    }
    EXPECT_EQ(cv::copy_context().size(), 1U) << "the thread's own context is not suppressed";
    {
        const cv::ext::copy_scope scope(flow.copy());
        EXPECT_TRUE(cv::copy_context().empty()) << "a copy of the flow is a capture";
    }
    std::thread([&] {
        flow.resume();
        EXPECT_EQ(plain.get(), 1);
        EXPECT_TRUE(cv::copy_context().empty());
        const cv::ext::suspension initiation(flow);
        EXPECT_TRUE(cv::copy_context().empty());
    }).join();
    const cv::ext::flow_scope scope(flow);
    guard.reset();
    EXPECT_EQ(cv::copy_context().size(), 1U);
}

TEST_F(SuppressFlowTest, goes_with_a_flow_in_a_context_that_is_reserved_for_it) {
    cv::Context context;
    context.run([] { plain.set(1); });
    cv::ext::flow flow(context);
    flow.resume();
    auto guard = make_guard();
    flow.suspend();
    EXPECT_EQ(context.copy().size(), 1U);
    flow.resume();
    EXPECT_TRUE(cv::copy_context().empty());
    guard.reset();
    EXPECT_EQ(cv::copy_context().size(), 1U);
    flow.suspend();
}

TEST_F(SuppressFlowTest, of_a_flow_in_a_context_leaves_its_copies_and_initiations_empty) {
    cv::Context context;
    context.run([] { plain.set(1); });
    cv::ext::flow flow(context);
    flow.resume();
    auto guard = make_guard();
    {
        const cv::ext::suspension initiation(flow);
        EXPECT_TRUE(cv::copy_context().empty());
        EXPECT_EQ(context.copy().size(), 1U) << "a context that is given is carried";
    }
    {
        const cv::ext::copy_scope scope(flow.copy());
        EXPECT_TRUE(cv::copy_context().empty());
    }
    flow.resume();
    EXPECT_EQ(plain.get(), 1);
    guard.reset();
    const cv::ext::suspension initiation(flow);
    EXPECT_EQ(cv::copy_context().size(), 1U);
}

TEST_F(SuppressFlowTest, that_ends_inside_another_context_tells_the_hook) {
    plain.set(1);
    auto guard = make_guard();
    {
        const RecordedDiagnostics recorded;
        isolated([&] { guard.reset(); });
        ASSERT_EQ(recorded.all().size(), 1U);
        EXPECT_EQ(recorded.all()[0].kind, cv::diagnostic_kind::scope_not_restored);
        EXPECT_CONTAINS(recorded.all()[0].what, "suppress_flow() guard");
    }
    EXPECT_TRUE(cv::copy_context().empty()) << "nothing was changed";
}

TEST_F(SuppressFlowTest, of_a_flow_that_is_destroyed_while_suspended_tells_nobody) {
    const RecordedDiagnostics recorded;
    auto flow = std::make_unique<cv::ext::flow>();
    flow->resume();
    auto guard = make_guard();
    flow->suspend();
    flow.reset();
    guard.reset();
    EXPECT_TRUE(recorded.empty());
}

TEST_F(SuppressFlowTest, keeps_no_value_alive_in_what_is_started_inside) {
    const NothingLeaks checks;
    cv::ContextVar<std::shared_ptr<Counted>> request{"request"};
    std::function<void()> timer;
    {
        const auto scope = request.scoped(std::make_shared<Counted>());
        const auto suppressed = cv::suppress_flow();
        timer = cv::bind_context([] {});
    }
    EXPECT_TRUE(checks.holds());
}

TEST_F(WithoutContextTest, starts_empty_and_gives_the_context_back) {
    auto token = plain.set(1);
    text.set("ann");
    {
        const auto scope = cv::without_context();
        EXPECT_TRUE(cv::copy_context().empty());
        EXPECT_EQ(text.get(), "none");
        text.set("inside");
        EXPECT_THROW(plain.reset(token), cv::ValueError);
        {
            const auto inner = cv::without_context();
            EXPECT_EQ(text.get(), "none");
        }
        EXPECT_EQ(text.get(), "inside");
        for (const way& way : all_ways()) {
            SCOPED_TRACE(way.name);
            way.run([] {
                EXPECT_EQ(text.get(), "inside");
                EXPECT_EQ(plain.get(), 0);
                EXPECT_EQ(cv::copy_context().size(), 1U);
            });
        }
    }
    EXPECT_EQ(text.get(), "ann");
    plain.reset(token);
}

TEST_F(WithoutContextTest, is_not_suppressed_itself) {
    const auto suppressed = cv::suppress_flow();
    const auto scope = cv::without_context();
    plain.set(1);
    EXPECT_EQ(cv::copy_context().size(), 1U);
}

TEST_F(CapturePolicyTest, keeps_a_variable_out_of_every_capture) {
    cv::ContextVar<int> lease{"lease", never_captured};
    cv::ContextVar<std::string> session{"session", never_captured};
    plain.set(1);
    text.set("ann");
    lease.set(7);
    session.set("s");
    for (const way& way : all_ways()) {
        SCOPED_TRACE(way.name);
        way.run([&] {
            EXPECT_EQ(lease.try_get(), nullptr);
            EXPECT_EQ(session.try_get(), nullptr);
            EXPECT_EQ(plain.get(), 1);
            EXPECT_EQ(text.get(), "ann");
            EXPECT_EQ(cv::copy_context().size(), 2U);
            lease.set(8);
            EXPECT_EQ(lease.get(), 8) << "it can be set there";
        });
        EXPECT_EQ(lease.get(), 7);
        EXPECT_EQ(session.get(), "s");
    }
}

TEST_F(CapturePolicyTest, keeps_a_variable_in_its_context_however_often_that_is_used) {
    cv::ContextVar<int> lease{"lease", never_captured};
    cv::Context context;
    context.run([&] {
        lease.set(7);
        plain.set(1);
    });
    context.run([&] { EXPECT_EQ(lease.get(), 7); });
    std::thread([&] { context.run([&] { EXPECT_EQ(lease.get(), 7); }); }).join();
    EXPECT_EQ(context[lease], 7);
    EXPECT_EQ(context.get(lease, 0), 7) << "to read is not to capture";
    EXPECT_EQ(context.items().size(), 2U);

    cv::Context copy = context;
    EXPECT_FALSE(copy.contains(lease));
    EXPECT_EQ(copy.size(), 1U);
    EXPECT_FALSE(context.copy().contains(lease));
    EXPECT_FALSE(cv::bind_context(context, [&] { return lease.try_get() != nullptr; })());
    EXPECT_EQ(context.with(plain.to(2)).size(), 1U);
    EXPECT_EQ(context.with(lease.to(9))[lease], 9);
    const cv::Context moved = std::move(context);
    EXPECT_EQ(moved[lease], 7) << "a move is no copy";
    copy = moved;
    EXPECT_FALSE(copy.contains(lease));
}

TEST_F(CapturePolicyTest, goes_with_a_flow_and_not_into_its_copies) {
    cv::ContextVar<int> lease{"lease", never_captured};
    cv::ext::flow flow;
    {
        const cv::ext::flow_scope scope(flow);
        lease.set(7);
    }
    std::thread([&] {
        flow.resume();
        EXPECT_EQ(lease.get(), 7);
        const cv::ext::suspension initiation(flow);
        EXPECT_EQ(lease.try_get(), nullptr);
    }).join();
    const cv::ext::copy_scope scope(flow.copy());
    EXPECT_EQ(lease.try_get(), nullptr);
}

TEST_F(CapturePolicyTest, allows_tokens_and_guards_as_ever) {
    cv::ContextVar<int> lease{"lease", never_captured};
    cv::ContextVar<std::string> session{"session", never_captured};
    auto first = lease.set(1);
    auto second = lease.set(2);
    EXPECT_EQ(*second.old_value(), 1);
    lease.reset(second);
    EXPECT_EQ(lease.get(), 1);
    {
        const auto scope = session.scoped("a");
        const auto inner = session.scoped("b");
        EXPECT_TRUE(cv::copy_context().empty());
        EXPECT_EQ(session.get(), "b");
    }
    EXPECT_EQ(session.try_get(), nullptr);
    lease.reset(first);
    EXPECT_EQ(lease.try_get(), nullptr);
}

TEST_F(CapturePolicyTest, costs_captures_nothing_once_the_variable_is_unbound) {
    cv::ContextVar<int> lease{"lease", never_captured};
    plain.set(1);
    {
        const auto scope = lease.scoped(1);
        EXPECT_EQ(cv::copy_context().size(), 1U);
    }
    const cv::Context first = cv::copy_context();
    EXPECT_TRUE(cv::detail::current_map()->writer.has_edition())
        << "the map is captured whole again";
}

TEST_F(CapturePolicyTest, holds_among_thousands_of_bindings) {
    std::deque<cv::ContextVar<int>> variables;
    for (int i = 0; i < 3000; ++i) {
        if (i % 7 == 0)
            variables.emplace_back("v", never_captured).set(i);
        else
            variables.emplace_back("v").set(i);
    }
    const cv::Context copy = cv::copy_context();
    for (int i = 0; i < 3000; ++i)
        ASSERT_EQ(copy.contains(variables[static_cast<std::size_t>(i)]), i % 7 != 0);
    EXPECT_EQ(copy.size(), 3000U - 429U);
    ASSERT_STREQ(cv::detail::broken_invariant(*cv::detail::pinned_map(copy).get()), nullptr);
    EXPECT_EQ(variables[7].get(), 7);
}

TEST_F(CapturePolicyTest, outlives_the_variable) {
    const NothingLeaks checks;
    isolated([] {
        std::optional<cv::ContextVar<std::shared_ptr<Counted>>> lease(std::in_place, "lease",
                                                                      never_captured);
        lease->set(std::make_shared<Counted>());
        plain.set(1);
        lease.reset();
        EXPECT_EQ(cv::copy_context().size(), 1U);
        // Its place is taken by others, so that the binding is among the dead ones.
        std::deque<cv::ContextVar<std::shared_ptr<Counted>>> others;
        for (int i = 0; i < 100; ++i)
            others.emplace_back("other").set(nullptr);
        EXPECT_EQ(cv::copy_context().size(), 101U);
        std::optional<cv::ContextVar<int>> gone(std::in_place, "gone");
        gone->set(5);
        gone.reset();
        cv::ContextVar<int> successor("successor");
        successor.set(6);
        const cv::Context copy = cv::copy_context();
        EXPECT_EQ(copy.size(), 103U) << "other variables that are gone stay";
        ASSERT_STREQ(cv::detail::broken_invariant(*cv::detail::pinned_map(copy).get()), nullptr);
    });
}

TEST_F(CapturePolicyTest, keeps_no_value_alive_in_what_is_captured) {
    const NothingLeaks checks;
    cv::ContextVar<std::shared_ptr<Counted>> lease{"lease", never_captured};
    std::function<void()> timer;
    {
        const auto scope = lease.scoped(std::make_shared<Counted>());
        timer = cv::bind_context([] {});
    }
    EXPECT_TRUE(checks.holds());
}

TEST_F(CapturePolicyTest, can_be_secret_as_well) {
    cv::ContextVar<int> both{"both",
                             cv::attributes{.secret = true, .captured = cv::capture_policy::never}};
    both.set(42);
    std::ostringstream out;
    cv::Context context;
    context.run([&] {
        both.set(43);
        out << context;
    });
    EXPECT_CONTAINS(out.str(), "both=<int>");
    EXPECT_TRUE(cv::copy_context().empty());
}

TEST_F(CapturePolicyTest, that_is_none_of_the_enumerators_is_refused) {
    const auto make = [] {
        cv::ContextVar<int> v{"odd",
                              cv::attributes{.captured = static_cast<cv::capture_policy>(2)}};
    };
    EXPECT_EQ(message_of<cv::ValueError>(make),
              "ContextVar 'odd': attributes::captured is neither capture_policy::always nor "
              "capture_policy::never");
}

TEST_F(CapturePolicyTest, is_seen_by_several_threads_that_copy_one_context) {
    cv::ContextVar<int> lease{"lease", never_captured};
    cv::Context context;
    context.run([&] {
        lease.set(7);
        text.set("ann");
    });
    std::latch start(3);
    std::vector<std::thread> threads;
    for (int t = 0; t < 2; ++t)
        threads.emplace_back([&] {
            start.arrive_and_wait();
            for (int i = 0; i < 1000; ++i) {
                const cv::Context copy = context;
                EXPECT_FALSE(copy.contains(lease));
                EXPECT_EQ(copy.get(text, ""), "ann");
            }
        });
    start.arrive_and_wait();
    for (int i = 0; i < 1000; ++i)
        context.run([&] { lease.set(i); });
    for (auto& thread : threads)
        thread.join();
}

// What <contextvars/asio/awaitable.hpp> does if coroutines of Asio's and of this library await each other.

TEST_F(FlowControl, stays_in_a_flow_that_takes_over_from_a_coroutine_that_completed_at_once) {
    cv::ContextVar<int> lease{"lease", never_captured};
    cv::detail::mixed_flow flow{cv::ext::flow()};
    flow.resume();
    plain.set(1);
    lease.set(7);
    auto guard = make_guard();
    {
        const cv::ext::suspension scope(flow);
        flow.show_all();
        EXPECT_TRUE(cv::copy_context().empty());
        text.set("of the callee");
        flow.take_over_current();
    }
    flow.resume();
    EXPECT_EQ(plain.get(), 1);
    EXPECT_EQ(lease.get(), 7);
    EXPECT_EQ(text.get(), "of the callee");
    EXPECT_TRUE(cv::copy_context().empty());
    guard.reset();
    EXPECT_EQ(cv::copy_context().size(), 2U) << "without the lease";
    flow.suspend();
}

TEST_F(FlowControl, stays_at_home_when_a_flow_gives_back_what_it_began_with) {
    cv::ContextVar<int> lease{"lease", never_captured};
    plain.set(1);
    const cv::ext::copy_scope handler(cv::ext::snapshot::of_current());
    lease.set(7);
    auto guard = make_guard();
    {
        cv::detail::mixed_flow flow{cv::ext::flow()};
        flow.begin_mixed();
        flow.resume_mixed();
        EXPECT_TRUE(cv::copy_context().empty());
        text.set("of the callee");
        ASSERT_TRUE(flow.leave_home());
        EXPECT_EQ(lease.get(), 7);
        flow.resume_mixed();
        EXPECT_EQ(lease.get(), 7);
        flow.end();
    }
    EXPECT_EQ(plain.get(), 1);
    EXPECT_EQ(lease.get(), 7);
    EXPECT_EQ(text.get(), "of the callee");
    EXPECT_TRUE(cv::copy_context().empty());
    guard.reset();
    EXPECT_EQ(cv::copy_context().size(), 2U) << "without the lease";
}
