// SPDX-License-Identifier: MIT
//
// Tells the hook what was dropped, but not too often.
#ifndef CONTEXTVARS_PROPAGATION_REPORT_HPP
#define CONTEXTVARS_PROPAGATION_REPORT_HPP

#include <contextvars/propagation/fault.hpp>

#include <chrono>

namespace contextvars::inline v0::propagation::detail {

/// Exported for the tests, which give the time.
CONTEXTVARS_EXPORT void report(std::string_view header, fault reason, std::size_t count,
                               std::chrono::steady_clock::time_point now) noexcept;

} // namespace contextvars::inline v0::propagation::detail

#endif
