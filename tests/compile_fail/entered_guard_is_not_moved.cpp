// expect: use of deleted function | call to deleted
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <utility>

void f(contextvars::Context& context) {
    auto entered = context.enter();
#ifdef MUST_COMPILE
    auto& other = entered;
#else
    auto other = std::move(entered);
#endif
    static_cast<void>(other);
}
