// expect: f must take these arguments, without the void
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f() {
#ifdef MUST_COMPILE
    const auto callback = contextvars::as_callback<int(int, void*)>([](int x) { return x; });
#else
    const auto callback = contextvars::as_callback<int(int, void*)>([](int x, void*) { return x; });
#endif
}
