// SPDX-License-Identifier: MIT
#include "process/line_limit.hpp"
#include "process/locks.hpp"
#include "process/report.hpp"

#include <contextvars/diagnostics.hpp>

#include <unistd.h>

#include <array>
#include <atomic>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <exception>
#include <utility>

namespace contextvars::inline v0 {

namespace {

constinit std::atomic<diagnostics_hook> hook{nullptr};

constinit std::array<detail::line_limit, 9> limits; // by kind

// The process whose lines are counted: a child of a fork has left out none of its own yet.
constinit pid_t counts_in = 0;

void write_left_out(std::uint32_t count) noexcept {
    std::fprintf(stderr, "contextvars: %" PRIu32 " more like these were left out\n", count);
}

/// Writes one line. If lines were left out before, writes one more, which counts them.
void write(const diagnostic& diagnostic) noexcept {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
        std::chrono::steady_clock::now().time_since_epoch());
    const detail::holding guard(detail::diagnostics_lock);
    detail::line_limit& limit = limits[static_cast<std::size_t>(diagnostic.kind)];
    if (const pid_t process = getpid(); std::exchange(counts_in, process) != process)
        for (detail::line_limit& other : limits)
            static_cast<void>(other.take_left_out());
    if (!limit.passes(now.count()))
        return;
    if (const std::uint32_t left_out = limit.take_left_out(); left_out != 0)
        write_left_out(left_out);
    const auto length = [](std::string_view text) { return static_cast<int>(text.size()); };
    std::array<char, 48> context{};
    if (diagnostic.context != nullptr)
        std::snprintf(context.data(), context.size(), ": <Context at %p>", diagnostic.context);
    // One call, so that other writers to standard error do not come between.
    std::fprintf(stderr, "contextvars: %.*s%s%.*s%s%s (%.*s)%s\n", length(diagnostic.what),
                 diagnostic.what.data(), diagnostic.variable.empty() ? "" : ": variable '",
                 length(diagnostic.variable), diagnostic.variable.data(),
                 diagnostic.variable.empty() ? "" : "'", context.data(), length(diagnostic.where),
                 diagnostic.where.data(),
                 limit.is_reached() ? "; more like this within a minute are only counted" : "");
}

[[gnu::destructor]] void write_what_is_left_out() {
    const detail::holding guard(detail::diagnostics_lock);
    if (counts_in != getpid())
        return;
    for (detail::line_limit& limit : limits)
        if (const std::uint32_t left_out = limit.take_left_out(); left_out != 0)
            write_left_out(left_out);
}

} // namespace

diagnostics_hook set_diagnostics_hook(diagnostics_hook new_hook) noexcept {
    // Acquire and release: the hook sees all that the installing thread prepared.
    return hook.exchange(new_hook, std::memory_order_acq_rel);
}

namespace detail {

void report(const diagnostic& diagnostic) noexcept {
    if (const diagnostics_hook installed = hook.load(std::memory_order_acquire))
        installed(diagnostic);
    else
        write(diagnostic);
}

void report_fatal(const diagnostic& diagnostic) noexcept {
    report(diagnostic);
    std::terminate();
}

} // namespace detail
} // namespace contextvars::inline v0
