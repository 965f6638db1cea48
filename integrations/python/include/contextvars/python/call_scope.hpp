// SPDX-License-Identifier: MIT
//
// call_scope: at the top of a C++ function that Python calls; and call(f), which also turns
// exceptions into Python's, for bindings written by hand:
//
//     PyObject* handle(PyObject*, PyObject* request) {
//         return contextvars::python::call([&]() -> PyObject* { … });
//     }
//
// With pybind11: `module.def("handle", &handle, py::call_guard<contextvars::python::call_scope>())`.
#ifndef CONTEXTVARS_PYTHON_CALL_SCOPE_HPP
#define CONTEXTVARS_PYTHON_CALL_SCOPE_HPP

#include <contextvars/python/bindings.hpp>

#include <cxxabi.h>
#include <exception>
#include <utility>

namespace contextvars::inline v0::python {

/// For as long as it lives, the bindings of the current Python context are current in C++; at its
/// end, what was set is in the Python context, also where an exception passes. Scopes nest.
///
/// Tokens made in one scope are good in every later one of the same Python context, and foreign in
/// its copies, as Python's are.
/// Precondition: the GIL is held when it is made and when it ends; it may be released in between,
/// as by `py::call_guard<call_scope, py::gil_scoped_release>` (in this order). Lives on the stack of
/// one thread, and ends before what was entered around it. Never across a co_await.
/// Cost: nothing is allocated or locked where nothing is set; else one Python object, and
/// what Python's own ContextVar.set() costs.
/// Threads: as the Python code that calls.
/// From: Python, where a function runs in the context of its caller.
class call_scope {
public:
    /// Throws: contextvars::RuntimeError where the GIL is not held, and in sub-interpreters;
    /// std::bad_alloc (the first in a process).
    call_scope() : state_(detail::state()), held_(state_.current()), outer_(state_.innermost()) {
        frame_.identity = stored_identity();
        // Published: held_ shows it to others, so the first set clones it.
        frame_.published = held_map();
        detail::core::push(frame_, frame_.published);
        state_.innermost() = this;
    }

    call_scope(const call_scope&) = delete;
    call_scope& operator=(const call_scope&) = delete;

    /// What cannot be stored for want of memory is told to Python's sys.unraisablehook.
    ~call_scope() {
        state_.innermost() = outer_;
        if (PyGILState_Check()) [[likely]]
            leave();
        else
            leave_at_finalisation();
    }

private:
    detail::bindings* bindings() const noexcept { return detail::shared_state::in(held_); }
    detail::core::map* held_map() const noexcept {
        return held_ != nullptr ? bindings()->map() : detail::core::empty_map();
    }
    /// Returns: what C++ tokens know the Python context by; 0 where there is none that is its own.
    detail::core::identity_type stored_identity() const noexcept {
        const bool own =
            held_ != nullptr && detail::is_owner(*bindings(), detail::current_python_context());
        return own ? bindings()->identity : 0;
    }
    bool is_current() const noexcept { return detail::core::top_frame() == &frame_; }
    bool changed() const noexcept { return detail::core::current_map() != frame_.published; }

    /// Gives the Python context what is current in C++.
    /// Returns: what it had before, to be dropped when the new state stands.
    /// Throws: std::bad_alloc; then nothing has changed.
    detail::owned store() {
        detail::core::map* const map = detail::core::current_map();
        detail::core::freeze(*map);
        detail::owned stored = state_.store(map, frame_.identity);
        frame_.published = map;
        return std::exchange(held_, std::move(stored));
    }

    /// Makes current in C++ what the Python context holds by now.
    void load() noexcept {
        detail::owned now = state_.current();
        if (now == held_)
            return;
        const detail::owned before = std::exchange(held_, std::move(now));
        detail::core::map* const replaced = detail::core::current_map();
        const bool own = changed();
        frame_.published = held_map();
        detail::core::set_current_map(frame_.published);
        if (frame_.identity == 0)
            frame_.identity = stored_identity();
        if (own)
            detail::core::pinned_map::adopt(replaced);
    }

    void leave() noexcept {
        if (!changed()) [[likely]] {
            detail::core::pop(frame_);
            return;
        }
        const detail::saved_error error;
        detail::owned before;
        try {
            before = store();
        } catch (const std::bad_alloc&) {
            PyErr_NoMemory();
            detail::stay_at_end([this] { PyErr_WriteUnraisable(state_.variable); });
        }
        detail::core::map* const last = detail::core::pop(frame_);
        if (last != frame_.published)
            detail::core::pinned_map::adopt(last);
    }

    /// Python ends threads that ask for the GIL while it is finalised: their stacks are unwound
    /// without it, and Python's objects are left alone.
    void leave_at_finalisation() noexcept {
        detail::core::map* const last = detail::core::pop(frame_);
        if (last != frame_.published)
            detail::core::pinned_map::adopt(last);
        static_cast<void>(held_.release());
    }

    const detail::shared_state& state_;
    detail::owned held_; // whose map is the published one; nullptr: the empty one
    call_scope* outer_;
    detail::core::frame frame_{};

    friend class python_scope;
    friend struct detail::scope_identity;
};

namespace detail {

/// For what keeps tokens of its own, and has asked Python whether they belong to the context.
struct scope_identity {
    static core::identity_type of(const call_scope& scope) noexcept {
        return scope.frame_.identity;
    }
    static void set(call_scope& scope, core::identity_type identity) noexcept {
        scope.frame_.identity = identity;
    }
};

/// Makes Python's error of the exception that is being handled.
inline void set_python_error() {
    try {
        throw;
    } catch (const KeyError& error) {
        PyErr_SetString(PyExc_KeyError, error.what());
    } catch (const LookupError& error) {
        PyErr_SetString(PyExc_LookupError, error.what());
    } catch (const ValueError& error) {
        PyErr_SetString(PyExc_ValueError, error.what());
    } catch (const std::bad_alloc&) {
        PyErr_NoMemory();
    } catch (const std::exception& error) {
        PyErr_SetString(PyExc_RuntimeError, error.what());
    } catch (...) {
        PyErr_SetString(PyExc_RuntimeError, "a C++ exception that is no std::exception");
    }
}

/// Returns: what f returns; nullptr with Python's error set where it throws.
template <class F>
PyObject* protect(F&& f) {
    try {
        return std::forward<F>(f)();
    } catch (const abi::__forced_unwind&) {
        throw; // the end of a thread
    } catch (...) {
        set_python_error();
        return nullptr;
    }
}

} // namespace detail

/// Calls `f()` in a call_scope. Precondition: that of call_scope.
/// Returns: what f returns, a new reference; nullptr with Python's error set where f returned
/// nullptr or threw: contextvars' errors become Python's of the same names, std::bad_alloc
/// MemoryError, other exceptions RuntimeError with their text.
/// Throws: nothing. Cost, threads: as call_scope.
template <class F>
PyObject* call(F&& f) {
    return detail::protect([&]() -> PyObject* {
        const call_scope scope;
        return std::forward<F>(f)();
    });
}

} // namespace contextvars::inline v0::python

#endif
