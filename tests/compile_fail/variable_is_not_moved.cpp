// expect: use of deleted function | call to deleted
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <utility>

contextvars::ContextVar<int> a{"a"};
#ifdef MUST_COMPILE
contextvars::ContextVar<int> b{"b"};
#else
contextvars::ContextVar<int> b{std::move(a)};
#endif
