// expect: discards qualifiers | method is not marked const
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f(const contextvars::Context& context) {
#ifdef MUST_COMPILE
    context.copy().size();
#else
    context.run([] {});
#endif
}
