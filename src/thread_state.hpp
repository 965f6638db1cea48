// SPDX-License-Identifier: MIT
//
// What the library keeps for each thread. All of thread_local lives in thread_state.cpp.
#ifndef CONTEXTVARS_SRC_THREAD_STATE_HPP
#define CONTEXTVARS_SRC_THREAD_STATE_HPP

#include "blocks.hpp"

#include <contextvars/detail/current.hpp>
#include <contextvars/detail/frame.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace contextvars::inline v0::detail {

extern constinit block_exchange free_chains;

struct thread_state {
    frame base{};
    identity_type next_identity = 0;
    identity_type end_of_identities = 0;
    block_cache blocks{free_chains};
    std::uint32_t destructions = 0; ///< of values, that are running, each in the one before
    void* waiting = nullptr;        ///< values to destroy after these (see src/map.cpp)
    map* clean = empty_map();       ///< a clone that nothing was set in (see src/map.cpp)
    bool prints_value = false;      ///< see src/print.hpp
    void* comparing =
        nullptr; ///< the comparison of contexts that is going on (see src/compare.cpp)
    identity_type last_shared = 0; ///< edition of what was captured last, and shared
};

/// nullptr until the thread first needs it.
extern constinit thread_local thread_state* state_slot __attribute__((visibility("hidden")));

/// Makes it; nullptr where that fails.
thread_state* try_this_thread() noexcept;

/// As top_frame(), but the base context's frame where there is no other. Throws: std::bad_alloc,
/// the first time on a thread.
frame& current_frame();

/// The Context object that a frame has entered, also if it is destroyed; or nullptr.
const Context* context_of(const frame& frame) noexcept;

/// One that no frame and no map has had. Precondition: the thread has its state.
identity_type new_identity() noexcept;
/// Gives `frame` its identity if it has none.
identity_type identity_of(frame& frame) noexcept;

/// Returns: a free block that the thread has at hand, or nullptr.
inline void* take_block(std::size_t block_class) noexcept {
    return reuse_blocks && block_class < block_classes && state_slot != nullptr
               ? state_slot->blocks.take(block_class)
               : nullptr;
}
/// Returns: false where the thread has no room for it at hand.
inline bool put_block(void* block, std::size_t block_class) noexcept {
    return reuse_blocks && block_class < block_classes && state_slot != nullptr &&
           state_slot->blocks.put(block, block_class);
}

/// From free blocks, else from malloc. A block may be given back on any thread.
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
