// SPDX-License-Identifier: MIT
//
// The operations on maps, as templates over the way in which blocks and values are counted. The
// core has atomic counts (map.cpp); the blocks of the extension module are objects of Python.
//
// A binding is in one place: its cell of the table, its cell of the trie, or the list of dead ones.
// Its value is in the cell, or in a counted node that the cell points to.
//
// If a map has one reference, its holder changes it in place. If it has more, it is frozen, and a
// holder that wants to change it clones it first. The parts of the trie are counted, too, and are
// parted one path at a time. A clone counts the values' nodes and the trie, and so shares them.
//
// Failure: every step that can fail (cloning, growing, parting) leaves the same bindings in a
// different shape, and is done first. The step that changes a binding is done last and cannot fail.
// The only code of the user that runs in this file is the values' destructors. They run only in
// release(), on values that nobody can reach any more.
#ifndef CONTEXTVARS_SRC_STORAGE_MAP_OPERATIONS_HPP
#define CONTEXTVARS_SRC_STORAGE_MAP_OPERATIONS_HPP

#include <contextvars/detail/map.hpp>

#include <array>
#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0::detail {

constexpr bool in_node(key_type key) noexcept { return (key & 1) != 0; }
constexpr bool is_captured(key_type key) noexcept { return (key & 4) == 0; }

inline int node_count(const map& map) noexcept { return map.nodes % partly_captured; }

inline constexpr std::uint32_t one_suppression = 1U << 24; // of map::size
inline std::uint32_t binding_count(const map& map) noexcept { return map.size % one_suppression; }
inline std::uint32_t suppressions(const map& map) noexcept { return map.size / one_suppression; }

inline constexpr std::uint32_t smallest_capacity = 4;
inline constexpr std::uint32_t copied_by_hand = 8; // cells

inline std::uint32_t capacity_of(const map& map) noexcept { return (map.reach >> 4) + 1; }

inline cell* cells_of(map& map) noexcept { return reinterpret_cast<cell*>(&map + 1); }
inline const cell* cells_of(const map& map) noexcept {
    return reinterpret_cast<const cell*>(&map + 1);
}

/// Calls the memcpy of the C library, which uses the widest registers there are. If a compiler can
/// bound the size, it makes `rep movs` of the call, which takes longer to start than the whole copy
/// takes.
inline void copy_bytes(void* to, const void* from, std::size_t bytes) noexcept {
    __asm__("" : "+r"(bytes));
    std::memcpy(to, from, bytes);
}

/// Copies a table. A small one is copied by hand, in steps of four cells: every capacity is a
/// multiple.
[[gnu::always_inline]] inline void copy_cells(map& to, const map& from) noexcept {
    if (capacity_of(from) > copied_by_hand)
        return copy_bytes(cells_of(to), cells_of(from), capacity_of(from) * sizeof(cell));
    cell* cells = cells_of(to);
    const cell* source = cells_of(from);
    const cell* const end = source + capacity_of(from);
    do {
        std::memcpy(cells, source, 4 * sizeof(cell));
        cells += 4;
        source += 4;
    } while (source != end);
}

inline leaf::leaf(const leaf& old) noexcept : trie_part(0) {
    copy_bytes(&cells, &old.cells, sizeof cells);
}
inline branch::branch(const branch& old) noexcept : trie_part(old.shift) {
    copy_bytes(&children, &old.children, sizeof children);
}

/// One binding of a variable that is gone. It is immutable; lists share their tails.
struct dead_binding {
    std::atomic<std::uint32_t> references{1};
    cell bound;
    dead_binding* next;
};

inline std::size_t index_of(const map& map, const cell& place) noexcept {
    return static_cast<std::size_t>(&place - cells_of(map));
}

inline bool is_flat(const map& map, const cell& place) noexcept {
    return &place >= cells_of(map) && &place < cells_of(map) + capacity_of(map);
}

/// Returns: the next binding, in no particular order, or nullptr if there is none. The caller
/// begins with position 0.
inline const cell* next_cell(const map& map, std::uint32_t& position) noexcept {
    const std::uint32_t capacity = capacity_of(map);
    while (position < capacity)
        if (const cell& cell = cells_of(map)[position++]; cell.key != no_key)
            return &cell;
    std::uint32_t id = position - capacity;
    while (map.rest != nullptr && id < map.rest->limit()) {
        const trie_part* level = map.rest;
        std::uint32_t shift = level->shift;
        while (level != nullptr && level->shift != 0) {
            shift = level->shift;
            level = static_cast<const branch*>(level)->children[way_at(id, shift)];
        }
        if (level == nullptr) {
            id = ((id >> shift) + 1) << shift;
            continue;
        }
        const cell& found = static_cast<const leaf*>(level)->cells[place_in_leaf(id++)];
        if (found.key != no_key) {
            position = capacity + id;
            return &found;
        }
    }
    position = capacity + id;
    return nullptr;
}

