// SPDX-License-Identifier: MIT
#include "current/validate.hpp"

#include "storage/map.hpp"
#include "variables/registry.hpp"

#include <bit>

namespace contextvars::inline v0::detail {

namespace {

struct counts {
    std::uint32_t bindings = 0;
    std::uint32_t nodes_in_table = 0;
    std::uint32_t uncaptured = 0;
};

const char* broken_in_cell(const cell& cell) noexcept {
    if ((cell.key & 0xA) != 0 || cell.key >> 44 == 0)
        return "a cell holds what is no key";
    if (in_node(cell.key) != operations_of_key(cell.key).in_node)
        return "a key and its variable's type disagree on where the value is";
    if (!in_node(cell.key))
        return nullptr;
    const void* const value = node_of(cell.value);
    if (value == nullptr)
        return "a cell has no node";
    // Relaxed, here and below: the caller has a reference, so a count that is right is not 0.
    if (static_cast<const node_head*>(value)[-1].references.load(std::memory_order_relaxed) == 0)
        return "a node that nobody counts is bound";
    return nullptr;
}

const char* broken_in_table(const map& map, counts& found) noexcept {
    const std::uint32_t capacity = capacity_of(map);
    for (std::uint32_t i = 0; i != capacity; ++i) {
        const cell& cell = cells_of(map)[i];
        if (cell.key == no_key)
            continue;
        if (id_of(cell.key) % capacity != i)
            return "a key is not in its place of the table";
        if (const char* const broken = broken_in_cell(cell))
            return broken;
        ++found.bindings;
        found.uncaptured += is_captured(cell.key) ? 0 : 1;
        found.nodes_in_table += in_node(cell.key) ? 1 : 0;
    }
    return nullptr;
}

/// `first` is the id of the first cell below the part, which is to have this shift.
const char* broken_in_trie(const map& map, const trie_part* part, std::uint32_t shift,
                           std::uint32_t first, counts& found) noexcept {
    if (part == nullptr)
        return nullptr;
    if (part->references.load(std::memory_order_relaxed) == 0)
        return "a part that nobody counts is in a trie";
    if (part->shift != shift)
        return "a part of a trie is on another level than its own";
    if (shift != 0) {
        const auto& children = static_cast<const branch*>(part)->children;
        for (std::uint32_t way = 0; way != branch::ways; ++way)
            if (const char* const broken = broken_in_trie(map, children[way], shift_below(shift),
                                                          first + (way << shift), found))
                return broken;
        return nullptr;
    }
    for (std::uint32_t i = 0; i != leaf::ways; ++i) {
        const cell& cell = static_cast<const leaf*>(part)->cells[i];
        if (cell.key == no_key)
            continue;
        if (id_of(cell.key) != first + i)
            return "a key is not in its place of the trie";
        if (map.place_of(cell.key).key == cell.key)
            return "a key is in the table and in the trie";
        if (const char* const broken = broken_in_cell(cell))
            return broken;
        ++found.bindings;
        found.uncaptured += is_captured(cell.key) ? 0 : 1;
    }
    return nullptr;
}

const char* broken_in_rest(const map& map, counts& found) noexcept {
    const trie& rest = *map.rest;
    if (rest.shift != 4 && rest.shift != 10 && rest.shift != 16)
        return "a trie has a root of no level";
    if (const char* const broken = broken_in_trie(map, &rest, rest.shift, 0, found))
        return broken;
    for (const dead_binding* dead = rest.dead; dead != nullptr; dead = dead->next) {
        if (variable_exists(dead->bound.key))
            return "the binding of a variable that exists is among the dead";
        if (find(map, dead->bound.key) != nullptr)
            return "a dead binding is bound as well";
        if (const char* const broken = broken_in_cell(dead->bound))
            return broken;
        ++found.bindings;
        found.uncaptured += is_captured(dead->bound.key) ? 0 : 1;
    }
    return nullptr;
}

} // namespace

const char* broken_invariant(const map& map) noexcept {
    if (&map == empty_map())
        return map.size == 0 && map.rest == nullptr && map.key_at(0) == no_key
                   ? nullptr
                   : "the empty map was changed";
    const std::uint32_t capacity = capacity_of(map);
    if (!std::has_single_bit(capacity) || capacity < smallest_capacity || capacity > 64)
        return "a table has an odd capacity";
    const std::uint32_t references = map.references.load(std::memory_order_relaxed);
    if (references == 0)
        return "a map that nobody counts is in use";
    if (map.writer.is_frame() && references != 1)
        return "a map that is shared has a writer";
    if (map.writer.is_frame(0))
        return "a map's writer has no identity";
    if (map.writer.has_edition() && (map.nodes != 0 || map.rest != nullptr))
        return "a map that is not one block has an edition";
    counts found;
    if (const char* const broken = broken_in_table(map, found))
        return broken;
    if (map.rest != nullptr)
        if (const char* const broken = broken_in_rest(map, found))
            return broken;
    if (found.nodes_in_table != static_cast<std::uint32_t>(node_count(map)))
        return "a map miscounts the nodes in its table";
    if (is_captured_whole(map) && (suppressions(map) != 0 || found.uncaptured != 0))
        return "a map is captured whole that is not to be";
    return found.bindings == binding_count(map) ? nullptr : "a map miscounts its bindings";
}

} // namespace contextvars::inline v0::detail
