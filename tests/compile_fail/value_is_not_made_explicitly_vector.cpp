// expect: no matching
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <vector>

contextvars::ContextVar<std::vector<int>> list{"list"};

void f() {
#ifdef MUST_COMPILE
    list.emplace(5u);
#else
    list.set(5u);
#endif
}
