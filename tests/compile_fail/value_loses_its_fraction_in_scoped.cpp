// expect: use of deleted function | call to deleted
// expect: needs_a_static_cast_to<T>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> number{"number"};

void f() {
#ifdef MUST_COMPILE
    auto scope = number.scoped(3);
#else
    auto scope = number.scoped(3.7f);
#endif
}
