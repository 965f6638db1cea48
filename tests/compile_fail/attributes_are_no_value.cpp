// expect: no matching
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

constexpr contextvars::attributes hidden{.secret = true};
#ifdef MUST_COMPILE
contextvars::ContextVar<int> v{"v", 1, hidden};
#else
contextvars::ContextVar<int> v{"v", hidden, 1};
#endif
