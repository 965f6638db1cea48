// SPDX-License-Identifier: MIT
//
// The map from variables to values: a direct-mapped table, and behind it a trie for the bindings
// that find their place taken. Every context has such a map. docs/storage.md draws it, and tells
// its reasons, its costs and the designs that were rejected. map_operations.hpp has the operations.
// This file has the policy of the core: blocks are counted atomically and come from the thread's
// free lists, and values may lie in nodes.
#include "storage/map.hpp"

#include "storage/thread_storage.hpp"

#include <memory>
#include <new>
#include <utility>

namespace contextvars::inline v0::detail {

constinit empty_map_storage the_empty_map{{0, 0, 1, 0, nullptr, map_writer::edition(0)},
                                          {no_key, {}}};

namespace {

struct core_policy : atomic_counts {
    static constexpr std::uint32_t largest_capacity = 64;
    static constexpr bool outlives_variables = true;

    /// The class of the blocks of maps with this capacity. Precondition: it is not that of the
    /// empty map.
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

    static bool is_counted(const map& map) noexcept { return node_count(map) != 0; }
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

map* copy_or_share(map* from) noexcept {
    CONTEXTVARS_ASSERT(is_one_block(*from));
    void* const memory = try_allocate(core_policy::class_of_capacity(capacity_of(*from)));
    if (memory == nullptr) [[unlikely]]
        return share(from);
    auto* const made =
        ::new (memory) map{from->reach, from->size, 1, 0, nullptr, from->writer.without_frame()};
    copy_cells(*made, *from);
    return made;
}

void end(map* map) noexcept {
    CONTEXTVARS_ASSERT(unshared(*map));
    core_operations::end(map);
}

map* clone(map* shared, bool gives) { return core_operations::clone(shared, gives); }

map* copy_captured(const map& from) {
    map* made = core_operations::clone(empty_map(), false);
    const auto add = [&made](const cell& bound) {
        if (!is_captured(bound.key))
            return;
        cell& place = core_operations::place_for(made, bound.key,
                                                 [&made](map* larger) noexcept { made = larger; });
        core_policy::share_value(bound);
        core_operations::put(*made, place, bound.key, bound.value);
    };
    try {
        if (from.rest != nullptr) // the dead come first: what has their ids now buries them again
            for (const dead_binding* dead = from.rest->dead; dead != nullptr; dead = dead->next)
                add(dead->bound);
        std::uint32_t position = 0;
        while (const cell* const bound = next_cell(from, position))
            add(*bound);
    } catch (...) {
        core_operations::release(made);
        throw;
    }
    return made;
}

cell* place_at_once(map& map, key_type key) noexcept {
    return core_operations::place_at_once(map, key);
}

cell& place_for(map* map, key_type key, become_function become) {
    return core_operations::place_for(map, key, become);
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

} // namespace contextvars::inline v0::detail
