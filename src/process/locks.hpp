// SPDX-License-Identifier: MIT
//
// Every lock of the library, so that fork() can take them all: a child process then finds each of
// them free, and all that they guard whole.
//
// No code of the user runs while one is held, and no other lock is taken inside one of them, except
// by fork(), which takes them in the order in which they stand here.
#ifndef CONTEXTVARS_SRC_PROCESS_LOCKS_HPP
#define CONTEXTVARS_SRC_PROCESS_LOCKS_HPP

#include <contextvars/config.hpp>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

namespace contextvars::inline v0 {

class Context;

namespace detail {

extern constinit std::mutex registry_lock; ///< of names, ids of variables, modules that stay loaded
extern constinit std::mutex end_key_lock;  ///< of the making of the key that ends threads
extern constinit std::mutex diagnostics_lock; ///< of the lines on standard error

/// Whether this thread forks, and has every lock. Handlers of fork() that the program has registered run
/// before and after this library's, and may use it.
bool has_all_locks() noexcept;

/// Has a lock while it lives, or is inside fork(), which has it.
template <class Lock>
class holding {
public:
    explicit holding(Lock& lock) : lock_(has_all_locks() ? nullptr : &lock) {
        if (lock_ != nullptr)
            lock_->lock();
    }
    holding(const holding&) = delete;
    holding& operator=(const holding&) = delete;
    ~holding() {
        if (lock_ != nullptr)
            lock_->unlock();
    }

private:
    Lock* const lock_;
};

/// Makes fork() take them from now on. Called when the library is loaded.
void take_locks_at_fork() noexcept;

/// Held while a reference to the map in a Context is added, and while that map is replaced, since a
/// copier must not count a map that is just being freed. A handful of instructions each time. One
/// lock serves many contexts, chosen by address: so a Context has no room for one, and fork() finds
/// them all.
class context_lock {
public:
    explicit context_lock(const Context& context) noexcept : holding_(lock_of(context)) {}

    static void take_all() noexcept;
    static void give_all() noexcept;

private:
    struct alignas(64) spin_lock { // a cache line each
        void lock() noexcept;
        void unlock() noexcept {
            // Release: pairs with the acquire in lock().
            taken.store(false, std::memory_order_release);
        }
        std::atomic<bool> taken{false};
    };
    static constexpr std::size_t count = 64;
    static spin_lock locks[count];

    static spin_lock& lock_of(const Context& context) noexcept {
        // Contexts are 16 bytes: neighbours in an array have locks of their own.
        return locks[reinterpret_cast<std::uintptr_t>(&context) / 16 % count];
    }

    const holding<spin_lock> holding_;
};

} // namespace detail
} // namespace contextvars::inline v0

#endif
