// SPDX-License-Identifier: MIT
//
// Loads a module that has the library in itself. Loading it must be reported (the test looks at
// standard error), and not before.
#include <contextvars/contextvars.hpp>

#include <dlfcn.h>

#include <cstdio>

int main(int, char** argv) {
    const contextvars::ContextVar<int> variable{"variable"};
    variable.set(1);
    std::fprintf(stderr, "loading\n");
    if (dlopen(argv[1], RTLD_NOW | RTLD_LOCAL) == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        return 2;
    }
    return 0;
}
