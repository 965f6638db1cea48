// SPDX-License-Identifier: MIT
//
// ContextVar, and so get, set and reset.
#include "blocks.hpp"
#include "current.hpp"

#include <stdexcept>

#include <structmember.h>

namespace cppcontextvars {

namespace {

ContextVar* self_of(PyObject* self) noexcept { return reinterpret_cast<ContextVar*>(self); }

/// What engine::bind_in and unbind_in ask. The Context may be nullptr: none is current.
struct current {
    Context* context;

    engine::map* bindings() const noexcept {
        return context != nullptr ? context->bindings : engine::empty_map();
    }
    static engine::identity_type identity_of(const Context* context) noexcept {
        return reinterpret_cast<std::uintptr_t>(context);
    }
    bool is(engine::identity_type other) const noexcept { return identity_of(context) == other; }
    static bool is_own(const engine::map& map) noexcept { return unshared(map); }
    bool is_own_of(const engine::map& map, engine::identity_type other) const noexcept {
        return is(other) && unshared(map);
    }
    engine::identity_type context_of(const engine::map&) const noexcept {
        return identity_of(context);
    }
    engine::cell& own_place_for(key_type key) const {
        const no_collection guard;
        if (!unshared(*context->bindings))
            context->bindings = operations::clone(context->bindings, true);
        return operations::place_for(context->bindings, key,
                                     [this](engine::map* larger) { context->bindings = larger; });
    }
    static bool is_gone(engine::key_type) noexcept { return false; } // its token keeps it
    static void share_old_value(const engine::undo& undo) noexcept {
        Py_INCREF(value_of(undo.old_value));
    }
    static constexpr auto place_at_once = operations::place_at_once;
    static constexpr auto put = operations::put;
    static constexpr auto remove = operations::remove;
};

/// As the built-in module: tracked only where it may be part of a cycle.
bool may_be_tracked(PyObject* object) noexcept {
    return PyObject_IS_GC(object) &&
           (!PyTuple_CheckExact(object) || PyObject_GC_IsTracked(object) != 0);
}

PyObject* make(PyTypeObject* type, PyObject* args, PyObject* keywords) {
    static const char* const names[] = {"", "default", nullptr};
    PyObject* name = nullptr;
    PyObject* default_value = nullptr;
    if (PyArg_ParseTupleAndKeywords(args, keywords, "O|$O:ContextVar", const_cast<char**>(names),
                                    &name, &default_value) == 0)
        return nullptr;
    if (!PyUnicode_Check(name)) {
        PyErr_SetString(PyExc_TypeError, "context variable name must be a str");
        return nullptr;
    }
    // Hashing may run any Python code, which may empty the dictionary of keywords.
    shared(name);
    if (default_value != nullptr)
        shared(default_value);
    const Py_hash_t hash_of_name = PyObject_Hash(name);
    auto* made = hash_of_name != -1 ? PyObject_GC_New(ContextVar, type) : nullptr;
    if (made == nullptr) {
        Py_DECREF(name);
        Py_XDECREF(default_value);
        return nullptr;
    }
    made->key = engine::unbound_key;
    made->name = name;
    made->default_value = default_value;
    const auto address = reinterpret_cast<std::uintptr_t>(made);
    made->hash = hash_of_name ^ static_cast<Py_hash_t>(address >> 4 | address << 60);
    if (made->hash == -1)
        made->hash = -2;
    if (may_be_tracked(name) || (default_value != nullptr && may_be_tracked(default_value)))
        PyObject_GC_Track(made);
    return as_object(made);
}

int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self_of(self)->name);
    Py_VISIT(self_of(self)->default_value);
    return 0;
}

int clear_variable(PyObject* self) {
    clear(self_of(self)->name);
    clear(self_of(self)->default_value);
    return 0;
}

void destroy(PyObject* self) {
    PyObject_GC_UnTrack(self);
    Py_TRASHCAN_BEGIN(self, destroy) // defaults may be variables with defaults, and so on
        ids.retire(*self_of(self));
    clear_variable(self);
    free_object(self);
    Py_TRASHCAN_END
}

Py_hash_t hash(PyObject* self) { return self_of(self)->hash; }

PyObject* repr(PyObject* self) {
    ContextVar& variable = *self_of(self);
    PyObject* const name = variable.name != nullptr ? variable.name : Py_None;
    if (variable.default_value == nullptr)
        return PyUnicode_FromFormat("<ContextVar name=%R at %p>", name, self);
    return PyUnicode_FromFormat("<ContextVar name=%R default=%R at %p>", name,
                                variable.default_value, self);
}

// Apart, so that get of what is in the table saves one register.
[[gnu::noinline]] PyObject* get_default(PyObject* self, PyObject* given) {
    if (given != nullptr)
        return shared(given);
    if (PyObject* const default_value = self_of(self)->default_value)
        return shared(default_value);
    PyErr_SetObject(PyExc_LookupError, self);
    return nullptr;
}

[[gnu::noinline]] PyObject* get_from_trie(PyObject* self, const engine::map& map, PyObject* given) {
    const engine::cell* found = engine::find_in_rest(*map.rest, self_of(self)->key);
    return found != nullptr ? shared(value_of(found->value)) : get_default(self, given);
}

