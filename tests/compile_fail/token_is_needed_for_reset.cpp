// expect: no matching
// expect: no known conversion
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f() {
#ifdef MUST_COMPILE
    v.reset(v.set(1));
#else
    v.reset(1);
#endif
}
