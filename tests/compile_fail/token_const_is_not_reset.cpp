// expect: discards qualifiers | would lose const qualifier
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f() {
#ifdef MUST_COMPILE
    contextvars::Token<int> token = v.set(1);
#else
    const contextvars::Token<int> token = v.set(1);
#endif
    v.reset(token);
}
