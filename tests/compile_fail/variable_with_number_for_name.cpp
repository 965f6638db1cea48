// expect: no matching
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#ifdef MUST_COMPILE
contextvars::ContextVar<int> v{"v", 5};
#else
contextvars::ContextVar<int> v{5};
#endif
