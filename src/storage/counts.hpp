// SPDX-License-Identifier: MIT
//
// How maps, parts of tries and nodes are counted by those that refer to them.
#ifndef CONTEXTVARS_SRC_STORAGE_COUNTS_HPP
#define CONTEXTVARS_SRC_STORAGE_COUNTS_HPP

#include <contextvars/detail/map.hpp>
#include <contextvars/detail/value.hpp>

#include <atomic>
#include <cstdint>

namespace contextvars::inline v0::detail {

template <class Count>
void add_one(std::atomic<Count>& references) noexcept {
    // Relaxed: whoever adds one holds one. Locked even where that is the only one, since several
    // threads may be adding to it: they copy one bound callable, or clone one frozen map.
    [[maybe_unused]] const Count before = references.fetch_add(1, std::memory_order_relaxed);
    CONTEXTVARS_ASSERT(before != 0);
}

/// Returns: whether it was the last.
template <class Count>
bool drop_one(std::atomic<Count>& references) noexcept {
    CONTEXTVARS_ASSERT(references.load(std::memory_order_relaxed) != 0);
    // A single holder needs no locked instruction: nobody else could add a reference meanwhile.
    // Acquire in both branches, so that what others did before they dropped theirs comes before
    // the destruction; release, so that what we did comes before theirs.
    return references.load(std::memory_order_acquire) == 1 ||
           references.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

/// As much of the core's policy as is needed outside map.cpp.
struct atomic_counts {
    template <class Block>
    static bool may_be_shared(const Block& block) noexcept {
        return block.references.load(std::memory_order_acquire) != 1;
    }
};

/// Drops one of two references, both of which only the caller can use. Returns: whether it was so.
inline bool release_one_of_two(void* value) noexcept {
    std::atomic<std::uint64_t>& references = static_cast<node_head*>(value)[-1].references;
    // Acquire: as in share_own_node().
    if (references.load(std::memory_order_acquire) != 2)
        return false;
    references.store(1, std::memory_order_relaxed);
    return true;
}

} // namespace contextvars::inline v0::detail

#endif
