// SPDX-License-Identifier: MIT
//
// All locks of the library are here, so that fork() can take them all. Then a child process finds
// each lock free, and all that the locks guard whole.
//
// While a lock is held, no code of the user runs and no other lock is taken. There are two
// exceptions: fork() takes the locks in the order in which they stand here; and integrations are
// asked for their event loops, by functions that call nothing of the library.
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

extern constinit std::mutex registry_lock;    ///< for names, ids of variables, kept modules, and
                                              ///< the free slots of callbacks
extern constinit std::mutex end_key_lock;     ///< for the making of the key that ends threads
extern constinit std::mutex diagnostics_lock; ///< for the lines on standard error, and known loops

/// Whether this thread forks, and has every lock. Handlers of fork() that the program has
/// registered run before and after the library's own, and may use the library.
bool has_all_locks() noexcept;

/// Holds a lock until the end of its life. Inside fork(), which has every lock, it does nothing.
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

/// Makes fork() take the locks from now on. Called when the library is loaded.
void take_locks_at_fork() noexcept;

/// The lock of a Context. It is held while a reference to the context's map is added, and while
/// that map is replaced: a copier must not count a map that is just being freed. Each time that is
/// a handful of instructions. One lock serves many contexts, chosen by address: so a Context needs
/// no room for a lock, and fork() finds all locks. Slots of callbacks use the same locks.
class context_lock {
public:
    explicit context_lock(const Context& context) noexcept
        : context_lock(static_cast<const void*>(&context)) {}
    explicit context_lock(const void* address) noexcept : holding_(lock_of(address)) {}

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

    static spin_lock& lock_of(const void* address) noexcept {
        // Contexts are 16 bytes: neighbours in an array have locks of their own.
        return locks[reinterpret_cast<std::uintptr_t>(address) / 16 % count];
    }

    const holding<spin_lock> holding_;
};

} // namespace detail
} // namespace contextvars::inline v0

#endif
