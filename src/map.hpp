// SPDX-License-Identifier: MIT
//
// The operations on the core's maps. They are compiled once, but for what is inline here.
#ifndef CONTEXTVARS_SRC_MAP_HPP
#define CONTEXTVARS_SRC_MAP_HPP

#include "map_operations.hpp"

#include <contextvars/detail/map.hpp>
#include <contextvars/detail/value.hpp>

#include <cstddef>
#include <cstdint>

namespace contextvars::inline v0::detail {

struct frame;
struct thread_state;

/// Takes a reference. Never fails.
map* share(map* map) noexcept;

/// As capture_bindings, of a map that only the caller can reach.
map* capture_of_own(map* from) noexcept;
/// Frees what `state` keeps for the next capture.
void release_clean_map(thread_state& state) noexcept;

/// Whether its one holder may change it in place.
inline bool unshared(const map& map) noexcept {
    // Acquire: pairs with the release of whoever dropped the reference before the last, whose
    // reads of the map must be over before it is changed.
    return &map != empty_map() && map.references.load(std::memory_order_acquire) == 1;
}

/// Returns: a map with the same bindings and one reference. Takes over a reference to `shared` if
/// `gives` says so. Throws: std::bad_alloc; then it has taken none.
map* clone(map* shared, bool gives);

/// As much of the core's policy as is needed outside map.cpp.
struct atomic_counts {
    template <class Block>
    static bool may_be_shared(const Block& block) noexcept {
        return block.references.load(std::memory_order_acquire) != 1;
    }
    static bool may_be_shared(void* node, std::uint32_t shift) noexcept {
        const auto& references = shift == 0 ? static_cast<leaf*>(node)->references
                                            : static_cast<branch*>(node)->references;
        return references.load(std::memory_order_acquire) != 1;
    }
};

/// Precondition: the map has a writer.
inline cell* own_far_place(map& map, key_type key) noexcept {
    return own_far_place<atomic_counts>(map, key);
}

/// Where `key` is bound, or in the table may be, if that cell can be written at once; else nullptr.
/// Precondition: the map has a writer.
cell* place_at_once(map& map, key_type key) noexcept;

/// Where `key` is, or will be, bound in the current map, which is unshared, and which may become a
/// larger one with the same bindings.
/// Returns: a cell with this key, or an empty one. Throws: std::bad_alloc; the bindings are the same.
cell& place_for(map* current, key_type key);

/// Binds, in the cell that place_for returned for it. Returns: the value before, to be released
/// by the caller if had_value.
replaced put(map& map, cell& place, key_type key, const word& value) noexcept;

/// Removes, likewise. Returns: the value, to be released by the caller.
replaced remove(map& map, cell& place) noexcept;

/// Calls visit(cell) for each binding, in no particular order, until one returns false; returns
/// whether all returned true.
using visitor = bool (*)(void* argument, const cell& cell);
bool for_each(const map& map, visitor visit, void* argument);

/// Drops one of two references, both of which only the caller can use. Returns: whether it was so.
inline bool release_one_of_two(void* value) noexcept {
    std::atomic<std::uint64_t>& references = static_cast<node_head*>(value)[-1].references;
    // Relaxed: as in share_own_node().
    if (references.load(std::memory_order_relaxed) != 2)
        return false;
    references.store(1, std::memory_order_relaxed);
    return true;
}

} // namespace contextvars::inline v0::detail

#endif
