// SPDX-License-Identifier: MIT
//
// A module that uses the bridge by Python's C API alone.
#include <contextvars/python.hpp>

#include <new>
#include <optional>
#include <stdexcept>
#include <string>

namespace python = contextvars::python;

namespace {

contextvars::ContextVar<std::string> word{"word"};
contextvars::ContextVar<long> number{"number", 7};
contextvars::ContextVar<int> missing{"missing"};

PyObject* to_python(const std::string& text) {
    return PyUnicode_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size()));
}

PyObject* none() {
    Py_INCREF(Py_None);
    return Py_None;
}

PyObject* get_word(PyObject*, PyObject*) {
    return python::call([] { return to_python(word.get("missing")); });
}

PyObject* set_word(PyObject*, PyObject* text) {
    return python::call([&]() -> PyObject* {
        const char* characters = PyUnicode_AsUTF8(text);
        if (characters == nullptr)
            return nullptr;
        word.set(characters);
        return none();
    });
}

PyObject* set_word_and_fail(PyObject*, PyObject* error) {
    return python::call([&]() -> PyObject* {
        word.set("before the error");
        PyErr_SetString(error, "text");
        return nullptr;
    });
}

/// Sets, then calls back and sets what comes of it; the error of the callback, if any, passes.
PyObject* set_and_call(PyObject*, PyObject* arguments) {
    const char* text = nullptr;
    PyObject* function = nullptr;
    if (!PyArg_ParseTuple(arguments, "sO", &text, &function))
        return nullptr;
    return python::call([&]() -> PyObject* {
        word.set(text);
        python::detail::owned result;
        {
            const python::python_scope scope;
            result.reset(PyObject_CallNoArgs(function));
        }
        if (result == nullptr)
            return nullptr;
        return to_python(word.get("missing"));
    });
}

PyObject* set_and_throw(PyObject*, PyObject* kind) {
    return python::call([&]() -> PyObject* {
        word.set("before the throw");
        switch (PyLong_AsLong(kind)) {
        case 0:
            missing.get();
            break;
        case 1:
            contextvars::Context()[missing];
            break;
        case 2: {
            auto token = number.set(1);
            contextvars::copy_context().run([&] { number.reset(token); });
            break;
        }
        case 3: {
            auto token = number.set(1);
            number.reset(token);
            number.reset(token);
            break;
        }
        case 4:
            throw std::bad_alloc();
        case 5:
            throw std::logic_error("of the standard library");
        default:
            throw 6;
        }
        return none();
    });
}

PyObject* without_the_gil(PyObject*, PyObject*) {
    return python::detail::protect([]() -> PyObject* {
        PyThreadState* thread = PyEval_SaveThread();
        try {
            const python::call_scope scope;
        } catch (...) {
            PyEval_RestoreThread(thread);
            throw;
        }
        PyEval_RestoreThread(thread);
        return none();
    });
}

PyMethodDef methods[] = {
    {"get_word", get_word, METH_NOARGS, nullptr},
    {"set_word", set_word, METH_O, nullptr},
    {"set_word_and_fail", set_word_and_fail, METH_O, nullptr},
    {"set_and_call", set_and_call, METH_VARARGS, nullptr},
    {"set_and_throw", set_and_throw, METH_O, nullptr},
    {"without_the_gil", without_the_gil, METH_NOARGS, nullptr},
    {nullptr, nullptr, 0, nullptr},
};
PyModuleDef definition{
    PyModuleDef_HEAD_INIT, "by_hand", nullptr, -1, methods, nullptr, nullptr, nullptr, nullptr};

} // namespace

PyMODINIT_FUNC PyInit_by_hand() {
    return python::call([]() -> PyObject* {
        python::detail::owned module(PyModule_Create(&definition));
        if (module == nullptr || !python::expose(module.get(), "number", number, &PyLong_FromLong,
                                                 [](PyObject* object) -> std::optional<long> {
                                                     const long value = PyLong_AsLong(object);
                                                     return value == -1 && PyErr_Occurred()
                                                                ? std::nullopt
                                                                : std::optional(value);
                                                 }))
            return nullptr;
        return module.release();
    });
}