[[gnu::always_inline]] inline PyObject* get(PyObject* self, PyObject* given) {
    const Context* const context = current_or_none();
    if (context == nullptr)
        return get_default(self, given);
    const key_type key = self_of(self)->key;
    const engine::map& map = *context->bindings;
    const std::size_t place = map.offset_of(key);
    if (map.key_at(place) == key) [[likely]]
        return shared(value_of(map.value_at(place)));
    return map.rest != nullptr ? get_from_trie(self, map, given) : get_default(self, given);
}

PyObject* get(PyObject* self, PyObject* const* args, Py_ssize_t count) {
    if (count == 0) [[likely]]
        return get(self, nullptr);
    if (count != 1) [[unlikely]]
        return wrong_number_of_arguments("at most", 1, count);
    return get(self, args[0]);
}

PyObject* set_error() noexcept {
    try {
        throw;
    } catch (const std::length_error&) {
        PyErr_SetString(PyExc_OverflowError,
                        "more than 2**20 context variables that have been set are alive");
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    }
    return nullptr;
}

PyObject* set(PyObject* self, PyObject* value) {
    ContextVar& variable = *self_of(self);
    // These may run any Python code, so they come first.
    auto* const token = reinterpret_cast<Token*>(freed.tokens.make(the.token));
    if (token == nullptr)
        return nullptr;
    Context* const context = current_context();
    if (context == nullptr) {
        freed.tokens.free(as_object(token));
        return nullptr;
    }
    try {
        if (variable.key == engine::unbound_key)
            ids.assign(variable);
        engine::bind_in(current{context}, variable.key, engine::word_of_node(value), token->undo);
    } catch (...) {
        freed.tokens.free(as_object(token));
        return set_error();
    }
    Py_INCREF(value);
    if (!token->undo.had_value())
        Py_INCREF(self);
    token->variable = shared(&variable);
    token->context = shared(context);
    PyObject_GC_Track(token);
    return as_object(token);
}

} // namespace

PyObject* reset_variable(PyObject* self, PyObject* object) {
    if (!Py_IS_TYPE(object, the.token)) {
        PyErr_Format(PyExc_TypeError, "expected an instance of Token, got %R", object);
        return nullptr;
    }
    auto& token = *reinterpret_cast<Token*>(object);
    engine::replaced before{};
    const bool restores = token.undo.had_value();
    const current now{current_or_none()};
    const contextvars::reset_result result =
        engine::unbind_in(now, self_of(self)->key, token.undo, before);
    if (result == contextvars::reset_no_memory)
        return PyErr_NoMemory();
    switch (result) {
    case contextvars::reset_result::ok:
        break;
    case contextvars::reset_result::used:
        PyErr_Format(PyExc_RuntimeError, "%R has already been used once", object);
        return nullptr;
    case contextvars::reset_result::wrong_variable:
        PyErr_Format(PyExc_ValueError, "%R was created by a different ContextVar", object);
        return nullptr;
    case contextvars::reset_result::wrong_context:
        PyErr_Format(PyExc_ValueError, "%R was created in a different Context", object);
        return nullptr;
    }
    // The map's reference to the variable came or went with the binding.
    if (restores && !before.had_value)
        Py_INCREF(self);
    if (before.had_value && !restores)
        Py_DECREF(self);
    if (before.had_value)
        Py_DECREF(value_of(before.value));
    Py_RETURN_NONE;
}

namespace {

PyMethodDef methods[] = {
    {"get", method<PyObject*(PyObject*, PyObject* const*, Py_ssize_t)>(get), METH_FASTCALL,
     "get($self, default=<unrepresentable>, /)\n--\n\n"
     "Return a value for the context variable for the current context.\n\n"
     "If there is no value for the variable in the current context, the method will:\n"
     " * return the value of the default argument of the method, if provided; or\n"
     " * return the default value for the context variable, if it was created\n"
     "   with one; or\n"
     " * raise a LookupError."},
    {"set", method(set), METH_O,
     "set($self, value, /)\n--\n\n"
     "Call to set a new value for the context variable in the current context.\n\n"
     "Returns a Token object, which restores the previous value when given to\n"
     "ContextVar.reset()."},
    {"reset", method(reset_variable), METH_O,
     "reset($self, token, /)\n--\n\n"
     "Reset the context variable.\n\n"
     "The variable gets the value that it had before the ContextVar.set() that\n"
     "created the token."},
    {"__class_getitem__", method(Py_GenericAlias), METH_O | METH_CLASS, "See PEP 585"},
    {"__reduce__", method(refuse_reduce), METH_NOARGS, nullptr},
    {"__reduce_ex__", method(refuse_reduce_ex), METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyMemberDef members[] = {
    {"name", T_OBJECT, offsetof(ContextVar, name), READONLY, nullptr},
    {nullptr, 0, 0, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_new, slot(make)},
    {Py_tp_traverse, slot(traverse)},
    {Py_tp_clear, slot(clear_variable)},
    {Py_tp_dealloc, slot(destroy)},
    {Py_tp_hash, slot(hash)},
    {Py_tp_repr, slot(repr)},
    {Py_tp_methods, methods},
    {Py_tp_members, members},
    {0, nullptr},
};

} // namespace

PyType_Spec variable_spec = {"cppcontextvars.ContextVar", sizeof(ContextVar), 0,
                             Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
                             slots};

} // namespace cppcontextvars
