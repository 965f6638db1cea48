// SPDX-License-Identifier: MIT
//
// Besides what detail/capture.hpp declares.
#ifndef CONTEXTVARS_SRC_CURRENT_CAPTURE_HPP
#define CONTEXTVARS_SRC_CURRENT_CAPTURE_HPP

#include <contextvars/detail/map.hpp>

namespace contextvars::inline v0::detail {

struct thread_state;

/// Returns: a map with those bindings that are captured, and one reference. If there is no memory for
/// it, returns the empty map: what is never to be captured is not captured then either.
map* copy_captured_or_none(const map& from) noexcept;
/// Frees the map that `state` keeps for the next capture.
void release_clean_map(thread_state& state) noexcept;

} // namespace contextvars::inline v0::detail

#endif
