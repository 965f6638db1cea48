// SPDX-License-Identifier: MIT
//
// The library's own memory: maps, nodes of values, names, tables, and the state of threads.
//
// It comes from std::malloc, not from operator new. A program may replace operator new by one that
// reads and sets variables (to account memory to a request, say). If the library called that one in
// the middle of a capture, the map that is being captured could be replaced and freed meanwhile. So
// operator new is called only for values of the user's own, before anything of a context is touched.
#ifndef CONTEXTVARS_SRC_MEMORY_HPP
#define CONTEXTVARS_SRC_MEMORY_HPP

#include <contextvars/config.hpp>

#include <cstddef>
#include <new>

namespace contextvars::inline v0::detail {

// Exported, so that a test program can define them itself and make them fail.

/// Returns: uninitialised memory, aligned for every fundamental type; nullptr if there is none.
CONTEXTVARS_EXPORT void* take_memory(std::size_t bytes) noexcept;
/// The same for an alignment above that of every fundamental type.
CONTEXTVARS_EXPORT void* take_aligned_memory(std::size_t bytes, std::size_t alignment) noexcept;
/// Gives back what either has returned. nullptr is ignored.
CONTEXTVARS_EXPORT void give_memory(void* memory) noexcept;

/// As take_memory, but throws std::bad_alloc if there is none.
inline void* need_memory(std::size_t bytes) {
    if (void* const memory = take_memory(bytes))
        return memory;
    throw std::bad_alloc();
}

/// For the standard containers of this library.
template <class T>
struct own_memory {
    using value_type = T;

    own_memory() noexcept = default;
    template <class U>
    own_memory(const own_memory<U>&) noexcept {}

    T* allocate(std::size_t n) {
        // A table of buckets is one of pointers. NOLINTNEXTLINE(bugprone-sizeof-expression)
        return static_cast<T*>(need_memory(n * sizeof(T)));
    }
    void deallocate(T* memory, std::size_t) noexcept { give_memory(memory); }

    friend bool operator==(own_memory, own_memory) noexcept { return true; }
};

} // namespace contextvars::inline v0::detail

#endif
