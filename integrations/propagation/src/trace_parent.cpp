// SPDX-License-Identifier: MIT
#include <contextvars/propagation/trace_parent.hpp>

#include "characters.hpp"

#include <cerrno>
#include <cstddef>
#include <ostream>
#include <span>
#include <system_error>

#include <unistd.h>

namespace contextvars::inline v0::propagation {

namespace {

/// The values of the digits of an id: lower case alone. Others have a bit that no digit has.
constexpr std::uint8_t no_digit = 16;
constexpr std::array<std::uint8_t, 256> make_digits() noexcept {
    std::array<std::uint8_t, 256> table{};
    table.fill(no_digit);
    for (std::uint8_t i = 0; i != 16; ++i)
        table[static_cast<unsigned char>("0123456789abcdef"[i])] = i;
    return table;
}
constexpr std::array<std::uint8_t, 256> digits = make_digits();

/// Reads two digits for each byte.
/// Returns: whether all are digits.
/// Precondition: the text has as many.
bool read_hex(std::string_view text, std::span<std::uint8_t> bytes) noexcept {
    unsigned seen = 0;
    for (std::size_t i = 0; i != bytes.size(); ++i) {
        const unsigned high = digits[static_cast<unsigned char>(text[2 * i])];
        const unsigned low = digits[static_cast<unsigned char>(text[2 * i + 1])];
        seen |= high | low;
        bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
    }
    return (seen & no_digit) == 0;
}

char* write_hex(char* to, std::span<const std::uint8_t> bytes) noexcept {
    constexpr const char* text = "0123456789abcdef";
    for (const std::uint8_t byte : bytes) {
        *to++ = text[byte >> 4];
        *to++ = text[byte & 15];
    }
    return to;
}

bool zero(std::span<const std::uint8_t> id) noexcept {
    unsigned any = 0;
    for (const std::uint8_t byte : id)
        any |= byte;
    return any == 0;
}

/// Fills an id that is not zero.
void fill(std::span<std::uint8_t> id) {
    do {
        if (::getentropy(id.data(), id.size()) != 0)
            throw std::system_error(errno, std::generic_category(),
                                    "trace_parent: the system has no random numbers for an id");
    } while (zero(id));
}

constexpr std::uint8_t known_flags = trace_parent::sampled_flag | trace_parent::random_flag;

parsed<trace_parent> b3_of(std::string_view trace_id, std::string_view span_id,
                           bool sampled) noexcept {
    trace_parent result;
    std::span<std::uint8_t> trace(result.trace_id);
    if (trace_id.size() == 16)
        trace = trace.subspan(8);
    if (trace_id.size() != 2 * trace.size() || span_id.size() != 16 || !read_hex(trace_id, trace) ||
        !read_hex(span_id, result.span_id))
        return fault::malformed;
    if (!result)
        return fault::zero_id;
    result.flags = sampled ? trace_parent::sampled_flag : 0;
    return result;
}

} // namespace

parsed<trace_parent> trace_parent::parse(std::string_view text) noexcept {
    text = detail::without_white(text);
    if (text.size() < size || text[2] != '-' || text[35] != '-' || text[52] != '-')
        return fault::malformed;
    std::uint8_t version = 0;
    trace_parent result;
    if (!read_hex(text, {&version, 1}) || !read_hex(text.substr(3), result.trace_id) ||
        !read_hex(text.substr(36), result.span_id) ||
        !read_hex(text.substr(53), {&result.flags, 1}))
        return fault::malformed;
    if (version == 0xff)
        return fault::bad_version;
    if (text.size() != size && (version == 0 || text[size] != '-'))
        return fault::malformed;
    if (!result)
        return fault::zero_id;
    result.flags &= known_flags;
    return result;
}

std::array<char, trace_parent::size> trace_parent::to_text() const noexcept {
    CONTEXTVARS_ASSERT(static_cast<bool>(*this));
    std::array<char, size> text;
    char* to = text.data();
    *to++ = '0';
    *to++ = '0';
    *to++ = '-';
    to = write_hex(to, trace_id);
    *to++ = '-';
    to = write_hex(to, span_id);
    *to++ = '-';
    const std::uint8_t sent = flags & known_flags;
    write_hex(to, {&sent, 1});
    return text;
}

trace_parent trace_parent::start(bool sampled) {
    trace_parent result;
    fill(result.trace_id);
    fill(result.span_id);
    result.flags = random_flag | (sampled ? sampled_flag : std::uint8_t{0});
    return result;
}

trace_parent trace_parent::child() const {
    CONTEXTVARS_ASSERT(static_cast<bool>(*this));
    trace_parent result = *this;
    fill(result.span_id);
    return result;
}

std::ostream& operator<<(std::ostream& out, const trace_parent& t) {
    if (!t)
        return out << '-';
    const auto text = t.to_text();
    return out << std::string_view(text.data(), text.size());
}

parsed<trace_parent> parse_b3(std::string_view text) noexcept {
    text = detail::without_white(text);
    const std::size_t dash = text.substr(0, 33).find('-');
    if (dash == std::string_view::npos)
        return fault::malformed;
    const std::string_view trace_id = text.substr(0, dash);
    const std::string_view span_id = text.substr(dash + 1, 16);
    if (span_id.size() != 16)
        return fault::malformed;
    std::string_view rest = text.substr(dash + 17);
    bool sampled = false;
    if (!rest.empty()) {
        const char decision = rest.size() >= 2 && rest[0] == '-' ? rest[1] : '\0';
        if (decision != '0' && decision != '1' && decision != 'd')
            return fault::malformed;
        sampled = decision != '0';
        rest.remove_prefix(2);
    }
    if (!rest.empty()) {
        std::array<std::uint8_t, 8> parent_id;
        if (rest.size() != 17 || rest[0] != '-' || !read_hex(rest.substr(1), parent_id))
            return fault::malformed;
    }
    return b3_of(trace_id, span_id, sampled);
}

parsed<trace_parent> parse_b3(const b3_headers& headers) noexcept {
    const std::string_view sampled = detail::without_white(headers.sampled);
    const std::string_view flags = detail::without_white(headers.flags);
    const bool yes = sampled == "1" || sampled == "true";
    if (!yes && !sampled.empty() && sampled != "0" && sampled != "false")
        return fault::malformed;
    if (!flags.empty() && flags != "0" && flags != "1")
        return fault::malformed;
    return b3_of(detail::without_white(headers.trace_id), detail::without_white(headers.span_id),
                 yes || flags == "1");
}

std::array<char, 51> to_b3(const trace_parent& parent) noexcept {
    CONTEXTVARS_ASSERT(static_cast<bool>(parent));
    std::array<char, 51> text;
    char* to = write_hex(text.data(), parent.trace_id);
    *to++ = '-';
    to = write_hex(to, parent.span_id);
    *to++ = '-';
    *to = parent.sampled() ? '1' : '0';
    return text;
}

} // namespace contextvars::inline v0::propagation
