// SPDX-License-Identifier: MIT
//
// Token, and Token.MISSING.
#include "blocks.hpp"

namespace cppcontextvars {

namespace {

Token* self_of(PyObject* self) noexcept { return reinterpret_cast<Token*>(self); }

PyObject* old_value_of(const Token& token) noexcept {
    return token.undo.had_value() ? value_of(token.undo.old_value) : nullptr;
}

PyObject* make(PyTypeObject*, PyObject*, PyObject*) {
    PyErr_SetString(PyExc_RuntimeError, "Tokens can only be created by ContextVars");
    return nullptr;
}

int traverse(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    Py_VISIT(self_of(self)->variable);
    Py_VISIT(self_of(self)->context);
    Py_VISIT(old_value_of(*self_of(self)));
    return 0;
}

int clear_token(PyObject* self) {
    Token& token = *self_of(self);
    PyObject* const old_value = old_value_of(token);
    token.undo.state = engine::undo_state::used;
    clear(token.context);
    clear(token.variable);
    Py_XDECREF(old_value);
    return 0;
}

void destroy_deep(PyObject* self) {
    Py_TRASHCAN_BEGIN(self, Py_TYPE(self)->tp_dealloc) clear_token(self);
    freed.tokens.free(self);
    Py_TRASHCAN_END
}

void destroy(PyObject* self) {
    PyObject_GC_UnTrack(self);
    // Old values may be tokens with old values, and so on.
    PyObject* const old_value = old_value_of(*self_of(self));
    if (old_value != nullptr && PyObject_IS_GC(old_value) != 0)
        return destroy_deep(self);
    clear_token(self);
    freed.tokens.free(self);
}

PyObject* repr(PyObject* self) {
    const Token& token = *self_of(self);
    PyObject* const variable = token.variable != nullptr ? as_object(token.variable) : Py_None;
    return PyUnicode_FromFormat(
        token.undo.used() ? "<Token used var=%R at %p>" : "<Token var=%R at %p>", variable, self);
}

PyObject* get_variable(PyObject* self, void*) {
    Token& token = *self_of(self);
    return shared(token.variable != nullptr ? as_object(token.variable) : Py_None);
}

PyObject* get_old_value(PyObject* self, void*) {
    PyObject* const old_value = old_value_of(*self_of(self));
    return shared(old_value != nullptr ? old_value : the.missing);
}

PyObject* enter(PyObject* self, PyObject*) { return shared(self); }

PyObject* exit(PyObject* self, PyObject* const*, Py_ssize_t count) {
    if (count != 3) {
        PyErr_Format(PyExc_TypeError, "__exit__ expected 3 arguments, got %zd", count);
        return nullptr;
    }
    const Token& token = *self_of(self);
    if (token.variable == nullptr) { // the collector has cleared it
        PyErr_Format(PyExc_RuntimeError, "%R has already been used once", self);
        return nullptr;
    }
    return reset_variable(as_object(token.variable), self);
}

PyGetSetDef attributes[] = {
    {"var", get_variable, nullptr, nullptr, nullptr},
    {"old_value", get_old_value, nullptr, nullptr, nullptr},
    {nullptr, nullptr, nullptr, nullptr, nullptr},
};

PyMethodDef methods[] = {
    {"__class_getitem__", method(Py_GenericAlias), METH_O | METH_CLASS, "See PEP 585"},
    {"__enter__", method(enter), METH_NOARGS,
     "__enter__($self, /)\n--\n\nEnter into Token context manager."},
    {"__exit__", method(exit), METH_FASTCALL,
     "__exit__($self, type, value, traceback, /)\n--\n\n"
     "Exit from Token context manager, restore the linked ContextVar."},
    {"__reduce__", method(refuse_reduce), METH_NOARGS, nullptr},
    {"__reduce_ex__", method(refuse_reduce_ex), METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyType_Slot slots[] = {
    {Py_tp_new, slot(make)},
    {Py_tp_traverse, slot(traverse)},
    {Py_tp_clear, slot(clear_token)},
    {Py_tp_dealloc, slot(destroy)},
    {Py_tp_hash, slot(PyObject_HashNotImplemented)},
    {Py_tp_repr, slot(repr)},
    {Py_tp_methods, methods},
    {Py_tp_getset, attributes},
    {0, nullptr},
};

PyObject* missing_repr(PyObject*) { return PyUnicode_FromString("<Token.MISSING>"); }

// For the collector, which sees only so that the type, and by it the module, is kept by nobody else.
int traverse_missing(PyObject* self, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(self));
    return 0;
}

void destroy_missing(PyObject* self) {
    PyObject_GC_UnTrack(self);
    free_object(self);
}

PyType_Slot missing_slots[] = {
    {Py_tp_repr, slot(missing_repr)},
    {Py_tp_traverse, slot(traverse_missing)},
    {Py_tp_dealloc, slot(destroy_missing)},
    {Py_tp_methods, refuse_pickling},
    {0, nullptr},
};

} // namespace

PyType_Spec token_spec = {"cppcontextvars.Token", sizeof(Token), 0,
                          Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC | Py_TPFLAGS_IMMUTABLETYPE,
                          slots};
PyType_Spec missing_spec = {"Token.MISSING", sizeof(PyObject), 0,
                            Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC |
                                Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE,
                            missing_slots};

} // namespace cppcontextvars
