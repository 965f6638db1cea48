// expect: use of deleted function | call to deleted
// expect: needs_a_static_cast_to<T>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f() {
#ifdef MUST_COMPILE
    contextvars::ContextVar<int> number{"number", 3};
#else
    contextvars::ContextVar<int> number{"number", 3.7};
#endif
}
