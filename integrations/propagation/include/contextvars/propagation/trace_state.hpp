// SPDX-License-Identifier: MIT
//
// trace_state: the members of W3C Trace Context's header tracestate, in their order.
#ifndef CONTEXTVARS_PROPAGATION_TRACE_STATE_HPP
#define CONTEXTVARS_PROPAGATION_TRACE_STATE_HPP

#include <contextvars/propagation/fault.hpp>

#include <array>
#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string>
#include <string_view>

namespace contextvars::inline v0::propagation {

/// At most 32 members of a key and a value. It is kept as the text of the header, so that what is
/// not changed goes on as it came.
class trace_state {
public:
    static constexpr std::size_t most_members = 32;
    static constexpr std::size_t most_read = 16384; ///< bytes over all lines of the header
    static constexpr std::size_t most_sent = 8192;  ///< bytes of the header that inject() writes

    class reader;

    trace_state() noexcept = default;

    /// Reads the only line of a header.
    /// Returns: the members, perhaps none; or why all are dropped, since one member is illegal
    /// (malformed) or the limits are exceeded (too_many, too_long). Of a key that comes twice the
    /// first member is kept.
    /// Throws: std::bad_alloc.
    /// Cost: O(size); a text longer than most_read is not read; one allocation.
    /// From: W3C Trace Context level 2, "tracestate Header".
    CONTEXTVARS_EXPORT static parsed<trace_state> parse(std::string_view line);

    bool empty() const noexcept { return text_.empty(); }
    /// Returns: the number of members.
    CONTEXTVARS_EXPORT std::size_t size() const noexcept;

    /// Returns: the value of the header.
    const std::string& to_text() const noexcept CONTEXTVARS_LIFETIMEBOUND { return text_; }

    /// Returns: the value of the key, good until the object changes.
    CONTEXTVARS_EXPORT std::optional<std::string_view>
    get(std::string_view key) const noexcept CONTEXTVARS_LIFETIMEBOUND;

    /// Puts the member at the front, in place of one with that key. If they are 33 then, the last
    /// one goes.
    /// Throws: ValueError if the key or the value is not a legal one; std::bad_alloc. Then nothing
    /// has changed.
    CONTEXTVARS_EXPORT void set(std::string_view key, std::string_view value);

    /// Returns: whether there was such a member.
    CONTEXTVARS_EXPORT bool remove(std::string_view key) noexcept;

    /// Drops whole members until the text has at most `most` bytes: first those of more than 128
    /// bytes, from the end; then others from the end.
    /// Returns: how many were dropped.
    CONTEXTVARS_EXPORT std::size_t shorten(std::size_t most) noexcept;

    friend bool operator==(const trace_state&, const trace_state&) noexcept = default;
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, const trace_state& s);

private:
    std::string text_; // legal members, without white space around them
};

/// Reads a header of several lines, in their order.
class trace_state::reader {
public:
    /// Returns: why all is dropped, also if an earlier line was the reason; or fault::none.
    /// Throws: std::bad_alloc.
    CONTEXTVARS_EXPORT fault add(std::string_view line);

    /// Returns: the members of all lines. The reader is as new afterwards.
    CONTEXTVARS_EXPORT parsed<trace_state> take() noexcept;

    /// Returns: how many members had a key that an earlier one has, and were dropped.
    std::size_t repeated() const noexcept { return repeated_; }

private:
    fault add_member(std::string_view member);

    struct key_at {
        std::size_t offset;
        std::size_t size;
    };
    std::string text_;
    std::array<key_at, most_members> keys_{};
    std::size_t members_ = 0;
    std::size_t read_ = 0;
    std::size_t repeated_ = 0;
    fault reason_ = fault::none;
};

} // namespace contextvars::inline v0::propagation

#endif
