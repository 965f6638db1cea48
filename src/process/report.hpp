// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_PROCESS_REPORT_HPP
#define CONTEXTVARS_SRC_PROCESS_REPORT_HPP

#include <contextvars/diagnostics.hpp>

namespace contextvars::inline v0::detail {

/// Tells the hook.
void report(const diagnostic& diagnostic) noexcept;

/// Tells the hook if the process has another copy of this library.
void report_other_copies() noexcept;

/// Tells the hook, then terminates.
[[noreturn]] void report_fatal(const diagnostic& diagnostic) noexcept;

} // namespace contextvars::inline v0::detail

#endif
