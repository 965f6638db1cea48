// SPDX-License-Identifier: MIT
//
// Context, copy_context and the iterators over a context.
#include "blocks.hpp"
#include "current.hpp"

#include <utility>

namespace cppcontextvars {

namespace {

Context* self_of(PyObject* self) noexcept { return reinterpret_cast<Context*>(self); }

/// On CPython 3.11 it may run any Python code.
Context* allocate_context() {
    auto* const made = reinterpret_cast<Context*>(freed.contexts.make(the.context));
    if (made == nullptr)
        return nullptr;
    made->bindings = engine::empty_map();
    made->previous = nullptr;
    made->weak_references = nullptr;
    made->entered = false;
    return made;
}

PyObject* copy_of(const Context* context, Context* made) {
    if (context != nullptr)
        made->bindings = share_map(context->bindings);
    PyObject_GC_Track(made);
    return as_object(made);
}

PyObject* make(PyTypeObject*, PyObject* args, PyObject* keywords) {
    if (PyTuple_GET_SIZE(args) != 0 || (keywords != nullptr && PyDict_GET_SIZE(keywords) != 0)) {
        PyErr_SetString(PyExc_TypeError, "Context() does not accept any arguments");
        return nullptr;
    }
    return as_object(new_context());
}

int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(as_object(self_of(self)->previous));
    return visit_map(self_of(self)->bindings, visit, arg);
}

int clear_context(PyObject* self) {
    Context& context = *self_of(self);
    clear(context.previous);
    release_map(std::exchange(context.bindings, engine::empty_map()));
    return 0;
}

void destroy(PyObject* self) {
    PyObject_GC_UnTrack(self);
    if (self_of(self)->weak_references != nullptr)
        PyObject_ClearWeakRefs(self);
    clear_context(self);
    freed.contexts.free(self);
}

bool check_key(PyObject* key) {
    if (is_variable(key))
        return true;
    PyErr_Format(PyExc_TypeError, "a ContextVar key was expected, got %R", key);
    return false;
}

PyObject* find(PyObject* self, PyObject* variable) noexcept {
    const engine::cell* found =
        engine::find(*self_of(self)->bindings, reinterpret_cast<ContextVar*>(variable)->key);
    return found != nullptr ? value_of(found->value) : nullptr;
}

Py_ssize_t size(PyObject* self) { return self_of(self)->bindings->size; }

PyObject* item(PyObject* self, PyObject* key) {
    if (!check_key(key))
        return nullptr;
    PyObject* const found = find(self, key);
    if (found == nullptr) {
        PyErr_SetObject(PyExc_KeyError, key);
        return nullptr;
    }
    return shared(found);
}

int contains(PyObject* self, PyObject* key) {
    return check_key(key) ? find(self, key) != nullptr : -1;
}

PyObject* get(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count < 1)
        return wrong_number_of_arguments("at least", 1, count);
    if (count > 2)
        return wrong_number_of_arguments("at most", 2, count);
    if (!check_key(args[0]))
        return nullptr;
    PyObject* const found = find(self, args[0]);
    return shared(found != nullptr ? found : count == 2 ? args[1] : Py_None);
}

/// Returns: -1, with an error set, where a comparison of values fails.
int equal(const engine::map& a, const engine::map& b) {
    if (&a == &b)
        return 1;
    if (a.size != b.size)
        return 0;
    std::uint32_t position = 0;
    while (const engine::cell* in_a = engine::next_cell(a, position)) {
        const engine::cell* in_b = engine::find(b, in_a->key);
        if (in_b == nullptr)
            return 0;
        const int same =
            PyObject_RichCompareBool(value_of(in_a->value), value_of(in_b->value), Py_EQ);
        if (same != 1)
            return same;
    }
    return 1;
}

