// expect: use of deleted function | call to deleted
// expect: needs_a_static_cast_to<T>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f() {
#ifdef MUST_COMPILE
    contextvars::ContextVar<bool> flag{"flag", true};
#else
    contextvars::ContextVar<bool> flag{"flag", "true"};
#endif
}
