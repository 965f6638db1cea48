// SPDX-License-Identifier: MIT
//
// The types of the objects that the engine's blocks lie in. They have tp_traverse and no tp_clear:
// every cycle passes through a Context, a ContextVar, a Token or an iterator too, which do.
#include "blocks.hpp"

#include <stdexcept>

namespace cppcontextvars {

constinit variable_ids ids;
constinit free_lists freed;

void variable_ids::assign(ContextVar& variable) {
    std::uint32_t id = first_free_;
    if (id != most) {
        first_free_ = static_cast<std::uint32_t>(entries_[id].next_free);
    } else {
        if (count_ == most)
            throw std::length_error("");
        if (count_ == room_) {
            const std::uint32_t room = room_ == 0 ? 64 : 2 * room_;
            auto* entries = static_cast<entry*>(PyMem_Realloc(entries_, room * sizeof(entry)));
            if (entries == nullptr)
                throw std::bad_alloc();
            entries_ = entries;
            room_ = room;
        }
        id = count_++;
    }
    entries_[id].variable = &variable;
    variable.key = key_type{id} << 4 | key_type{1} << 44;
}

void variable_ids::retire(ContextVar& variable) noexcept {
    if (variable.key == engine::unbound_key)
        return;
    const std::uint32_t id = engine::id_of(variable.key);
    entries_[id].next_free = first_free_;
    first_free_ = id;
    variable.key = engine::unbound_key;
}

namespace {

/// Calls visit(object) for each object that a block owns a reference to, until it returns other than
/// 0, which it then returns.
template <class Visit>
int for_each_owned(const engine::cell* cells, std::size_t count, Visit&& visit) {
    for (std::size_t i = 0; i != count; ++i) {
        const engine::cell& cell = cells[i];
        if (cell.key == engine::no_key)
            continue;
        PyObject* const variable = as_object(ids.of(cell.key));
        if (int stop = visit(value_of(cell.value)))
            return stop;
        if (int stop = visit(variable))
            return stop;
    }
    return 0;
}
template <class Visit>
int for_each_owned(const engine::map& map, Visit&& visit) {
    if (int stop = for_each_owned(engine::cells_of(map), engine::capacity_of(map), visit))
        return stop;
    return map.rest != nullptr ? visit(object_of(map.rest)) : 0;
}
template <class Visit>
int for_each_owned(const engine::branch& level, Visit&& visit) {
    for (std::uint32_t i = 0, bound = engine::ways_in_use(level); i != bound; ++i)
        if (level.children[i] != nullptr)
            if (int stop = visit(object_of(level.children[i])))
                return stop;
    return 0;
}
template <class Visit>
int for_each_owned(const engine::leaf& leaf, Visit&& visit) {
    return for_each_owned(leaf.cells.data(), leaf.cells.size(), visit);
}

template <class Block>
int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return for_each_owned(*block_in<Block>(self),
                          [visit, arg](PyObject* object) { return visit(object, arg); });
}

int release(PyObject* object) {
    Py_DECREF(object);
    return 0;
}

// Contexts may be values in contexts, and so on, to any depth: each level passes here.
template <class Block>
void destroy(PyObject* self) {
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, destroy<Block>) for_each_owned(*block_in<Block>(self), release);
    python_policy::freed_of(*block_in<Block>(self)).free(self);
    Py_TRASHCAN_END
}

constexpr unsigned block_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                 Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE;

template <class Block>
PyType_Slot block_slots[] = {
    {Py_tp_traverse, slot(traverse<Block>)},
    {Py_tp_dealloc, slot(destroy<Block>)},
    {0, nullptr},
};

} // namespace

PyType_Spec map_spec = {"cppcontextvars._map", block_offset + sizeof(engine::map),
                        sizeof(engine::cell), block_flags, block_slots<engine::map>};
PyType_Spec trie_spec = {"cppcontextvars._map_trie", block_offset + sizeof(engine::trie), 0,
                         block_flags, block_slots<engine::trie>};
PyType_Spec branch_spec = {"cppcontextvars._map_branch", block_offset + sizeof(engine::branch), 0,
                           block_flags, block_slots<engine::branch>};
PyType_Spec leaf_spec = {"cppcontextvars._map_leaf", block_offset + sizeof(engine::leaf), 0,
                         block_flags, block_slots<engine::leaf>};

} // namespace cppcontextvars
