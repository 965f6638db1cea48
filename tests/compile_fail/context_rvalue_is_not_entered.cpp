// expect: use of deleted function | call to deleted
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::Context make() { return {}; }

void f() {
#ifdef MUST_COMPILE
    auto context = make();
    auto entered = context.enter();
#else
    auto entered = make().enter();
#endif
}
