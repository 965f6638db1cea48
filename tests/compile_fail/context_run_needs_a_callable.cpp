// expect: invoke_result<int>
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f(contextvars::Context& context) {
#ifdef MUST_COMPILE
    context.run([] {});
#else
    context.run(1);
#endif
}
