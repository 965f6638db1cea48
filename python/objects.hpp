// SPDX-License-Identifier: MIT
//
// The objects of the extension module `cppcontextvars`. docs/python_module.md tells how they hang
// together.
//
// Everything here is used under the GIL, and by one interpreter.
#ifndef CONTEXTVARS_PYTHON_OBJECTS_HPP
#define CONTEXTVARS_PYTHON_OBJECTS_HPP

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "../src/set_and_reset.hpp"

#include <cstddef>
#include <cstdint>

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
    PyTypeObject* overflow;
    PyTypeObject* branch;
    PyTypeObject* leaf;
    PyObject* missing;   ///< Token.MISSING
    PyObject* slot_name; ///< of a slot_owner in the dictionary of its thread state
};
extern constinit module_objects the;

extern PyType_Spec variable_spec, token_spec, context_spec, missing_spec, keys_spec, values_spec,
    items_spec, slot_owner_spec, map_spec, overflow_spec, branch_spec, leaf_spec;

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
void clear(T*& object) noexcept {
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

/// TypeError. Returns: nullptr.
PyObject* wrong_number_of_arguments(const char* bound, int limit, Py_ssize_t given);

/// Frees an object of the garbage collector, which holds nothing any more.
inline void free_object(PyObject* object) noexcept {
    PyTypeObject* const type = Py_TYPE(object);
    PyObject_GC_Del(object);
    Py_DECREF(as_object(type));
}

/// Objects that were freed, for the next ones of their type. Only what a sanitizer need not see.
template <class T, int most>
class free_list {
public:
    /// Returns: an untracked object, of which only the head is set; or nullptr, with MemoryError
    /// set. On CPython 3.11 it may run the garbage collector, and so any Python code.
    T* make(PyTypeObject* type) noexcept {
        if (count_ != 0) {
            T* const made = objects_[--count_];
            PyObject_Init(as_object(made), type);
            return made;
        }
        return PyObject_GC_New(T, type);
    }
    void free(T* object) noexcept {
#ifndef __SANITIZE_ADDRESS__
        if (count_ != most && the.token != nullptr) {
            PyTypeObject* const type = Py_TYPE(as_object(object));
            objects_[count_++] = object;
            Py_DECREF(as_object(type));
            return;
        }
#endif
        free_object(as_object(object));
    }
    void empty() noexcept {
        while (count_ != 0)
            PyObject_GC_Del(objects_[--count_]);
    }

private:
    int count_ = 0;
    T* objects_[most]{};
};

extern constinit free_list<Token, 64> free_tokens;
extern constinit free_list<Context, 64> free_contexts;

Context* new_context() noexcept;
PyObject* reset_variable(PyObject* variable, PyObject* token);
PyObject* copy_context(PyObject* module, PyObject* nothing);

} // namespace cppcontextvars

#endif
