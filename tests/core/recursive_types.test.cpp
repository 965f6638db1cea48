// SPDX-License-Identifier: MIT
//
// Types that contain themselves: a tree of maps, as property trees and JSON values are.
#include <contextvars/contextvars.hpp>

#include "support/isolated.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <utility>
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
    friend std::ostream& operator<<(std::ostream& out, const Json& json) {
        out << '[';
        for (const Json& child : json.children)
            out << child;
        return out << ']';
    }
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
    const auto with = [&](Json value) { return context.with(json.to(std::move(value))); };
    EXPECT_TRUE(with({{{}, {}}}) == with({{{}, {}}}));
    EXPECT_FALSE(with({{{}, {}}}) == with({{{}}}));
    std::ostringstream out;
    out << context;
    EXPECT_CONTAINS(out.str(), "json=[[][]]");
    EXPECT_CONTAINS(out.str(), "tree=");
}

TEST_F(RecursiveTypesTest, are_destroyed_without_a_deep_stack_however_deep_they_nest) {
    struct Holder {
        std::shared_ptr<cv::Context> context;
        std::shared_ptr<int> counted;
    };
    cv::ContextVar<Holder> v{"v"};
    const auto counted = std::make_shared<int>();
    auto outermost = std::make_shared<cv::Context>();
    for (int i = 0; i != 1'000'000; ++i) {
        auto next = std::make_shared<cv::Context>();
        next->run([&] { v.set(Holder{std::move(outermost), counted}); });
        outermost = std::move(next);
    }
    EXPECT_EQ(counted.use_count(), 1'000'001);
    outermost.reset();
    EXPECT_EQ(counted.use_count(), 1);
}
