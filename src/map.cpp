// SPDX-License-Identifier: MIT
//
// The map from variables to values, of which every context is one: a direct-mapped table, with a trie
// behind it for what finds its place taken. docs/storage.md draws it, and tells why it is so, what it
// costs and what was rejected; map_operations.hpp has its operations. Here is what the core asks of
// them: blocks that are counted atomically and come from the thread's free lists, and values in nodes.
#include "map.hpp"

#include "thread_state.hpp"

#include <memory>
#include <new>
#include <utility>

namespace contextvars::inline v0::detail {

constinit empty_map_storage the_empty_map{{0, 0, 1, 0, nullptr, edition_bits}, {no_key, {}}};

namespace {

constexpr std::uint32_t cloned_at_capture = 16; // capacity

template <class Count>
void add_one(std::atomic<Count>& references) noexcept {
    // Relaxed: whoever adds one holds one. Locked even where that is the only one, since several
    // threads may be adding to it: they copy one bound callable, or clone one frozen map.
    references.fetch_add(1, std::memory_order_relaxed);
}

/// Returns: whether it was the last.
template <class Count>
bool drop_one(std::atomic<Count>& references) noexcept {
    // A single holder needs no locked instruction: nobody else could add a reference meanwhile.
    // Acquire in both branches, so that what others did before they dropped theirs comes before
    // the destruction; release, so that what we did comes before theirs.
    return references.load(std::memory_order_acquire) == 1 ||
           references.fetch_sub(1, std::memory_order_acq_rel) == 1;
}

struct core_policy : atomic_counts {
    static constexpr std::uint32_t largest_capacity = 64;
    static constexpr bool outlives_variables = true;

    /// The class of the blocks of maps of a capacity, which the empty map's is not.
    static constexpr std::size_t class_of_capacity(std::uint32_t capacity) noexcept {
        if (capacity > largest_capacity)
            __builtin_unreachable(); // so that the class is known to be a cached one
        return capacity / 2;
    }
    static void* allocate_table(std::uint32_t capacity) {
        return allocate(class_of_capacity(capacity));
    }
    static void deallocate_table(void* memory, std::uint32_t capacity) noexcept {
        deallocate(memory, class_of_capacity(capacity));
    }

    template <class T, class... Args>
    static T* make(Args&&... args) {
        return ::new (allocate(block_class(sizeof(T)))) T{std::forward<Args>(args)...};
    }
    template <class T>
    static void unmake(T* object) noexcept {
        std::destroy_at(object);
        deallocate(object, block_class(sizeof(T)));
    }

    template <class Block>
    static void add_reference(Block& block) noexcept {
        add_one(block.references);
    }
    template <class Block>
    static bool drop_reference(Block& block) noexcept {
        return drop_one(block.references);
    }

