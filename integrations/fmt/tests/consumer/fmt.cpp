// SPDX-License-Identifier: MIT
#include <contextvars/fmt.hpp>

#include <fmt/format.h>

contextvars::ContextVar<int> request{"request", 1};

int main() { return fmt::format("{}", request).empty() ? 1 : 0; }
