// SPDX-License-Identifier: MIT
//
// How the references to maps, parts of tries and nodes are counted.
#ifndef CONTEXTVARS_SRC_STORAGE_COUNTS_HPP
#define CONTEXTVARS_SRC_STORAGE_COUNTS_HPP

#include <contextvars/detail/map.hpp>
#include <contextvars/detail/value.hpp>

#include <atomic>
#include <cstdint>

namespace contextvars::inline v0::detail {

template <class Count>
void add_one(std::atomic<Count>& references) noexcept {
    // Relaxed: the thread that adds a reference holds one. The instruction is locked even if that
    // one is the only one, since several threads may add to it: they copy one bound callable, or
    // clone one frozen map.
    [[maybe_unused]] const Count before = references.fetch_add(1, std::memory_order_relaxed);
    CONTEXTVARS_ASSERT(before != 0);
}

/// Drops a reference. Returns: whether it was the last one.
template <class Count>
bool drop_one(std::atomic<Count>& references) noexcept {
    CONTEXTVARS_ASSERT(references.load(std::memory_order_relaxed) != 0);
    // A single holder needs no locked instruction: nobody else could add a reference meanwhile.
    // Acquire in both branches: all that other threads did before they dropped theirs comes before
    // the destruction. Release: all that this thread did comes before a destruction by another.
    return references.load(std::memory_order_acquire) == 1 ||
           references.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

/// The part of the core's policy that is needed outside map.cpp.
struct atomic_counts {
    template <class Block>
    static bool may_be_shared(const Block& block) noexcept {
        return block.references.load(std::memory_order_acquire) != 1;
    }
};

/// Drops a reference if there are two. Returns: whether there were two. Precondition: if there are
/// two, only the caller can use them.
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
