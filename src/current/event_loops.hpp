// SPDX-License-Identifier: MIT
//
// The check of event loops: see check_event_loops() in <contextvars/diagnostics.hpp>.
//
// While it is on, a thread's base context is no frame of the thread's chain, and its map has no
// writer. So each set and reset in it takes the slow way, and the paths of all others stay as they
// are. On that way, current_frame() finds no frame, and throws; the frame is put into the chain for
// the one operation.
#ifndef CONTEXTVARS_SRC_CURRENT_EVENT_LOOPS_HPP
#define CONTEXTVARS_SRC_CURRENT_EVENT_LOOPS_HPP

#include <contextvars/detail/variable.hpp>

namespace contextvars::inline v0::detail {

class guards_in_base;

struct base_is_checked {};

bool checks_event_loops() noexcept;
void check_event_loops_if_asked() noexcept;

/// Makes this thread's base context one like others until the end of its life.
/// Precondition: the check is on, the thread has its state, and its base context is current.
class checked_base {
public:
    checked_base() noexcept;
    checked_base(const checked_base&) = delete;
    checked_base& operator=(const checked_base&) = delete;
    ~checked_base();
};

/// Whether the current context is this thread's base context, checked, with this identity.
bool is_checked_base(identity_type context) noexcept;

// What was done in a checked base context. `caller` is the return address.
void was_set_in_base(key_type key, void* caller) noexcept;
void guard_began_in_base(const undo& undo) noexcept;
void was_reset_in_base(const undo& undo, void* caller) noexcept;

/// Of a guard that ends in another context than its own: tells the hook if that is a checked base
/// context.
void guard_ended_elsewhere(const undo& undo, void* caller) noexcept;

/// Of a thread that ends.
void forget_guards(guards_in_base* guards) noexcept;

} // namespace contextvars::inline v0::detail

#endif
