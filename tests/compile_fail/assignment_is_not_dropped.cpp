// expect: to() sets nothing
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f() {
#ifdef MUST_COMPILE
    const auto scope = contextvars::scoped(v.to(1));
#else
    v.to(1);
#endif
}
