// SPDX-License-Identifier: MIT
//
// Sets a variable to 1, and prints what the modules that it is linked to, and those that it loads
// (their paths are its arguments), see of it. Whatever of them has a copy of the library that is not
// this program's must be reported, once and not before it is loaded.
#include <contextvars/contextvars.hpp>

#include <dlfcn.h>

#include <cstdio>

using function = int(const contextvars::ContextVar<int>&);
#if defined(LINKED)
extern "C" function value_in_module;
#endif

int main(int argc, char** argv) {
    const contextvars::ContextVar<int> variable{"variable"};
    variable.set(1);
    std::fprintf(stderr, "began\n");
#if defined(LINKED)
    std::fprintf(stderr, "%d\n", value_in_module(variable));
#endif
    for (int i = 1; i < argc; ++i) {
        void* const module = dlopen(argv[i], RTLD_NOW | RTLD_LOCAL);
        if (module == nullptr) {
            std::fprintf(stderr, "%s\n", dlerror());
            return 2;
        }
        auto* const value = reinterpret_cast<function*>(dlsym(module, "value_in_module"));
        std::fprintf(stderr, "%d\n", value(variable));
    }
}
