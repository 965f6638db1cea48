// SPDX-License-Identifier: MIT
//
// expose(): a ContextVar<T> as an object of a Python module, with the methods of Python's own:
//
//     expose(module, "request_id", request_id, to_python, from_python);
//
//     >>> token = module.request_id.set("7f3a")      # seen by C++ functions called from here
//     >>> module.request_id.get(), module.request_id.get("-"), module.request_id.name
//     >>> module.request_id.reset(token)
//
// With pybind11, <contextvars/python/pybind11.hpp> converts by its casters.
#ifndef CONTEXTVARS_PYTHON_EXPOSE_HPP
#define CONTEXTVARS_PYTHON_EXPOSE_HPP

#include <contextvars/python/bindings.hpp>
#include <contextvars/python/call_scope.hpp>

#include <contextvars/context.hpp>
#include <contextvars/context_var.hpp>

#include <memory>
#include <optional>
#include <string>
#include <utility>

namespace contextvars::inline v0::python {

namespace detail {

class erased_token {
public:
    virtual ~erased_token() = default;
    virtual void reset() = 0;
    /// Returns: a new reference; nullptr where there was none, or with an error set.
    virtual PyObject* old_value() const = 0;
};

class erased_variable {
public:
    virtual ~erased_variable() = default;
    /// Return: a new reference; nullptr where the variable is missing, or with an error set.
    virtual PyObject* get_or_default() const = 0;
    virtual PyObject* get_bound() const = 0;
    /// Returns: nullptr with an error set where the value cannot be converted.
    virtual std::unique_ptr<erased_token> set(PyObject* value) const = 0;
};

template <class T, class ToPython, class FromPython>
class typed_variable final : public erased_variable {
public:
    typed_variable(const ContextVar<T>& variable, ToPython to_python, FromPython from_python)
        : variable_(variable), to_python_(std::move(to_python)),
          from_python_(std::move(from_python)) {}

    PyObject* get_or_default() const override {
        const T* value = variable_.try_get();
        return value != nullptr ? to_python_(*value) : nullptr;
    }
    PyObject* get_bound() const override {
        const Context current = copy_context();
        const T* value = current.get(variable_);
        return value != nullptr ? to_python_(*value) : nullptr;
    }
    std::unique_ptr<erased_token> set(PyObject* value) const override {
        std::optional<T> converted = from_python_(value);
        if (!converted.has_value())
            return nullptr;
        return std::make_unique<token>(*this, std::move(*converted));
    }

private:
    class token final : public erased_token {
    public:
        token(const typed_variable& variable, T&& value)
            : variable_(variable), token_(variable.variable_.set(std::move(value))) {}
        void reset() override { variable_.variable_.reset(token_); }
        PyObject* old_value() const override {
            const T* value = token_.old_value();
            return value != nullptr ? variable_.to_python_(*value) : nullptr;
        }

    private:
        const typed_variable& variable_;
        Token<T> token_;
    };

