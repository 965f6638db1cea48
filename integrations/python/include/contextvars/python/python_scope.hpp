// SPDX-License-Identifier: MIT
//
// python_scope: around a call of Python by C++; and python_context, for a callback that calls Python
// later, from a thread that Python does not know.
//
//     void on_message(const py::function& callback) {       // Python called us
//         request_id.set("7f3a");
//         contextvars::python::python_scope scope;
//         callback();                                       // C++ functions that it calls see 7f3a
//     }
#ifndef CONTEXTVARS_PYTHON_PYTHON_SCOPE_HPP
#define CONTEXTVARS_PYTHON_PYTHON_SCOPE_HPP

#include <contextvars/python/bindings.hpp>
#include <contextvars/python/call_scope.hpp>

#include <memory>
#include <utility>

namespace contextvars::inline v0::python {

namespace detail {

/// For the thread's base context, which begins with a set.
inline constinit ContextVar<bool> first_of_thread{"contextvars_python"};

/// Makes `now` the bindings of the current C++ context, whatever entered it.
inline void replace_current(const core::pinned_map& now, core::identity_type identity) {
    if (core::top_frame() == nullptr)
        static_cast<void>(first_of_thread.scoped(true));
    core::frame* const frame = core::top_frame(); // nullptr: check_event_loops() is on
    core::map* const replaced = core::current_map();
    core::set_current_map(core::pinned_map(now).take());
    if (frame != nullptr && frame->identity == 0)
        frame->identity = identity;
    if (frame == nullptr || replaced != frame->published)
        core::pinned_map::adopt(replaced);
}

/// Drops a reference from any thread, at any time.
inline void drop_anywhere(PyObject* object) noexcept {
#if PY_VERSION_HEX >= 0x030D0000
    const bool finalising = Py_IsFinalizing() != 0;
#else
    const bool finalising = _Py_IsFinalizing() != 0;
#endif
    // Whoever waits for the GIL then, waits for ever; the process ends anyway.
    if (!Py_IsInitialized() || (finalising && !PyGILState_Check()))
        return;
    stay_at_end([object] {
        const PyGILState_STATE before = PyGILState_Ensure();
        Py_DECREF(object);
        PyGILState_Release(before);
    });
}

} // namespace detail

/// A copy of the current Python context, with what C++ has set in it so far. For callbacks: the
/// Python code that they call sees the variables of Python's that it would have seen where the
/// callback was made. (Its C++ variables are always those that are current in C++: see
/// bind_context for them.)
/// Threads: may be copied, moved and destroyed on any thread, with the GIL or without; destroying
/// the last copy takes the GIL, except while Python is finalised: then the object is left alone.
/// From: Python's copy_context().
class python_context {
public:
    /// Precondition: the GIL is held.
    /// Throws: contextvars::RuntimeError, as call_scope; std::bad_alloc. Cost: a few allocations.
    python_context() {
        detail::state();
        PyObject* const copy = detail::stay_at_end(&PyContext_CopyCurrent);
        if (copy == nullptr)
            detail::shared_state::throw_no_memory();
        context_ = std::shared_ptr<PyObject>(copy, &detail::drop_anywhere);
    }

private:
    std::shared_ptr<PyObject> context_;

    friend class python_scope;
};

/// For as long as it lives, Python code that is called here runs in a context whose C++ bindings are
/// those current in C++; at its end, what C++ functions called from there have set is current in
/// C++.
///
/// Directly in a call_scope, that Python context is the caller's own. Elsewhere (on a thread of C++,
/// in an Asio handler or coroutine, inside Context::run or bind_context) it is a copy, of the
/// thread's own Python context or of the `context` given: what Python code sets in its own
/// variables is dropped with it.
/// Precondition: the GIL is held when it is made and when it ends. Lives on the stack of one
/// thread, and ends before what was entered around it. Never across a co_await.
/// What C++ itself sets while it lives is kept, unless Python's side has set something as well:
/// set before it is made.
/// Cost: in a call_scope, as a call_scope where something was set, else nothing; elsewhere a few
/// allocations. Threads: any.
class python_scope {
public:
    /// Throws: contextvars::RuntimeError, as call_scope; std::bad_alloc.
    python_scope() : state_(detail::state()) {
        call_scope* const innermost = state_.innermost();
        if (innermost != nullptr && innermost->is_current()) {
            call_ = innermost;
            if (call_->changed())
                call_->store();
        } else {
            enter(detail::stay_at_end(&PyContext_CopyCurrent));
        }
    }

    /// Always in a copy of `context`. Throws: as python_scope().
    explicit python_scope(const python_context& context) : state_(detail::state()) {
        enter(detail::stay_at_end([&] { return PyContext_Copy(context.context_.get()); }));
    }

    python_scope(const python_scope&) = delete;
    python_scope& operator=(const python_scope&) = delete;

    ~python_scope() {
        if (!PyGILState_Check()) [[unlikely]] { // as in ~call_scope
            static_cast<void>(context_.release());
            static_cast<void>(given_.release());
            return;
        }
        const detail::saved_error error;
        if (call_ != nullptr)
            call_->load();
        else
            leave();
    }

private:
    void enter(PyObject* context) {
        context_.reset(context);
        if (context == nullptr || PyContext_Enter(context) < 0)
            detail::shared_state::throw_no_memory();
        const auto* const frame = detail::core::top_frame();
        detail::core::pinned_map captured = detail::core::pinned_map::of_current();
        try {
            given_ = state_.store(captured.get(), frame != nullptr ? frame->identity : 0);
            captured.take();
        } catch (...) {
            PyContext_Exit(context);
            throw;
        }
    }

    void leave() noexcept {
        const detail::owned now = state_.current();
        const bool is_ours =
            now != nullptr && detail::is_owner(*detail::shared_state::in(now), context_.get());
        if (PyContext_Exit(context_.get()) < 0)
            detail::stay_at_end([this] { PyErr_WriteUnraisable(context_.get()); });
        if (now == given_)
            return;
        try {
            if (now == nullptr)
                detail::replace_current({}, 0);
            else
                detail::replace_current(detail::shared_state::in(now)->captured,
                                        is_ours ? detail::shared_state::in(now)->identity : 0);
        } catch (const std::bad_alloc&) {
            PyErr_NoMemory();
            detail::stay_at_end([this] { PyErr_WriteUnraisable(state_.variable); });
        }
    }

    const detail::shared_state& state_;
    call_scope* call_ = nullptr; // whose function calls Python; or else:
    detail::owned context_;      // what was entered,
    detail::owned given_;        // with these C++ bindings
};

} // namespace contextvars::inline v0::python

#endif
