// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

extern "C" __attribute__((visibility("default"))) int
value_in_module(const contextvars::ContextVar<int>& variable);

/// What this module sees of a variable that the program has set, or 0.
extern "C" int value_in_module(const contextvars::ContextVar<int>& variable) {
    return variable.get(0);
}
