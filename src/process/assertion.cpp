// SPDX-License-Identifier: MIT
#include <contextvars/config.hpp>

#include <cstdio>
#include <exception>

namespace contextvars::inline v0::detail {

void assertion_failed(const char* condition, const char* file, int line) noexcept {
    std::fprintf(stderr, "contextvars: %s:%d: this does not hold: %s\n", file, line, condition);
    std::terminate();
}

} // namespace contextvars::inline v0::detail
