// SPDX-License-Identifier: MIT
#include "storage/thread_storage.hpp"

#include <new>

namespace contextvars::inline v0::detail {

constinit block_exchange free_chains;

void* allocate_new(std::size_t block_class) {
    if (reuse_blocks) {
        // A thread that only ever captures and enters needs its blocks as well.
        thread_storage* const storage = try_thread_storage();
        if (storage == nullptr)
            throw std::bad_alloc();
        if (block_class < block_classes && storage->blocks.refill(block_class))
            return storage->blocks.take(block_class);
    }
    return need_memory(32 * (block_class + 1));
}

void* try_allocate_new(std::size_t block_class) noexcept {
    try {
        return allocate_new(block_class);
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

void deallocate_anyhow(void* block, std::size_t block_class) noexcept {
    // A thread that only ever drops blocks of other threads passes them on.
    if (!reuse_blocks || block_class >= block_classes || try_thread_storage() == nullptr)
        return give_memory(block);
    block_cache& blocks = this_thread_storage->blocks;
    if (!blocks.put(block, block_class)) {
        blocks.make_room(block_class);
        blocks.put(block, block_class);
    }
}

} // namespace contextvars::inline v0::detail
