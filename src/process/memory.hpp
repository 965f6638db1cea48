// SPDX-License-Identifier: MIT
//
// The library's own memory. It is for maps, nodes of values and the state of threads; and for names
// and tables, which are never freed.
//
// It comes from std::malloc, not from operator new. A program may replace operator new by one that
// reads and sets variables (to account memory to a request, say). If the library called that one in
// the middle of a capture, the map that is being captured could be replaced and freed meanwhile. So
// operator new is called only for the user's own values, before anything of a context is touched.
//
// Names and tables do not come from malloc either: they are made under a lock that fork() takes. A
// program may have an allocator that takes a lock of its own when the program forks. Then the
// thread that forks would wait for the library's lock, and the thread that has this lock would wait
// for the allocator's.
#ifndef CONTEXTVARS_SRC_PROCESS_MEMORY_HPP
#define CONTEXTVARS_SRC_PROCESS_MEMORY_HPP

#include <contextvars/config.hpp>

#include <cstddef>
#include <new>

namespace contextvars::inline v0::detail {

// Exported, so that a test program can define them itself and make them fail.

/// Returns: uninitialised memory, aligned for every fundamental type; nullptr if there is none.
CONTEXTVARS_EXPORT void* take_memory(std::size_t bytes) noexcept;
/// The same for an alignment above that of every fundamental type.
CONTEXTVARS_EXPORT void* take_aligned_memory(std::size_t bytes, std::size_t alignment) noexcept;
/// Gives back memory of either function. nullptr is ignored.
CONTEXTVARS_EXPORT void give_memory(void* memory) noexcept;

/// Returns: memory that is never given back, aligned for every fundamental type; nullptr if there
/// is none.
/// Precondition: the caller holds registry_lock.
CONTEXTVARS_EXPORT void* take_permanent_memory(std::size_t bytes) noexcept;

/// As take_memory, but throws std::bad_alloc if there is none.
inline void* need_memory(std::size_t bytes) {
    if (void* const memory = take_memory(bytes))
        return memory;
    throw std::bad_alloc();
}

/// As take_permanent_memory, but throws std::bad_alloc if there is none.
inline void* need_permanent_memory(std::size_t bytes) {
    if (void* const memory = take_permanent_memory(bytes))
        return memory;
    throw std::bad_alloc();
}

/// Makes the object if the pointer is nullptr; it is never destroyed. Returns: the object.
/// Precondition and throws: as need_permanent_memory.
template <class T>
T& permanent(T*& object) {
    if (object == nullptr)
        object = ::new (need_permanent_memory(sizeof(T))) T;
    return *object;
}

/// An allocator for the standard containers of such objects. Memory that a container outgrows is
/// lost: at most half as much as the container has.
template <class T>
struct permanent_memory {
    using value_type = T;

    permanent_memory() noexcept = default;
    template <class U>
    permanent_memory(const permanent_memory<U>&) noexcept {}

    T* allocate(std::size_t n) {
        // A table of buckets is one of pointers. NOLINTNEXTLINE(bugprone-sizeof-expression)
        return static_cast<T*>(need_permanent_memory(n * sizeof(T)));
    }
    void deallocate(T*, std::size_t) noexcept {}

    friend bool operator==(permanent_memory, permanent_memory) noexcept { return true; }
};

} // namespace contextvars::inline v0::detail

#endif
