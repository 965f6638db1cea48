// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_PROCESS_ENDS_HPP
#define CONTEXTVARS_SRC_PROCESS_ENDS_HPP

#include <contextvars/config.hpp>

namespace contextvars::inline v0::detail {

/// Whether this thread is inside exit() or quick_exit(), or main has returned on it: static
/// destructors and handlers of atexit run, and what looks like misuse may be the ordinary end. Asked
/// only before misuse is reported, since it takes microseconds: it looks at the callers.
/// Where that cannot be found out, false.
bool process_ends() noexcept;

} // namespace contextvars::inline v0::detail

#endif
