// SPDX-License-Identifier: MIT
//
// The four context variables of this integration: what extract() reads, and inject() sends.
#ifndef CONTEXTVARS_PROPAGATION_VARIABLES_HPP
#define CONTEXTVARS_PROPAGATION_VARIABLES_HPP

#include <contextvars/context_var.hpp>
#include <contextvars/propagation/baggage.hpp>
#include <contextvars/propagation/deadline.hpp>
#include <contextvars/propagation/trace_parent.hpp>
#include <contextvars/propagation/trace_state.hpp>

#include <algorithm>

namespace contextvars::inline v0::propagation {

/// Each of these four has a default that stands for "nothing": get() throws nothing, and inject()
/// sends nothing.
CONTEXTVARS_EXPORT extern const ContextVar<trace_parent> current_trace;
/// As current_trace.
CONTEXTVARS_EXPORT extern const ContextVar<trace_state> current_state;
/// As current_trace.
CONTEXTVARS_EXPORT extern const ContextVar<baggage> current_baggage;
/// Set it by limit_deadline() alone, so that nobody extends a deadline.
CONTEXTVARS_EXPORT extern const ContextVar<deadline> current_deadline;

/// Sets the current deadline to the earlier one of it and `limit`.
/// Returns: a guard that resets it.
/// Throws, cost: as of ContextVar::scoped().
[[nodiscard("the guard resets the deadline when it is destroyed")]]
inline Scope<deadline> limit_deadline(deadline limit) {
    return current_deadline.scoped(std::min(limit, current_deadline.get()));
}
/// As above, with a limit that is `left` from now.
[[nodiscard("the guard resets the deadline when it is destroyed")]]
inline Scope<deadline> limit_deadline(deadline::clock::duration left) {
    return propagation::limit_deadline(deadline::after(left));
}

} // namespace contextvars::inline v0::propagation

#endif
