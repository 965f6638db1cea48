// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

extern "C" __attribute__((visibility("default"))) int use_copy();

extern "C" int use_copy() {
    static const contextvars::ContextVar<int> variable{"variable"};
    variable.set(1);
    return variable.get();
}
