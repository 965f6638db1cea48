// SPDX-License-Identifier: MIT
//
// The operations on maps that are compiled once. See map.cpp for the structure.
#ifndef CONTEXTVARS_SRC_MAP_HPP
#define CONTEXTVARS_SRC_MAP_HPP

#include <contextvars/detail/map.hpp>
#include <contextvars/detail/value.hpp>

#include <cstddef>
#include <cstdint>

namespace contextvars::inline v0::detail {

constexpr bool in_node(key_type key) noexcept { return (key & 1) != 0; }

/// Takes a reference. Never fails.
map* share(map* map) noexcept;

/// A map for somebody who will go on without the giver: a clone where that is cheap, else shared.
map* capture(map* map) noexcept;

/// Drops a reference. The last destroys the values, whose destructors may call anything here.
void release(map* map) noexcept;

/// Whether its one holder may change it in place.
inline bool unshared(const map& map) noexcept {
    // Acquire: pairs with the release of whoever dropped the reference before the last, whose
    // reads of the map must be over before it is changed.
    return &map != empty_map() && map.references.load(std::memory_order_acquire) == 1;
}

/// Returns: a map with the same bindings and one reference. Takes over a reference to `shared` if
/// `gives` says so. Throws: std::bad_alloc; then it has taken none.
map* clone(map* shared, bool gives);

inline bool may_be_shared(const std::atomic<std::uint32_t>& references) noexcept {
    return references.load(std::memory_order_acquire) != 1;
}

inline std::uint32_t way_at(std::uint32_t id, std::uint32_t shift) noexcept {
    return (id >> shift) % (shift == 0 ? leaf::ways : branch::ways);
}

inline std::atomic<std::uint32_t>& references_of(void* node, std::uint32_t shift) noexcept {
    return shift == 0 ? static_cast<leaf*>(node)->references
                      : static_cast<branch*>(node)->references;
}

/// Where `key` is bound in the trie, if no other map has a part of the way there; else nullptr.
/// Precondition: the map has a writer.
inline cell* own_far_place(map& map, key_type key) noexcept {
    const overflow* rest = map.rest;
    const std::uint32_t id = id_of(key);
    if (rest == nullptr || may_be_shared(rest->references) || !rest->reaches(id))
        return nullptr;
    void* node = rest->root;
    std::uint64_t borrowed = rest->root_borrowed;
    for (std::uint32_t shift = rest->shift;; shift = shift_below(shift)) {
        if (node == nullptr || (borrowed & 1) != 0 || may_be_shared(references_of(node, shift)))
            return nullptr;
        if (shift == 0)
            break;
        const auto* parent = static_cast<branch*>(node);
        borrowed = parent->borrowed >> way_at(id, shift);
        node = parent->children[way_at(id, shift)];
    }
    cell& place = static_cast<leaf*>(node)->cells[way_at(id, 0)];
    return place.key == key ? &place : nullptr;
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
struct replaced {
    word value;
    bool had_value;
};
replaced put(map& map, cell& place, key_type key, const word& value) noexcept;

/// Removes, likewise. Returns: the value, to be released by the caller.
replaced remove(map& map, cell& place) noexcept;

/// Calls visit(cell) for each binding, in no particular order, until one returns false; returns
/// whether all returned true.
using visitor = bool (*)(void* argument, const cell& cell);
bool for_each(const map& map, visitor visit, void* argument);

/// As find(), also for a variable that is gone.
const cell* find_any(const map& map, key_type key) noexcept;

/// Drops one of two references, both of which only the caller can use. Returns: whether it was so.
bool release_one_of_two(void* value) noexcept;

/// Adds one to the references of a value in a node.
void share_node(void* value) noexcept;

} // namespace contextvars::inline v0::detail

#endif
