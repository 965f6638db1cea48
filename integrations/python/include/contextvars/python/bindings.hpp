// SPDX-License-Identifier: MIT
//
// For the other headers of this folder: the Python object that holds C++ bindings, the built-in
// variable that holds that object, and what all modules of a process share.
#ifndef CONTEXTVARS_PYTHON_BINDINGS_HPP
#define CONTEXTVARS_PYTHON_BINDINGS_HPP

#include <Python.h>

#include <contextvars/errors.hpp>
#include <contextvars/ext/flow.hpp>

#include <cxxabi.h>
#include <unistd.h>

#include <memory>
#include <new>
#include <utility>

#if PY_VERSION_HEX < 0x030B0000
#error "contextvars/python.hpp needs CPython 3.11 or newer"
#endif
#if defined(Py_LIMITED_API)
#error "contextvars/python.hpp: context variables are not in Python's limited API"
#endif
#if defined(Py_GIL_DISABLED)
#error "contextvars/python.hpp needs a Python with a GIL"
#endif

namespace contextvars::inline v0::python {

class call_scope;

namespace detail {

namespace core = contextvars::detail;

struct scope_identity;

/// Calls f(), which may run Python code, where the stack must not be unwound. That is how Python up to
/// 3.13 ends a thread which asks for the GIL while Python is finalised. It stays here instead, as from
/// 3.14 on, until the process ends.
template <class F>
auto stay_at_end(F&& f) noexcept {
    try {
        return std::forward<F>(f)();
    } catch (const abi::__forced_unwind&) {
        for (;;)
            pause();
    }
}

struct drop_reference {
    void operator()(PyObject* object) const noexcept {
        stay_at_end([object] { Py_DECREF(object); });
    }
};
using owned = std::unique_ptr<PyObject, drop_reference>;

/// The error that Python code would see next, kept while Python's functions are called.
class saved_error {
public:
#if PY_VERSION_HEX >= 0x030C0000
    saved_error() noexcept : error_(PyErr_GetRaisedException()) {}
    ~saved_error() { PyErr_SetRaisedException(error_); }
#else
    saved_error() noexcept { PyErr_Fetch(&type_, &error_, &traceback_); }
    ~saved_error() { PyErr_Restore(type_, error_, traceback_); }
#endif
    saved_error(const saved_error&) = delete;
    saved_error& operator=(const saved_error&) = delete;

private:
#if PY_VERSION_HEX < 0x030C0000
    PyObject* type_;
    PyObject* traceback_;
#endif
    PyObject* error_;
};

/// Immutable once it is in a Python context, so that a copied context shares it.
struct bindings {
    PyObject_HEAD core::pinned_map captured;
    // The identity that C++ tokens know the context by, and a weak reference to the Python context
    // that has it: in a copy of that one, tokens are foreign.
    core::identity_type identity;
    PyObject* owner;

    core::map* map() const noexcept { return captured.get(); }
};

inline PyObject* as_object(bindings* held) noexcept { return reinterpret_cast<PyObject*>(held); }

inline void destroy_bindings(PyObject* object) {
    const saved_error error; // values' destructors may call Python
    PyTypeObject* const type = Py_TYPE(object);
    auto* const held = reinterpret_cast<bindings*>(object);
    Py_XDECREF(held->owner);
    std::destroy_at(&held->captured);
    type->tp_free(object);
    Py_DECREF(type);
}

/// Returns: the current Python context, borrowed; nullptr where the thread has none yet.
inline PyObject* current_python_context() noexcept { return PyThreadState_Get()->context; }

inline bool is_owner(const bindings& held, PyObject* context) noexcept {
    if (held.owner == nullptr || context == nullptr)
        return false;
#if PY_VERSION_HEX >= 0x030D0000
    PyObject* owner = nullptr;
    PyWeakref_GetRef(held.owner, &owner);
    Py_XDECREF(owner);
    return owner == context;
#else
    return PyWeakref_GetObject(held.owner) == context;
#endif
}

/// What all modules of a process share: made by the first, found in the interpreter's dictionary by
/// the others, and never destroyed, since objects are released until the very end.
struct shared_state {
    PyTypeObject* bindings_type;
    PyObject* variable;
    call_scope*& (*innermost)() noexcept; ///< of the calling thread

    /// Returns: what the current Python context holds (new reference), or nullptr.
    owned current() const noexcept {
        PyObject* found = nullptr;
        if (PyContextVar_Get(variable, nullptr, &found) < 0)
            PyErr_Clear();
        // Python code can reach the variable by iterating over a context, and set anything.
        if (found != nullptr && !Py_IS_TYPE(found, bindings_type))
            Py_CLEAR(found);
        return owned(found);
    }

