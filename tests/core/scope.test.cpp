// SPDX-License-Identifier: MIT
#include <contextvars/scope.hpp>

#include <contextvars/contextvars.hpp>

#include "support/counted.hpp"
#include "support/isolated.hpp"
#include "support/recorded_diagnostics.hpp"
#include "support/throw_at.hpp"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <type_traits>
#include <vector>

namespace cv = contextvars;
using contextvars_tests::Counted;
using contextvars_tests::FailingCopy;
using contextvars_tests::isolated;
using contextvars_tests::NothingLeaks;
using contextvars_tests::RecordedDiagnostics;
using contextvars_tests::ThrowAt;
using ScopeTest = contextvars_tests::Isolated;

TEST_F(ScopeTest, binds_while_it_lives) {
    cv::ContextVar<int> v{"v", 0};
    {
        auto scope = v.scoped(1);
        EXPECT_EQ(v.get(), 1);
    }
    EXPECT_EQ(v.get(), 0);
    EXPECT_FALSE(cv::copy_context().contains(v));
}

TEST_F(ScopeTest, restores_the_value_before) {
    cv::ContextVar<std::string> v{"v"};
    v.set("outer");
    {
        auto scope = v.scoped("inner");
        EXPECT_EQ(v.get(), "inner");
    }
    EXPECT_EQ(v.get(), "outer");
}

TEST_F(ScopeTest, nests) {
    cv::ContextVar<int> v{"v", 0};
    {
        auto outer = v.scoped(1);
        {
            auto inner = v.scoped(2);
            EXPECT_EQ(v.get(), 2);
        }
        EXPECT_EQ(v.get(), 1);
    }
    EXPECT_EQ(v.get(), 0);
}

TEST_F(ScopeTest, discards_what_is_set_inside) {
    cv::ContextVar<int> v{"v", 0};
    {
        auto scope = v.scoped(1);
        v.set(2);
        v.set(3);
    }
    EXPECT_EQ(v.get(), 0);
}

TEST_F(ScopeTest, restores_when_an_exception_passes) {
    cv::ContextVar<std::string> v{"v"};
    v.set("outer");
    EXPECT_THROW(
        {
            auto scope = v.scoped("inner");
            throw std::logic_error("passes");
        },
        std::logic_error);
    EXPECT_EQ(v.get(), "outer");
}

TEST_F(ScopeTest, restores_after_a_capture_inside) {
    cv::ContextVar<std::string> v{"v"};
    v.set("outer");
    cv::Context captured;
    {
        auto scope = v.scoped("inner");
        captured = cv::copy_context();
    }
    EXPECT_EQ(v.get(), "outer");
    EXPECT_EQ(*captured.get(v), "inner");
}

TEST_F(ScopeTest, takes_values_that_can_only_be_moved) {
    cv::ContextVar<std::unique_ptr<int>> v{"v"};
    {
        auto scope = v.scoped(std::make_unique<int>(1));
        EXPECT_EQ(*v.get(), 1);
    }
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(ScopeTest, binds_several_variables_at_once) {
    cv::ContextVar<std::string> user{"user"};
    cv::ContextVar<int> tenant{"tenant"};
    tenant.set(1);
    {
        auto scope = cv::scoped(user.to("ann"), tenant.to(7));
        EXPECT_EQ(user.get(), "ann");
        EXPECT_EQ(tenant.get(), 7);
    }
    EXPECT_EQ(user.try_get(), nullptr);
    EXPECT_EQ(tenant.get(), 1);
}

TEST_F(ScopeTest, binds_one_variable_too) {
    cv::ContextVar<int> v{"v"};
    {
        auto scope = cv::scoped(v.to(1));
        EXPECT_EQ(v.get(), 1);
    }
    EXPECT_EQ(v.try_get(), nullptr);
}

TEST_F(ScopeTest, binds_left_to_right_and_undoes_in_reverse) {
    cv::ContextVar<int> v{"v"};
    v.set(0);
    {
        auto scope = cv::scoped(v.to(1), v.to(2), v.to(3));
        EXPECT_EQ(v.get(), 3);
    }
    EXPECT_EQ(v.get(), 0) << "undone in the order of binding, the last to restore would put 2 back";
}

TEST_F(ScopeTest, binds_all_or_none) {
    const NothingLeaks leaks;
    isolated([] {
        cv::ContextVar<Counted> a{"a"};
        cv::ContextVar<ThrowAt> b{"b"};
        cv::ContextVar<int> c{"c", 0};
        a.set(Counted(1));
        b.set(ThrowAt(1));
        const auto size = cv::copy_context().size();
        long failures = 0;
        for (long n = 1; n < 20; ++n) {
            try {
                const FailingCopy failing(n);
                auto scope = cv::scoped(a.to(Counted(2)), b.to(ThrowAt(2)), c.to(2));
                break;
            } catch (const ThrowAt::Error&) {
                ++failures;
            }
            EXPECT_EQ(a.get().value, 1);
            EXPECT_EQ(b.get().value(), 1);
            EXPECT_EQ(c.get(), 0);
            EXPECT_EQ(cv::copy_context().size(), size);
        }
        EXPECT_GE(failures, 1);
    });
}

TEST_F(ScopeTest, that_ends_in_another_context_changes_nothing_there_and_tells_the_hook) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<std::string> v{"request"};
    v.set("outer");
    auto* scope = new auto(v.scoped("inner"));
    isolated([&] {
        v.set("elsewhere");
        delete scope;
        EXPECT_EQ(v.get(), "elsewhere");
    });
    EXPECT_EQ(v.get(), "inner") << "its own context is not current, so it is left alone too";
    const auto told = diagnostics.all();
    ASSERT_EQ(told.size(), 1u);
    EXPECT_EQ(told[0].kind, cv::diagnostic_kind::scope_not_restored);
    EXPECT_EQ(told[0].variable, "request");
    EXPECT_FALSE(told[0].what.empty());
}

