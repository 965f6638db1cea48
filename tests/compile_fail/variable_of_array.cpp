// expect: T is not an array
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <array>

#ifdef MUST_COMPILE
contextvars::ContextVar<std::array<int, 3>> v{"v"};
#else
contextvars::ContextVar<int[3]> v{"v"};
#endif
