// SPDX-License-Identifier: MIT
//
// The sets of characters that the standards name, and white space. One table, one load for a byte.
#ifndef CONTEXTVARS_PROPAGATION_CHARACTERS_HPP
#define CONTEXTVARS_PROPAGATION_CHARACTERS_HPP

#include <contextvars/config.hpp>

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace contextvars::inline v0::propagation::detail {

enum character : std::uint8_t {
    token = 1,         ///< of RFC 7230: keys of a baggage
    baggage_octet = 2, ///< values of a baggage, with `%`
    state_key = 4,     ///< a key of a tracestate, but for its first character
    state_value = 8,   ///< a value of a tracestate, with the space
    white = 16,        ///< space and tab
};

constexpr std::array<std::uint8_t, 256> make_characters() noexcept {
    std::array<std::uint8_t, 256> table{};
    const auto add = [&](std::string_view characters, std::uint8_t set) {
        for (const char c : characters)
            table[static_cast<unsigned char>(c)] |= set;
    };
    constexpr std::string_view lower = "abcdefghijklmnopqrstuvwxyz";
    constexpr std::string_view upper = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
    constexpr std::string_view digits = "0123456789";
    add(lower, token | state_key);
    add(upper, token);
    add(digits, token | state_key);
    add("!#$%&'*+-.^_`|~", token);
    add("_-*/@", state_key);
    add(" \t", white);
    for (unsigned c = 0x20; c <= 0x7e; ++c) {
        if (c != ',' && c != '=')
            table[c] |= state_value;
        if (c != ' ' && c != '"' && c != ',' && c != ';' && c != '\\')
            table[c] |= baggage_octet;
    }
    return table;
}
inline constexpr std::array<std::uint8_t, 256> characters = make_characters();

constexpr bool is(char c, character set) noexcept {
    return (characters[static_cast<unsigned char>(c)] & set) != 0;
}

/// Returns: the place of the first character from `at` on that is not of the set.
constexpr std::size_t skip(std::string_view text, std::size_t at, character set) noexcept {
    while (at != text.size() && is(text[at], set))
        ++at;
    return at;
}

constexpr std::string_view without_white(std::string_view text) noexcept {
    text.remove_prefix(skip(text, 0, white));
    while (!text.empty() && is(text.back(), white))
        text.remove_suffix(1);
    return text;
}

/// Returns: the digit's value, or -1.
constexpr int hex_digit(char c) noexcept {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

} // namespace contextvars::inline v0::propagation::detail

#endif
