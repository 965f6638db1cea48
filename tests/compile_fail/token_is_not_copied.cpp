// expect: use of deleted function | call to deleted
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f() {
    contextvars::Token<int> a = v.set(1);
#ifdef MUST_COMPILE
    contextvars::Token<int> b = v.set(2);
#else
    contextvars::Token<int> b = a;
#endif
}
