// expect: f must take these arguments and return an R
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f() {
#ifdef MUST_COMPILE
    contextvars::bind_context<void(int)>([](auto) {})(1);
#else
    contextvars::bind_context<void()>([](auto) {})();
#endif
}
