// SPDX-License-Identifier: MIT
//
// Types that contain themselves: a tree of maps, as property trees and JSON values are.
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

namespace cv = contextvars;
using RecursiveTypesTest = contextvars_tests::Isolated;

namespace {

struct Tree : std::map<std::string, Tree> {
    int value = 0;
};
struct Json {
    std::vector<Json> children;
    friend bool operator==(const Json&, const Json&) = default;
};

} // namespace

TEST_F(RecursiveTypesTest, can_be_bound_compared_and_printed) {
    cv::ContextVar<Tree> tree{"tree"};
    cv::ContextVar<Json> json{"json"};
    Tree value;
    value["child"].value = 1;
    tree.set(value);
    json.set(Json{{Json{}, Json{}}});
    const cv::Context context = cv::copy_context();
    EXPECT_EQ(context[tree].at("child").value, 1);
    EXPECT_EQ(context[json].children.size(), 2u);
    EXPECT_TRUE(context == context.copy());
}
