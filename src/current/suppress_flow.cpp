// SPDX-License-Identifier: MIT
//
// The suppression of captures is counted in the map, not in the frame or the thread: a capture looks at
// the map anyway, and the map goes where the context does. A map with such a count is not captured (see
// capture_part()). So the map must be the context's own; a clone that replaces it has the same count.
#include "current/event_loops.hpp"
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

/// Ends one suppression in the context of the top frame.
void end_suppression(detail::frame& top) noexcept {
    try {
        detail::map& own = *detail::own_current_map(top);
        // There are none if other bindings were put in the place of the guard's. The mark stays until a
        // capture finds nothing left out.
        if (detail::suppressions(own) != 0)
            own.size -= detail::one_suppression;
    } catch (const std::bad_alloc&) {
        detail::report({diagnostic_kind::out_of_memory,
                        "a suppress_flow() guard could not end the suppression for want of memory",
                        {},
                        detail::context_of(top),
                        "~FlowSuppression"});
    }
}

} // namespace

FlowSuppression::FlowSuppression() {
    const auto begin = [this] {
        detail::map& own = *detail::own_current_map(*detail::top_frame());
        if (detail::suppressions(own) == most_suppressions)
            throw RuntimeError(
                "suppress_flow() was called 255 times in this context, and no guard ended");
        own.size += detail::one_suppression;
        own.nodes |= detail::partly_captured;
        context_ = own.writer.identity();
    };
    try {
        static_cast<void>(detail::current_frame());
    } catch (const detail::base_is_checked&) {
        const detail::checked_base base;
        begin();
        return;
    }
    begin();
}

FlowSuppression::~FlowSuppression() {
    if (detail::is_checked_base(context_)) {
        const detail::checked_base base;
        end_suppression(*detail::top_frame());
        return;
    }
    detail::frame* const top = detail::top_frame();
    if (top == nullptr || top->identity != context_) {
        // Else the guard's coroutine was destroyed while it was suspended.
        if (detail::is_entered_below(context_) && !detail::process_ends())
            detail::report(
                {diagnostic_kind::scope_not_restored,
                 "a suppress_flow() guard was destroyed inside another context than its "
                 "own, whose captures stay suppressed; destroy it before that context is "
                 "entered, or after it is left",
                 {},
                 top != nullptr ? detail::context_of(*top) : nullptr,
                 "~FlowSuppression"});
        return;
    }
    end_suppression(*top);
}

} // namespace contextvars::inline v0
