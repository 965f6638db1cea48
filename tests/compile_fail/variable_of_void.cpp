// expect: stores objects: T is not a reference, a function or void
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#ifdef MUST_COMPILE
contextvars::ContextVar<void*> v{"v"};
#else
contextvars::ContextVar<void> v{"v"};
#endif
