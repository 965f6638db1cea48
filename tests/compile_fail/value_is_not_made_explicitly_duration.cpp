// expect: no matching
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <chrono>

contextvars::ContextVar<std::chrono::milliseconds> timeout{"timeout"};

void f() {
#ifdef MUST_COMPILE
    timeout.emplace(5);
#else
    timeout.set(5);
#endif
}
