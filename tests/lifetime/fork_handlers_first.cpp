// SPDX-License-Identifier: MIT
//
// A library that is loaded before contextvars, and registers handlers of fork() first: so its handlers run
// when the process has all locks of contextvars, before the fork and after it.
#include <pthread.h>

extern "C" __attribute__((visibility("default"))) void (*at_fork)();
extern "C" void (*at_fork)() = nullptr;

namespace {

void call() {
    if (at_fork != nullptr)
        at_fork();
}

[[gnu::constructor(101)]] void register_handlers() { pthread_atfork(call, call, call); }

} // namespace
