// expect: use of deleted function | call to deleted
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

contextvars::ContextVar<int> a{"a"};
#ifdef MUST_COMPILE
contextvars::ContextVar<int>& b = a;
#else
contextvars::ContextVar<int> b = a;
#endif
