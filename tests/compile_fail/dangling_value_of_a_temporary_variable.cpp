// expect: temporary bound to local reference
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <string>

std::string f() {
#ifdef MUST_COMPILE
    const std::string value = contextvars::ContextVar<std::string>("v", "default").get();
#else
    const std::string& value = contextvars::ContextVar<std::string>("v", "default").get();
#endif
    return value;
}
