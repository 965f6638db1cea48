// expect: no matching
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

bool f(const contextvars::Context& context) {
#ifdef MUST_COMPILE
    return context.contains(v);
#else
    return context.contains(1);
#endif
}
