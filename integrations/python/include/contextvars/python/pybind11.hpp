// SPDX-License-Identifier: MIT
//
// The bridge for pybind11: variables exposed by its casters, and contextvars' errors as Python's.
//
//     PYBIND11_MODULE(service, module) {
//         contextvars::python::translate_errors();
//         contextvars::python::expose(module, "request_id", request_id);
//         module.def("handle", &handle, py::call_guard<contextvars::python::call_scope>());
//     }
#ifndef CONTEXTVARS_PYTHON_PYBIND11_HPP
#define CONTEXTVARS_PYTHON_PYBIND11_HPP

#include <contextvars/python.hpp>

#include <pybind11/pybind11.h>

#include <exception>
#include <optional>

namespace contextvars::inline v0::python {

/// As expose() of <contextvars/python/expose.hpp>, by T's caster. What the caster does not take is
/// a TypeError. Throws: also pybind11::error_already_set.
template <class T>
void expose(pybind11::module_& module, const char* attribute, const ContextVar<T>& variable) {
    const auto to_python = [](const T& value) -> PyObject* {
        try {
            return pybind11::cast(value, pybind11::return_value_policy::copy).release().ptr();
        } catch (pybind11::error_already_set& error) {
            error.restore();
            return nullptr;
        }
    };
    const auto from_python = [](PyObject* object) -> std::optional<T> {
        try {
            return pybind11::cast<T>(pybind11::handle(object));
        } catch (const pybind11::cast_error&) {
            PyErr_Format(PyExc_TypeError, "a value of type %s does not convert to %s",
                         Py_TYPE(object)->tp_name, pybind11::type_id<T>().c_str());
            return std::nullopt;
        } catch (pybind11::error_already_set& error) {
            error.restore();
            return std::nullopt;
        }
    };
    if (!python::expose(module.ptr(), attribute, variable, to_python, from_python))
        throw pybind11::error_already_set();
}

/// From now on the functions of the module that calls this raise LookupError, KeyError, ValueError
/// and RuntimeError where contextvars throws the errors of these names. (By itself, pybind11 makes
/// an IndexError of the first two.) Precondition: the GIL is held; during the module's
/// initialisation.
inline void translate_errors() {
    pybind11::register_local_exception_translator([](std::exception_ptr thrown) {
        try {
            if (thrown)
                std::rethrow_exception(thrown);
        } catch (const KeyError& error) {
            PyErr_SetString(PyExc_KeyError, error.what());
        } catch (const LookupError& error) {
            PyErr_SetString(PyExc_LookupError, error.what());
        }
    });
}

} // namespace contextvars::inline v0::python

#endif
