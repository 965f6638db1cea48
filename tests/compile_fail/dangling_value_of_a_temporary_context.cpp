// expect: temporary bound to local reference
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <string>

contextvars::ContextVar<std::string> v{"v"};

std::string f() {
#ifdef MUST_COMPILE
    const std::string value = contextvars::copy_context()[v];
#else
    const std::string& value = contextvars::copy_context()[v];
#endif
    return value;
}
