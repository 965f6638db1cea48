// SPDX-License-Identifier: MIT
//
// trace_parent: the ids and flags of W3C Trace Context, level 2 (the header traceparent), and the
// same of B3. A value of 25 bytes that allocates nothing.
#ifndef CONTEXTVARS_PROPAGATION_TRACE_PARENT_HPP
#define CONTEXTVARS_PROPAGATION_TRACE_PARENT_HPP

#include <contextvars/propagation/fault.hpp>

#include <array>
#include <cstdint>
#include <iosfwd>
#include <string_view>

namespace contextvars::inline v0::propagation {

/// A span of a trace. One without ids (all zeros, as one is made) stands for "no trace".
struct trace_parent {
    std::array<std::uint8_t, 16> trace_id{};
    std::array<std::uint8_t, 8> span_id{};
    std::uint8_t flags = 0; ///< the two that level 2 defines; others are neither kept nor sent

    static constexpr std::uint8_t sampled_flag = 1;
    static constexpr std::uint8_t random_flag = 2;
    static constexpr std::size_t size = 55; ///< of the header's value

    /// Returns: whether both ids are there.
    constexpr explicit operator bool() const noexcept {
        return trace_id != std::array<std::uint8_t, 16>{} &&
               span_id != std::array<std::uint8_t, 8>{};
    }
    constexpr bool sampled() const noexcept { return (flags & sampled_flag) != 0; }
    constexpr bool random() const noexcept { return (flags & random_flag) != 0; }

    /// Reads a traceparent. White space around it is accepted; of a version after 00, the part that
    /// is known.
    /// Returns: the value, or malformed, bad_version or zero_id.
    /// Cost: reads at most 56 bytes and the white space; allocates nothing.
    /// From: W3C Trace Context level 2, "traceparent Header".
    CONTEXTVARS_EXPORT static parsed<trace_parent> parse(std::string_view text) noexcept;

    /// Returns: the value of a traceparent of version 00.
    /// Precondition: the ids are there.
    /// Cost: allocates nothing.
    CONTEXTVARS_EXPORT std::array<char, size> to_text() const noexcept;

    /// Returns: a span of a new trace, with the random flag.
    /// Throws: std::system_error if the system has no random numbers.
    /// Cost: a call of the system; allocates nothing.
    CONTEXTVARS_EXPORT static trace_parent start(bool sampled);

    /// Returns: a new span of the same trace, with the same flags.
    /// Precondition, throws, cost: as of to_text() and start().
    CONTEXTVARS_EXPORT trace_parent child() const;

    friend constexpr bool operator==(const trace_parent&, const trace_parent&) noexcept = default;

    /// Prints the value of a traceparent, or `-` if there are no ids.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, const trace_parent& t);
};

/// Reads the header `b3`: ids of 16 or 32 digits, then perhaps the decision, and the parent's id,
/// which is left out. A trace id of 16 digits gets zeros in front. Debug counts as sampled; no
/// decision counts as not sampled.
/// Returns: the value, or malformed or zero_id. A decision without ids (`0`) is malformed.
/// Cost: reads at most 69 bytes and the white space; allocates nothing.
/// From: B3's specification (openzipkin/b3-propagation).
CONTEXTVARS_EXPORT parsed<trace_parent> parse_b3(std::string_view text) noexcept;

/// The headers of B3's other form; a view is empty if the header did not come.
struct b3_headers {
    std::string_view trace_id; ///< X-B3-TraceId
    std::string_view span_id;  ///< X-B3-SpanId
    std::string_view sampled;  ///< X-B3-Sampled: 1 or 0; older ones: true or false
    std::string_view flags;    ///< X-B3-Flags: 1 is debug
};

/// As the other parse_b3().
CONTEXTVARS_EXPORT parsed<trace_parent> parse_b3(const b3_headers& headers) noexcept;

/// Returns: the value of the header `b3`.
/// Precondition: the ids are there.
/// Cost: allocates nothing.
CONTEXTVARS_EXPORT std::array<char, 51> to_b3(const trace_parent& parent) noexcept;

} // namespace contextvars::inline v0::propagation

#endif
