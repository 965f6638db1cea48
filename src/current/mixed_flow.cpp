// SPDX-License-Identifier: MIT
#include "current/thread_state.hpp"

#include <contextvars/detail/mixed_flow.hpp>

namespace contextvars::inline v0::detail {

void mixed_flow::settle(bool has_copy) noexcept {
    frame* const top = top_frame();
    thread_state* const state = try_this_thread();
    const bool is_scope = top != nullptr && top->context == nullptr &&
                          top->published != flow_mark() && state != nullptr && top != &state->base;
    home_ = has_copy && is_scope ? identity_of(*top) : 0;
}

bool mixed_flow::is_at_home() const noexcept {
    const frame* const top = top_frame();
    return home_ != 0 && top != nullptr && top->identity == home_;
}

ext::snapshot mixed_flow::all() noexcept {
    const ext::flow_scope scope(*this);
    return snapshot_map::all_of_current();
}

void mixed_flow::begin_mixed() noexcept { settle(true); }

void mixed_flow::resume_mixed() noexcept {
    const bool unchanged = snapshot_map::holds_current(all());
    if (!is_at_home()) {
        settle(unchanged);
        resume();
        return;
    }
    if (!unchanged)
        take_over_current();
    resume();
}

bool mixed_flow::leave_home() noexcept {
    ext::snapshot current = snapshot_map::all_of_current();
    suspend();
    if (!is_at_home()) {
        resume();
        return false;
    }
    snapshot_map::make_current(std::move(current));
    return true;
}

void mixed_flow::take_over_current() noexcept {
    ext::snapshot current = snapshot_map::all_of_current();
    const ext::flow_scope scope(*this);
    snapshot_map::make_current(std::move(current));
}

void mixed_flow::give_back() noexcept {
    if (is_at_home())
        snapshot_map::make_current(all());
}

void mixed_flow::show_all() noexcept { snapshot_map::make_current(all()); }

} // namespace contextvars::inline v0::detail
