// expect: value_narrows_with_a_warning_at_the_call.cpp:14:16: error:
// expect: may change value | loses integer precision
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> number{"number"};

void f(long large) {
#ifdef MUST_COMPILE
    number.set(static_cast<int>(large));
#else
    // Compiled with -Werror=conversion. At this line, which is the caller's:
    //
    number.set(large);
#endif
}