/// Returns: a bound of the ways that have a child. Ids are dense, so most branches have only the
/// first few.
inline std::uint32_t ways_in_use(const branch& level) noexcept {
    std::uint32_t bound = branch::ways;
    for (; bound != 0; bound -= 8) {
        std::uintptr_t any = 0;
        for (std::uint32_t i = bound - 8; i != bound; ++i)
            any |= reinterpret_cast<std::uintptr_t>(level.children[i]);
        if (any != 0)
            break;
    }
    return bound;
}

/// The value that put or remove found in the cell. The caller releases it if had_value.
struct replaced {
    word value;
    bool had_value;
};

/// Returns: the cell in which `key` is bound in the trie, if no other map has a part of the way
/// there; else nullptr. Precondition: the map is unshared.
template <class Counts>
inline cell* own_far_place(map& map, key_type key) noexcept {
    CONTEXTVARS_ASSERT(!Counts::may_be_shared(map));
    trie* const rest = map.rest;
    if (rest == nullptr || Counts::may_be_shared(*rest))
        return nullptr;
    leaf* const last =
        find_leaf(*rest, key, [](const trie_part& part) { return !Counts::may_be_shared(part); });
    if (last == nullptr)
        return nullptr;
    cell& place = last->place_of(key);
    return place.key == key ? &place : nullptr;
}

/// A policy has these static members. A block is a map, a part of a trie or a dead_binding.
///   largest_capacity           of a table
///   outlives_variables         a map may bind a variable that is gone
///   allocate_table(capacity)   room for a map. Throws: std::bad_alloc
///   deallocate_table(memory, capacity)
///   make<T>(args…)             any other block. Throws: std::bad_alloc
///   unmake(block)              frees the memory of a block that has one reference or none
///   add_reference(block), may_be_shared(block)
///   drop_reference(block)      returns whether the caller must destroy it
///   is_counted(map)            whether there may be values in the table that are counted
///   share_value(cell), release_value(cell)
template <class Policy>
struct map_operations {
    static map* allocate_map(std::uint32_t capacity) {
        void* memory = Policy::allocate_table(capacity);
        auto* made =
            ::new (memory) map{(capacity - 1) << 4, 0, 1, 0, nullptr, map_writer::nobody()};
        std::memset(cells_of(*made), 0, capacity * sizeof(cell));
        return made;
    }

    static void deallocate_map(map* map) noexcept {
        Policy::deallocate_table(map, capacity_of(*map));
    }

    // Parts of the trie are made and copied on the way down to a place that will be written; both
    // leave the bindings the same.

    static void share_part(trie_part* shared) noexcept {
        if (shared != nullptr)
            Policy::add_reference(*shared);
    }
    static void release_part(trie_part* last) noexcept {
        if (last == nullptr || !Policy::drop_reference(*last))
            return;
        if (last->shift != 0) {
            release_children(static_cast<branch&>(*last));
            Policy::unmake(static_cast<branch*>(last));
        } else {
            for (const cell& cell : static_cast<leaf*>(last)->cells)
                Policy::release_value(cell);
            Policy::unmake(static_cast<leaf*>(last));
        }
    }

    static void share_children(const branch& level) noexcept {
        for (std::uint32_t i = 0, bound = ways_in_use(level); i != bound; ++i)
            share_part(level.children[i]);
    }
    static void release_children(const branch& level) noexcept {
        for (std::uint32_t i = 0, bound = ways_in_use(level); i != bound; ++i)
            release_part(level.children[i]);
    }

    /// Returns: a copy of a part that is shared. The copy counts its contents.
    static trie_part* copy_of(const trie_part& old) {
        if (old.shift != 0) {
            auto* made = Policy::template make<branch>(static_cast<const branch&>(old));
            share_children(*made);
            return made;
        }
        auto* made = Policy::template make<leaf>(static_cast<const leaf&>(old));
        for (const cell& cell : made->cells)
            Policy::share_value(cell);
        return made;
    }

