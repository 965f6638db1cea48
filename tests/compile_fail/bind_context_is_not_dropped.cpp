// expect: bind_context() calls nothing
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> v{"v"};

void f() {
#ifdef MUST_COMPILE
    contextvars::bind_context([] {})();
#else
    contextvars::bind_context([] {});
#endif
}
