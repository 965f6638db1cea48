// SPDX-License-Identifier: MIT
//
// Replaces the global operator new of the test program that includes this, and the functions by which
// the library takes memory of its own, so that a test can count allocations and make the n-th one
// fail. Counts and failures concern the calling thread only.
//
// The replacements are weak, as those of the standard library are: several files of one program
// may include this.
#ifndef CONTEXTVARS_TESTS_SUPPORT_FAILING_ALLOCATION_HPP
#define CONTEXTVARS_TESTS_SUPPORT_FAILING_ALLOCATION_HPP

#include <contextvars/config.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <new>
#include <thread>
#include <utility>

namespace contextvars_tests {

struct allocations {
    static inline std::atomic<long> live = 0;      ///< blocks of all threads that are not freed yet
    static inline thread_local long total = 0;     ///< so far, on this thread
    static inline thread_local long bytes = 0;     ///< asked for so far, on this thread
    static inline thread_local long countdown = 0; ///< the allocation that brings it to 0 fails
    static inline thread_local bool failed = false;
    static inline thread_local void (*after_each)() =
        nullptr; ///< called after new and after delete

    static void done() {
        if (after_each != nullptr) {
            after_each();
        }
    }
    static bool next_one_fails() noexcept {
        ++total;
        if (countdown == 0 || --countdown != 0) {
            return false;
        }
        failed = true;
        return true;
    }
};

/// How many allocations f makes on this thread.
template <class F>
long allocations_of(F&& f) {
    const long before = allocations::total;
    std::forward<F>(f)();
    return allocations::total - before;
}

/// Makes the n-th allocation on this thread fail while it lives.
class FailingAllocation {
public:
    explicit FailingAllocation(long n) {
        allocations::failed = false;
        allocations::countdown = n;
    }
    ~FailingAllocation() { allocations::countdown = 0; }
    FailingAllocation(const FailingAllocation&) = delete;
    FailingAllocation& operator=(const FailingAllocation&) = delete;

    static bool happened() { return allocations::failed; }
};

/// Calls trial(n) for n = 1, 2, … until a trial makes fewer than n allocations. A trial arms
/// FailingAllocation(n) around what it tests, and checks what must hold afterwards. Each one runs on
/// a thread of its own, where nothing can have kept free memory from the trial before.
/// Returns how many allocations there were to fail.
template <class Trial>
long for_every_failing_allocation(Trial&& trial) {
    for (long n = 1; n < 100000; ++n) {
        bool failed = false;
        std::thread([&] {
            allocations::failed = false;
            trial(n);
            failed = allocations::failed;
        }).join();
        if (!failed) {
            return n - 1;
        }
        if (::testing::Test::HasFailure()) {
            return n;
        }
    }
    ADD_FAILURE() << "the trial never stops allocating";
    return -1;
}

namespace detail {
inline void* allocate(std::size_t size) noexcept {
    if (allocations::next_one_fails()) {
        return nullptr;
    }
    ++allocations::live;
    allocations::bytes += static_cast<long>(size);
    return std::malloc(size == 0 ? 1 : size);
}
inline void* allocate(std::size_t size, std::align_val_t alignment) noexcept {
    if (allocations::next_one_fails()) {
        return nullptr;
    }
    ++allocations::live;
    const auto step = static_cast<std::size_t>(alignment);
    const std::size_t rounded = (size + step - 1) / step * step;
    return std::aligned_alloc(step, rounded == 0 ? step : rounded);
}
inline void* or_throw(void* memory) {
    allocations::done();
    return memory != nullptr ? memory : throw std::bad_alloc();
}
inline void deallocate(void* memory) noexcept {
    allocations::live -= memory == nullptr ? 0 : 1;
    std::free(memory);
    allocations::done();
}
} // namespace detail
} // namespace contextvars_tests

#define CONTEXTVARS_TESTS_REPLACED [[gnu::weak, gnu::noinline]]

// As in src/process/memory.hpp.
namespace contextvars::inline v0::detail {
CONTEXTVARS_TESTS_REPLACED CONTEXTVARS_EXPORT void* take_memory(std::size_t bytes) noexcept {
    void* const memory = contextvars_tests::detail::allocate(bytes);
    contextvars_tests::allocations::done();
    return memory;
}
CONTEXTVARS_TESTS_REPLACED CONTEXTVARS_EXPORT void*
take_aligned_memory(std::size_t bytes, std::size_t alignment) noexcept {
    void* const memory = contextvars_tests::detail::allocate(bytes, std::align_val_t{alignment});
    contextvars_tests::allocations::done();
    return memory;
}
CONTEXTVARS_TESTS_REPLACED CONTEXTVARS_EXPORT void give_memory(void* memory) noexcept {
    contextvars_tests::detail::deallocate(memory);
}
// Without after_each: it is called under a lock. A list of all keeps it reachable, since nobody gives it
// back, not even if what it was taken for fails.
CONTEXTVARS_TESTS_REPLACED CONTEXTVARS_EXPORT void*
take_permanent_memory(std::size_t bytes) noexcept {
    struct alignas(std::max_align_t) link {
        link* before;
    };
    static link* last = nullptr;
    void* const memory = contextvars_tests::detail::allocate(sizeof(link) + bytes);
    if (memory == nullptr)
        return nullptr;
    last = ::new (memory) link{last};
    return last + 1;
}
} // namespace contextvars::inline v0::detail

CONTEXTVARS_TESTS_REPLACED void* operator new(std::size_t size) {
    return contextvars_tests::detail::or_throw(contextvars_tests::detail::allocate(size));
}
CONTEXTVARS_TESTS_REPLACED void* operator new[](std::size_t size) {
    return contextvars_tests::detail::or_throw(contextvars_tests::detail::allocate(size));
}
CONTEXTVARS_TESTS_REPLACED void* operator new(std::size_t size, std::align_val_t alignment) {
    return contextvars_tests::detail::or_throw(
        contextvars_tests::detail::allocate(size, alignment));
}
CONTEXTVARS_TESTS_REPLACED void* operator new[](std::size_t size, std::align_val_t alignment) {
    return contextvars_tests::detail::or_throw(
        contextvars_tests::detail::allocate(size, alignment));
}
CONTEXTVARS_TESTS_REPLACED void* operator new(std::size_t size, const std::nothrow_t&) noexcept {
    return contextvars_tests::detail::allocate(size);
}
CONTEXTVARS_TESTS_REPLACED void* operator new[](std::size_t size, const std::nothrow_t&) noexcept {
    return contextvars_tests::detail::allocate(size);
}
CONTEXTVARS_TESTS_REPLACED void* operator new(std::size_t size, std::align_val_t alignment,
                                              const std::nothrow_t&) noexcept {
    return contextvars_tests::detail::allocate(size, alignment);
}
CONTEXTVARS_TESTS_REPLACED void* operator new[](std::size_t size, std::align_val_t alignment,
                                                const std::nothrow_t&) noexcept {
    return contextvars_tests::detail::allocate(size, alignment);
}
CONTEXTVARS_TESTS_REPLACED void operator delete(void* p) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete[](void* p) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete(void* p, std::size_t) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete[](void* p, std::size_t) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete(void* p, std::align_val_t) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete[](void* p, std::align_val_t) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete(void* p, std::size_t, std::align_val_t) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete[](void* p, std::size_t, std::align_val_t) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete(void* p, const std::nothrow_t&) noexcept {
    contextvars_tests::detail::deallocate(p);
}
CONTEXTVARS_TESTS_REPLACED void operator delete[](void* p, const std::nothrow_t&) noexcept {
    contextvars_tests::detail::deallocate(p);
}

#endif
