// expect: use of deleted function | call to deleted
// expect: needs_a_static_cast_to<T>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<bool> flag{"flag"};

void f() {
#ifdef MUST_COMPILE
    flag.set(true);
#else
    flag.set("true");
#endif
}
