// expect: use of deleted function | call to deleted
// expect: needs_a_static_cast_to<T>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<bool> flag{"flag"};
bool decide();

void f() {
#ifdef MUST_COMPILE
    flag.set(decide());
#else
    flag.set(decide);
#endif
}
