// expect: no matching
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#ifdef MUST_COMPILE
contextvars::Context context{};
#else
contextvars::Context context{1};
#endif
