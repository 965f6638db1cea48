// expect: assignment of read-only location | cannot assign to return value
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f(contextvars::Context& context) {
#ifdef MUST_COMPILE
    context.run([] { v.set(1); });
#else
    context[v] = 1;
#endif
}
