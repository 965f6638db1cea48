// expect: no match for | no viable overloaded
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

int f(const contextvars::Context& context) {
#ifdef MUST_COMPILE
    return context[v];
#else
    return context["v"];
#endif
}
