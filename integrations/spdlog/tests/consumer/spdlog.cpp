// SPDX-License-Identifier: MIT
#include <contextvars/spdlog.hpp>

#include <spdlog/spdlog.h>

contextvars::ContextVar<int> request{"request", 1};

int main() {
    spdlog::set_formatter(
        contextvars::context_formatter(contextvars::context_fields(request), "[%*] %v"));
    spdlog::info("hello");
}
