// expect: with() changes nothing but the copy that it returns
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f(contextvars::Context& context) {
#ifdef MUST_COMPILE
    context = context.with(v.to(1));
#else
    context.with(v.to(1));
#endif
}
