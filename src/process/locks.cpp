// SPDX-License-Identifier: MIT
#include "process/locks.hpp"

#include "process/report.hpp"

#include <pthread.h>

#include <chrono>
#include <thread>

namespace contextvars::inline v0::detail {

constinit std::mutex registry_lock;
constinit std::mutex end_key_lock;
constinit std::mutex diagnostics_lock;
constinit context_lock::spin_lock context_lock::locks[count];

namespace {

/// The thread that forks, or 0, which is none.
/// Relaxed in all places: the locks order what they guard, and another thread's number is as good
/// as none.
constinit std::atomic<pthread_t> forking{0};

} // namespace

bool has_all_locks() noexcept {
    // Relaxed: a thread finds itself there only if it has stored itself.
    return forking.load(std::memory_order_relaxed) == pthread_self();
}

void context_lock::spin_lock::lock() noexcept {
    // Acquire: pairs with the release in unlock().
    for (int tries = 0; taken.exchange(true, std::memory_order_acquire); ++tries) {
        // The holder may have lost its processor. If it has a lower priority than this thread, it
        // gets no processor as long as this thread only yields.
        if (tries < 16)
            std::this_thread::yield();
        else
            std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
}

void context_lock::take_all() noexcept {
    for (spin_lock& lock : locks)
        lock.lock();
}

void context_lock::give_all() noexcept {
    for (spin_lock& lock : locks)
        lock.unlock();
}

namespace {

void before_fork() {
    registry_lock.lock();
    end_key_lock.lock();
    diagnostics_lock.lock();
    context_lock::take_all();
    forking.store(pthread_self(), std::memory_order_relaxed);
}

void after_fork() {
    forking.store(0, std::memory_order_relaxed);
    context_lock::give_all();
    diagnostics_lock.unlock();
    end_key_lock.unlock();
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
