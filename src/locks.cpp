// SPDX-License-Identifier: MIT
#include "locks.hpp"

#include "report.hpp"

#include <pthread.h>

#include <thread>

namespace contextvars::inline v0::detail {

constinit std::mutex registry_lock;
constinit std::mutex modules_lock;
constinit std::mutex end_key_lock;
constinit std::mutex diagnostics_lock;
constinit context_lock::spin_lock context_lock::locks[count];

void context_lock::spin_lock::take() noexcept {
    // Acquire: pairs with the release in give().
    while (taken.exchange(true, std::memory_order_acquire))
        std::this_thread::yield(); // its holder may have lost its processor
}

void context_lock::take_all() noexcept {
    for (spin_lock& lock : locks)
        lock.take();
}

void context_lock::give_all() noexcept {
    for (spin_lock& lock : locks)
        lock.give();
}

namespace {

void before_fork() {
    registry_lock.lock();
    modules_lock.lock();
    end_key_lock.lock();
    diagnostics_lock.lock();
    context_lock::take_all();
}

void after_fork() {
    context_lock::give_all();
    diagnostics_lock.unlock();
    end_key_lock.unlock();
    modules_lock.unlock();
    registry_lock.unlock();
}

} // namespace

void take_locks_at_fork() noexcept {
    if (pthread_atfork(before_fork, after_fork, after_fork) != 0)
        report({diagnostic_kind::out_of_memory,
                "pthread_atfork failed, so a child process may find a lock of this library taken; "
                "fork before there are other threads",
                {},
                nullptr,
                "while loading"});
}

} // namespace contextvars::inline v0::detail
