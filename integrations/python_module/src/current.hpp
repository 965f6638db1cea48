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
    thread_slot* next_made = nullptr;
};

/// Where an interpreter has ended: the next one's thread states have the same ids again.
void forget_slots() noexcept;

extern constinit thread_slot no_slot;
extern constinit thread_local thread_slot* remembered_slot __attribute__((visibility("hidden")))
#ifdef __GLIBC__
__attribute__((tls_model("initial-exec")))
#endif
;

/// Returns: nullptr, with an error set, where it cannot be made.
thread_slot* find_slot();

inline const PyThreadState& thread_here() noexcept {
#if PY_VERSION_HEX >= 0x030D0000
    return *PyThreadState_GetUnchecked();
#else
    return *_PyThreadState_UncheckedGet();
#endif
}

inline thread_slot* slot_here() {
    thread_slot* const slot = remembered_slot;
    return slot->id == thread_here().id ? slot : find_slot();
}

/// Returns: the current Context, borrowed, or nullptr where none was needed yet. No error is set.
inline Context* current_or_none() {
    if (thread_slot* const slot = remembered_slot; slot->id == thread_here().id) [[likely]]
        return slot->current;
    // A thread without a dictionary has no slot yet, or no more: what asks then, while the thread ends,
    // must not make another, which would be nobody's.
    if (thread_here().dict == nullptr)
        return nullptr;
    if (const thread_slot* const slot = find_slot())
        return slot->current;
    PyErr_Clear();
    return nullptr;
}

/// Returns: the current Context, borrowed, which is made if there is none; nullptr, with an error set,
/// where that fails. It may run any Python code.
Context* make_current_context();
inline Context* current_context() {
    const thread_slot* const slot = slot_here();
    if (slot != nullptr && slot->current != nullptr) [[likely]]
        return slot->current;
    return make_current_context();
}

} // namespace cppcontextvars

#endif