    /// Makes a child one that only its holder has, with the same bindings; makes it if it is nullptr.
    static void own_child(trie_part*& child, std::uint32_t shift) {
        trie_part* const old = child;
        if (old == nullptr)
            child = shift == 0 ? static_cast<trie_part*>(Policy::template make<leaf>())
                               : Policy::template make<branch>(shift);
        else if (Policy::may_be_shared(*old))
            child = copy_of(*old);
        else
            return;
        release_part(old);
    }

    static void release_dead(dead_binding* list) noexcept {
        while (list != nullptr && Policy::drop_reference(*list)) {
            dead_binding* next = list->next;
            Policy::release_value(list->bound);
            Policy::unmake(list);
            list = next;
        }
    }

    static dead_binding* share_dead(dead_binding* list) noexcept {
        if (list != nullptr)
            Policy::add_reference(*list);
        return list;
    }

    /// The cell at an id that the trie reaches, on a path that only this trie has.
    static cell& own_place_of(trie& root, std::uint32_t id) {
        trie_part* level = &root;
        while (level->shift != 0) {
            trie_part*& below = static_cast<branch*>(level)->children[way_at(id, level->shift)];
            own_child(below, shift_below(level->shift));
            level = below;
        }
        return static_cast<leaf*>(level)->cells[place_in_leaf(id)];
    }

    [[gnu::noinline]] static void release_trie(trie* last) noexcept {
        if (last == nullptr || !Policy::drop_reference(*last))
            return;
        release_children(*last);
        release_dead(last->dead);
        Policy::unmake(last);
    }

    /// Counts a value in a node that comes to a cell, or goes.
    static void count_node(map& map, const cell& place, int change) noexcept {
        if (is_flat(map, place))
            map.nodes = static_cast<std::uint8_t>(map.nodes + change);
    }

    static void replace_trie(map& map, trie* made) noexcept {
        // For a signal handler on this thread: the trie is whole before a lookup can reach it. No other
        // thread reads a map that is written, so the processor may order these stores as it likes.
        std::atomic_signal_fence(std::memory_order_release);
        map.rest = made;
    }

    /// The map's trie, which only this map has: made or copied if needed. One that is made reaches `id`.
    [[gnu::noinline]] static trie& own_trie(map& map, std::uint32_t id) {
        trie* const old = map.rest;
        if (old == nullptr) {
            replace_trie(map, Policy::template make<trie>(id));
        } else if (Policy::may_be_shared(*old)) {
            trie* const made = Policy::template make<trie>(*old);
            share_children(*made);
            share_dead(made->dead);
            replace_trie(map, made);
            release_trie(old);
        }
        return *map.rest;
    }

    /// The place of `key` in the trie, which is made, copied and raised as needed.
    static cell& own_place_in_trie(map& map, key_type key) {
        trie* root = &own_trie(map, id_of(key));
        while (id_of(key) >= root->limit()) {
            // Root and shift must change at once, so they change with the object that holds them.
            auto* below = Policy::template make<branch>(static_cast<const branch&>(*root));
            trie* raised = nullptr;
            try {
                raised = Policy::template make<trie>(*root, *below);
            } catch (...) {
                Policy::unmake(below);
                throw;
            }
            replace_trie(map, raised);
            Policy::unmake(std::exchange(root, raised));
        }
        return own_place_of(*root, id_of(key));
    }

    /// Returns: a map of twice the capacity with the same bindings. No two bindings meet that did
    /// not meet before. The new map takes over all that the old one holds, except its memory.
    static map* grown(map* old) {
        map* made = allocate_map(2 * capacity_of(*old));
        made->size = old->size;
        made->nodes = old->nodes;
        made->rest = old->rest;
        made->writer = old->writer;
        const cell* cells = cells_of(*old);
        for (std::uint32_t i = 0; i != capacity_of(*old); ++i)
            if (cells[i].key != no_key)
                made->place_of(cells[i].key) = cells[i];
        return made;
    }

    /// Drops all that a map holds, except its memory. It is not inlined, so that release() of a map
    /// of small values saves no registers.
    [[gnu::noinline]] static void release_what_is_counted(map& map) noexcept {
        int left = node_count(map);
        for (std::uint32_t i = 0; left != 0; ++i)
            if (const cell& cell = cells_of(map)[i]; in_node(cell.key)) {
                Policy::release_value(cell);
                --left;
            }
        release_trie(map.rest);
    }

    /// Drops a reference. The last one destroys the values, whose destructors may call anything
    /// here.
    static void release(map* map) noexcept {
        if (map != empty_map() && Policy::drop_reference(*map))
            end(map);
    }