    static bindings* in(const owned& object) noexcept {
        return reinterpret_cast<bindings*>(object.get());
    }

    /// Makes `map`, which it takes over, the bindings of the current Python context.
    /// Throws: std::bad_alloc; then nothing has changed.
    owned store(core::map* map, core::identity_type identity) const {
        owned object(bindings_type->tp_alloc(bindings_type, 0));
        if (object == nullptr)
            throw_no_memory();
        bindings& made = *in(object);
        std::construct_at(&made.captured, core::pinned_map::adopt(map));
        made.identity = identity;
        const owned token(stay_at_end([&] { return PyContextVar_Set(variable, object.get()); }));
        if (token == nullptr) {
            made.captured.take();
            throw_no_memory();
        }
        // Only now is there a current context for sure.
        made.owner = PyWeakref_NewRef(current_python_context(), nullptr);
        if (made.owner == nullptr)
            PyErr_Clear(); // all that is lost is that tokens are good in later calls
        return object;
    }

    [[noreturn]] static void throw_no_memory() {
        PyErr_Clear();
        throw std::bad_alloc();
    }
};

inline call_scope*& innermost_scope() noexcept {
    static constinit thread_local call_scope* innermost = nullptr;
    return innermost;
}

inline PyTypeObject* make_bindings_type() {
    PyType_Slot slots[] = {
        {Py_tp_dealloc, reinterpret_cast<void*>(&destroy_bindings)},
        {Py_tp_doc, const_cast<char*>("The C++ context variables that a context binds.")},
        {0, nullptr},
    };
    PyType_Spec spec{
        "contextvars_cpp.bindings", sizeof(bindings), 0,
        Py_TPFLAGS_DEFAULT | Py_TPFLAGS_DISALLOW_INSTANTIATION | Py_TPFLAGS_IMMUTABLETYPE, slots};
    return reinterpret_cast<PyTypeObject*>(PyType_FromSpec(&spec));
}

/// Throws: std::bad_alloc; contextvars::RuntimeError where the interpreter ends.
inline const shared_state* find_or_make_state(PyInterpreterState* interpreter) {
    constexpr const char* name = "contextvars.v0.python";
    PyObject* const dictionary = PyInterpreterState_GetDict(interpreter); // borrowed
    if (dictionary == nullptr)
        throw RuntimeError("contextvars: the Python interpreter is being finalised");
    if (PyObject* capsule = PyDict_GetItemString(dictionary, name)) // borrowed
        return static_cast<const shared_state*>(PyCapsule_GetPointer(capsule, name));

    const owned type(reinterpret_cast<PyObject*>(make_bindings_type()));
    const owned variable(PyContextVar_New("contextvars_cpp", nullptr));
    if (type == nullptr || variable == nullptr)
        shared_state::throw_no_memory();
    auto state = std::make_unique<shared_state>(shared_state{
        reinterpret_cast<PyTypeObject*>(type.get()), variable.get(), &innermost_scope});
    const owned capsule(PyCapsule_New(state.get(), name, nullptr));
    if (capsule == nullptr || PyDict_SetItemString(dictionary, name, capsule.get()) < 0)
        shared_state::throw_no_memory();
    Py_INCREF(state->bindings_type);
    Py_INCREF(state->variable);
    return state.release();
}

/// Returns: what the modules share. Precondition: the GIL is held, which is asked for.
/// Throws: contextvars::RuntimeError without the GIL, and in a sub-interpreter; std::bad_alloc.
inline const shared_state& state() {
    // Of this module and this run of the interpreter: a program that embeds Python may start it
    // again.
    static constinit const shared_state* known = nullptr;
    if (!PyGILState_Check()) [[unlikely]]
        throw RuntimeError("contextvars: Python's GIL is not held");
    PyInterpreterState* const interpreter = PyInterpreterState_Get();
    if (interpreter != PyInterpreterState_Main()) [[unlikely]]
        throw RuntimeError("contextvars: C++ context variables follow the contexts of Python's "
                           "main interpreter only, and this is a sub-interpreter");
    if (known != nullptr) [[likely]]
        return *known;
    const shared_state* found = find_or_make_state(interpreter);
    if (Py_AtExit([] { known = nullptr; }) == 0) // else there is no room, and it is looked up again
        known = found;
    return *found;
}

} // namespace detail
} // namespace contextvars::inline v0::python

#endif
