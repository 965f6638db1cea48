// SPDX-License-Identifier: MIT
//
// deadline: the moment at which a request is worth nothing any more, and how it crosses processes:
// as the time that is left, since clocks of two machines differ.
#ifndef CONTEXTVARS_PROPAGATION_DEADLINE_HPP
#define CONTEXTVARS_PROPAGATION_DEADLINE_HPP

#include <contextvars/propagation/fault.hpp>

#include <chrono>
#include <compare>
#include <iosfwd>
#include <string>
#include <string_view>

namespace contextvars::inline v0::propagation {

/// A point of the steady clock, or none, which is later than all others: the earlier of two
/// deadlines is std::min of them. It has 8 bytes.
class deadline {
public:
    using clock = std::chrono::steady_clock;

    /// No deadline.
    constexpr deadline() noexcept = default;
    constexpr explicit deadline(clock::time_point at) noexcept : at_(at) {}

    /// Returns: a deadline that is so far away; none if the clock cannot tell it.
    static deadline after(clock::duration left, clock::time_point now = clock::now()) noexcept {
        return left >= clock::time_point::max() - now ? deadline() : deadline(now + left);
    }

    /// Returns: whether there is one.
    constexpr explicit operator bool() const noexcept { return at_ != clock::time_point::max(); }
    constexpr clock::time_point at() const noexcept { return at_; }
    bool passed(clock::time_point now = clock::now()) const noexcept { return *this && at_ <= now; }
    /// Returns: what is left; zero if it has passed; the longest duration if there is no deadline.
    clock::duration left(clock::time_point now = clock::now()) const noexcept {
        if (!*this)
            return clock::duration::max();
        return passed(now) ? clock::duration::zero() : at_ - now;
    }

    friend constexpr auto operator<=>(const deadline&, const deadline&) noexcept = default;

    /// Prints what is left, as `417 ms`, or `none`.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, const deadline& d);

private:
    clock::time_point at_ = clock::time_point::max();
};

/// Reads a `grpc-timeout`: one to eight digits, and one of H, M, S, m, u, n. Zero is legal: a
/// deadline that has passed.
/// Returns: the time that is left, at most that of the longest duration; or malformed.
/// Cost: reads at most 9 bytes and the white space; allocates nothing.
/// From: gRPC over HTTP/2, "Timeout".
CONTEXTVARS_EXPORT parsed<std::chrono::nanoseconds>
parse_grpc_timeout(std::string_view text) noexcept;

/// Returns: the longest grpc-timeout that is not longer than `left`.
/// Precondition: `left` is more than zero.
/// Cost: allocates nothing.
CONTEXTVARS_EXPORT std::string to_grpc_timeout(std::chrono::nanoseconds left);

/// Reads an `x-envoy-expected-rq-timeout-ms`: one to fifteen digits. Zero is malformed: Envoy
/// never writes it, and elsewhere it stands for "no limit".
/// Returns, cost: as of parse_grpc_timeout().
CONTEXTVARS_EXPORT parsed<std::chrono::nanoseconds>
parse_envoy_timeout(std::string_view text) noexcept;

/// Returns: the milliseconds, rounded down; but 1 if less than that is left.
/// Precondition: `left` is more than zero.
CONTEXTVARS_EXPORT std::string to_envoy_timeout(std::chrono::nanoseconds left);

} // namespace contextvars::inline v0::propagation

#endif
