// SPDX-License-Identifier: MIT
//
// baggage: the members of the W3C header of that name, in their order, with duplicates and
// properties.
#ifndef CONTEXTVARS_PROPAGATION_BAGGAGE_HPP
#define CONTEXTVARS_PROPAGATION_BAGGAGE_HPP

#include <contextvars/propagation/fault.hpp>

#include <cstddef>
#include <iosfwd>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

namespace contextvars::inline v0::propagation {

namespace detail {
/// Returns: the part of `text` up to `separator`.
constexpr std::string_view first_part(std::string_view text, char separator) noexcept {
    return text.substr(0, text.find(separator));
}
/// Returns: the text with each percent code decoded; bytes that are no UTF-8 become U+FFFD.
CONTEXTVARS_EXPORT std::string decoded(std::string_view text);

/// A range over the parts of a text that a character separates.
template <class Part, char Separator>
class parts {
public:
    class iterator {
    public:
        using value_type = Part;
        using difference_type = std::ptrdiff_t;
        using reference = Part;
        using pointer = void;
        using iterator_category = std::input_iterator_tag;

        constexpr iterator() noexcept = default;
        constexpr explicit iterator(std::string_view rest) noexcept : rest_(rest) {}
        constexpr Part operator*() const noexcept { return Part(first_part(rest_, Separator)); }
        constexpr iterator& operator++() noexcept {
            const std::size_t end = rest_.find(Separator);
            rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
            return *this;
        }
        constexpr iterator operator++(int) noexcept {
            iterator before = *this;
            ++*this;
            return before;
        }
        friend constexpr bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.rest_.size() == b.rest_.size(); // of one text
        }

    private:
        std::string_view rest_;
    };

    constexpr explicit parts(std::string_view text) noexcept : text_(text) {}
    constexpr iterator begin() const noexcept { return iterator(text_); }
    constexpr iterator end() const noexcept { return iterator(); }

private:
    std::string_view text_;
};
} // namespace detail

/// A property of a member: a key, and perhaps a value. Good for as long as its member.
class baggage_property {
public:
    constexpr explicit baggage_property(std::string_view text) noexcept : text_(text) {}

    constexpr std::string_view key() const noexcept { return detail::first_part(text_, '='); }
    constexpr bool has_value() const noexcept { return key().size() != text_.size(); }
    /// Returns: the value as it is in the header; empty if there is none.
    constexpr std::string_view encoded_value() const noexcept {
        return has_value() ? text_.substr(key().size() + 1) : std::string_view();
    }
    /// Returns: the value, decoded. Throws: std::bad_alloc.
    std::string value() const { return detail::decoded(encoded_value()); }

private:
    std::string_view text_;
};

/// A member of a baggage: a key, a value and properties. Good until the baggage changes.
class baggage_member {
public:
    constexpr explicit baggage_member(std::string_view text) noexcept : text_(text) {}

    constexpr std::string_view key() const noexcept { return detail::first_part(text_, '='); }
    /// Returns: the value as it is in the header.
    constexpr std::string_view encoded_value() const noexcept {
        return detail::first_part(text_, ';').substr(key().size() + 1);
    }
    /// Returns: the value, decoded; bytes that are no UTF-8 are U+FFFD. Throws: std::bad_alloc.
    std::string value() const { return detail::decoded(encoded_value()); }
    constexpr detail::parts<baggage_property, ';'> properties() const noexcept {
        const std::size_t end = text_.find(';');
        return detail::parts<baggage_property, ';'>(
            end == std::string_view::npos ? std::string_view() : text_.substr(end + 1));
    }
    /// Returns: all of the member as it is in the header.
    constexpr std::string_view to_text() const noexcept { return text_; }

private:
    std::string_view text_;
};

/// At most 64 members, and 8,192 bytes. It is kept as the text of the header, so that what is not
/// changed goes on as it came.
class baggage {
public:
    static constexpr std::size_t most_members = 64;
    static constexpr std::size_t most_bytes = 8192; ///< over all lines of the header

    class reader;
    using iterator = detail::parts<baggage_member, ','>::iterator;

    baggage() noexcept = default;

    /// Reads the only line of a header. Members that are malformed, or exceed the limits, are
    /// dropped; the others are kept.
    /// Throws: std::bad_alloc.
    /// Cost: O(size), of the first 8,192 bytes alone; one allocation.
    /// From: W3C Baggage (May 2024), and the change of 2025 for properties (w3c/baggage#148).
    CONTEXTVARS_EXPORT static baggage parse(std::string_view line);

    bool empty() const noexcept { return text_.empty(); }
    /// Returns: the number of members. Cost: O(1).
    std::size_t size() const noexcept { return members_; }
    iterator begin() const noexcept CONTEXTVARS_LIFETIMEBOUND { return iterator(text_); }
    iterator end() const noexcept { return iterator(); }

    /// Returns: the value of the header.
    const std::string& to_text() const noexcept CONTEXTVARS_LIFETIMEBOUND { return text_; }

    /// Returns: the first member with the key, good until the object changes.
    CONTEXTVARS_EXPORT std::optional<baggage_member>
    find(std::string_view key) const noexcept CONTEXTVARS_LIFETIMEBOUND;

    /// Gives the key this value. The first member of the key keeps its place and loses its
    /// properties; other members of the key go. If there was none, the new one is the last.
    /// The value may be any text: bytes that a header cannot carry are percent-encoded, and `+`
    /// is as well, since some peers take it for a space.
    /// Returns: too_many or too_long if the limits do not allow it; then nothing has changed.
    /// Throws: ValueError if the key is no token of HTTP; std::bad_alloc.
    CONTEXTVARS_EXPORT fault set(std::string_view key, std::string_view value);

    /// As set(), but puts the member at the end, beside those of the key.
    CONTEXTVARS_EXPORT fault add(std::string_view key, std::string_view value);

    /// Returns: how many members of the key went.
    /// Throws: std::bad_alloc.
    CONTEXTVARS_EXPORT std::size_t remove(std::string_view key);

    friend bool operator==(const baggage& a, const baggage& b) noexcept {
        return a.text_ == b.text_;
    }
    /// Prints the keys alone: values may be personal.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, const baggage& b);

private:
    std::string text_; // legal members, without white space
    std::size_t members_ = 0;
};

/// Reads a header of several lines, in their order. The limits hold for all lines together.
class baggage::reader {
public:
    /// Throws: std::bad_alloc.
    /// Cost: O(size) until the limits are reached; then none.
    CONTEXTVARS_EXPORT void add(std::string_view line);

    /// Returns: the members of all lines. The reader is as new afterwards.
    CONTEXTVARS_EXPORT baggage take() noexcept;

    /// Returns: how many members were dropped. What exceeds the limits counts as one, since it is
    /// not read.
    std::size_t dropped() const noexcept { return dropped_; }
    /// Returns: whether nothing more is read.
    bool full() const noexcept { return full_; }
    /// Returns: why the first of them was.
    fault reason() const noexcept { return reason_; }

private:
    void drop(fault reason) noexcept;

    baggage read_;
    std::size_t bytes_ = 0;
    std::size_t lines_ = 0;
    std::size_t dropped_ = 0;
    fault reason_ = fault::none;
    bool full_ = false;
};

} // namespace contextvars::inline v0::propagation

#endif
