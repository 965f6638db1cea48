// expect: use of deleted function | selected deleted operator
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f(contextvars::ContextVar<int>& a, contextvars::ContextVar<int>& b) {
#ifdef MUST_COMPILE
    a.set(b.get());
#else
    a = b;
#endif
}
