// SPDX-License-Identifier: MIT
//
// Variables with names of their own, one for each connection, say, for as long as a program runs. A
// program of its own: if names were never given back, no test after this one could make a variable.
#include <contextvars/contextvars.hpp>

#include "support/environment.hpp"
#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace cv = contextvars;
using ManyNamesTest = contextvars_tests::Isolated;

TEST_F(ManyNamesTest, may_be_more_than_any_table_holds_as_long_as_few_are_alive) {
    const int count = contextvars_tests::sanitized ? 10'000 : 1'100'000;
    std::vector<std::pair<std::string, std::string_view>> handed_out;
    for (int i = 0; i < count; ++i) {
        cv::ContextVar<int> v{"connection " + std::to_string(i)};
        auto scope = v.scoped(i);
        ASSERT_EQ(v.get(), i);
        const cv::Context context = cv::copy_context();
        if (i % 1000 == 0 || i == count - 1) {
            ASSERT_EQ((*context.keys().begin()).name(), v.name());
            handed_out.emplace_back(v.name(), (*context.keys().begin()).name());
        }
    }
    for (const auto& [name, view] : handed_out) {
        ASSERT_EQ(view, name) << "a name that was handed out stays good";
    }
}
