// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

using contextvars::ContextVar;

extern "C" __attribute__((visibility("default"))) void set_variable(const ContextVar<int>& variable,
                                                                    int value) {
    variable.set(value);
}

extern "C" __attribute__((visibility("default"))) int
get_variable(const ContextVar<int>& variable) {
    return variable.get(-1);
}
