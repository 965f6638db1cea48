// SPDX-License-Identifier: MIT
#include "current/event_loops.hpp"
#include "current/thread_state.hpp"
#include "process/ends.hpp"
#include "process/report.hpp"
#include "variables/registry.hpp"

#include <contextvars/detail/frame.hpp>
#include <contextvars/detail/variable.hpp>

#include <string_view>

namespace contextvars::inline v0::detail {

bool is_entered_below(identity_type context) noexcept {
    for (const frame* frame = top_frame(); frame != nullptr; frame = frame->previous)
        if (frame->identity == context)
            return true;
    // A checked base context is in no chain.
    const thread_state* const state = this_thread_state();
    return state != nullptr && state->base.identity == context && context != 0;
}

void report_unrestored(const undo& undo, reset_result result) noexcept {
    if (result == reset_result::wrong_context)
        guard_ended_elsewhere(undo, __builtin_return_address(0));
    // In all other cases, the coroutine of the guard was destroyed while it was suspended, by the
    // end of an executor, say. That is no misuse: its context ends as well, or goes on without
    // anybody who could notice.
    if (result == reset_result::wrong_context &&
        (!is_entered_below(undo.context) || process_ends()))
        return;
    const std::string_view name = undo.key == no_key ? std::string_view{} : name_of(undo.key);
    const frame* const current = top_frame();
    const Context* const context = current != nullptr ? context_of(*current) : nullptr;
    if (result == reset_no_memory)
        report({diagnostic_kind::out_of_memory,
                "a scoped() guard could not restore its variable for want of memory", name, context,
                "~Scope"});
    else
        report(
            {diagnostic_kind::scope_not_restored,
             "a scoped() guard was destroyed inside another context than its own, and has restored "
             "nothing; destroy it before that context is entered, or after it is left",
             name, context, "~Scope"});
}

} // namespace contextvars::inline v0::detail
