// SPDX-License-Identifier: MIT
//
// The module that the tests of the bridge call, by pybind11.
#include "bridged.hpp"

#include <contextvars/python/pybind11.hpp>

#include <pybind11/functional.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

namespace py = pybind11;
namespace python = contextvars::python;
using in_scope = py::call_guard<python::call_scope>;
using in_scope_without_gil = py::call_guard<python::call_scope, py::gil_scoped_release>;

namespace {

struct inconvertible_type {}; // not known to pybind11

contextvars::ContextVar<std::string> name{"name"};
contextvars::ContextVar<int> number{"number"};
contextvars::ContextVar<int> with_default{"with_default", 42};
contextvars::ContextVar<std::vector<int>> numbers{"numbers"};
contextvars::ContextVar<counted> observed{"observed"};
contextvars::ContextVar<inconvertible_type> inconvertible{"inconvertible", inconvertible_type{}};
contextvars::ContextVar<std::shared_ptr<std::string>> shared{"shared"};

std::optional<int> get_number() {
    const int* value = number.try_get();
    return value != nullptr ? std::optional(*value) : std::nullopt;
}

/// Calls Python from here, where C++ has its own context or not.
py::object call(const py::function& function) {
    const python::python_scope scope;
    return function();
}

/// A token made in one call, used in another.
class kept_token {
public:
    explicit kept_token(int value) : token_(number.set(value)) {}
    void reset() { number.reset(token_); }

private:
    contextvars::Token<int> token_;
};

/// A thread of C++ that has a context of its own, and calls Python in it.
py::object call_on_a_thread(const py::function& function, int value, bool twice) {
    py::object result;
    std::exception_ptr error;
    {
        const py::gil_scoped_release released;
        std::thread([&] {
            if (value != 0)
                number.set(value);
            for (int i = 0; i != (twice ? 2 : 1); ++i) {
                const py::gil_scoped_acquire gil;
                try {
                    result = call(function);
                } catch (...) {
                    error = std::current_exception();
                }
            }
            if (error)
                return;
            const py::gil_scoped_acquire gil;
            result = py::make_tuple(result, get_number());
        }).join();
    }
    if (error)
        std::rethrow_exception(error);
    return result;
}

/// As call_on_a_thread, but for a callback that takes the context of this call, both sides of it, along.
py::object call_bound_on_a_thread(const py::function& function) {
    py::object result;
    const python::python_context context;
    auto bound = contextvars::bind_context([&, context] {
        const py::gil_scoped_acquire gil;
        const python::python_scope scope(context);
        result = function();
    });
    const py::gil_scoped_release released;
    std::thread(bound).join();
    return result;
}

} // namespace

