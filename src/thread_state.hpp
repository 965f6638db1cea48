// SPDX-License-Identifier: MIT
//
// What the library keeps for each thread. All of thread_local lives in thread_state.cpp.
#ifndef CONTEXTVARS_SRC_THREAD_STATE_HPP
#define CONTEXTVARS_SRC_THREAD_STATE_HPP

#include <contextvars/detail/current.hpp>
#include <contextvars/detail/frame.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <new>

namespace contextvars::inline v0::detail {

/// Blocks come in classes: class c is of 32 * (c + 1) bytes, the last that of the largest map.
constexpr std::size_t block_class(std::size_t bytes) noexcept { return (bytes - 1) / 32; }
inline constexpr std::size_t block_classes = 34;

/// A thread's free blocks: 8 KiB of each class, and at least 8; below 300 KB for a thread that has used
/// them all.
class block_cache {
public:
    constexpr block_cache() noexcept {
        for (std::uint32_t i = 0; i != block_classes; ++i)
            lists_[i].room = i < 32 ? 256 / (i + 1) : 8;
    }

    void* take(std::size_t block_class) noexcept {
        list& blocks = lists_[block_class];
        block* taken = blocks.first;
        if (taken != nullptr) {
            blocks.first = taken->next;
            ++blocks.room;
        }
        return taken;
    }
    bool put(void* memory, std::size_t block_class) noexcept {
        list& blocks = lists_[block_class];
        if (blocks.room == 0)
            return false;
        blocks.first = ::new (memory) block{blocks.first};
        --blocks.room;
        return true;
    }

    void clear() noexcept {
        for (std::size_t i = 0; i != block_classes; ++i)
            while (void* freed = take(i))
                ::operator delete(freed);
    }

private:
    struct block {
        block* next;
    };
    struct list {
        block* first = nullptr;
        std::uint32_t room = 0;
    };

    std::array<list, block_classes> lists_{};
};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
inline constexpr bool reuse_blocks = false; // so that the sanitizer sees each block's life
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
inline constexpr bool reuse_blocks = false;
#else
inline constexpr bool reuse_blocks = true;
#endif
#else
inline constexpr bool reuse_blocks = true;
#endif

struct thread_state {
    frame base{};
    identity_type next_identity = 0;
    identity_type end_of_identities = 0;
    block_cache blocks;
    std::uint32_t destructions = 0;        ///< of values, that are running, each in the one before
    void* waiting = nullptr;               ///< values to destroy after these (see src/map.cpp)
    struct kept_reference* kept = nullptr; ///< to maps that are lent (see src/map.cpp)
};

/// nullptr until the thread first needs it.
extern constinit thread_local thread_state* state_slot __attribute__((visibility("hidden")));

/// Makes it; nullptr where that fails.
thread_state* try_this_thread() noexcept;

/// As top_frame(), but the base context's frame where there is no other. Throws: std::bad_alloc,
/// the first time on a thread.
frame& current_frame();

/// One that no frame and no map has had. Precondition: the thread has its state.
identity_type new_identity() noexcept;
/// Gives `frame` its identity if it has none.
identity_type identity_of(frame& frame) noexcept;

/// From the thread's free blocks, else from operator new. A block may be given back on any thread.
/// Throws: std::bad_alloc.
void* allocate_new(std::size_t block_class);
inline void* allocate(std::size_t block_class) {
    if (reuse_blocks && block_class < block_classes && state_slot != nullptr)
        if (void* block = state_slot->blocks.take(block_class))
            return block;
    return allocate_new(block_class);
}
void* try_allocate_new(std::size_t block_class) noexcept;
inline void* try_allocate(std::size_t block_class) noexcept {
    if (reuse_blocks && block_class < block_classes && state_slot != nullptr)
        if (void* block = state_slot->blocks.take(block_class))
            return block;
    return try_allocate_new(block_class);
}
inline void deallocate(void* block, std::size_t block_class) noexcept {
    if (!reuse_blocks || block_class >= block_classes || state_slot == nullptr ||
        !state_slot->blocks.put(block, block_class))
        ::operator delete(block);
}

} // namespace contextvars::inline v0::detail

#endif