PyObject* compare(PyObject* self, PyObject* other, int operation) {
    if (!Py_IS_TYPE(other, the.context) || (operation != Py_EQ && operation != Py_NE))
        Py_RETURN_NOTIMPLEMENTED;
    // Comparing values may do anything to the contexts, whose maps therefore are held.
    engine::map* const ours = share_map(self_of(self)->bindings);
    engine::map* const theirs = share_map(self_of(other)->bindings);
    const int same = equal(*ours, *theirs);
    release_map(ours);
    release_map(theirs);
    if (same < 0)
        return nullptr;
    return PyBool_FromLong((same == 1) == (operation == Py_EQ));
}

PyObject* copy(PyObject* self, PyObject*) {
    Context* const made = allocate_context();
    return made != nullptr ? copy_of(self_of(self), made) : nullptr;
}

/// As PyObject_Vectorcall, but for a look at whether the result fits the error that is set or not: the
/// interpreter has one at ours.
inline PyObject* call(PyObject* callable, PyObject* const* args, std::size_t count,
                      PyObject* names) {
    if (PyType_HasFeature(Py_TYPE(callable), Py_TPFLAGS_HAVE_VECTORCALL) != 0) {
        vectorcallfunc function = nullptr;
        std::memcpy(&function,
                    reinterpret_cast<const char*>(callable) +
                        Py_TYPE(callable)->tp_vectorcall_offset,
                    sizeof function);
        if (function != nullptr) [[likely]]
            return function(callable, args, count, names);
    }
    return PyObject_Vectorcall(callable, args, count, names);
}

PyObject* run(PyObject* self, PyObject* const* args, Py_ssize_t count, PyObject* names) {
    if (count < 1) {
        PyErr_SetString(PyExc_TypeError, "run() missing 1 required positional argument");
        return nullptr;
    }
    Context* const context = self_of(self);
    thread_slot* const slot = slot_here();
    if (slot == nullptr)
        return nullptr;
    if (context->entered) {
        PyErr_Format(PyExc_RuntimeError, "cannot enter context: %R is already entered", self);
        return nullptr;
    }
    context->entered = true;
    context->previous = std::exchange(slot->current, shared(context));
    PyObject* const result = call(args[0], args + 1, static_cast<std::size_t>(count - 1), names);
    // Only a thread state that lost its dictionary, or a switch of stacks, gets here otherwise.
    if (slot->current != context) [[unlikely]] {
        Py_XDECREF(result);
        PyErr_SetString(PyExc_RuntimeError,
                        "cannot exit context: thread state references a different context object");
        return nullptr;
    }
    slot->current = std::exchange(context->previous, nullptr);
    context->entered = false;
    Py_DECREF(self);
    return result;
}

// Iterators: each holds the map that the context had.

struct iterator {
    PyObject head;
    engine::map* bindings;
    std::uint32_t position;
};

iterator* iterator_of(PyObject* self) noexcept { return reinterpret_cast<iterator*>(self); }

PyObject* iterate(PyObject* self, PyTypeObject* type) {
    auto* made = PyObject_GC_New(iterator, type);
    if (made == nullptr)
        return nullptr;
    made->bindings = share_map(self_of(self)->bindings);
    made->position = 0;
    PyObject_GC_Track(made);
    return as_object(made);
}

PyObject* keys(PyObject* self, PyObject*) { return iterate(self, the.keys); }
PyObject* values(PyObject* self, PyObject*) { return iterate(self, the.values); }
PyObject* items(PyObject* self, PyObject*) { return iterate(self, the.items); }
PyObject* iterate_keys(PyObject* self) { return iterate(self, the.keys); }

int traverse_iterator(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return visit_map(iterator_of(self)->bindings, visit, arg);
}

int clear_iterator(PyObject* self) {
    release_map(std::exchange(iterator_of(self)->bindings, engine::empty_map()));
    return 0;
}

void destroy_iterator(PyObject* self) {
    PyObject_GC_UnTrack(self);
    clear_iterator(self);
    free_object(self);
}

Py_ssize_t size_of_iterated(PyObject* self) { return iterator_of(self)->bindings->size; }

