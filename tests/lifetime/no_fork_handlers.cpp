// SPDX-License-Identifier: MIT
//
// A process in which handlers of fork() cannot be registered: the library says so when it is loaded,
// and works. A program of its own, since that is before any test.
#include <contextvars/contextvars.hpp>

#include <cerrno>
#include <cstdio>

// By which glibc's pthread_atfork registers.
extern "C" int __register_atfork(void (*)(), void (*)(), void (*)(), void*) noexcept {
    return ENOMEM;
}

int main() {
    const contextvars::ContextVar<int> v{"v"};
    v.set(1);
    std::fprintf(stderr, "%d\n", v.get());
}
