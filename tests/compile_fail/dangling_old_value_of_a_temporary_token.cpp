// expect: temporary whose address is used
// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <string>

contextvars::ContextVar<std::string> v{"v"};

bool f() {
#ifdef MUST_COMPILE
    const auto token = v.set("value");
    const std::string* const old_value = token.old_value();
#else
    const std::string* const old_value = v.set("value").old_value();
#endif
    return old_value != nullptr;
}
