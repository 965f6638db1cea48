// SPDX-License-Identifier: MIT
#include "current.hpp"

#include <new>
#include <utility>

namespace cppcontextvars {

constinit thread_slot no_slot;
constinit thread_local thread_slot* remembered_slot = &no_slot;

namespace {

constinit thread_slot* first_free_slot = nullptr;
constinit thread_slot* last_made_slot = nullptr;

/// In the dictionary of a thread state.
struct slot_owner {
    PyObject head;
    thread_slot* slot;
};

slot_owner* new_slot_owner() {
    auto* made = PyObject_New(slot_owner, the.slot_owner);
    if (made == nullptr)
        return nullptr;
    made->slot = first_free_slot;
    if (made->slot != nullptr)
        first_free_slot = made->slot->next_free;
    else if ((made->slot = new (std::nothrow) thread_slot) != nullptr)
        made->slot->next_made = std::exchange(last_made_slot, made->slot);
    if (made->slot == nullptr) {
        Py_DECREF(as_object(made));
        PyErr_NoMemory();
        return nullptr;
    }
    made->slot->id = thread_here().id;
    return made;
}

void destroy_slot_owner(PyObject* self) {
    if (thread_slot* const slot = reinterpret_cast<slot_owner*>(self)->slot) {
        // Values' destructors may use the current context, which they find by the slot's id: the
        // dictionary is gone. They may set again, and so on; in the end they find none.
        for (int round = 0; round != 4 && slot->current != nullptr; ++round)
            clear(slot->current);
        slot->id = 0;
        clear(slot->current);
        slot->next_free = std::exchange(first_free_slot, slot);
    }
    PyTypeObject* const type = Py_TYPE(self);
    PyObject_Free(self);
    Py_DECREF(as_object(type));
}

PyType_Slot slot_owner_slots[] = {
    {Py_tp_dealloc, slot(destroy_slot_owner)},
    {0, nullptr},
};

} // namespace

PyType_Spec slot_owner_spec = {"cppcontextvars._thread", sizeof(slot_owner), 0,
                               Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                                   Py_TPFLAGS_IMMUTABLETYPE,
                               slot_owner_slots};

void forget_slots() noexcept {
    first_free_slot = nullptr;
    for (thread_slot* slot = last_made_slot; slot != nullptr; slot = slot->next_made) {
        slot->id = 0;
        slot->current = nullptr;
        slot->next_free = std::exchange(first_free_slot, slot);
    }
}

thread_slot* find_slot() {
    PyObject* const dictionary = PyThreadState_GetDict();
    if (dictionary == nullptr) {
        PyErr_NoMemory();
        return nullptr;
    }
    PyObject* found = PyDict_GetItemWithError(dictionary, the.slot_name);
    if (found == nullptr) {
        if (PyErr_Occurred() != nullptr)
            return nullptr;
        PyObject* const made = as_object(new_slot_owner());
        if (made == nullptr)
            return nullptr;
        // Another may have been made meanwhile, by what a collection ran.
        found = PyDict_SetDefault(dictionary, the.slot_name, made);
        Py_DECREF(made);
        if (found == nullptr)
            return nullptr;
    }
    thread_slot* const slot =
        Py_IS_TYPE(found, the.slot_owner) ? reinterpret_cast<slot_owner*>(found)->slot : &no_slot;
    if (slot->id != thread_here().id) {
        PyErr_SetString(PyExc_SystemError, "the thread state's dictionary has another's context");
        return nullptr;
    }
    remembered_slot = slot;
    return slot;
}

Context* make_current_context() {
    Context* const made = new_context();
    if (made == nullptr)
        return nullptr;
    // Another may have been made meanwhile, by what a collection ran.
    thread_slot* const slot = slot_here();
    if (slot != nullptr && slot->current == nullptr) {
        slot->current = made;
        return made;
    }
    Py_DECREF(as_object(made));
    return slot != nullptr ? slot->current : nullptr;
}

} // namespace cppcontextvars
