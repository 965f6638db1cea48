// SPDX-License-Identifier: MIT
#include <contextvars/asio.hpp>

contextvars::awaitable<void> nothing() { co_return; }

int main() { static_cast<void>(nothing()); }
