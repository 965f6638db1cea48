// expect: the callback ends with this object
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

void f() {
#ifdef MUST_COMPILE
    const auto callback = contextvars::as_callback<void(void*)>([] {});
#else
    contextvars::as_callback<void(void*)>([] {});
#endif
}