PyObject* key_in(const engine::cell& cell) { return shared(as_object(ids.of(cell.key))); }
PyObject* value_in(const engine::cell& cell) { return shared(value_of(cell.value)); }
PyObject* item_in(const engine::cell& cell) {
    return PyTuple_Pack(2, ids.of(cell.key), value_of(cell.value));
}

template <PyObject* yield(const engine::cell&)>
PyObject* next(PyObject* self) {
    iterator& iterator = *iterator_of(self);
    const engine::cell* cell = engine::next_cell(*iterator.bindings, iterator.position);
    return cell != nullptr ? yield(*cell) : nullptr;
}

template <PyObject* yield(const engine::cell&)>
PyType_Slot iterator_slots[] = {
    {Py_tp_traverse, slot(traverse_iterator)}, {Py_tp_clear, slot(clear_iterator)},
    {Py_tp_dealloc, slot(destroy_iterator)},   {Py_tp_iter, slot(PyObject_SelfIter)},
    {Py_tp_iternext, slot(next<yield>)},       {Py_mp_length, slot(size_of_iterated)},
    {Py_tp_methods, refuse_pickling},          {0, nullptr},
};

constexpr unsigned iterator_flags = Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                    Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE;

PyMethodDef methods[] = {
    {"run", method(run), METH_FASTCALL | METH_KEYWORDS, nullptr},
    {"copy", method(copy), METH_NOARGS,
     "copy($self, /)\n--\n\nReturn a shallow copy of the context object."},
    {"get", method(get), METH_FASTCALL,
     "get($self, key, default=None, /)\n--\n\n"
     "Return the value for `key` if `key` has the value in the context object.\n\n"
     "If `key` does not exist, return `default`. If `default` is not given,\n"
     "return None."},
    {"keys", method(keys), METH_NOARGS,
     "keys($self, /)\n--\n\nReturn a list of all variables in the context object."},
    {"values", method(values), METH_NOARGS,
     "values($self, /)\n--\n\nReturn a list of all variables' values in the context object."},
    {"items", method(items), METH_NOARGS,
     "items($self, /)\n--\n\nReturn all variables and their values in the context object.\n\n"
     "The result is returned as a list of 2-tuples (variable, value)."},
    {"__reduce__", method(refuse_reduce), METH_NOARGS, nullptr},
    {"__reduce_ex__", method(refuse_reduce_ex), METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_new, slot(make)},
    {Py_tp_traverse, slot(traverse)},
    {Py_tp_clear, slot(clear_context)},
    {Py_tp_dealloc, slot(destroy)},
    {Py_tp_hash, slot(PyObject_HashNotImplemented)},
    {Py_tp_richcompare, slot(compare)},
    {Py_tp_iter, slot(iterate_keys)},
    {Py_mp_length, slot(size)},
    {Py_mp_subscript, slot(item)},
    {Py_sq_contains, slot(contains)},
    {Py_tp_methods, methods},
    {0, nullptr},
};

} // namespace

Context* new_context() {
    Context* const made = allocate_context();
    if (made != nullptr)
        PyObject_GC_Track(made);
    return made;
}

PyObject* copy_context(PyObject*, PyObject*) {
    Context* const made = allocate_context();
    if (made == nullptr)
        return nullptr;
    const Context* const current = current_context();
    if (current == nullptr) {
        freed.contexts.free(as_object(made));
        return nullptr;
    }
    return copy_of(current, made);
}

PyType_Spec context_spec = {"cppcontextvars.Context", sizeof(Context), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
                            slots};
PyType_Spec keys_spec = {"builtins.keys", sizeof(iterator), 0, iterator_flags,
                         iterator_slots<key_in>};
PyType_Spec values_spec = {"builtins.values", sizeof(iterator), 0, iterator_flags,
                           iterator_slots<value_in>};
PyType_Spec items_spec = {"builtins.items", sizeof(iterator), 0, iterator_flags,
                          iterator_slots<item_in>};

} // namespace cppcontextvars
