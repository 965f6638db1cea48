// expect: at least once
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f() {
#ifdef MUST_COMPILE
    auto scope = contextvars::scoped(v.to(1));
#else
    auto scope = contextvars::scoped();
#endif
}
