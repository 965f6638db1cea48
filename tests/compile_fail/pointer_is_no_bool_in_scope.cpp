// expect: use of deleted function | call to deleted
// expect: needs_a_static_cast_to<T>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<bool> flag{"flag"};

void f() {
#ifdef MUST_COMPILE
    contextvars::Scope scope(flag, true);
#else
    contextvars::Scope scope(flag, "true");
#endif
}
