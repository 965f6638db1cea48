// SPDX-License-Identifier: MIT
//
// How many lines the default hook writes.
#include "process/line_limit.hpp"

#include <gtest/gtest.h>

using contextvars::detail::line_limit;

TEST(LineLimitTest, lets_ten_lines_pass_in_a_minute_and_counts_the_others) {
    line_limit limit;
    for (int i = 0; i < 10; ++i) {
        EXPECT_FALSE(limit.is_reached());
        EXPECT_TRUE(limit.passes(100 + i));
    }
    EXPECT_TRUE(limit.is_reached());
    EXPECT_FALSE(limit.passes(110));
    EXPECT_FALSE(limit.passes(159));
    EXPECT_EQ(limit.take_left_out(), 2U);
    EXPECT_EQ(limit.take_left_out(), 0U);
}

TEST(LineLimitTest, lets_lines_pass_again_when_the_minute_is_over) {
    line_limit limit;
    for (int i = 0; i < 12; ++i) {
        static_cast<void>(limit.passes(0));
    }
    EXPECT_TRUE(limit.passes(60));
    EXPECT_EQ(limit.take_left_out(), 2U);
    for (int i = 0; i < 9; ++i) {
        EXPECT_TRUE(limit.passes(61));
    }
    EXPECT_FALSE(limit.passes(119));
    EXPECT_TRUE(limit.passes(120));
}
