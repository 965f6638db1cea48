// expect: the last parameter is the void* that the library passes on
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f() {
#ifdef MUST_COMPILE
    const auto callback = contextvars::as_callback<void(int, void*)>([](int) {});
#else
    const auto callback = contextvars::as_callback<void(int, int*)>([](int) {});
#endif
}
