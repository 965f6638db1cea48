// SPDX-License-Identifier: MIT
//
// The objects of the extension module `cppcontextvars`. docs/python_module.md tells how they hang
// together.
//
// Everything here is used under the GIL, and by one interpreter.
//
// While Python code runs, Python may end the thread, up to CPython 3.13 by unwinding its stack, without
// the GIL. So nothing that may run Python code is noexcept, or has a destructor that releases.
#ifndef CONTEXTVARS_PYTHON_OBJECTS_HPP
#define CONTEXTVARS_PYTHON_OBJECTS_HPP

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#ifdef Py_GIL_DISABLED
#error "cppcontextvars needs the GIL"
#endif

#include "current/set_and_reset.hpp"

#include <cstddef>
#include <cstdint>
#include <utility>

namespace cppcontextvars {

namespace engine = contextvars::detail;
using engine::key_type;

struct ContextVar {
    PyObject head;
    key_type key; ///< engine::unbound_key until it is set for the first time
    PyObject* name;
    PyObject* default_value; ///< nullptr: none
    Py_hash_t hash;
};

struct Context {
    PyObject head;
    engine::map* bindings; ///< one reference to it, or the empty map
    Context* previous;     ///< what was current before it was entered
    PyObject* weak_references;
    bool entered;
};

struct Token {
    PyObject head;
    ContextVar* variable;
    Context* context;
    engine::undo
        undo; ///< where `context` is the address of the Context, and the old value is owned
};

/// The types and what else is made once. Borrowed from the module's state (see module.cpp); they
/// live as long as any of their objects does.
struct module_objects {
    PyTypeObject* variable;
    PyTypeObject* token;
    PyTypeObject* context;
    PyTypeObject* missing_type;
    PyTypeObject* keys;
    PyTypeObject* values;
    PyTypeObject* items;
    PyTypeObject* slot_owner;
    PyTypeObject* map;
    PyTypeObject* trie;
    PyTypeObject* branch;
    PyTypeObject* leaf;
    PyObject* missing;   ///< Token.MISSING
    PyObject* slot_name; ///< of a slot_owner in the dictionary of its thread state
};
extern constinit module_objects the;

extern PyType_Spec variable_spec, token_spec, context_spec, missing_spec, keys_spec, values_spec,
    items_spec, slot_owner_spec, map_spec, trie_spec, branch_spec, leaf_spec;

template <class T>
PyObject* as_object(T* object) noexcept {
    return reinterpret_cast<PyObject*>(object);
}

/// Takes a reference.
template <class T>
T* shared(T* object) noexcept {
    Py_INCREF(as_object(object));
    return object;
}

template <class T>
void clear(T*& object) {
    if (T* const cleared = object) {
        object = nullptr;
        Py_DECREF(as_object(cleared));
    }
}

inline bool is_variable(PyObject* object) noexcept { return Py_IS_TYPE(object, the.variable); }

inline void* slot(destructor function) { return reinterpret_cast<void*>(function); }
template <class Function>
void* slot(Function* function) noexcept {
    return reinterpret_cast<void*>(function);
}
template <class Function>
PyCFunction method(Function* function) noexcept {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

/// METH_O: whose object's type is a heap type, so that copyreg would try.
PyObject* refuse_reduce_ex(PyObject* self, PyObject* protocol);
PyObject* refuse_reduce(PyObject* self, PyObject* nothing);

/// Both, of a type that has nothing else.
extern PyMethodDef refuse_pickling[];

/// TypeError. Returns: nullptr.
PyObject* wrong_number_of_arguments(const char* bound, int limit, Py_ssize_t given);

/// Frees an object of the garbage collector, which holds nothing any more.
inline void free_object(PyObject* object) {
    PyTypeObject* const type = Py_TYPE(object);
    PyObject_GC_Del(object);
    Py_DECREF(as_object(type));
}

/// Objects that were freed, untracked, for the next ones of their type. Each keeps its reference to
/// the type, which the module accounts for to the collector.
class free_list {
public:
    constexpr explicit free_list(int most) noexcept : room_(most) {}

    /// Returns: an untracked object, of which only the head is set; or nullptr, with MemoryError
    /// set. On CPython 3.11 it may run the garbage collector, and so any Python code.
    PyObject* make(PyTypeObject* type, Py_ssize_t items = 0) {
        if (PyObject* const made = first_) {
            first_ = next(made);
            ++room_;
            Py_SET_REFCNT(made, 1);
            return made;
        }
        if (type->tp_itemsize != 0)
            return as_object(PyObject_GC_NewVar(PyVarObject, type, items));
        return PyObject_GC_New(PyObject, type);
    }
    void free(PyObject* object) {
        if (!keeps || room_ == 0)
            return free_object(object);
        --room_;
        next(object) = first_;
        first_ = object;
    }

    int traverse(visitproc visit, void* arg) const {
        for (PyObject* object = first_; object != nullptr; object = next(object))
            Py_VISIT(Py_TYPE(object));
        return 0;
    }
    void empty() {
        while (first_ != nullptr)
            free_object(std::exchange(first_, next(first_)));
    }

    /// Not where each object's life is looked at; nor once the module goes.
#if defined(__SANITIZE_ADDRESS__) || defined(Py_REF_DEBUG) || defined(Py_TRACE_REFS)
    static constexpr bool keeps = false;
    static void close() noexcept {}
    static void open() noexcept {}
#else
    static bool keeps;
    static void close() noexcept { keeps = false; }
    static void open() noexcept { keeps = true; }
#endif

private:
    /// Behind the head of the object.
    static PyObject*& next(PyObject* object) noexcept {
        return *reinterpret_cast<PyObject**>(reinterpret_cast<PyVarObject*>(object) + 1);
    }

    PyObject* first_ = nullptr;
    int room_;
};

struct free_lists {
    free_list tokens{64};
    free_list contexts{64};
    free_list tables[3]{free_list{64}, free_list{64}, free_list{64}}; // of 4, 8, 16 cells
    free_list tries{32};
    free_list branches{32};
    free_list leaves{64};

    template <class Function>
    void for_each(Function&& function) {
        function(tokens);
        function(contexts);
        for (free_list& list : tables)
            function(list);
        function(tries);
        function(branches);
        function(leaves);
    }
};
extern constinit free_lists freed;

Context* new_context();
PyObject* reset_variable(PyObject* variable, PyObject* token);
PyObject* copy_context(PyObject* module, PyObject* nothing);

} // namespace cppcontextvars

#endif
