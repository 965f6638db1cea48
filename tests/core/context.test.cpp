// SPDX-License-Identifier: MIT
//
// Making, copying, moving and assigning contexts. Running and entering them is in run.test.cpp, what
// they tell about their bindings in mapping.test.cpp and items.test.cpp.
#include <contextvars/context.hpp>

#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"
#include "support/throw_at.hpp"

#include <gtest/gtest.h>

#include <concepts>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::FailingCopy;
using contextvars_tests::isolated;
using contextvars_tests::ThrowAt;
using ContextTest = contextvars_tests::Isolated;

static_assert(std::is_nothrow_default_constructible_v<cv::Context>);
static_assert(std::is_nothrow_copy_constructible_v<cv::Context>);
static_assert(std::is_nothrow_move_constructible_v<cv::Context>);
static_assert(std::regular<cv::Context>);
static_assert(noexcept(cv::copy_context()));
static_assert(noexcept(std::declval<const cv::Context&>().copy()));
static_assert(std::is_same_v<decltype(std::declval<const cv::Context&>().copy()), cv::Context>);

TEST_F(ContextTest, begins_empty) {
    const cv::Context context;
    EXPECT_TRUE(context.empty());
    EXPECT_EQ(context.size(), 0u);
}

TEST_F(ContextTest, shows_the_live_bindings_while_it_is_entered) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    context.run([&] {
        EXPECT_FALSE(context.contains(v));
        v.set(1);
        EXPECT_EQ(*context.get(v), 1);
        auto token = v.set(2);
        EXPECT_EQ(context[v], 2);
        v.reset(token);
        EXPECT_EQ(context.get(v, 9), 1);
        EXPECT_EQ(context.size(), 1u);
    });
}

TEST_F(ContextTest, shows_its_bindings_also_while_another_one_is_entered_inside_it) {
    cv::ContextVar<int> v{"v"};
    cv::Context outer;
    outer.run([&] {
        v.set(1);
        isolated([&] {
            v.set(2);
            EXPECT_EQ(*outer.get(v), 1);
            EXPECT_EQ(*outer.copy().get(v), 1);
        });
    });
}

TEST_F(ContextTest, copies_are_independent) {
    cv::ContextVar<int> v{"v"};
    cv::Context original;
    original.run([&] { v.set(1); });
    cv::Context copy = original;
    cv::Context other = original.copy();
    copy.run([&] { v.set(2); });
    original.run([&] { v.set(3); });
    EXPECT_EQ(*original.get(v), 3);
    EXPECT_EQ(*copy.get(v), 2);
    EXPECT_EQ(*other.get(v), 1);
}

TEST_F(ContextTest, copies_have_an_identity_of_their_own) {
    cv::ContextVar<int> v{"v"};
    cv::Context original;
    auto token = original.run([&] { return v.set(1); });
    cv::Context copy = original;
    EXPECT_EQ(copy.run([&] { return v.try_reset(token); }), cv::reset_result::wrong_context);
    EXPECT_EQ(original.run([&] { return v.try_reset(token); }), cv::reset_result::ok);
    EXPECT_TRUE(copy.contains(v));
}

TEST_F(ContextTest, copies_of_an_entered_context_are_not_entered) {
    cv::ContextVar<int> v{"v"};
    cv::Context original;
    original.run([&] {
        v.set(1);
        cv::Context copy = original;
        copy.run([&] {
            EXPECT_EQ(v.get(), 1);
            v.set(2);
        });
        EXPECT_EQ(v.get(), 1);
    });
}

TEST_F(ContextTest, copy_context_takes_what_is_current) {
    cv::ContextVar<int> v{"v"};
    v.set(1);
    cv::Context captured = cv::copy_context();
    v.set(2);
    EXPECT_EQ(*captured.get(v), 1);
    captured.run([&] {
        EXPECT_EQ(v.get(), 1);
        v.set(3);
    });
    EXPECT_EQ(v.get(), 2);
    EXPECT_FALSE(cv::copy_context() == captured);
    EXPECT_TRUE(cv::copy_context() == cv::copy_context());
}

TEST_F(ContextTest, keeps_its_identity_when_it_is_moved) {
    cv::ContextVar<int> v{"v"};
    cv::Context original;
    auto token = original.run([&] { return v.set(1); });
    cv::Context moved = std::move(original);
    EXPECT_EQ(moved.run([&] { return v.try_reset(token); }), cv::reset_result::ok);
}

TEST_F(ContextTest, keeps_its_identity_when_it_is_assigned_by_move) {
    cv::ContextVar<int> v{"v"};
    cv::Context original;
    cv::Context target;
    auto token = original.run([&] { return v.set(1); });
    auto lost = target.run([&] { return v.set(2); });
    target = std::move(original);
    EXPECT_EQ(target.run([&] { return v.try_reset(lost); }), cv::reset_result::wrong_context);
    EXPECT_EQ(target.run([&] { return v.try_reset(token); }), cv::reset_result::ok);
}

TEST_F(ContextTest, that_was_moved_from_is_empty_usable_and_another_one) {
    cv::ContextVar<int> v{"v"};
    cv::Context original;
    auto token = original.run([&] { return v.set(1); });
    const cv::Context moved = std::move(original);
    EXPECT_TRUE(original.empty());
    original.run([&] {
        EXPECT_EQ(v.try_get(), nullptr);
        EXPECT_EQ(v.try_reset(token), cv::reset_result::wrong_context);
        v.set(2);
    });
    EXPECT_EQ(*moved.get(v), 1);
}

