// SPDX-License-Identifier: MIT
#include <contextvars/googletest.hpp>

using Consumer = contextvars::context_test;

TEST_F(Consumer, starts_in_an_empty_context) { EXPECT_TRUE(contextvars::context_is_empty()); }
