// SPDX-License-Identifier: MIT
//
// The operations on the core's maps. They are compiled once, except those that are inline here.
#ifndef CONTEXTVARS_SRC_STORAGE_MAP_HPP
#define CONTEXTVARS_SRC_STORAGE_MAP_HPP

#include "storage/counts.hpp"
#include "storage/map_operations.hpp"

#include <contextvars/detail/map.hpp>
#include <contextvars/detail/value.hpp>

#include <cstddef>
#include <cstdint>

namespace contextvars::inline v0::detail {

/// Whether all that the map holds is in its own block, and is captured.
inline bool is_one_block(const map& map) noexcept { return map.nodes == 0 && map.rest == nullptr; }

/// Returns: a copy of the same edition; if there is no memory for it, the map itself, shared.
/// Precondition: the map is one block.
map* copy_or_share(map* from) noexcept;

/// Drops a reference. Returns: whether it was the last one. If so, the map gets it back, for end().
inline bool drop_shared(map& map) noexcept {
    if (!drop_one(map.references))
        return false;
    // Relaxed: nobody else refers to it.
    map.references.store(1, std::memory_order_relaxed);
    return true;
}
/// Frees a map that only the caller refers to. The destructors of its values may call anything.
void end(map* map) noexcept;

/// Whether the map has one holder, which may change it in place.
inline bool unshared(const map& map) noexcept {
    // Acquire: pairs with the release of the thread that dropped the reference before the last. The
    // reads of that thread must be over before the map is changed.
    return &map != empty_map() && map.references.load(std::memory_order_acquire) == 1;
}

/// Adds a reference. Never fails. Precondition: it is not the empty map.
inline map* share_some(map* map) noexcept {
    CONTEXTVARS_ASSERT(map->references.load(std::memory_order_relaxed) != 0);
    if (map->writer.is_frame()) {
        CONTEXTVARS_ASSERT(unshared(*map));
        // Then the map is this thread's alone: no locked instruction is needed.
        map->writer = map_writer::nobody();
        map->references.store(2, std::memory_order_relaxed);
    } else {
        add_one(map->references);
    }
    return map;
}
/// The same for any map.
inline map* share(map* map) noexcept { return map == empty_map() ? map : share_some(map); }

/// Returns: a map with the same bindings and one reference. Takes over a reference to `shared` if
/// `gives` says so. Throws: std::bad_alloc; then it has taken none.
map* clone(map* shared, bool gives);

/// Returns: a map with those bindings that are captured, and one reference. Throws: std::bad_alloc.
map* copy_captured(const map& from);

/// Precondition: the map has a writer.
inline cell* own_far_place(map& map, key_type key) noexcept {
    return own_far_place<atomic_counts>(map, key);
}

/// Returns: the cell in which `key` is bound, or may be bound in the table, if the cell can be
/// written at once; else nullptr. Precondition: the map has a writer.
cell* place_at_once(map& map, key_type key) noexcept;

/// Finds the cell in which `key` is, or will be, bound. The map may become a larger one with the
/// same bindings: then become(larger) is called before the old one is freed.
/// Precondition: the map is unshared.
/// Returns: a cell with this key, or an empty one. Throws: std::bad_alloc; the bindings are the
/// same.
using become_function = void (*)(map* larger) noexcept;
cell& place_for(map* map, key_type key, become_function become);

/// Binds `key` in the cell that place_for returned for it. Returns: the value before, which the
/// caller releases if had_value.
replaced put(map& map, cell& place, key_type key, const word& value) noexcept;

/// Removes the binding in such a cell. Returns: its value, which the caller releases.
replaced remove(map& map, cell& place) noexcept;

/// Calls visit(cell) for each binding, in no particular order, until one returns false; returns
/// whether all returned true.
using visitor = bool (*)(void* argument, const cell& cell);
bool for_each(const map& map, visitor visit, void* argument);

} // namespace contextvars::inline v0::detail

#endif
