// SPDX-License-Identifier: MIT
//
// The map from variables to values, of which every context is one: a direct-mapped table, with a trie
// behind it for what finds its place taken. docs/storage.md draws it, and tells why it is so, what it
// costs and what was rejected. In short, for who changes it:
//
// A binding is in one place: its cell of the table, its cell of the trie, or the list of dead ones.
// Its value is in the cell, or in a counted node that the cell points to.
//
// One reference: the map's holder changes it in place. More: it is frozen, and who wants to change it
// clones it first. The trie's nodes are counted too, and part one path at a time. A clone shares the
// values' nodes by counting them or, where none of them has a destructor, by borrowing them from the
// map it was made of, which it then keeps alive (`base`).
//
// Failure. Everything that can fail (cloning, growing, parting) leaves the same bindings in a
// different shape, and is done first; what changes a binding is done last and cannot fail. No
// user code runs in this file but the values' destructors, and those only in release(), on what
// nobody can reach any more.
#include "map.hpp"

#include "thread_state.hpp"

#include <array>
#include <bit>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

namespace contextvars::inline v0::detail {

constinit empty_map_storage the_empty_map{{0, 0, 1, 0, 0, nullptr, 0}, {no_key, {}}};

namespace {

constexpr std::uint32_t smallest_capacity = 4;
constexpr std::uint32_t largest_capacity = 64;
constexpr std::uint32_t cloned_at_capture = 16; // capacity
constexpr std::uint32_t most_bases = 8;

std::uint32_t capacity_of(const map& map) noexcept { return (map.reach >> 4) + 1; }

/// The class of the blocks of maps of a capacity, which the empty map's is not.
constexpr std::size_t class_of_capacity(std::uint32_t capacity) noexcept {
    if (capacity > largest_capacity)
        __builtin_unreachable(); // so that the class is known to be a cached one
    return capacity / 2;
}
static_assert([] {
    for (std::uint32_t capacity = smallest_capacity; capacity <= largest_capacity; capacity *= 2)
        if (class_of_capacity(capacity) != block_class(sizeof(map) + capacity * sizeof(cell)))
            return false;
    return true;
}());

cell* cells_of(map& map) noexcept { return reinterpret_cast<cell*>(&map + 1); }
const cell* cells_of(const map& map) noexcept { return reinterpret_cast<const cell*>(&map + 1); }

/// Copies a table. By hand, in steps of four cells (every capacity is a multiple), since compilers
/// make `rep movs` of a memcpy of unknown but small size, which takes longer to start than the
/// whole copy takes.
[[gnu::always_inline]] inline void copy_cells(map& to, const map& from) noexcept {
    cell* cells = cells_of(to);
    const cell* source = cells_of(from);
    const cell* const end = source + capacity_of(from);
    do {
        std::memcpy(cells, source, 4 * sizeof(cell));
        cells += 4;
        source += 4;
    } while (source != end);
}

bool may_be_shared(const std::atomic<std::uint32_t>& references) noexcept {
    return references.load(std::memory_order_acquire) != 1;
}

template <class Count>
void add_reference(std::atomic<Count>& references) noexcept {
    // Relaxed: whoever adds one holds one. Locked even where that is the only one, since several
    // threads may be adding to it: they copy one bound callable, or clone one frozen map.
    references.fetch_add(1, std::memory_order_relaxed);
}

/// Returns: whether it was the last.
template <class Count>
bool drop_reference(std::atomic<Count>& references) noexcept {
    // A single holder needs no locked instruction: nobody else could add a reference meanwhile.
    // Acquire in both branches, so that what others did before they dropped theirs comes before
    // the destruction; release, so that what we did comes before theirs.
    return references.load(std::memory_order_acquire) == 1 ||
           references.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

bool has_destructor(void* value) noexcept {
    return static_cast<const node_head*>(value)[-1].operations->destroy != nullptr;
}

void share_if_node(const cell& cell) noexcept {
    if (in_node(cell.key))
        share_node(node_of(cell.value));
}

void release_if_node(const cell& cell) noexcept {
    if (in_node(cell.key))
        release_node(node_of(cell.value));
}

map* allocate_map(std::uint32_t capacity) {
    void* memory = allocate(class_of_capacity(capacity));
    auto* made = ::new (memory) map{(capacity - 1) << 4, 0, 1, 0, 0, nullptr, 0};
    std::memset(cells_of(*made), 0, capacity * sizeof(cell));
    return made;
}

void deallocate_map(map* map) noexcept { deallocate(map, class_of_capacity(capacity_of(*map))); }

// The trie. A level's number is its distance from the leaves. Nodes are made and parted on the way
// down to a place that will be written; both leave the bindings the same.

constexpr std::uint32_t ways = 16;

struct branch {
    std::atomic<std::uint32_t> references{1};
    std::array<void*, ways> children{}; // branch*, or leaf* at level 1
};

struct leaf {
    std::atomic<std::uint32_t> references{1};
    std::array<cell, ways> cells{};
};

/// One binding of a variable that is gone. Immutable; lists share their tails.
struct dead_binding {
    std::atomic<std::uint32_t> references{1};
    cell bound;
    dead_binding* next;
};

std::uint32_t way_at(std::uint32_t id, std::uint32_t level) noexcept {
    return (id >> (4 * level)) % ways;
}

template <class T, class... Args>
T* make(Args&&... args) {
    return ::new (allocate(block_class(sizeof(T)))) T{std::forward<Args>(args)...};
}

template <class T>
void unmake(T* object) noexcept {
    std::destroy_at(object);
    deallocate(object, block_class(sizeof(T)));
}

void share_trie(void* node, std::uint32_t level) noexcept {
    if (node == nullptr)
        return;
    add_reference(level == 0 ? static_cast<leaf*>(node)->references
                             : static_cast<branch*>(node)->references);
}

void release_trie(void* node, std::uint32_t level) noexcept {
    if (node == nullptr)
        return;
    if (level == 0) {
        auto* last = static_cast<leaf*>(node);
        if (!drop_reference(last->references))
            return;
        for (const cell& cell : last->cells)
            release_if_node(cell);
        unmake(last);
    } else {
        auto* last = static_cast<branch*>(node);
        if (!drop_reference(last->references))
            return;
        for (void* child : last->children)
            release_trie(child, level - 1);
        unmake(last);
    }
}

/// Makes `node` one that only its holder has, with the same bindings; makes it if it is nullptr.
void part_trie(void*& node, std::uint32_t level) {
    if (level == 0) {
        if (node == nullptr) {
            node = make<leaf>();
        } else if (auto* old = static_cast<leaf*>(node); may_be_shared(old->references)) {
            auto* made = make<leaf>();
            made->cells = old->cells;
            for (const cell& cell : made->cells)
                share_if_node(cell);
            node = made;
            release_trie(old, level);
        }
    } else {
        if (node == nullptr) {
            node = make<branch>();
        } else if (auto* old = static_cast<branch*>(node); may_be_shared(old->references)) {
            auto* made = make<branch>();
            made->children = old->children;
            for (void* child : made->children)
                share_trie(child, level - 1);
            node = made;
            release_trie(old, level);
        }
    }
}

void release_dead(dead_binding* list) noexcept {
    while (list != nullptr && drop_reference(list->references)) {
        dead_binding* next = list->next;
        release_if_node(list->bound);
        unmake(list);
        list = next;
    }
}

} // namespace

struct overflow {
    std::atomic<std::uint32_t> references{1};
    std::uint32_t level = 0; // of the root; it reaches ids below 16 to the power of level + 1
    void* root = nullptr;
    dead_binding* dead = nullptr;
    // Of a map that borrows, whose rest no other map shares.
    map* base = nullptr;        // which the nodes in the borrowed cells belong to
    std::uint64_t borrowed = 0; // a bit for each cell
    std::uint32_t depth = 0;    // of the bases of bases

