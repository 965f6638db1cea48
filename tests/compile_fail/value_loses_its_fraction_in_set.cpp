// expect: use of deleted function | call to deleted
// expect: needs_a_static_cast_to<T>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> number{"number"};

void f() {
#ifdef MUST_COMPILE
    number.set(static_cast<int>(3.7));
#else
    number.set(3.7);
#endif
}
