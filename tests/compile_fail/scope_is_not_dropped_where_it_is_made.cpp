// expect: a guard without a name resets the variable at once
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

// Compiled with -Werror=unused-result and -Werror=unused-value.
void f() {
#ifdef MUST_COMPILE
    contextvars::Scope scope(v, 1);
#else
    contextvars::Scope(v, 1);
#endif
}
