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
constexpr std::uint32_t most_bases = 16;

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

/// The library's memcpy, which uses the widest registers there are. Compilers, if they can bound the
/// size, make `rep movs` of it, which takes longer to start than the whole copy takes.
inline void copy_bytes(void* to, const void* from, std::size_t bytes) noexcept {
    __asm__("" : "+r"(bytes));
    std::memcpy(to, from, bytes);
}

/// Copies a table; a small one by hand, in steps of four cells (every capacity is a multiple).
[[gnu::always_inline]] inline void copy_cells(map& to, const map& from) noexcept {
    if (capacity_of(from) > cloned_at_capture)
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

} // namespace

leaf::leaf(const leaf& old) noexcept { copy_bytes(&cells, &old.cells, sizeof cells); }
branch::branch(const branch& old) noexcept {
    copy_bytes(&children, &old.children, sizeof children);
}

/// One binding of a variable that is gone. Immutable; lists share their tails.
struct dead_binding {
    std::atomic<std::uint32_t> references{1};
    cell bound;
    dead_binding* next;
};

namespace {

template <class T, class... Args>
T* make(Args&&... args) {
    return ::new (allocate(block_class(sizeof(T)))) T{std::forward<Args>(args)...};
}

template <class T>
void unmake(T* object) noexcept {
    std::destroy_at(object);
    deallocate(object, block_class(sizeof(T)));
}

// Parts of the trie are made and parted on the way down to a place that will be written; both leave
// the bindings the same.

void share_trie(void* node, std::uint32_t shift) noexcept {
    if (node != nullptr)
        add_reference(references_of(node, shift));
}

void release_trie(void* node, std::uint32_t shift) noexcept {
    if (node == nullptr || !drop_reference(references_of(node, shift)))
        return;
    if (shift == 0) {
        auto* last = static_cast<leaf*>(node);
        for (std::uint32_t i = 0; i != leaf::ways; ++i)
            if ((last->borrowed >> i & 1) == 0)
                release_if_node(last->cells[i]);
        unmake(last);
    } else {
        auto* last = static_cast<branch*>(node);
        for (std::uint64_t own = ~last->borrowed; own != 0; own &= own - 1)
            release_trie(last->children[static_cast<std::size_t>(std::countr_zero(own))],
                         shift_below(shift));
        unmake(last);
    }
}

/// A copy of a part that is shared or borrowed: counts what is in it, or borrows that too.
leaf* copy_of(const leaf& old, bool lent) {
    auto* made = make<leaf>(old);
    for (std::uint32_t i = 0; i != leaf::ways; ++i)
        if (lent)
            made->borrowed |= std::uint32_t{in_node(made->cells[i].key)} << i;
        else
            share_if_node(made->cells[i]);
    return made;
}
branch* copy_of(const branch& old, std::uint32_t shift, bool lent) {
    auto* made = make<branch>(old);
    if (lent) {
        made->solid = false;
        made->borrowed = ~std::uint64_t{0};
    } else {
        for (void* child : made->children)
            share_trie(child, shift_below(shift));
    }
    return made;
}

/// Makes `node` one that only its holder has, with the same bindings; makes it if it is nullptr. It
/// is borrowed if `borrowed` has this bit, which is then cleared.
void part_trie(void*& node, std::uint32_t shift, std::uint64_t& borrowed, std::uint64_t bit) {
    const bool lent = (borrowed & bit) != 0;
    void* const old = node;
    if (old == nullptr)
        node = shift == 0 ? static_cast<void*>(make<leaf>()) : make<branch>();
    else if (lent || may_be_shared(references_of(old, shift)))
        node = shift == 0 ? static_cast<void*>(copy_of(*static_cast<leaf*>(old), lent))
                          : copy_of(*static_cast<branch*>(old), shift, lent);
    else
        return;
    borrowed &= ~bit;
    if (!lent)
        release_trie(old, shift);
}

/// Returns: a reference to a part of a trie, or to a copy of it with nothing borrowed in it. (What is
/// counted by several may not borrow, since each has bases of its own.)
void* solid(void* node, std::uint32_t shift) {
    if (node == nullptr)
        return nullptr;
    if (shift == 0) {
        auto* old = static_cast<leaf*>(node);
        if (old->borrowed != 0)
            return copy_of(*old, false);
    } else if (auto* old = static_cast<branch*>(node); !old->solid) {
        auto* made = make<branch>();
        try {
            for (std::uint32_t i = 0; i != branch::ways; ++i)
                made->children[i] = solid(old->children[i], shift_below(shift));
        } catch (...) {
            release_trie(made, shift);
            throw;
        }
        return made;
    }
    share_trie(node, shift);
    return node;
}

void release_dead(dead_binding* list) noexcept {
    while (list != nullptr && drop_reference(list->references)) {
        dead_binding* next = list->next;
        release_if_node(list->bound);
        unmake(list);
        list = next;
    }
}

dead_binding* share_dead(dead_binding* list) noexcept {
    if (list != nullptr)
        add_reference(list->references);
    return list;
}

/// The cell at an id that the root reaches, on a path that only this rest has.
cell& parted_place_of(overflow& rest, std::uint32_t id) {
    part_trie(rest.root, rest.shift, rest.root_borrowed, 1);
    void* node = rest.root;
    for (std::uint32_t shift = rest.shift; shift != 0; shift = shift_below(shift)) {
        auto& parent = *static_cast<branch*>(node);
        const std::uint32_t way = way_at(id, shift);
        part_trie(parent.children[way], shift_below(shift), parent.borrowed,
                  std::uint64_t{1} << way);
        node = parent.children[way];
    }
    return static_cast<leaf*>(node)->cells[way_at(id, 0)];
}

/// The leaf at an id that is bound in the trie.
leaf& leaf_at(const overflow& rest, std::uint32_t id) noexcept {
    void* node = rest.root;
    for (std::uint32_t shift = rest.shift; shift != 0; shift = shift_below(shift))
        node = static_cast<branch*>(node)->children[way_at(id, shift)];
    return *static_cast<leaf*>(node);
}

/// Moves the binding in `place`, whose variable is gone, to the list.
void bury(overflow& rest, cell& place) {
    rest.dead = make<dead_binding>(1U, place, rest.dead);
    place.key = no_key;
}

void release_overflow(overflow* rest) noexcept {
    if (rest == nullptr || !drop_reference(rest->references))
        return;
    if (rest->root_borrowed == 0)
        release_trie(rest->root, rest->shift);
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

bool is_flat(const map& map, const cell& place) noexcept {
    return &place >= cells_of(map) && &place < cells_of(map) + capacity_of(map);
}

/// Gives a cell that binds a node a reference of its own to it, if it borrows it.
void own(map& map, const cell& place) noexcept {
    if (map.rest == nullptr || map.rest->base == nullptr)
        return;
    const auto take = [&place](auto& borrowed, std::size_t index) {
        if ((borrowed >> index & 1) == 0)
            return;
        share_if_node(place);
        borrowed &= ~(std::remove_reference_t<decltype(borrowed)>{1} << index);
    };
    if (is_flat(map, place))
        take(map.rest->borrowed, index_of(map, place));
    else
        take(leaf_at(*map.rest, id_of(place.key)).borrowed, way_at(id_of(place.key), 0));
}

/// Counts a value in a node, which came to a cell or goes.
void count_node(map& map, const cell& place, const word& value, bool came) noexcept {
    const int change = came ? 1 : -1;
    const bool observed = has_destructor(node_of(value));
    if (!is_flat(map, place)) {
        map.rest->observed += static_cast<std::uint32_t>(observed ? change : 0);
        return;
    }
    map.nodes = static_cast<std::uint16_t>(map.nodes + change);
    map.observed = static_cast<std::uint16_t>(map.observed + (observed ? change : 0));
}

overflow& parted_rest(map& map) {
    if (map.rest == nullptr) {
        map.rest = make<overflow>();
    } else if (overflow* old = map.rest; may_be_shared(old->references)) {
        auto* made = make<overflow>(1U, old->shift, old->root, old->dead, old->observed);
        share_trie(made->root, made->shift);
        share_dead(made->dead);
        map.rest = made;
        release_overflow(old);
    }
    return *map.rest;
}

/// The place of `key` in the trie, which is made, parted and raised as needed.
cell& parted_far_place(map& map, key_type key) {
    overflow* rest = &parted_rest(map);
    while (!rest->reaches(id_of(key))) {
        // Root and shift must change at once, so they change with the object that holds them.
        branch* above = nullptr;
        if (rest->root != nullptr) {
            above = make<branch>();
            above->children[0] = rest->root;
            above->borrowed = rest->root_borrowed;
            above->solid = rest->base == nullptr;
        }
        overflow* raised = nullptr;
        try {
            raised = make<overflow>(1U, rest->shift == 0 ? 4 : rest->shift + 6,
                                    static_cast<void*>(above), rest->dead, rest->observed,
                                    rest->depth, rest->base, rest->borrowed);
        } catch (...) {
            if (above != nullptr)
                unmake(above);
            throw;
        }
        std::atomic_signal_fence(std::memory_order_release);
        map.rest = raised;
        unmake(std::exchange(rest, raised));
    }
    return parted_place_of(*rest, id_of(key));
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
    int owned = map.nodes - (borrowed != 0 ? std::popcount(borrowed) : 0);
    for (std::uint32_t i = 0; owned != 0; ++i)
        if (const cell& cell = cells_of(map)[i]; in_node(cell.key) && (borrowed >> i & 1) == 0) {
            release_node(node_of(cell.value));
            --owned;
        }
    release_overflow(map.rest);
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

/// Whether a clone may leave nodes and trie to the map it is made of, and keep that alive instead: no
/// value in it has a destructor, so nobody notices. Bases have bases, but not for ever.
bool may_lend(const map& map) noexcept {
    if (map.rest == nullptr)
        return map.nodes > 1 && map.observed == 0;
    return (map.nodes > 1 || map.rest->root != nullptr) && map.observed == 0 &&
           map.rest->observed == 0 && map.rest->depth < most_bases;
}

/// The rest of a clone of `old`, which shares the nodes that are not borrowed. Throws.
overflow* rest_of_clone(map* old, bool lent) {
    overflow* rest = old->rest;
    if (lent) {
        auto* made = make<overflow>();
        made->base = old;
        made->depth = 1;
        if (rest != nullptr) {
            made->depth = rest->depth + 1;
            made->shift = rest->shift;
            made->root = rest->root;
            made->root_borrowed = 1;
            made->dead = share_dead(rest->dead);
        }
        return made;
    }
    if (rest == nullptr)
        return nullptr;
    if (rest->base == nullptr) {
        add_reference(rest->references);
        return rest;
    }
    if (rest->root == nullptr && rest->dead == nullptr)
        return nullptr;
    auto* made = make<overflow>();
    try {
        made->shift = rest->shift;
        made->root = solid(rest->root, rest->shift);
    } catch (...) {
        unmake(made);
        throw;
    }
    made->observed = rest->observed;
    made->dead = share_dead(rest->dead);
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
        for (std::uint32_t i = 0; made->nodes != 0 && i != capacity_of(*made); ++i)
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

namespace {

/// Moves the binding in `place`, whose variable is gone, to the list.
void bury_in(map& map, cell& place) {
    overflow& rest = parted_rest(map);
    const cell buried = place;
    const bool node = in_node(buried.key);
    if (node)
        own(map, place);
    bury(rest, place);
    if (node)
        count_node(map, place, buried.value, false);
}

} // namespace

cell* place_at_once(map& map, key_type key) noexcept {
    cell& place = map.place_of(key);
    if (place.key == key || (place.key == no_key && map.rest == nullptr))
        return &place;
    return own_far_place(map, key);
}

cell& place_for(map* map, key_type key) {
    for (;;) {
        cell& place = map->place_of(key);
        if (place.key == key)
            return place;
        if (find_in_rest(*map, key) != nullptr)
            return parted_far_place(*map, key);
        if (place.key == no_key)
            return place;
        if (id_of(place.key) == id_of(key)) {
            bury_in(*map, place);
            return place;
        }
        if (capacity_of(*map) == largest_capacity) {
            cell& far_place = parted_far_place(*map, key);
            if (far_place.key != no_key && far_place.key != key)
                bury_in(*map, far_place);
            return far_place;
        }
        auto* larger = grown(map);
        std::atomic_signal_fence(std::memory_order_release);
        set_current_map(larger);
        deallocate_map(std::exchange(map, larger));
    }
}

replaced put(map& map, cell& place, key_type key, const word& value) noexcept {
    const bool had_value = place.key == key;
    if (in_node(key) && had_value)
        own(map, place);
    const replaced before{place.value, had_value};
    place.value = value;
    if (!had_value) {
        ++map.size;
        if (in_node(key))
            count_node(map, place, value, true);
        std::atomic_signal_fence(std::memory_order_release);
        place.key = key;
    }
    return before;
}

replaced remove(map& map, cell& place) noexcept {
    --map.size;
    if (in_node(place.key)) {
        own(map, place);
        count_node(map, place, place.value, false);
    }
    place.key = no_key;
    return {place.value, true};
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

bool for_each_in_trie(const void* node, std::uint32_t shift, visitor visit, void* argument) {
    if (node == nullptr)
        return true;
    if (shift == 0) {
        for (const cell& cell : static_cast<const leaf*>(node)->cells)
            if (cell.key != no_key && !visit(argument, cell))
                return false;
        return true;
    }
    for (const void* child : static_cast<const branch*>(node)->children)
        if (!for_each_in_trie(child, shift_below(shift), visit, argument))
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
    if (!for_each_in_trie(map.rest->root, map.rest->shift, visit, argument))
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

bool release_one_of_two(void* value) noexcept {
    std::atomic<std::uint64_t>& references = head_of(value).references;
    // Relaxed: as above.
    if (references.load(std::memory_order_relaxed) != 2)
        return false;
    references.store(1, std::memory_order_relaxed);
    return true;
}

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
