// expect: copy_context() changes nothing
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f() {
#ifdef MUST_COMPILE
    const auto context = contextvars::copy_context();
#else
    contextvars::copy_context();
#endif
}
