// expect: no matching
// expect: no known conversion
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> a{"a"};
contextvars::ContextVar<long> b{"b"};

void f() {
    auto token = b.set(1);
#ifdef MUST_COMPILE
    b.reset(token);
#else
    a.reset(token);
#endif
}
