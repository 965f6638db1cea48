// SPDX-License-Identifier: MIT
//
// The module, and what is made once. Its state owns the types; each type keeps the module that made
// it, and so do the types' objects: `the` points to them as long as there is any.
#include "blocks.hpp"
#include "current.hpp"

#include <cstring>
#include <utility>

namespace cppcontextvars {

constinit module_objects the{};
#if !defined(__SANITIZE_ADDRESS__) && !defined(Py_REF_DEBUG) && !defined(Py_TRACE_REFS)
constinit bool free_list::keeps = false;
#endif

PyObject* refuse_reduce(PyObject* self, PyObject*) {
    const char* const name = Py_TYPE(self)->tp_name;
    const char* const dot = std::strrchr(name, '.');
    PyErr_Format(PyExc_TypeError, "cannot pickle '%s' object", dot != nullptr ? dot + 1 : name);
    return nullptr;
}

PyObject* refuse_reduce_ex(PyObject* self, PyObject* protocol) {
    const long number = PyLong_AsLong(protocol);
    if (number == -1 && PyErr_Occurred() != nullptr)
        return nullptr;
    if (number < 2)
        return refuse_reduce(self, nullptr);
    PyErr_Format(PyExc_TypeError, "cannot pickle '%s' object", Py_TYPE(self)->tp_name);
    return nullptr;
}

PyMethodDef refuse_pickling[] = {
    {"__reduce__", method(refuse_reduce), METH_NOARGS, nullptr},
    {"__reduce_ex__", method(refuse_reduce_ex), METH_O, nullptr},
    {nullptr, nullptr, 0, nullptr},
};

PyObject* wrong_number_of_arguments(const char* bound, int limit, Py_ssize_t given) {
    PyErr_Format(PyExc_TypeError, "get expected %s %d argument%s, got %zd", bound, limit,
                 limit == 1 ? "" : "s", given);
    return nullptr;
}

namespace {

/// Owns what `the` borrows.
struct module_state {
    module_objects objects;
    bool made_them; ///< else another module of this name did
};

module_state& state_of(PyObject* module) noexcept {
    return *static_cast<module_state*>(PyModule_GetState(module));
}

template <class Function>
int for_each(module_objects& objects, Function&& function) {
    for (PyTypeObject** type = &objects.variable; type <= &objects.leaf; ++type)
        if (const int stop = function(*type))
            return stop;
    if (const int stop = function(objects.missing))
        return stop;
    return function(objects.slot_name);
}

int make_types(PyObject* module, module_objects& made) {
    const struct {
        PyTypeObject*& type;
        PyType_Spec& spec;
    } types[] = {
        {made.variable, variable_spec}, {made.token, token_spec},
        {made.context, context_spec},   {made.missing_type, missing_spec},
        {made.keys, keys_spec},         {made.values, values_spec},
        {made.items, items_spec},       {made.slot_owner, slot_owner_spec},
        {made.map, map_spec},           {made.trie, trie_spec},
        {made.branch, branch_spec},     {made.leaf, leaf_spec},
    };
    for (const auto& [type, spec] : types) {
        PyObject* const object = PyType_FromModuleAndSpec(module, &spec, nullptr);
        if (object == nullptr)
            return -1;
        type = reinterpret_cast<PyTypeObject*>(object);
    }
    // As the built-in module's: a type without a module, and weak references without an attribute.
    made.keys->tp_name = "keys";
    made.values->tp_name = "values";
    made.items->tp_name = "items";
    made.context->tp_weaklistoffset = offsetof(Context, weak_references);
    made.missing = PyObject_GC_New(PyObject, made.missing_type);
    made.slot_name = PyUnicode_InternFromString("cppcontextvars");
    if (made.missing == nullptr || made.slot_name == nullptr)
        return -1;
    PyObject_GC_Track(made.missing);
    // The type is immutable from outside.
    if (PyDict_SetItemString(made.token->tp_dict, "MISSING", made.missing) < 0)
        return -1;
    PyType_Modified(made.token);
    return 0;
}

/// isinstance(context, Mapping), as from CPython 3.14 on.
int register_as_mapping(PyTypeObject* context) {
    PyObject* const abc = PyImport_ImportModule("collections.abc");
    if (abc == nullptr)
        return -1;
    PyObject* const mapping = PyObject_GetAttrString(abc, "Mapping");
    Py_DECREF(abc);
    if (mapping == nullptr)
        return -1;
    PyObject* const result = PyObject_CallMethod(mapping, "register", "O", context);
    Py_DECREF(mapping);
    Py_XDECREF(result);
    return result != nullptr ? 0 : -1;
}

/// A program that embeds Python may start it again: what one left is not the next one's.
void forget() noexcept {
    the = {};
    freed = {};
    free_list::close();
    ids = {};
    forget_slots();
}

int forget_at_exit() {
    static constinit bool is_registered = false;
    if (is_registered)
        return 0;
    const int status = Py_AtExit([] {
        is_registered = false;
        forget();
    });
    is_registered = status == 0;
    if (status != 0)
        PyErr_SetString(PyExc_ImportError, "cppcontextvars: no room for a function at exit");
    return status;
}

int execute(PyObject* module) {
    if (PyInterpreterState_Get() != PyInterpreterState_Main()) {
        PyErr_SetString(PyExc_ImportError,
                        "module cppcontextvars does not support loading in subinterpreters");
        return -1;
    }
    module_state& state = state_of(module);
    if (the.variable == nullptr) {
        if (forget_at_exit() < 0)
            return -1;
        state.made_them = true;
        if (make_types(module, state.objects) < 0)
            return -1;
        the = state.objects;
        free_list::open();
    } else {
        state.objects = the;
        for_each(state.objects, [](auto* object) {
            Py_INCREF(as_object(object));
            return 0;
        });
    }
    if (register_as_mapping(the.context) < 0)
        return -1;
    if (PyModule_AddType(module, the.variable) < 0 || PyModule_AddType(module, the.token) < 0 ||
        PyModule_AddType(module, the.context) < 0)
        return -1;
    return 0;
}

int traverse(PyObject* module, visitproc visit, void* arg) {
    int stop = 0;
    if (state_of(module).made_them)
        freed.for_each([&](const free_list& list) {
            if (stop == 0)
                stop = list.traverse(visit, arg);
        });
    if (stop != 0)
        return stop;
    return for_each(state_of(module).objects, [&](auto* object) {
        Py_VISIT(as_object(object));
        return 0;
    });
}

int clear_module(PyObject* module) {
    if (state_of(module).made_them) {
        free_list::close();
        freed.for_each([](free_list& list) { list.empty(); });
    }
    return for_each(state_of(module).objects, [](auto*& object) {
        clear(object);
        return 0;
    });
}

void free_module(void* module) {
    const bool made_them = state_of(static_cast<PyObject*>(module)).made_them;
    clear_module(static_cast<PyObject*>(module));
    if (made_them)
        the = {};
}

PyMethodDef functions[] = {
    {"copy_context", method(copy_context), METH_NOARGS, "copy_context($module, /)\n--\n\n"},
    {nullptr, nullptr, 0, nullptr},
};

PyModuleDef_Slot slots[] = {
    {Py_mod_exec, slot(execute)},
#if PY_VERSION_HEX >= 0x030C0000
    {Py_mod_multiple_interpreters, Py_MOD_MULTIPLE_INTERPRETERS_NOT_SUPPORTED},
#endif
    {0, nullptr},
};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT,
    "cppcontextvars",
    "Context variables, as those of the module contextvars, on the engine of a C++ library",
    sizeof(module_state),
    functions,
    slots,
    traverse,
    clear_module,
    free_module,
};

} // namespace
} // namespace cppcontextvars

// NOLINTNEXTLINE(readability-identifier-naming): CPython's name for it.
PyMODINIT_FUNC PyInit_cppcontextvars() { return PyModuleDef_Init(&cppcontextvars::definition); }
