// SPDX-License-Identifier: MIT
//
// Which Context is current. Each thread state of Python has a slot, which it owns by an object in its
// dictionary, so that the slot ends with it, under the GIL.
//
// A thread remembers its slot. Slots are never freed but used again, with another thread state's id in
// them, and no id is given twice: so whoever remembers a slot too long sees that it is not his.
#ifndef CONTEXTVARS_PYTHON_CURRENT_HPP
#define CONTEXTVARS_PYTHON_CURRENT_HPP

#include "objects.hpp"

namespace cppcontextvars {

struct thread_slot {
    std::uint64_t id = 0;       ///< of the thread state; 0 is none's
    Context* current = nullptr; ///< owned; nullptr as long as none was needed
    thread_slot* next_free = nullptr;
};

extern constinit thread_slot no_slot;
extern constinit thread_local thread_slot* remembered_slot __attribute__((visibility("hidden")))
#ifdef __GLIBC__
__attribute__((tls_model("initial-exec")))
#endif
;

/// Returns: nullptr, with an error set, where it cannot be made.
thread_slot* find_slot() noexcept;

inline thread_slot* slot_here() noexcept {
#if PY_VERSION_HEX >= 0x030D0000
    const PyThreadState* const state = PyThreadState_GetUnchecked();
#else
    const PyThreadState* const state = _PyThreadState_UncheckedGet();
#endif
    thread_slot* const slot = remembered_slot;
    if (slot->id == state->id) [[likely]]
        return slot;
    return find_slot();
}

/// Returns: the current Context, borrowed, or nullptr where none was needed yet. No error is set.
inline Context* current_or_none() noexcept {
    thread_slot* const slot = slot_here();
    if (slot != nullptr) [[likely]]
        return slot->current;
    PyErr_Clear();
    return nullptr;
}

/// Returns: the current Context, borrowed, which is made if there is none; nullptr, with an error set,
/// where that fails. It may run any Python code.
Context* make_current_context() noexcept;
inline Context* current_context() noexcept {
    const thread_slot* const slot = slot_here();
    if (slot != nullptr && slot->current != nullptr) [[likely]]
        return slot->current;
    return make_current_context();
}

} // namespace cppcontextvars

#endif
