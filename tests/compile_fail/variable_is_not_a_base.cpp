// expect: final
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#ifdef MUST_COMPILE
struct Mine {
    contextvars::ContextVar<int> v{"v"};
};
#else
struct Mine : contextvars::ContextVar<int> {};
#endif
