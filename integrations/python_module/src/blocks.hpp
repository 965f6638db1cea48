// SPDX-License-Identifier: MIT
//
// The engine's maps, where their blocks are objects of Python.
//
// Each block (a map, a trie, a branch, a leaf) lies in one object that the garbage collector
// tracks, and the object's reference count is the block's: so two contexts that share a map visit one
// object, which visits its values once. Whoever finds such an object (gc.get_objects()) and keeps it
// only makes its block look shared, hence copied before it is changed.
//
//   [head of the collector][PyVarObject, padded to 32 bytes][the block]
//
// What a cell binds is a reference to the value and one to the variable. So a variable that is bound
// is never gone, and an id is used again without a generation.
//
// The blocks are owned by objects of Python alone, and those are released under the GIL: no release
// ever needs to be queued.
#ifndef CONTEXTVARS_PYTHON_BLOCKS_HPP
#define CONTEXTVARS_PYTHON_BLOCKS_HPP

#include "objects.hpp"

#include <bit>
#include <cstring>
#include <new>
#include <utility>

namespace cppcontextvars {

inline constexpr std::size_t block_offset = 32;
static_assert(sizeof(PyVarObject) <= block_offset);

inline PyObject* object_of(const void* block) noexcept {
    return reinterpret_cast<PyObject*>(static_cast<std::byte*>(const_cast<void*>(block)) -
                                       block_offset);
}
template <class Block>
Block* block_in(PyObject* object) noexcept {
    return reinterpret_cast<Block*>(reinterpret_cast<std::byte*>(object) + block_offset);
}

inline PyObject* value_of(const engine::word& word) noexcept {
    return static_cast<PyObject*>(engine::node_of(word));
}

/// The variables that have an id, by it.
class variable_ids {
public:
    /// Gives `variable` its key, for as long as it lives. Throws: std::bad_alloc;
    /// std::length_error where 2^20 variables have one.
    void assign(ContextVar& variable);
    void retire(ContextVar& variable) noexcept;
    ContextVar* of(key_type key) const noexcept { return entries_[engine::id_of(key)].variable; }

private:
    union entry {
        ContextVar* variable;
        std::uintptr_t next_free; ///< an id
    };
    static constexpr std::uint32_t most = 1U << 20;

    entry* entries_ = nullptr;
    std::uint32_t count_ = 0;
    std::uint32_t room_ = 0;
    std::uint32_t first_free_ = most; ///< `most`: none
};
extern constinit variable_ids ids;

/// While it lives, no garbage is collected. CPython 3.11 may do that at any allocation, which would
/// run any Python code in the middle of an operation.
struct no_collection {
#if PY_VERSION_HEX < 0x030C0000
    no_collection() noexcept : was_enabled_(PyGC_Disable()) {}
    no_collection(const no_collection&) = delete;
    no_collection& operator=(const no_collection&) = delete;
    ~no_collection() {
        if (was_enabled_ != 0)
            PyGC_Enable();
    }

private:
    int was_enabled_;
#else
    no_collection() noexcept {} // later ones do it between two instructions of Python
#endif
};

/// For engine::map_operations, whose operations run inside a no_collection: a block is tracked before
/// it is complete. None of them drops the last reference to a block, so none runs a destructor.
struct python_policy {
    static constexpr std::uint32_t largest_capacity = 16;
    static constexpr bool outlives_variables = false;

    static void* allocate_table(std::uint32_t capacity) {
        return block_of_new(tables_of(capacity).make(the.map, capacity));
    }
    static void deallocate_table(void* memory, std::uint32_t capacity) noexcept {
        discard(memory, tables_of(capacity));
    }

    template <class Block, class... Args>
    static Block* make(Args&&... args) {
        return ::new (block_of_new(freed_of<Block>().make(type_of<Block>())))
            Block{std::forward<Args>(args)...};
    }
    template <class Block>
    static void unmake(Block* block) noexcept {
        discard(block, freed_of<Block>());
    }

    template <class Block>
    static void add_reference(Block& block) noexcept {
        Py_INCREF(object_of(&block));
    }
    /// The object's tp_dealloc destroys it.
    template <class Block>
    static bool drop_reference(Block& block) noexcept {
        Py_DECREF(object_of(&block));
        return false;
    }
    template <class Block>
    static bool may_be_shared(const Block& block) noexcept {
        return Py_REFCNT(object_of(&block)) != 1;
    }

    static bool is_counted(const engine::map& map) noexcept { return map.size != 0; }
    static void share_value(const engine::cell& cell) noexcept {
        if (cell.key == engine::no_key)
            return;
        Py_INCREF(value_of(cell.value));
        Py_INCREF(as_object(ids.of(cell.key)));
    }
    static void release_value(const engine::cell&) noexcept {}

    static free_list& tables_of(std::uint32_t capacity) noexcept {
        return freed.tables[std::countr_zero(capacity) - 2];
    }
    template <class Block>
    static free_list& freed_of() noexcept {
        if constexpr (std::is_same_v<Block, engine::trie>)
            return freed.tries;
        else if constexpr (std::is_same_v<Block, engine::branch>)
            return freed.branches;
        else
            return freed.leaves;
    }
    template <class Block>
    static free_list& freed_of(const Block&) noexcept {
        return freed_of<Block>();
    }
    static free_list& freed_of(const engine::map& map) noexcept {
        return tables_of(engine::capacity_of(map));
    }

private:
    template <class Block>
    static PyTypeObject* type_of() noexcept {
        if constexpr (std::is_same_v<Block, engine::trie>)
            return the.trie;
        else if constexpr (std::is_same_v<Block, engine::branch>)
            return the.branch;
        else
            return the.leaf;
    }
    static void* block_of_new(PyObject* object) {
        if (object == nullptr)
            throw std::bad_alloc();
        PyObject_GC_Track(object);
        return block_in<void>(object);
    }
    static void discard(void* block, free_list& list) noexcept {
        PyObject_GC_UnTrack(object_of(block));
        list.free(object_of(block));
    }
};

using operations = engine::map_operations<python_policy>;

/// Whether its one holder may change it in place.
inline bool unshared(const engine::map& map) noexcept {
    return &map != engine::empty_map() && !python_policy::may_be_shared(map);
}

/// Takes a reference.
inline engine::map* share_map(engine::map* map) noexcept {
    if (map != engine::empty_map())
        python_policy::add_reference(*map);
    return map;
}

/// Drops a reference; the last releases the values, and so may run any Python code.
inline void release_map(engine::map* map) {
    if (map != engine::empty_map())
        Py_DECREF(object_of(map));
}

inline int visit_map(const engine::map* map, visitproc visit, void* arg) {
    if (map == nullptr || map == engine::empty_map())
        return 0;
    return visit(object_of(map), arg);
}

} // namespace cppcontextvars

#endif
