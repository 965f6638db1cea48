// expect: no matching
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <memory>

contextvars::ContextVar<std::unique_ptr<int>> owned{"owned"};

void f() {
#ifdef MUST_COMPILE
    owned.emplace(new int(1));
#else
    owned.set(new int(1));
#endif
}