TEST_F(ScopeTest, of_several_variables_that_ends_in_another_context_tells_the_hook) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<int> a{"a"};
    cv::ContextVar<int> b{"b"};
    auto* scope = new auto(cv::scoped(a.to(1), b.to(2)));
    isolated([&] {
        delete scope;
        EXPECT_EQ(a.try_get(), nullptr);
        EXPECT_EQ(b.try_get(), nullptr);
    });
    const auto told = diagnostics.all();
    ASSERT_GE(told.size(), 1u);
    for (const auto& record : told) {
        EXPECT_EQ(record.kind, cv::diagnostic_kind::scope_not_restored);
    }
}

TEST_F(ScopeTest, that_ends_on_another_thread_changes_nothing_there_and_tells_nobody) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<int> v{"v", 0};
    auto* scope = new auto(v.scoped(1));
    std::thread([&] {
        delete scope;
        EXPECT_EQ(v.get(), 0);
    }).join();
    EXPECT_EQ(v.get(), 1);
    EXPECT_TRUE(diagnostics.empty()) << "so does a frame that is destroyed while it is suspended";
}

TEST_F(ScopeTest, that_ends_where_it_should_tells_nobody) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    context.run([&] {
        auto scope = v.scoped(1);
        auto several = cv::scoped(v.to(2), v.to(3));
    });
    EXPECT_TRUE(diagnostics.empty());
}

TEST_F(ScopeTest, ends_well_where_its_context_was_left_and_entered_again) {
    const RecordedDiagnostics diagnostics;
    cv::ContextVar<int> v{"v"};
    cv::Context context;
    auto* scope = context.run([&] { return new auto(v.scoped(1)); });
    EXPECT_TRUE(context.contains(v));
    context.run([&] { delete scope; });
    EXPECT_FALSE(context.contains(v));
    EXPECT_TRUE(diagnostics.empty());
}

TEST_F(ScopeTest, undoes_its_own_binding_when_scopes_end_out_of_order) {
    cv::ContextVar<int> v{"v"};
    auto* outer = new auto(v.scoped(1));
    auto* inner = new auto(v.scoped(2));
    delete outer;
    EXPECT_EQ(v.try_get(), nullptr) << "as out-of-order resets do";
    delete inner;
    EXPECT_EQ(v.get(), 1);
}

TEST_F(ScopeTest, keeps_no_value_when_it_ended) {
    const NothingLeaks leaks;
    cv::ContextVar<Counted> v{"v"};
    {
        auto scope = v.scoped(Counted(1));
        EXPECT_FALSE(leaks.holds());
    }
}

TEST_F(ScopeTest, is_made_of_a_variable_and_a_value) {
    cv::ContextVar<std::string> v{"v", "default"};
    {
        cv::Scope scope(v, "inner");
        static_assert(std::is_same_v<decltype(scope), cv::Scope<std::string>>);
        EXPECT_EQ(v.get(), "inner");
        EXPECT_EQ(scope.token().old_value(), cv::Token<std::string>::MISSING);
    }
    EXPECT_EQ(v.get(), "default");
}

TEST_F(ScopeTest, can_be_a_member) {
    cv::ContextVar<int> v{"v", 0};
    cv::ContextVar<std::vector<int>> list{"list"};
    struct Request {
        Request(const cv::ContextVar<int>& id, const cv::ContextVar<std::vector<int>>& path)
            : id_(id, 7), path_(path, {1, 2}) {}
        cv::Scope<int> id_;
        cv::Scope<std::vector<int>> path_;
    };
    {
        const Request request(v, list);
        EXPECT_EQ(v.get(), 7);
        EXPECT_EQ(list.get().size(), 2u);
    }
    EXPECT_EQ(v.get(), 0);
    EXPECT_EQ(list.try_get(), nullptr);
}

TEST_F(ScopeTest, can_begin_and_end_in_an_optional) {
    cv::ContextVar<std::string> v{"v", "default"};
    std::optional<cv::Scope<std::string>> scope;
    scope.emplace(v, "one");
    EXPECT_EQ(v.get(), "one");
    scope.emplace(v, "two");
    EXPECT_EQ(v.get(), "two");
    scope.reset();
    EXPECT_EQ(v.get(), "default");
}

TEST_F(ScopeTest, can_be_neither_copied_nor_moved) {
    using scope = cv::Scope<int>;
    static_assert(!std::is_copy_constructible_v<scope> && !std::is_move_constructible_v<scope>);
    static_assert(!std::is_copy_assignable_v<scope> && !std::is_move_assignable_v<scope>);
    static_assert(!std::is_constructible_v<scope, const cv::ContextVar<int>&, double>);
    static_assert(!std::is_constructible_v<scope, const cv::ContextVar<int>&, const char*>);
    static_assert(std::is_constructible_v<scope, const cv::ContextVar<int>&, short>);
}