    // Ids have 20 bits, and a level shifts by 4 of them.
    bool reaches(std::uint32_t id) const noexcept { return (id >> (4 * level)) < ways; }

    cell* place_of(key_type key) const noexcept {
        const std::uint32_t id = id_of(key);
        void* node = root;
        if (node == nullptr || !reaches(id))
            return nullptr;
        for (std::uint32_t shift = 4 * level; shift != 0; shift -= 4) {
            node = static_cast<branch*>(node)->children[(id >> shift) % ways];
            if (node == nullptr)
                return nullptr;
        }
        return &static_cast<leaf*>(node)->cells[id % ways];
    }

    /// The place of `key`, which the root reaches, on a path that only we hold.
    cell& parted_place_of(key_type key) {
        const std::uint32_t id = id_of(key);
        void** node = &root;
        part_trie(*node, level);
        for (std::uint32_t at = level; at > 0; --at) {
            node = &static_cast<branch*>(*node)->children[way_at(id, at)];
            part_trie(*node, at - 1);
        }
        return static_cast<leaf*>(*node)->cells[way_at(id, 0)];
    }

    /// Moves the binding in `place`, whose variable is gone, to the list.
    void bury(cell& place) {
        dead = make<dead_binding>(1U, place, dead);
        place.key = no_key;
    }
};

namespace {

void release_overflow(overflow* rest) noexcept {
    if (rest == nullptr || !drop_reference(rest->references))
        return;
    release_trie(rest->root, rest->level);
    release_dead(rest->dead);
    if (rest->base != nullptr)
        release(rest->base);
    unmake(rest);
}

std::size_t index_of(const map& map, const cell& place) noexcept {
    return static_cast<std::size_t>(&place - cells_of(map));
}

bool borrows(const map& map, std::size_t index) noexcept {
    return map.rest != nullptr && (map.rest->borrowed >> index & 1) != 0;
}

/// Gives a flat cell a reference of its own to its node, if it borrows it.
void own(map& map, const cell& place) noexcept {
    if (const std::size_t index = index_of(map, place); borrows(map, index)) {
        share_if_node(place);
        map.rest->borrowed &= ~(std::uint64_t{1} << index);
    }
}

/// Counts the value of a flat cell, which came or goes.
void count_node(map& map, const word& value, bool came) noexcept {
    const auto change = static_cast<std::uint16_t>(came ? 1 : -1);
    map.nodes = static_cast<std::uint16_t>(map.nodes + change);
    if (has_destructor(node_of(value)))
        map.observed = static_cast<std::uint16_t>(map.observed + change);
}

overflow& parted_rest(map& map) {
    if (map.rest == nullptr) {
        map.rest = make<overflow>();
    } else if (overflow* old = map.rest; may_be_shared(old->references)) {
        auto* made = make<overflow>(1U, old->level, old->root, old->dead);
        share_trie(made->root, made->level);
        if (made->dead != nullptr)
            add_reference(made->dead->references);
        map.rest = made;
        release_overflow(old);
    }
    return *map.rest;
}

/// The place of `key` in the trie, which is made, parted and raised as needed.
cell& parted_far_place(map& map, key_type key) {
    overflow* rest = &parted_rest(map);
    while (!rest->reaches(id_of(key))) {
        // Root and level must change at once, so they change with the object that holds them.
        branch* above = nullptr;
        if (rest->root != nullptr) {
            above = make<branch>();
            above->children[0] = rest->root;
        }
        overflow* raised = nullptr;
        try {
            raised = make<overflow>(1U, rest->level + 1, static_cast<void*>(above), rest->dead,
                                    rest->base, rest->borrowed, rest->depth);
        } catch (...) {
            if (above != nullptr)
                unmake(above);
            throw;
        }
        std::atomic_signal_fence(std::memory_order_release);
        map.rest = raised;
        unmake(std::exchange(rest, raised));
    }
    return rest->parted_place_of(key);
}

/// A map of twice the capacity, with the same bindings: no two meet that did not meet before. Takes
/// over what the old one holds, but for its memory.
map* grown(map* old) {
    map* made = allocate_map(2 * capacity_of(*old));
    made->size = old->size;
    made->nodes = old->nodes;
    made->observed = old->observed;
    made->rest = old->rest;
    made->writer = old->writer;
    std::uint64_t borrowed = 0;
    const cell* cells = cells_of(*old);
    for (std::uint32_t i = 0; i != capacity_of(*old); ++i)
        if (cells[i].key != no_key) {
            cell& place = made->place_of(cells[i].key);
            place = cells[i];
            borrowed |= std::uint64_t{borrows(*old, i)} << index_of(*made, place);
        }
    if (made->rest != nullptr && made->rest->base != nullptr)
        made->rest->borrowed = borrowed;
    return made;
}

/// Drops what a map holds, apart from its memory. Not inlined, so that release() of a map of small
/// values saves no registers.
[[gnu::noinline]] void release_what_is_counted(map& map) noexcept {
    const std::uint64_t borrowed = map.rest != nullptr ? map.rest->borrowed : 0;
    int owned = map.nodes - std::popcount(borrowed);
    for (std::uint32_t i = 0; owned != 0; ++i)
        if (const cell& cell = cells_of(map)[i]; in_node(cell.key) && (borrowed >> i & 1) == 0) {
            release_node(node_of(cell.value));
            --owned;
        }
    release_overflow(map.rest);
}

bool is_flat(const map& map, const cell& place) noexcept {
    return &place >= cells_of(map) && &place < cells_of(map) + capacity_of(map);
}

} // namespace

map* share(map* map) noexcept {
    if (map == empty_map())
        return map;
    if (map->writer != 0) {
        // Then the map is this thread's alone: no locked instruction is needed.
        map->writer = 0;
        map->references.store(2, std::memory_order_relaxed);
    } else {
        add_reference(map->references);
    }
    return map;
}

map* capture(map* shared) noexcept {
    if (shared == empty_map())
        return shared;
    if (shared->reach < cloned_at_capture << 4 && shared->nodes == 0 && shared->rest == nullptr) {
        if (void* memory = try_allocate(class_of_capacity(capacity_of(*shared)))) {
            auto* made = ::new (memory) map{shared->reach, shared->size, 1, 0, 0, nullptr, 0};
            copy_cells(*made, *shared);
            return made;
        }
    }
    return share(shared);
}

void release(map* map) noexcept {
    if (map == empty_map() || !drop_reference(map->references))
        return;
    if (map->nodes != 0 || map->rest != nullptr)
        release_what_is_counted(*map);
    deallocate_map(map);
}

map* capture_bindings(map* map) noexcept { return capture(map); }
void release_bindings(map* map) noexcept { release(map); }

namespace {

/// Whether a clone may leave the nodes to the map it is made of, and keep that alive instead: no
/// value in it has a destructor, so nobody notices. Bases have bases, but not for ever, and a map
/// with a trie or dead bindings has more to keep alive than is worth it.
bool may_lend(const map& map) noexcept {
    return map.nodes > 1 && map.observed == 0 &&
           (map.rest == nullptr || (map.rest->root == nullptr && map.rest->dead == nullptr &&
                                    map.rest->depth < most_bases));
}

/// The rest of a clone of `old`, which shares the nodes that are not borrowed. Throws.
overflow* rest_of_clone(map* old, bool lent) {
    if (lent) {
        auto* rest = make<overflow>();
        rest->base = old;
        rest->depth = old->rest != nullptr ? old->rest->depth + 1 : 1;
        return rest;
    }
    overflow* rest = old->rest;
    if (rest == nullptr)
        return nullptr;
    if (rest->base == nullptr) {
        add_reference(rest->references);
        return rest;
    }
    if (rest->root == nullptr && rest->dead == nullptr)
        return nullptr;
    auto* made = make<overflow>(1U, rest->level, rest->root, rest->dead);
    share_trie(made->root, made->level);
    if (made->dead != nullptr)
        add_reference(made->dead->references);
    return made;
}

} // namespace

map* clone(map* old, bool gives) {
    if (old == empty_map())
        return allocate_map(smallest_capacity);
    const std::size_t block_class = class_of_capacity(capacity_of(*old));
    const bool lent = may_lend(*old);
    void* memory = allocate(block_class);
    overflow* rest = nullptr;
    if (lent || old->rest != nullptr) {
        try {
            rest = rest_of_clone(old, lent);
        } catch (...) {
            deallocate(memory, block_class);
            throw;
        }
    }
    auto* made = ::new (memory) map{old->reach, old->size, 1, old->nodes, old->observed, rest, 0};
    copy_cells(*made, *old);
    if (lent) {
        for (std::uint32_t i = 0; i != capacity_of(*made); ++i)
            rest->borrowed |= std::uint64_t{in_node(cells_of(*made)[i].key)} << i;
        if (!gives)
            share(old);
        else
            freeze(*old);
        return made;
    }
    if (made->nodes != 0)
        for (std::uint32_t i = 0; i != capacity_of(*made); ++i)
            share_if_node(cells_of(*made)[i]);
    if (gives)
        release(old);
    return made;
}

cell& place_for(map* map, key_type key) {
    for (;;) {
        cell& place = map->place_of(key);
        if (place.key == key)
            return place;
        if (map->rest != nullptr)
            if (const cell* found = map->rest->place_of(key); found != nullptr && found->key == key)
                return parted_far_place(*map, key);
        if (place.key == no_key)
            return place;
        if (id_of(place.key) == id_of(key)) {
            overflow& rest = parted_rest(*map);
            own(*map, place);
            const cell buried = place;
            rest.bury(place);
            if (in_node(buried.key))
                count_node(*map, buried.value, false);
            return place;
        }
        if (capacity_of(*map) == largest_capacity) {
            cell& far_place = parted_far_place(*map, key);
            if (far_place.key != no_key && far_place.key != key)
                map->rest->bury(far_place);
            return far_place;
        }
        auto* larger = grown(map);
        std::atomic_signal_fence(std::memory_order_release);
        set_current_map(larger);
        deallocate_map(std::exchange(map, larger));
    }
}

replaced put(map& map, cell& place, key_type key, const word& value) noexcept {
    const bool flat_node = in_node(key) && is_flat(map, place);
    const bool had_value = place.key == key;
    if (flat_node && had_value)
        own(map, place);
    const replaced before{place.value, had_value};
    place.value = value;
    if (!had_value) {
        ++map.size;
        if (flat_node)
            count_node(map, value, true);
        std::atomic_signal_fence(std::memory_order_release);
        place.key = key;
    }
    return before;
}

replaced remove(map& map, cell& place) noexcept {
    --map.size;
    if (in_node(place.key) && is_flat(map, place)) {
        own(map, place);
        count_node(map, place.value, false);
    }
    place.key = no_key;
    return {place.value, true};
}

const cell* find_in_rest(const map& map, key_type key) noexcept {
    if (map.rest == nullptr)
        return nullptr;
    const cell* place = map.rest->place_of(key);
    return place != nullptr && place->key == key ? place : nullptr;
}

const cell* find_any(const map& map, key_type key) noexcept {
    if (const cell* found = find(map, key))
        return found;
    if (map.rest != nullptr)
        for (const dead_binding* dead = map.rest->dead; dead != nullptr; dead = dead->next)
            if (dead->bound.key == key)
                return &dead->bound;
    return nullptr;
}

namespace {

bool for_each_in_trie(const void* node, std::uint32_t level, visitor visit, void* argument) {
    if (node == nullptr)
        return true;
    if (level == 0) {
        for (const cell& cell : static_cast<const leaf*>(node)->cells)
            if (cell.key != no_key && !visit(argument, cell))
                return false;
        return true;
    }
    for (const void* child : static_cast<const branch*>(node)->children)
        if (!for_each_in_trie(child, level - 1, visit, argument))
            return false;
    return true;
}

} // namespace

bool for_each(const map& map, visitor visit, void* argument) {
    for (std::uint32_t i = 0; i != capacity_of(map); ++i)
        if (const cell& cell = cells_of(map)[i]; cell.key != no_key && !visit(argument, cell))
            return false;
    if (map.rest == nullptr)
        return true;
    if (!for_each_in_trie(map.rest->root, map.rest->level, visit, argument))
        return false;
    for (const dead_binding* dead = map.rest->dead; dead != nullptr; dead = dead->next)
        if (!visit(argument, dead->bound))
            return false;
    return true;
}

// Nodes: a value with a head before it, in a block aligned for both.

namespace {

node_head& head_of(void* value) noexcept { return static_cast<node_head*>(value)[-1]; }

std::size_t offset_of_value(const type_operations& operations) noexcept {
    return operations.alignment > sizeof(node_head) ? operations.alignment : sizeof(node_head);
}

} // namespace

void* allocate_node(const type_operations& operations) {
    const std::size_t offset = offset_of_value(operations);
    const std::size_t bytes = offset + operations.size;
    void* block = operations.alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__
                      ? ::operator new(bytes, std::align_val_t{operations.alignment})
                      : allocate(block_class(bytes));
    void* value = static_cast<std::byte*>(block) + offset;
    ::new (&head_of(value)) node_head{1, &operations};
    return value;
}

void deallocate_node(void* value) noexcept {
    const type_operations& operations = *head_of(value).operations;
    const std::size_t offset = offset_of_value(operations);
    void* block = static_cast<std::byte*>(value) - offset;
    if (operations.alignment > __STDCPP_DEFAULT_NEW_ALIGNMENT__)
        ::operator delete(block, std::align_val_t{operations.alignment});
    else
        deallocate(block, block_class(offset + operations.size));
}

void share_node(void* value) noexcept { add_reference(head_of(value).references); }

void share_own_node(void* value) noexcept {
    std::atomic<std::uint64_t>& references = head_of(value).references;
    // Relaxed: as above.
    if (references.load(std::memory_order_relaxed) == 1)
        references.store(2, std::memory_order_relaxed);
    else
        add_reference(references);
}

namespace {

/// Values may hold contexts, whose values hold contexts, and so on: below this many the stack grows
/// with them; deeper ones wait in a list for their turn, which comes before the first returns.
constexpr std::uint32_t most_nested_destructions = 64;

void destroy_node(void* value) noexcept {
    thread_state* const state = try_this_thread();
    if (state == nullptr) {
        head_of(value).operations->destroy(value);
        deallocate_node(value);
        return;
    }
    if (state->destructions == most_nested_destructions) {
        // Relaxed: nobody refers to the node.
        head_of(value).references.store(reinterpret_cast<std::uintptr_t>(state->waiting),
                                        std::memory_order_relaxed);
        state->waiting = value;
        return;
    }
    ++state->destructions;
    head_of(value).operations->destroy(value);
    deallocate_node(value);
    --state->destructions;
    while (state->destructions == 0 && state->waiting != nullptr) {
        void* const next = state->waiting;
        state->waiting = reinterpret_cast<void*>(
            static_cast<std::uintptr_t>(head_of(next).references.load(std::memory_order_relaxed)));
        destroy_node(next);
    }
}

} // namespace

void release_node(void* value) noexcept {
    node_head& head = head_of(value);
    if (!drop_reference(head.references))
        return;
    if (head.operations->destroy != nullptr)
        destroy_node(value);
    else
        deallocate_node(value);
}

} // namespace contextvars::inline v0::detail
