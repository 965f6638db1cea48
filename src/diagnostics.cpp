// SPDX-License-Identifier: MIT
#include "registry.hpp"
#include "report.hpp"

#include <contextvars/detail/frame.hpp>
#include <contextvars/detail/variable.hpp>
#include <contextvars/diagnostics.hpp>

#include <array>
#include <atomic>
#include <cstdio>
#include <exception>

namespace contextvars::inline v0 {

namespace {

constinit std::atomic<diagnostics_hook> hook{nullptr};

// Parts of a line are written by one call, so that lines of several threads do not mix.
void write_line(const diagnostic& diagnostic) noexcept {
    const auto length = [](std::string_view text) { return static_cast<int>(text.size()); };
    std::array<char, 48> context{};
    if (diagnostic.context != nullptr)
        std::snprintf(context.data(), context.size(), ": <Context at %p>", diagnostic.context);
    std::fprintf(stderr, "contextvars: %.*s%s%.*s%s%s (%.*s)\n", length(diagnostic.what),
                 diagnostic.what.data(), diagnostic.variable.empty() ? "" : ": variable '",
                 length(diagnostic.variable), diagnostic.variable.data(),
                 diagnostic.variable.empty() ? "" : "'", context.data(), length(diagnostic.where),
                 diagnostic.where.data());
}

} // namespace

diagnostics_hook set_diagnostics_hook(diagnostics_hook new_hook) noexcept {
    // Acquire and release: what the installing thread prepared is seen by the hook.
    return hook.exchange(new_hook, std::memory_order_acq_rel);
}

namespace detail {

void report(const diagnostic& diagnostic) noexcept {
    if (const diagnostics_hook installed = hook.load(std::memory_order_acquire))
        installed(diagnostic);
    else
        write_line(diagnostic);
}

void report_fatal(const diagnostic& diagnostic) noexcept {
    report(diagnostic);
    std::terminate();
}

void report_unrestored(const undo& undo, reset_result result) noexcept {
    const std::string_view name = undo.key == no_key ? std::string_view{} : name_of(undo.key);
    const frame* const current = top_frame();
    const Context* const context = current != nullptr ? current->context : nullptr;
    if (result == reset_no_memory)
        report({diagnostic_kind::out_of_memory,
                "a scoped() guard could not restore its variable for want of memory", name, context,
                "~Scope"});
    else
        report({diagnostic_kind::scope_not_restored,
                "a scoped() guard was destroyed where its context is not current, and has "
                "restored nothing",
                name, context, "~Scope"});
}

} // namespace detail
} // namespace contextvars::inline v0
