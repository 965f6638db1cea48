// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_PROCESS_ENDS_HPP
#define CONTEXTVARS_SRC_PROCESS_ENDS_HPP

#include <contextvars/config.hpp>

namespace contextvars::inline v0::detail {

/// Returns: whether this thread is inside exit() or quick_exit(), or main has returned on it; false
/// if that cannot be found out. While the process ends, static destructors and handlers of atexit
/// run, and apparent misuse may be the ordinary end. The function looks at its callers, which takes
/// microseconds: so it is called only before misuse is reported.
bool process_ends() noexcept;

} // namespace contextvars::inline v0::detail

#endif
