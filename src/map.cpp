// SPDX-License-Identifier: MIT
//
// The map from variables to values, of which every context is one: a direct-mapped table, with a trie
// behind it for what finds its place taken. docs/storage.md draws it, and tells why it is so, what it
// costs and what was rejected; map_operations.hpp has its operations. Here is what the core asks of
// them: blocks that are counted atomically and come from the thread's free lists, and values in nodes.
#include "map.hpp"

#include "locks.hpp"
#include "thread_state.hpp"

#include <memory>
#include <mutex>
#include <new>
#include <utility>

namespace contextvars::inline v0::detail {

constinit empty_map_storage the_empty_map{{0, 0, 1, 0, false, nullptr, edition_bits}, {no_key, {}}};

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

// A map that a copy_frame has handed on is lent to it: the scope goes on reading the map until it
// ends, on its own thread, without a reference. So that handing on and ending take no locked
// instruction, it is the others who look out: they do not change what is lent, and whoever would
// drop a reference to it keeps the reference until the loan has ended. Only maps of small values are
// handed on, so nobody notices that one is freed later.

bool is_lent(const map& map) noexcept {
    // Acquire: pairs with the release of who ends the loan.
    return map.lent.load(std::memory_order_acquire);
}

[[gnu::noinline]] bool keep(map& map) noexcept;

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
    static bool drop_reference(map& map) noexcept {
        return !(is_lent(map) && keep(map)) && drop_one(map.references);
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

namespace {

/// All it holds is in its own block.
bool is_one_block(const map& map) noexcept { return map.nodes == 0 && map.rest == nullptr; }

bool is_cloned_at_capture(const map& map) noexcept {
    return map.reach < cloned_at_capture << 4 && is_one_block(map);
}

/// Returns: a copy, of the same edition; without memory for one, the map itself, shared.
/// Precondition: the map is one block.
[[gnu::always_inline]] inline map* copy_or_share(map* shared) noexcept {
    void* const memory = try_allocate(core_policy::class_of_capacity(capacity_of(*shared)));
    if (memory == nullptr) [[unlikely]]
        return share(shared);
    auto* const made = ::new (memory)
        map{shared->reach, shared->size, 1, 0, false, nullptr, shared->writer | frozen};
    copy_cells(*made, *shared);
    return made;
}

} // namespace

map* capture_bindings(map* shared) noexcept {
    if (shared == empty_map())
        return shared;
    return is_cloned_at_capture(*shared) ? copy_or_share(shared) : share(shared);
}

// Calls of one bound callable, which may come one after the other on several threads, each want a copy
// of one edition. A thread keeps the last of them that was not changed: one, and no value's destructor
// waits for it, since what has an edition is one block. Maps that are shared otherwise are copied for
// that from the second call in a row on: then threads no longer count in one cache line.

map* begin_call(map* captured) noexcept {
    if (state_slot == nullptr && (captured == empty_map() || try_this_thread() == nullptr))
        [[unlikely]]
        return capture_bindings(captured);
    thread_state* const state = state_slot;
    if (same_edition(*state->unchanged, *captured))
        return std::exchange(state->unchanged, empty_map());
    if (reuse_blocks && has_edition(*captured) && !is_cloned_at_capture(*captured) &&
        std::exchange(state->last_called, captured->writer) == captured->writer)
        return copy_or_share(captured);
    return capture_bindings(captured);
}

void end_call(map* last) noexcept {
    if (reuse_blocks && has_edition(*last) && unshared(*last) && state_slot != nullptr)
        std::swap(last, state_slot->unchanged);
    release_bindings(last);
}

map* share_bindings(map* current) noexcept {
    if (current == empty_map() || is_lent(*current)) // what is lent is not freed at once
        return capture_bindings(current);
    // Copies that are made of it meanwhile are to be known as such. A published map others may read.
    const frame* const top = top_frame();
    if (!has_edition(*current) && (top == nullptr || current != top->published))
        give_edition(*current);
    return share(current);
}

struct kept_reference {
    map* to;
    kept_reference* next;
};

namespace {

// Of threads that have ended.
constinit kept_reference* left = nullptr;

/// Drops those to maps that are no longer lent.
void drop_kept(kept_reference*& list) noexcept {
    for (kept_reference** place = &list; *place != nullptr;) {
        kept_reference* const kept = *place;
        if (is_lent(*kept->to)) {
            place = &kept->next;
        } else {
            *place = kept->next;
            release_bindings(kept->to);
            core_policy::unmake(kept);
        }
    }
}

/// Returns: whether the map is still lent, and a reference to it will be dropped later.
bool keep(map& map) noexcept {
    thread_state* const state = try_this_thread();
    if (state != nullptr)
        drop_kept(state->kept);
    if (!is_lent(map))
        return false;
    // Without memory for a note of it, the map is lost: 1,056 bytes at most.
    if (void* memory =
            state != nullptr ? try_allocate(block_class(sizeof(kept_reference))) : nullptr)
        state->kept = ::new (memory) kept_reference{&map, state->kept};
    return true;
}

} // namespace

void leave_kept_references(thread_state& state) noexcept {
    drop_kept(state.kept);
    const std::lock_guard guard(left_maps_lock);
    drop_kept(left);
    kept_reference** last = &left;
    while (*last != nullptr)
        last = &(*last)->next;
    *last = std::exchange(state.kept, nullptr);
}

void end_of_loan(const frame& frame) noexcept {
    // Neither a Context's frame nor a suspension's, which publishes the map of the frame below.
    if (frame.context == nullptr && frame.published != nullptr && frame.published != copy_mark() &&
        frame.published != frame.previous_map)
        frame.published->lent.store(false, std::memory_order_release);
}

map* hand_on_bindings(map* current) noexcept {
    frame* owner = top_frame();
    // A suspension may read the map of the scope below.
    if (owner != nullptr && owner->previous_map == current) [[likely]]
        owner = owner->previous;
    if (owner == nullptr || owner->published != copy_mark() || !unshared(*current)) [[unlikely]]
        return capture_bindings(current);
    if (!has_edition(*current)) [[unlikely]] {
        if (!is_cloned_at_capture(*current))
            return capture_bindings(current);
        freeze(*current);
    }
    owner->published = current;
    // Relaxed: whoever comes to hold the map is given it by what submits the function.
    current->lent.store(true, std::memory_order_relaxed);
    return current;
}

void give_edition(map& map) noexcept {
    if (is_one_block(map) && unshared(map) && try_this_thread() != nullptr)
        map.writer = new_identity() | edition_bits;
}

void release_bindings(map* map) noexcept { core_operations::release(map); }

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