    const ContextVar<T>& variable_;
    ToPython to_python_;
    FromPython from_python_;
};

/// A variable as Python sees it. Beside it there is a built-in variable, set whenever this one is,
/// whose tokens know what tokens may be used for: by construction as Python's.
struct exposed_variable {
    PyObject_HEAD std::unique_ptr<const erased_variable> variable;
    PyObject* name;
    PyObject* built_in;
    PyTypeObject* token_type;
};

struct exposed_token {
    PyObject_HEAD std::unique_ptr<erased_token> token;
    core::identity_type identity; // of the context of the set
    PyObject* variable;
    PyObject* built_in;
    bool used;
};

template <class Object>
Object& as(PyObject* object) noexcept {
    return *reinterpret_cast<Object*>(object);
}

inline PyObject* new_reference(PyObject* object) noexcept {
    Py_INCREF(object);
    return object;
}

template <class F>
PyCFunction as_method(F* function) noexcept {
    return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

inline void destroy_variable(PyObject* object) {
    PyTypeObject* const type = Py_TYPE(object);
    auto& self = as<exposed_variable>(object);
    std::destroy_at(&self.variable);
    Py_XDECREF(self.name);
    Py_XDECREF(self.built_in);
    Py_XDECREF(self.token_type);
    type->tp_free(object);
    Py_DECREF(type);
}

inline PyObject* print_variable(PyObject* object) {
    return PyUnicode_FromFormat("<ContextVar name=%R at %p>", as<exposed_variable>(object).name,
                                object);
}

inline PyObject* name_of_variable(PyObject* object, void*) {
    return new_reference(as<exposed_variable>(object).name);
}

/// The binding, else the argument, else the variable's default.
inline PyObject* get_variable(PyObject* object, PyObject* const* arguments, Py_ssize_t count) {
    if (count > 1) {
        PyErr_Format(PyExc_TypeError, "get expected at most 1 argument, got %zd", count);
        return nullptr;
    }
    return call([&]() -> PyObject* {
        const erased_variable& variable = *as<exposed_variable>(object).variable;
        PyObject* const value = count == 0 ? variable.get_or_default() : variable.get_bound();
        if (value != nullptr || PyErr_Occurred())
            return value;
        if (count == 1)
            return new_reference(arguments[0]);
        PyErr_SetObject(PyExc_LookupError, object);
        return nullptr;
    });
}

inline PyObject* set_variable(PyObject* object, PyObject* value) {
    auto& self = as<exposed_variable>(object);
    return protect([&]() -> PyObject* {
        owned result(self.token_type->tp_alloc(self.token_type, 0));
        if (result == nullptr)
            return nullptr;
        auto& made = as<exposed_token>(result.get());
        std::construct_at(&made.token);
        made.variable = new_reference(object);
        const call_scope scope;
        owned built_in(stay_at_end([&] { return PyContextVar_Set(self.built_in, Py_None); }));
        if (built_in == nullptr)
            return nullptr;
        try {
            made.token = self.variable->set(value);
        } catch (...) {
            stay_at_end([&] { return PyContextVar_Reset(self.built_in, built_in.get()); });
            throw;
        }
        if (made.token == nullptr) {
            const saved_error error;
            stay_at_end([&] { return PyContextVar_Reset(self.built_in, built_in.get()); });
            return nullptr;
        }
        made.identity = scope_identity::of(scope);
        made.built_in = built_in.release();
        return result.release();
    });
}

inline PyObject* reset_variable(PyObject* object, PyObject* argument) {
    auto& self = as<exposed_variable>(object);
    if (!Py_IS_TYPE(argument, self.token_type)) {
        PyErr_Format(PyExc_TypeError, "expected an instance of Token, got %R", argument);
        return nullptr;
    }
    auto& token = as<exposed_token>(argument);
    if (token.built_in == nullptr) { // the collector has taken it
        PyErr_Format(PyExc_RuntimeError, "%R has already been used once", argument);
        return nullptr;
    }
    if (PyContextVar_Reset(self.built_in, token.built_in) < 0)
        return nullptr;
    token.used = true;
    return protect([&]() -> PyObject* {
        // It is the token's context: Python has said so.
        call_scope scope;
        scope_identity::set(scope, token.identity);
        token.token->reset();
        return new_reference(Py_None);
    });
}

inline int visit_token(PyObject* object, visitproc visit, void* arg) {
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(as<exposed_token>(object).built_in);
    return 0;
}

// A token refers to the context of its set, which may bind something that refers to the token. The
// variable is in no such cycle.
inline int clear_token(PyObject* object) {
    Py_CLEAR(as<exposed_token>(object).built_in);
    return 0;
}

inline void destroy_token(PyObject* object) {
    PyObject_GC_UnTrack(object);
    const saved_error error; // the old value's destructor may call Python
    PyTypeObject* const type = Py_TYPE(object);
    std::destroy_at(&as<exposed_token>(object).token); // before the variable, which it refers to
    clear_token(object);
    Py_XDECREF(as<exposed_token>(object).variable);
    type->tp_free(object);
    Py_DECREF(type);
}

inline PyObject* print_token(PyObject* object) {
    const auto& self = as<exposed_token>(object);
    return PyUnicode_FromFormat("<Token%s var=%R at %p>", self.used ? " used" : "", self.variable,
                                object);
}

inline PyObject* variable_of_token(PyObject* object, void*) {
    return new_reference(as<exposed_token>(object).variable);
}

inline PyObject* old_value_of_token(PyObject* object, void*) {
    return protect([&]() -> PyObject* {
        const auto& self = as<exposed_token>(object);
        PyObject* const value = self.token->old_value();
        if (value != nullptr || PyErr_Occurred())
            return value;
        return PyObject_GetAttrString(reinterpret_cast<PyObject*>(&PyContextToken_Type), "MISSING");
    });
}

inline PyObject* enter_token(PyObject* object, PyObject*) { return new_reference(object); }

inline PyObject* exit_token(PyObject* object, PyObject*) {
    return reset_variable(as<exposed_token>(object).variable, object);
}

inline owned make_variable_type() {
    static PyMethodDef methods[] = {
        {"get", as_method(&get_variable), METH_FASTCALL,
         "The value in the current context, else the argument, else the default."},
        {"set", &set_variable, METH_O, "Binds the variable, and returns a token to reset it with."},
        {"reset", &reset_variable, METH_O, "Restores what the variable was before the set."},
        {nullptr, nullptr, 0, nullptr},
    };
    static PyGetSetDef attributes[] = {
        {"name", &name_of_variable, nullptr, nullptr, nullptr},
        {nullptr, nullptr, nullptr, nullptr, nullptr},
    };
    PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(&destroy_variable)},
        {Py_tp_repr, reinterpret_cast<void*>(&print_variable)},
        {Py_tp_methods, methods},
        {Py_tp_getset, attributes},
        {Py_tp_doc, const_cast<char*>("A context variable of C++.")},
        {0, nullptr},
    };
    PyType_Spec spec{
        "contextvars_cpp.ContextVar", sizeof(exposed_variable), 0,
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE, slots};
    return owned(PyType_FromSpec(&spec));
}

inline owned make_token_type() {
    static PyMethodDef methods[] = {
        {"__enter__", &enter_token, METH_NOARGS, nullptr},
        {"__exit__", &exit_token, METH_VARARGS, nullptr},
        {nullptr, nullptr, 0, nullptr},
    };
    static PyGetSetDef attributes[] = {
        {"var", &variable_of_token, nullptr, nullptr, nullptr},
        {"old_value", &old_value_of_token, nullptr, nullptr, nullptr},
        {nullptr, nullptr, nullptr, nullptr, nullptr},
    };
    PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(&destroy_token)},
        {Py_tp_traverse, reinterpret_cast<void*>(&visit_token)},
        {Py_tp_clear, reinterpret_cast<void*>(&clear_token)},
        {Py_tp_repr, reinterpret_cast<void*>(&print_token)},
        {Py_tp_methods, methods},
        {Py_tp_getset, attributes},
        {Py_tp_hash, reinterpret_cast<void*>(&PyObject_HashNotImplemented)},
        {0, nullptr},
    };
    PyType_Spec spec{"contextvars_cpp.Token", sizeof(exposed_token), 0,
                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION |
                         Py_TPFLAGS_IMMUTABLETYPE | Py_TPFLAGS_HAVE_GC,
                     slots};
    return owned(PyType_FromSpec(&spec));
}

