// SPDX-License-Identifier: MIT
//
// The suppression of captures is counted in the map, not in the frame or the thread: a capture looks at
// the map anyway, and the map goes where the context does. A map with such a count is not captured (see
// capture_part()). So the map must be the context's own; a clone that replaces it has the same count.
#include "current/thread_state.hpp"
#include "process/ends.hpp"
#include "process/report.hpp"
#include "storage/map.hpp"

#include <contextvars/errors.hpp>
#include <contextvars/suppress_flow.hpp>

#include <cstdint>
#include <new>

namespace contextvars::inline v0 {

namespace {

constexpr std::uint32_t most_suppressions = 255;

} // namespace

FlowSuppression::FlowSuppression() {
    detail::map& own = *detail::own_current_map(detail::current_frame());
    if (detail::suppressions(own) == most_suppressions)
        throw RuntimeError(
            "suppress_flow() was called 255 times in this context, and no guard ended");
    own.size += detail::one_suppression;
    own.nodes |= detail::partly_captured;
    context_ = own.writer.identity();
}

FlowSuppression::~FlowSuppression() {
    detail::frame* const top = detail::top_frame();
    const Context* const context = top != nullptr ? detail::context_of(*top) : nullptr;
    if (top == nullptr || top->identity != context_) {
        // Else the guard's coroutine was destroyed while it was suspended.
        if (detail::is_entered_below(context_) && !detail::process_ends())
            detail::report(
                {diagnostic_kind::scope_not_restored,
                 "a suppress_flow() guard was destroyed inside another context than its "
                 "own, whose captures stay suppressed; destroy it before that context is "
                 "entered, or after it is left",
                 {},
                 context,
                 "~FlowSuppression"});
        return;
    }
    try {
        detail::map& own = *detail::own_current_map(*top);
        CONTEXTVARS_ASSERT(detail::suppressions(own) != 0);
        own.size -=
            detail::one_suppression; // the mark stays until a capture finds nothing left out
    } catch (const std::bad_alloc&) {
        detail::report({diagnostic_kind::out_of_memory,
                        "a suppress_flow() guard could not end the suppression for want of memory",
                        {},
                        context,
                        "~FlowSuppression"});
    }
}

} // namespace contextvars::inline v0