    static bool is_counted(const map& map) noexcept { return map.nodes != 0; }
    static void share_value(const cell& cell) noexcept {
        if (in_node(cell.key))
            share_node(node_of(cell.value));
    }
    static void release_value(const cell& cell) noexcept {
        if (in_node(cell.key))
            release_node(node_of(cell.value));
    }
};

static_assert([] {
    for (std::uint32_t capacity = smallest_capacity; capacity <= core_policy::largest_capacity;
         capacity *= 2)
        if (core_policy::class_of_capacity(capacity) !=
            block_class(sizeof(map) + capacity * sizeof(cell)))
            return false;
    return true;
}());

using core_operations = map_operations<core_policy>;

} // namespace

map* share(map* map) noexcept {
    if (map == empty_map())
        return map;
    if (has_writer(*map)) {
        // Then the map is this thread's alone: no locked instruction is needed.
        map->writer = frozen;
        map->references.store(2, std::memory_order_relaxed);
    } else {
        add_one(map->references);
    }
    return map;
}

// A clone that nothing was set in since is as good as new. So that a scope which only reads costs no copy,
// a thread keeps the last such map that was dropped, and gives it to the next capture of the same
// bindings. It knows them by their edition: a number that a map is given when it is captured, which its
// clones have as well, until something is set in them. Only maps of small values have one, so no value's
// end waits for the thread; one block of 1,056 bytes at most is kept.

namespace {

/// All it holds is in its own block.
bool is_one_block(const map& map) noexcept { return map.nodes == 0 && map.rest == nullptr; }

/// Whether other threads may read it, or this thread's frame below has it: then it is not changed.
bool is_published(const map& map) noexcept {
    const frame* const top = top_frame();
    return top != nullptr && &map == top->published;
}

/// Returns: a copy, of the same edition; without memory for one, the map itself, shared.
/// Precondition: the map is one block.
[[gnu::always_inline]] inline map* copy_or_share(map* from) noexcept {
    void* const memory = try_allocate(core_policy::class_of_capacity(capacity_of(*from)));
    if (memory == nullptr) [[unlikely]]
        return share(from);
    auto* const made =
        ::new (memory) map{from->reach, from->size, 1, 0, nullptr, from->writer | frozen};
    copy_cells(*made, *from);
    return made;
}

/// Freezes a map of which copies may be met, if it can have an edition, by which they are known.
void give_edition(map& map) noexcept {
    if (is_one_block(map) && unshared(map) && !is_published(map) && try_this_thread() != nullptr)
        map.writer = new_identity() | edition_bits;
}

// Apart, so that a capture which finds a clean map saves no registers.
[[gnu::noinline]] map* capture_anew(map* from) noexcept {
    if (!is_one_block(*from) || from == empty_map() ||
        (state_slot == nullptr && try_this_thread() == nullptr))
        return share(from);
    // Only the current map is this thread's to write to: what is bound, say, several may capture at once.
    if (!has_edition(*from) && from == current_map()) [[unlikely]]
        give_edition(*from);
    // A larger map is shared once, and copied if it is captured again: then it is captured in a row, and
    // threads that do so do not meet in one count of references.
    if (from->reach >= cloned_at_capture << 4 &&
        (!reuse_blocks || std::exchange(state_slot->last_shared, from->writer) != from->writer))
        return share(from);
    return copy_or_share(from);
}

// Likewise.
[[gnu::noinline]] void end_map(map* map) noexcept { core_operations::end(map); }

/// Of a map that only the caller refers to.
[[gnu::always_inline]] inline void keep_or_end(map* map) noexcept {
    thread_state* const state = state_slot;
    if (!reuse_blocks || !has_edition(*map) || state == nullptr)
        return end_map(map);
    if (auto* const before = std::exchange(state->clean, map); before != empty_map())
        end_map(before);
}

[[gnu::noinline]] void release_shared(map* map) noexcept {
    if (!drop_one(map->references))
        return;
    // Relaxed: nobody else refers to it.
    map->references.store(1, std::memory_order_relaxed);
    keep_or_end(map);
}

} // namespace

map* capture_of_own(map* from) noexcept {
    if (!has_edition(*from))
        give_edition(*from);
    return capture_bindings(from);
}

map* capture_bindings(map* from) noexcept {
    thread_state* const state = state_slot;
    // The clean map has an edition, so equal writers are equal editions. Also true if both are empty.
    if (state != nullptr && state->clean->writer == from->writer)
        return std::exchange(state->clean, empty_map());
    return capture_anew(from);
}

map* share_current_bindings() noexcept {
    map* const current = current_map();
    if (current != empty_map() && !has_edition(*current))
        give_edition(*current);
    return share(current);
}

void release_bindings(map* map) noexcept {
    // Acquire: as in drop_one().
    if (map->references.load(std::memory_order_acquire) != 1)
        return release_shared(map);
    keep_or_end(map);
}

void release_clean_map(thread_state& state) noexcept {
    if (map* const clean = std::exchange(state.clean, empty_map()); clean != empty_map())
        core_operations::end(clean);
}

map* clone(map* shared, bool gives) { return core_operations::clone(shared, gives); }

cell* place_at_once(map& map, key_type key) noexcept {
    return core_operations::place_at_once(map, key);
}

cell& place_for(map* current, key_type key) {
    return core_operations::place_for(current, key, set_current_map);
}

replaced put(map& map, cell& place, key_type key, const word& value) noexcept {
    return core_operations::put(map, place, key, value);
}

replaced remove(map& map, cell& place) noexcept { return core_operations::remove(map, place); }

bool for_each(const map& map, visitor visit, void* argument) {
    std::uint32_t position = 0;
    while (const cell* bound = next_cell(map, position))
        if (!visit(argument, *bound))
            return false;
    if (map.rest != nullptr)
        for (const dead_binding* dead = map.rest->dead; dead != nullptr; dead = dead->next)
            if (!visit(argument, dead->bound))
                return false;
    return true;
}

// Nodes: a value with a head before it, in a block aligned for both.

namespace {

node_head& head_of(void* value) noexcept { return static_cast<node_head*>(value)[-1]; }

void* begin_node(void* block, const type_operations& operations) noexcept {
    void* value = static_cast<std::byte*>(block) + operations.offset_in_node;
    ::new (&head_of(value)) node_head{1, &operations};
    return value;
}

// Apart, so that what comes before them saves no registers.
[[gnu::noinline]] void* allocate_new_node(const type_operations& operations) {
    if (operations.class_of_node != no_block_class)
        return begin_node(allocate_new(operations.class_of_node), operations);
    void* const block = take_aligned_memory(operations.size_of_node, operations.offset_in_node);
    if (block == nullptr)
        throw std::bad_alloc();
    return begin_node(block, operations);
}
[[gnu::noinline]] void deallocate_node_anyhow(void* block,
                                              const type_operations& operations) noexcept {
    if (operations.class_of_node == no_block_class)
        give_memory(block);
    else
        deallocate_anyhow(block, operations.class_of_node);
}

[[gnu::always_inline]] inline void end_node(void* value,
                                            const type_operations& operations) noexcept {
    void* const block = static_cast<std::byte*>(value) - operations.offset_in_node;
    if (!put_block(block, operations.class_of_node))
        deallocate_node_anyhow(block, operations);
}

} // namespace

void* allocate_node(const type_operations& operations) {
    void* const block = take_block(operations.class_of_node);
    return block != nullptr ? begin_node(block, operations) : allocate_new_node(operations);
}

void deallocate_node(void* value) noexcept { end_node(value, *head_of(value).operations); }

void share_node(void* value) noexcept { add_one(head_of(value).references); }

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
    if (!drop_one(head.references))
        return;
    const type_operations& operations = *head.operations;
    if (operations.destroy != nullptr)
        destroy_node(value);
    else
        end_node(value, operations);
}

} // namespace contextvars::inline v0::detail