    /// Precondition: the map has no reference left.
    static void end(map* map) noexcept {
        if (map->nodes != 0 || map->rest != nullptr) [[unlikely]]
            release_what_is_counted(*map);
        deallocate_map(map);
    }

    /// Returns: a map with the same bindings and one reference. Takes over a reference to `old` if
    /// `gives` says so. Throws: std::bad_alloc; then it has taken none.
    static map* clone(map* old, bool gives) {
        if (old == empty_map())
            return allocate_map(smallest_capacity);
        auto* made = ::new (Policy::allocate_table(capacity_of(*old)))
            map{old->reach, old->size, 1, old->nodes, old->rest, map_writer::nobody()};
        copy_cells(*made, *old);
        if (made->rest != nullptr)
            Policy::add_reference(*made->rest);
        if (Policy::is_counted(*made))
            for (std::uint32_t i = 0; i != capacity_of(*made); ++i)
                Policy::share_value(cells_of(*made)[i]);
        if (gives)
            release(old);
        return made;
    }

    /// Moves the binding in `place`, whose variable is gone, to the list of dead bindings.
    [[gnu::noinline]] static void bury(map& map, cell& place) {
        trie& rest = own_trie(map, id_of(place.key));
        rest.dead = Policy::template make<dead_binding>(1U, place, rest.dead);
        if (in_node(place.key))
            count_node(map, place, -1);
        place.key = no_key;
    }

    /// Returns: the cell in which `key` is bound, or may be bound in the table, if the cell can be
    /// written at once; else nullptr. Precondition: the map is unshared.
    static cell* place_at_once(map& map, key_type key) noexcept {
        CONTEXTVARS_ASSERT(!Policy::may_be_shared(map));
        cell& place = map.place_of(key);
        if (place.key == key || (place.key == no_key && map.rest == nullptr))
            return &place;
        return own_far_place<Policy>(map, key);
    }

    /// Finds the cell in which `key` is, or will be, bound. The map may become a larger one with
    /// the same bindings: then become(larger) is called before the old one is freed.
    /// Precondition: the map is unshared.
    /// Returns: a cell with this key, or an empty one. Throws: std::bad_alloc; the bindings are the
    /// same.
    template <class Become>
    static cell& place_for(map* map, key_type key, const Become& become) {
        CONTEXTVARS_ASSERT(!Policy::may_be_shared(*map));
        for (;;) {
            cell& place = map->place_of(key);
            if (place.key == key)
                return place;
            if (map->rest != nullptr && find_in_rest(*map->rest, key) != nullptr)
                return own_place_in_trie(*map, key);
            if (place.key == no_key)
                return place;
            if constexpr (Policy::outlives_variables) {
                if (id_of(place.key) == id_of(key)) {
                    bury(*map, place);
                    return place;
                }
            }
            if (capacity_of(*map) == Policy::largest_capacity) {
                cell& far_place = own_place_in_trie(*map, key);
                if constexpr (Policy::outlives_variables) {
                    if (far_place.key != no_key && far_place.key != key)
                        bury(*map, far_place);
                }
                return far_place;
            }
            auto* larger = grown(map);
            // As in replace_trie(): the larger map is whole before it is the current one.
            std::atomic_signal_fence(std::memory_order_release);
            become(larger);
            deallocate_map(std::exchange(map, larger));
        }
    }

    /// Binds `key` in the cell that place_for returned for it. Returns: the value before, which the
    /// caller releases if had_value.
    static replaced put(map& map, cell& place, key_type key, const word& value) noexcept {
        CONTEXTVARS_ASSERT(!Policy::may_be_shared(map));
        CONTEXTVARS_ASSERT(place.key == key || place.key == no_key);
        const bool had_value = place.key == key;
        const replaced before{place.value, had_value};
        place.value = value;
        if (!had_value) {
            ++map.size;
            if (in_node(key))
                count_node(map, place, 1);
            if (!is_captured(key))
                map.nodes |= partly_captured;
            // As in replace_trie(): the value is there before its key is.
            std::atomic_signal_fence(std::memory_order_release);
            place.key = key;
        }
        return before;
    }

    /// Removes the binding in such a cell. Returns: its value, which the caller releases.
    static replaced remove(map& map, cell& place) noexcept {
        CONTEXTVARS_ASSERT(!Policy::may_be_shared(map) && place.key != no_key);
        --map.size;
        if (in_node(place.key))
            count_node(map, place, -1);
        place.key = no_key;
        return {place.value, true};
    }
};

} // namespace contextvars::inline v0::detail

#endif
