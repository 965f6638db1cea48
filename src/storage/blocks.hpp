// SPDX-License-Identifier: MIT
//
// Free blocks of memory. A thread keeps some; others are on their way from threads that free to
// threads that allocate. A server with a pool makes contexts on one thread and drops them on
// another. Without the exchange, it would ask malloc for each block, and give each back to another
// thread's heap.
//
// For each class, a thread has a place for one block, and two chains. Most blocks are freed and
// taken again one at a time, and go no further than the place, which needs no counting and no
// following of pointers. After that, the thread takes from and puts to the first chain; the second
// is full or none. If both chains are empty, or both full, the thread looks at the exchange, which
// passes on full chains: so of 8 KiB of blocks, one takes a locked instruction. The exchange is
// bounded. A chain that finds no room there is freed.
#ifndef CONTEXTVARS_SRC_STORAGE_BLOCKS_HPP
#define CONTEXTVARS_SRC_STORAGE_BLOCKS_HPP

#include "process/memory.hpp"

#include <contextvars/config.hpp>
#include <contextvars/detail/value.hpp>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <new>
#include <utility>

namespace contextvars::inline v0::detail {

/// The number of classes that are kept. The last is that of the largest map.
inline constexpr std::size_t block_classes = 34;

/// 8 KiB of blocks, and at least 8.
constexpr std::uint32_t blocks_in_a_chain(std::size_t block_class) noexcept {
    return block_class < 32 ? 256 / static_cast<std::uint32_t>(block_class + 1) : 8;
}

struct free_block {
    free_block* next;
};

/// Holds full chains, 256 KiB of each class at most. Threads: any.
class block_exchange {
public:
    /// Returns: whether the exchange has taken the chain over. If not, it is full.
    bool give(free_block* chain, std::size_t block_class) noexcept {
        for (std::atomic<free_block*>& place : places_[block_class]) {
            free_block* none = nullptr;
            // Release: pairs with take(), whose caller reads and writes the blocks.
            if (place.load(std::memory_order_relaxed) == nullptr &&
                place.compare_exchange_strong(none, chain, std::memory_order_release,
                                              std::memory_order_relaxed))
                return true;
        }
        return false;
    }

    /// Returns: a full chain, or nullptr. The chain leaves its place as a whole, so that no thread
    /// ever follows a pointer in a block that may belong to another thread by now.
    free_block* take(std::size_t block_class) noexcept {
        for (std::atomic<free_block*>& place : places_[block_class])
            // Relaxed: only a hint. Acquire: pairs with give().
            if (place.load(std::memory_order_relaxed) != nullptr)
                if (free_block* const chain = place.exchange(nullptr, std::memory_order_acquire))
                    return chain;
        return nullptr;
    }

private:
    static constexpr std::size_t chains = 32;
    std::array<std::array<std::atomic<free_block*>, chains>, block_classes> places_{};
};

/// The free blocks of a thread: 16 KiB and one block of each class at most. So a thread that has
/// used all classes keeps less than 600 KB.
class block_cache {
public:
    constexpr explicit block_cache(block_exchange& others) noexcept : others_(others) {
        for (std::size_t i = 0; i != block_classes; ++i)
            lists_[i].room = blocks_in_a_chain(i);
    }

    /// Returns: a block, or nullptr if none is at hand; then refill() may find some.
    void* take(std::size_t block_class) noexcept {
        if (void* const last = last_put_[block_class]) [[likely]] {
            last_put_[block_class] = nullptr;
            return last;
        }
        list& blocks = lists_[block_class];
        free_block* const taken = blocks.first;
        if (taken != nullptr) {
            blocks.first = taken->next;
            ++blocks.room;
        }
        return taken;
    }

    /// Precondition: take() has found none. Returns: whether it will find one now.
    bool refill(std::size_t block_class) noexcept {
        CONTEXTVARS_ASSERT(last_put_[block_class] == nullptr &&
                           lists_[block_class].first == nullptr);
        free_block* chain = std::exchange(second_[block_class], nullptr);
        if (chain == nullptr)
            chain = others_.take(block_class);
        if (chain != nullptr)
            lists_[block_class] = {chain, 0};
        return chain != nullptr;
    }

    /// Returns: false if there is no room at hand; then make_room() finds some.
    bool put(void* memory, std::size_t block_class) noexcept {
        if (last_put_[block_class] == nullptr) [[likely]] {
            last_put_[block_class] = memory;
            return true;
        }
        list& blocks = lists_[block_class];
        if (blocks.room == 0)
            return false;
        blocks.first = ::new (memory) free_block{blocks.first};
        --blocks.room;
        return true;
    }

    /// Precondition: put() has found no room. It will now.
    void make_room(std::size_t block_class) noexcept {
        CONTEXTVARS_ASSERT(last_put_[block_class] != nullptr && lists_[block_class].room == 0);
        free_block* const full =
            std::exchange(lists_[block_class], {nullptr, blocks_in_a_chain(block_class)}).first;
        free_block* const before = std::exchange(second_[block_class], full);
        if (before != nullptr && !others_.give(before, block_class))
            free(before);
    }

    void clear() noexcept {
        for (std::size_t i = 0; i != block_classes; ++i) {
            give_memory(std::exchange(last_put_[i], nullptr));
            free(std::exchange(lists_[i], {nullptr, blocks_in_a_chain(i)}).first);
            free(std::exchange(second_[i], nullptr));
        }
    }

private:
    struct list {
        free_block* first = nullptr;
        std::uint32_t room = 0;
    };

    static void free(free_block* chain) noexcept {
        while (chain != nullptr)
            give_memory(std::exchange(chain, chain->next));
    }

    std::array<void*, block_classes> last_put_{};
    std::array<list, block_classes> lists_{};
    std::array<free_block*, block_classes> second_{};
    block_exchange& others_;
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

} // namespace contextvars::inline v0::detail

#endif
