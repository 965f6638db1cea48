// expect: use of deleted function | call to deleted
// expect: needs_a_static_cast_to<T>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> number{"number"};

void f(const contextvars::Context& context) {
#ifdef MUST_COMPILE
    context.get(number, 3);
#else
    context.get(number, 3.7);
#endif
}