PYBIND11_MODULE(bridged, module) {
    python::translate_errors();
    python::expose(module, "name", name);
    python::expose(module, "number", number);
    python::expose(module, "with_default", with_default);
    python::expose(module, "numbers", numbers);
    python::expose(module, "inconvertible", inconvertible);

    module.def("get", &get_number, in_scope());
    module.def("set", [](int value) { number.set(value); }, in_scope());
    module.def("set_without_gil", [](int value) { number.set(value); }, in_scope_without_gil());
    module.def("get_without_gil", &get_number, in_scope_without_gil());
    module.def(
        "scope_without_gil", [] {}, py::call_guard<py::gil_scoped_release, python::call_scope>());
    module.def(
        "set_many",
        [](int first, int count) {
            // Many enough to be shared instead of cloned by a capture.
            static std::vector<std::unique_ptr<contextvars::ContextVar<int>>> many;
            while (static_cast<int>(many.size()) < count)
                many.push_back(std::make_unique<contextvars::ContextVar<int>>("one of many"));
            int sum = 0;
            for (int i = 0; i != count; ++i) {
                sum += many[static_cast<std::size_t>(i)]->get(0);
                many[static_cast<std::size_t>(i)]->set(first + i);
            }
            return sum;
        },
        in_scope());
    module.def(
        "set_and_raise",
        [](int value, const std::string& what) {
            number.set(value);
            if (what == "LookupError")
                name.get();
            if (what == "KeyError")
                contextvars::Context()[name];
            if (what == "ValueError") {
                auto token = number.set(value);
                contextvars::copy_context().run([&] { number.reset(token); });
            }
            throw std::runtime_error(what);
        },
        in_scope());

    // C++ -> Python -> C++.
    module.def("call", &call, in_scope());
    module.def("call_outside_of_a_scope", &call);
    module.def(
        "set_and_call",
        [](int value, const py::function& function) {
            number.set(value);
            py::object result = call(function);
            return py::make_tuple(result, get_number());
        },
        in_scope());
    module.def(
        "set_call_and_reset",
        [](int value, const py::function& function) {
            auto token = number.set(value);
            call(function);
            const auto seen = get_number();
            number.reset(token);
            return seen;
        },
        in_scope());
    module.def(
        "call_catching",
        [](int value, const py::function& function) {
            number.set(value);
            try {
                call(function);
            } catch (py::error_already_set&) {
            }
            return get_number();
        },
        in_scope());
    module.def(
        "call_in_a_context_of_its_own",
        [](int value, const py::function& function) {
            py::object inside;
            std::optional<int> after;
            contextvars::copy_context().run([&] {
                number.set(value);
                inside = call(function);
                after = get_number();
            });
            return py::make_tuple(inside, after, get_number());
        },
        in_scope());
    module.def(
        "call_in_an_empty_context",
        [](const py::function& function, int times) {
            return contextvars::Context().run([&] {
                for (int i = 0; i != times; ++i)
                    call(function);
                return get_number();
            });
        },
        py::arg("function"), py::arg("times") = 1, in_scope());
    module.def(
        "call_in_a_context_object",
        [](int value, const py::function& function) {
            contextvars::Context context;
            context.run([&] { number.set(value); });
            context.run(&call, function);
            return context.get(number, 0);
        },
        in_scope());
    module.def(
        "call_in_a_flow",
        [](const py::function& function) {
            // As a coroutine would: what is set at one step, Python's side included, is there at
            // the next, and so are tokens.
            contextvars::ext::flow flow;
            flow.resume();
            auto token = number.set(1);
            call(function);
            flow.suspend();
            const auto between = get_number();
            flow.resume();
            const auto after = get_number();
            call(function);
            number.reset(token);
            const auto reset = get_number();
            flow.suspend();
            return py::make_tuple(between, after, reset);
        },
        in_scope());
    module.def(
        "release_and_call",
        [](int value, const py::function& function) {
            number.set(value);
            const py::gil_scoped_acquire gil;
            call(function);
            return get_number();
        },
        in_scope_without_gil());

    module.def("call_on_a_thread", &call_on_a_thread, py::arg("function"), py::arg("value"),
               py::arg("twice") = false, in_scope());
    module.def("call_bound_on_a_thread", &call_bound_on_a_thread, in_scope());

    py::class_<kept_token>(module, "kept_token")
        .def(py::init<int>(), in_scope())
        .def("reset", &kept_token::reset, in_scope());

    module.def("observe", [](int value) { observed.emplace(value); }, in_scope());
    module.def("observed", [] { return observed.get().value; }, in_scope());
    module.def("alive", [] { return counted::alive.load(); });
    module.def(
        "share", [](const std::string& text) { shared.set(std::make_shared<std::string>(text)); },
        in_scope());
    module.def("uses_of_shared", [] { return shared.get().use_count(); }, in_scope());

    // A context of Python's that only C++ holds, to be dropped without the GIL.
    module.def(
        "drop_a_python_context_on_a_thread",
        [] {
            auto context = std::make_unique<python::python_context>();
            const py::gil_scoped_release released;
            std::thread([&] { context.reset(); }).join();
        },
        in_scope());
}
