// SPDX-License-Identifier: MIT
//
// Every completion token with every kind of operation: where only the alias of the awaitable is changed, a
// program does the same.
#include "sides.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>

namespace {

void expect_same(const matrix::lines& plain, const matrix::lines& ours) {
    EXPECT_EQ(plain.size(), ours.size());
    const auto different = std::mismatch(plain.begin(), plain.end(), ours.begin(), ours.end());
    for (auto [one, other] = different; one != plain.end() && other != ours.end(); ++one, ++other)
        EXPECT_EQ(*one, *other);
    for (const std::string& line : plain)
        EXPECT_NE(line.find("ended"), std::string::npos) << line;
}

} // namespace

TEST(AsioMatrix, of_awaited_tokens_is_as_with_plain_asio) {
    expect_same(matrix::plain::awaited(), matrix::ours::awaited());
}

TEST(AsioMatrix, of_awaited_operations_is_as_with_plain_asio) {
    expect_same(matrix::plain::adapted(), matrix::ours::adapted());
}

TEST(AsioMatrix, of_callbacks_and_futures_is_as_with_plain_asio) {
    expect_same(matrix::plain::started(), matrix::ours::started());
}

TEST(AsioMatrix, of_groups_and_stackful_coroutines_is_as_with_plain_asio) {
    expect_same(matrix::plain::together(), matrix::ours::together());
}
