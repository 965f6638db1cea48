// SPDX-License-Identifier: MIT
//
// Preconditions are asserted in programs that are built without NDEBUG: the presets of the sanitizers, and
// gcc-debug.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <utility>

namespace cv = contextvars;

namespace {

class AssertionsDeathTest : public contextvars_tests::Isolated {
protected:
    void SetUp() override {
#if defined(NDEBUG)
        GTEST_SKIP() << "this program is built with NDEBUG";
#endif
        contextvars_tests::Isolated::SetUp();
        GTEST_FLAG_SET(death_test_style, "threadsafe");
    }
};

} // namespace

TEST_F(AssertionsDeathTest, a_token_is_asked_for_a_variable_that_is_gone) {
    std::optional<cv::ContextVar<int>> variable(std::in_place, "v");
    const cv::Token<int> token = variable->set(1);
    EXPECT_EQ(&token.var(), &*variable);
    EXPECT_DEATH(
        {
            variable.reset();
            static_cast<void>(token.var());
        },
        "this does not hold: .*variable_exists");
}

TEST_F(AssertionsDeathTest, a_flow_is_resumed_twice) {
    cv::ext::flow flow;
    EXPECT_DEATH(
        {
            flow.resume();
            flow.resume();
        },
        "this does not hold: !running\\(\\)");
}

TEST_F(AssertionsDeathTest, a_flow_that_runs_is_moved_or_copied) {
    cv::ext::flow flow;
    EXPECT_DEATH(
        {
            flow.resume();
            const cv::ext::flow moved(std::move(flow));
        },
        "this does not hold: !other.running\\(\\)");
    EXPECT_DEATH(
        {
            flow.resume();
            static_cast<void>(flow.copy());
        },
        "this does not hold: !running\\(\\)");
}

TEST_F(AssertionsDeathTest, a_flow_is_suspended_around_something_and_does_not_run) {
    cv::ext::flow flow;
    EXPECT_DEATH(const cv::ext::suspension scope(flow), "this does not hold: flow.running\\(\\)");
}
