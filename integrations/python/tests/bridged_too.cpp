// SPDX-License-Identifier: MIT
//
// A second module in the process. Its variable is its own, its context the same as everybody's.
#include <contextvars/python/pybind11.hpp>

namespace py = pybind11;
using in_scope = py::call_guard<contextvars::python::call_scope>;

namespace {
contextvars::ContextVar<int> number{"number of the second module", 0};
}

PYBIND11_MODULE(bridged_too, module) {
    contextvars::python::expose(module, "number", number);
    module.def("get", [] { return number.get(); }, in_scope());
    module.def("set", [](int value) { number.set(value); }, in_scope());
    module.def(
        "call",
        [](const py::function& function) {
            const contextvars::python::python_scope scope;
            return function();
        },
        in_scope());
    // In the scope of whoever calls this from C++.
    module.def("call_in_the_caller_s_scope", [](const py::function& function) {
        const contextvars::python::python_scope scope;
        return function();
    });
}
