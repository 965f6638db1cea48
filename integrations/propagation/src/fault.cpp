// SPDX-License-Identifier: MIT
#include <contextvars/propagation/fault.hpp>

#include "report.hpp"

#include <array>
#include <atomic>
#include <chrono>
#include <mutex>
#include <utility>

namespace contextvars::inline v0::propagation {

namespace {

using clock = std::chrono::steady_clock;
constexpr auto window = std::chrono::minutes(1);
constexpr int most_in_a_window = 10;

struct reports {
    clock::time_point began;
    int told = 0;
    std::uint64_t left_out = 0;
};

// Release and acquire: the thread that installs a hook has done all that it needs.
constinit std::atomic<dropped_hook> hook{nullptr};

constinit std::mutex reports_mutex;
constinit std::array<reports, static_cast<std::size_t>(fault::out_of_time) + 1> reports_of{};

} // namespace

std::string_view words(fault reason) noexcept {
    switch (reason) {
    case fault::none:
        return "nothing is wrong";
    case fault::malformed:
        return "it does not have the standard's form";
    case fault::bad_version:
        return "its version is ff";
    case fault::zero_id:
        return "an id is zero";
    case fault::repeated:
        return "it came more than once";
    case fault::too_long:
        return "it has more bytes than the limit";
    case fault::too_many:
        return "it has more members than the limit";
    case fault::without_parent:
        return "there is no valid traceparent with it";
    case fault::untrusted:
        return "the edge does not trust it";
    case fault::refused:
        return "the codec does not take the value";
    case fault::out_of_time:
        return "the deadline has passed";
    }
    return "unknown";
}

dropped_hook set_dropped_hook(dropped_hook installed) noexcept {
    const std::lock_guard lock(reports_mutex);
    reports_of = {};
    return hook.exchange(installed, std::memory_order_acq_rel);
}

void detail::report(std::string_view header, fault reason, std::size_t count,
                    clock::time_point now) noexcept {
    const dropped_hook told = hook.load(std::memory_order_acquire);
    if (told == nullptr)
        return;
    std::uint64_t left_out = 0;
    {
        const std::lock_guard lock(reports_mutex);
        reports& state = reports_of[static_cast<std::size_t>(reason)];
        if (state.told == 0 || now - state.began >= window) {
            state.began = now;
            state.told = 0;
        }
        if (state.told == most_in_a_window) {
            ++state.left_out;
            return;
        }
        ++state.told;
        left_out = std::exchange(state.left_out, 0);
    }
    told({header, reason, count, left_out});
}

} // namespace contextvars::inline v0::propagation
