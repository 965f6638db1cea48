// SPDX-License-Identifier: MIT
//
// A program that embeds Python, ends it and starts it again.
#include <contextvars/python.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace python = contextvars::python;

namespace {

contextvars::ContextVar<std::string> word{"word", "default"};

void expect(bool good, const char* what) {
    if (!good) {
        std::printf("FAILED: %s\n", what);
        std::exit(1);
    }
}

PyObject* set_and_get(PyObject*, PyObject* text) {
    return python::call([&] {
        const std::string before = word.get();
        word.set(PyUnicode_AsUTF8(text));
        return PyUnicode_FromString(before.c_str());
    });
}

PyMethodDef method{"set_and_get", set_and_get, METH_O, nullptr};

void run_python(const char* program) {
    PyObject* const function = PyCFunction_New(&method, nullptr);
    PyObject* const globals = PyDict_New();
    PyDict_SetItemString(globals, "__builtins__", PyEval_GetBuiltins());
    PyDict_SetItemString(globals, "set_and_get", function);
    PyObject* const result = PyRun_String(program, Py_file_input, globals, globals);
    if (result == nullptr)
        PyErr_Print();
    expect(result != nullptr, program);
    Py_DECREF(result);
    Py_DECREF(globals);
    Py_DECREF(function);
}

} // namespace

int main() {
    for (int run = 0; run != 3; ++run) {
        Py_InitializeEx(0);
        word.set("of C++");
        {
            // Python's main thread calls Python: its code sees what C++ has bound.
            const python::python_scope scope;
            run_python("import contextvars\n"
                       "assert set_and_get('inside') == 'of C++'\n"
                       "context = contextvars.copy_context()\n"
                       "assert context.run(set_and_get, 'in the copy') == 'inside'\n"
                       "assert set_and_get('at the end') == 'inside'\n");
        }
        expect(word.get() == "at the end", "what Python's side has set is current in C++");
        expect(PyDict_GetItemString(PyInterpreterState_GetDict(PyInterpreterState_Get()),
                                    "contextvars.v0.python") != nullptr,
               "each run of the interpreter has what its modules share");
        run_python("assert set_and_get('in Python only') == 'default'\n"
                   "assert set_and_get('x') == 'in Python only'\n");
        expect(word.get() == "at the end", "without a python_scope, each side has its own");
        expect(Py_FinalizeEx() == 0, "Python ends");
    }
    std::puts("passed");
}
