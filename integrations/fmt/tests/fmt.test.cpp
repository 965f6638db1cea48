// SPDX-License-Identifier: MIT
#include <contextvars/fmt.hpp>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "support/isolated.hpp"

#include <sstream>
#include <string>

namespace {

contextvars::ContextVar<std::string> user{"user", "nobody"};
contextvars::ContextVar<std::string> password{"password", contextvars::attributes{.secret = true}};

template <class T>
std::string streamed(const T& object) {
    std::ostringstream out;
    out << object;
    return out.str();
}

class Fmt : public contextvars_tests::Isolated {};

TEST_F(Fmt, prints_as_a_stream_does) {
    const auto token = user.set("ann");
    const contextvars::Context context = contextvars::copy_context();
    EXPECT_EQ(fmt::format("{}", user), streamed(user));
    EXPECT_EQ(fmt::format("{}", token), streamed(token));
    EXPECT_EQ(fmt::format("{}", context), streamed(context));
    for (const auto& [variable, value] : context)
        EXPECT_EQ(fmt::format("{} {}", variable, value), streamed(variable) + " ann");
}

TEST_F(Fmt, takes_the_specifications_of_a_string) {
    const std::string text = streamed(user);
    EXPECT_EQ(fmt::format("{:*>{}}", user, text.size() + 2), "**" + text);
}

TEST_F(Fmt, hides_secrets) {
    const auto scope = password.scoped("1234");
    EXPECT_EQ(fmt::format("{}", contextvars::copy_context()).find("1234"), std::string::npos);
}

} // namespace
