// SPDX-License-Identifier: MIT
//
// The part of storage that each thread has: free blocks, and values whose destruction waits.
#ifndef CONTEXTVARS_SRC_STORAGE_THREAD_STORAGE_HPP
#define CONTEXTVARS_SRC_STORAGE_THREAD_STORAGE_HPP

#include "storage/blocks.hpp"

#include <cstddef>
#include <cstdint>

namespace contextvars::inline v0::detail {

extern constinit block_exchange free_chains;

struct thread_storage {
    block_cache blocks{free_chains};
    std::uint32_t destructions = 0; ///< of values, which run now, each inside the one before
    void* waiting = nullptr;        ///< values to destroy after these (see node.cpp)
};

// src/current defines these two. It makes one storage for each thread, and ends it.

/// nullptr until the thread first needs it.
extern constinit thread_local thread_storage* this_thread_storage
    __attribute__((visibility("hidden")));
/// Makes it; nullptr if that fails.
thread_storage* try_thread_storage() noexcept;

/// Returns: a free block that the thread has at hand, or nullptr.
inline void* take_block(std::size_t block_class) noexcept {
    return reuse_blocks && block_class < block_classes && this_thread_storage != nullptr
               ? this_thread_storage->blocks.take(block_class)
               : nullptr;
}
/// Returns: false if the thread has no room for it at hand.
inline bool put_block(void* block, std::size_t block_class) noexcept {
    return reuse_blocks && block_class < block_classes && this_thread_storage != nullptr &&
           this_thread_storage->blocks.put(block, block_class);
}

/// Takes a free block, else memory from malloc. A block may be given back on any thread.
/// Throws: std::bad_alloc.
void* allocate_new(std::size_t block_class);
inline void* allocate(std::size_t block_class) {
    void* const block = take_block(block_class);
    return block != nullptr ? block : allocate_new(block_class);
}
void* try_allocate_new(std::size_t block_class) noexcept;
inline void* try_allocate(std::size_t block_class) noexcept {
    void* const block = take_block(block_class);
    return block != nullptr ? block : try_allocate_new(block_class);
}
void deallocate_anyhow(void* block, std::size_t block_class) noexcept;
inline void deallocate(void* block, std::size_t block_class) noexcept {
    if (!put_block(block, block_class))
        deallocate_anyhow(block, block_class);
}

} // namespace contextvars::inline v0::detail

#endif
