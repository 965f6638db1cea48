// expect: T is not const or volatile
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#ifdef MUST_COMPILE
contextvars::ContextVar<int> v{"v"};
#else
contextvars::ContextVar<const int> v{"v"};
#endif