TEST_F(ContextTest, that_is_entered_is_copied_when_it_is_moved) {
    cv::ContextVar<int> v{"v"};
    cv::Context original;
    original.run([&] {
        auto token = v.set(1);
        cv::Context moved = std::move(original);
        EXPECT_EQ(*moved.get(v), 1);
        EXPECT_EQ(moved.run([&] { return v.try_reset(token); }), cv::reset_result::wrong_context);
        cv::Context assigned;
        assigned = std::move(original);
        EXPECT_EQ(*assigned.get(v), 1);
        EXPECT_EQ(v.get(), 1);
        EXPECT_THROW(original.run([] {}), cv::RuntimeError) << "it is still entered";
        v.reset(token);
    });
    EXPECT_FALSE(original.contains(v));
}

TEST_F(ContextTest, that_is_entered_cannot_be_assigned_to) {
    cv::ContextVar<int> v{"v"};
    cv::Context target;
    cv::Context source;
    source.run([&] { v.set(1); });
    target.run([&] {
        v.set(2);
        EXPECT_THROW(target = source, cv::RuntimeError);
        EXPECT_THROW(target = std::move(source), cv::RuntimeError);
        EXPECT_EQ(v.get(), 2);
    });
    EXPECT_EQ(*target.get(v), 2);
    EXPECT_EQ(*source.get(v), 1) << "a failed assignment took the source's bindings";
}

TEST_F(ContextTest, takes_the_bindings_of_what_it_is_assigned) {
    cv::ContextVar<int> v{"v"};
    cv::ContextVar<std::string> w{"w"};
    cv::Context source;
    auto token = source.run([&] { return v.set(1); });
    cv::Context target;
    target.run([&] { w.set("gone"); });
    target = source;
    EXPECT_EQ(target, source);
    EXPECT_EQ(target.run([&] { return v.try_reset(token); }), cv::reset_result::wrong_context);
    target.run([&] { v.set(2); });
    EXPECT_EQ(*source.get(v), 1);
}

TEST_F(ContextTest, may_be_assigned_to_itself) {
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    auto token = context.run([&] { return v.set(1); });
    auto& alias = context;
    context = alias;
    EXPECT_EQ(*context.get(v), 1);
    context = std::move(alias);
    EXPECT_EQ(*context.get(v), 1);
    EXPECT_EQ(context.run([&] { return v.try_reset(token); }), cv::reset_result::ok);
}

TEST_F(ContextTest, keeps_its_identity_when_a_container_moves_it) {
    cv::ContextVar<int> v{"v"};
    std::vector<cv::Context> contexts(1);
    auto token = contexts[0].run([&] { return v.set(1); });
    contexts.resize(100);
    std::swap(contexts[0], contexts[99]);
    EXPECT_EQ(contexts[0].run([&] { return v.try_reset(token); }), cv::reset_result::wrong_context);
    EXPECT_EQ(contexts[99].run([&] { return v.try_reset(token); }), cv::reset_result::ok);
}

TEST_F(ContextTest, runs_on_when_what_it_was_copied_from_is_gone) {
    cv::ContextVar<std::string> v{"v"};
    auto original = std::make_unique<cv::Context>();
    original->run([&] { v.set("a text that is too long for the small string buffer"); });
    cv::Context copy = *original;
    copy.run([&] {
        const std::string& held = v.get();
        original.reset();
        EXPECT_EQ(held, "a text that is too long for the small string buffer");
        EXPECT_EQ(&held, &v.get());
    });
}

TEST_F(ContextTest, with_assignments_is_a_changed_copy) {
    cv::ContextVar<std::string> user{"user"};
    cv::ContextVar<int> tenant{"tenant"};
    cv::ContextVar<std::unique_ptr<int>> owned{"owned"};
    const cv::Context before = cv::Context().with(user.to("ann"), tenant.to(7));
    const cv::Context after =
        before.with(tenant.to(8), owned.to(std::make_unique<int>(9)), tenant.to(10));
    EXPECT_EQ(before[user], "ann");
    EXPECT_EQ(before[tenant], 7);
    EXPECT_EQ(before.size(), 2u);
    EXPECT_EQ(after[user], "ann");
    EXPECT_EQ(after[tenant], 10) << "the last holds";
    EXPECT_EQ(*after[owned], 9);
    EXPECT_EQ(user.try_get(), nullptr) << "nothing is set in the current context";
    EXPECT_TRUE(before.with() == before);
}

TEST_F(ContextTest, with_assignments_copies_what_an_entered_context_has_now) {
    cv::ContextVar<int> a{"a"};
    cv::ContextVar<int> b{"b"};
    cv::Context context;
    context.run([&] {
        a.set(1);
        cv::Context changed = context.with(b.to(2));
        EXPECT_EQ(changed[a], 1);
        EXPECT_FALSE(context.contains(b));
        changed.run([&] { EXPECT_EQ(a.get() + b.get(), 3); });
    });
}

TEST_F(ContextTest, with_assignments_is_as_it_was_when_one_of_them_throws) {
    cv::ContextVar<int> a{"a"};
    cv::ContextVar<ThrowAt> b{"b"};
    const cv::Context before = cv::Context().with(a.to(1));
    const long failures = contextvars_tests::for_every_failing_copy([&](long n) {
        try {
            const FailingCopy failing(n);
            static_cast<void>(before.with(a.to(2), b.to(3)));
        } catch (const ThrowAt::Error&) {
        }
        EXPECT_EQ(before[a], 1);
        EXPECT_EQ(before.size(), 1u);
        EXPECT_EQ(a.try_get(), nullptr);
    });
    EXPECT_GE(failures, 1);
}
