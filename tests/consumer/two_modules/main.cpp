// SPDX-License-Identifier: MIT
//
// What one module sets, the other gets, in the main thread and in another.
#include <contextvars/contextvars.hpp>

#include <dlfcn.h>

#include <cstdio>
#include <cstdlib>
#include <thread>

namespace {

contextvars::ContextVar<int> variable{"variable"};

template <class Function>
Function load(const char* module, const char* name) {
    void* handle = dlopen(module, RTLD_NOW | RTLD_LOCAL);
    void* function = handle != nullptr ? dlsym(handle, name) : nullptr;
    if (function == nullptr) {
        std::fprintf(stderr, "%s\n", dlerror());
        std::exit(2);
    }
    return reinterpret_cast<Function>(function);
}

} // namespace

int main(int, char** argv) {
    using setter = void (*)(const contextvars::ContextVar<int>&, int);
    using getter = int (*)(const contextvars::ContextVar<int>&);
    const auto set = load<setter>(argv[1], "set_variable");
    const auto get = load<getter>(argv[2], "get_variable");

    int wrong = 0;
    set(variable, 1);
    wrong += get(variable) != 1 || variable.get() != 1;
    std::thread([&] {
        wrong += get(variable) != -1;
        set(variable, 2);
        wrong += get(variable) != 2 || variable.get() != 2;
    }).join();
    wrong += get(variable) != 1;
    return wrong;
}
