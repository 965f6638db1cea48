// expect: the guard resets the variable when it is destroyed
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

// Compiled with -Werror=unused-result: the guard of a scoped() that is dropped restores at once.
void f() {
#ifdef MUST_COMPILE
    auto scope = v.scoped(1);
#else
    v.scoped(1);
#endif
}
