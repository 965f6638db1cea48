// SPDX-License-Identifier: MIT
#include <contextvars/propagation/fault.hpp>

#include "../src/report.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

using namespace contextvars::propagation;
using namespace std::chrono_literals;

namespace {

std::vector<dropped> told;

class Reports : public ::testing::Test {
protected:
    void SetUp() override {
        told.clear();
        set_dropped_hook([](const dropped& d) noexcept { told.push_back(d); });
    }
    void TearDown() override { set_dropped_hook(nullptr); }
};

TEST_F(Reports, are_ten_a_minute_of_each_reason_and_then_tell_how_many_were_left_out) {
    const auto begin = std::chrono::steady_clock::now();
    for (int i = 0; i != 1000; ++i)
        detail::report("baggage", fault::malformed, 3, begin);
    EXPECT_EQ(told.size(), 10u);
    EXPECT_EQ(told[0].header, "baggage");
    EXPECT_EQ(told[0].count, 3u);
    EXPECT_EQ(told[0].unreported, 0u);

    detail::report("baggage", fault::too_long, 1, begin); // another reason
    EXPECT_EQ(told.size(), 11u);

    detail::report("baggage", fault::malformed, 1, begin + 59s);
    EXPECT_EQ(told.size(), 11u);
    detail::report("baggage", fault::malformed, 1, begin + 60s);
    ASSERT_EQ(told.size(), 12u);
    EXPECT_EQ(told.back().unreported, 991u);
    detail::report("baggage", fault::malformed, 1, begin + 60s);
    EXPECT_EQ(told.back().unreported, 0u);
}

TEST_F(Reports, without_a_hook_go_nowhere) {
    set_dropped_hook(nullptr);
    detail::report("baggage", fault::refused, 1, std::chrono::steady_clock::now());
    EXPECT_TRUE(told.empty());
}

TEST_F(Reports, have_words_for_each_reason) {
    for (int i = 0; i <= static_cast<int>(fault::out_of_time); ++i)
        EXPECT_NE(words(static_cast<fault>(i)), "unknown");
}

} // namespace