/// Returns: (type of variables, type of tokens), the same for all modules of the interpreter; or
/// nullptr with an error set. Precondition: state() was asked for.
inline owned exposed_types() {
    constexpr const char* name = "contextvars.v0.python.exposed";
    PyObject* const dictionary = PyInterpreterState_GetDict(PyInterpreterState_Get());
    if (PyObject* known = PyDict_GetItemString(dictionary, name)) // borrowed
        return owned(new_reference(known));
    const owned variable_type = make_variable_type();
    const owned token_type = make_token_type();
    if (variable_type == nullptr || token_type == nullptr)
        return nullptr;
    owned types(PyTuple_Pack(2, variable_type.get(), token_type.get()));
    if (types == nullptr || PyDict_SetItemString(dictionary, name, types.get()) < 0)
        return nullptr;
    return types;
}

/// Returns: whether it was added, else an error is set.
inline bool add_variable(PyObject* module, const char* attribute, std::string_view name,
                         std::unique_ptr<const erased_variable> variable) {
    const owned types = exposed_types();
    if (types == nullptr)
        return false;
    auto* const type = reinterpret_cast<PyTypeObject*>(PyTuple_GET_ITEM(types.get(), 0));
    const owned object(type->tp_alloc(type, 0));
    if (object == nullptr)
        return false;
    auto& made = as<exposed_variable>(object.get());
    std::construct_at(&made.variable, std::move(variable));
    made.token_type =
        reinterpret_cast<PyTypeObject*>(new_reference(PyTuple_GET_ITEM(types.get(), 1)));
    made.name = PyUnicode_FromStringAndSize(name.data(), static_cast<Py_ssize_t>(name.size()));
    made.built_in = PyContextVar_New(std::string(name).c_str(), nullptr);
    return made.name != nullptr && made.built_in != nullptr &&
           PyModule_AddObjectRef(module, attribute, object.get()) == 0;
}

} // namespace detail

/// Makes `variable` an attribute of `module`: an object with get([default]), set(value), which
/// returns a token, reset(token) and .name; tokens have .var and .old_value, and are context
/// managers as in Python 3.14.
///
/// `to_python(const T&)` returns a new reference, or nullptr with an error set;
/// `from_python(PyObject*)` returns a std::optional<T>, without a value where an error is set.
/// Both may throw. Neither is copied.
/// Precondition: the GIL is held; the variable outlives the module.
/// Returns: whether it was done, else Python's error is set.
/// Throws: contextvars::RuntimeError in a sub-interpreter; std::bad_alloc.
/// Cost of the methods: as a call_scope, and set() one built-in set and two objects besides.
/// Errors of the methods: those of Python's ContextVar.
/// From: Python's ContextVar.
template <class T, class ToPython, class FromPython>
bool expose(PyObject* module, const char* attribute, const ContextVar<T>& variable,
            ToPython to_python, FromPython from_python) {
    detail::state();
    using typed = detail::typed_variable<T, ToPython, FromPython>;
    return detail::add_variable(
        module, attribute, variable.name(),
        std::make_unique<const typed>(variable, std::move(to_python), std::move(from_python)));
}

} // namespace contextvars::inline v0::python

#endif
