// SPDX-License-Identifier: MIT
#include <contextvars/propagation/baggage.hpp>

#include <contextvars/errors.hpp>

#include "characters.hpp"

#include <algorithm>
#include <cstdint>
#include <ostream>
#include <utility>

namespace contextvars::inline v0::propagation {

namespace {

using detail::is;
using detail::skip;

/// Returns: the end of a value that begins at `at`, or npos if a `%` in it begins no code.
std::size_t skip_value(std::string_view text, std::size_t at) noexcept {
    for (; at != text.size() && is(text[at], detail::baggage_octet); ++at)
        if (text[at] == '%') {
            if (text.size() - at < 3 || detail::hex_digit(text[at + 1]) < 0 ||
                detail::hex_digit(text[at + 2]) < 0)
                return std::string_view::npos;
            at += 2;
        }
    return at;
}

/// Copies text without the white space in it: what lies between two pieces is skipped.
class copy {
public:
    copy(std::string_view from, std::string& to) noexcept : from_(from), to_(to) {}
    void piece(std::size_t begin, std::size_t end) {
        if (begin != end_) {
            flush();
            begin_ = begin;
        }
        end_ = end;
    }
    void flush() { to_.append(from_, begin_, end_ - begin_); }

private:
    std::string_view from_;
    std::string& to_;
    std::size_t begin_ = 0;
    std::size_t end_ = 0;
};

/// Appends the member without white space. The text goes from one comma to the next.
/// Returns: whether it is legal; if not, a part may have been appended.
bool append_member(std::string_view text, std::string& to) {
    copy pieces(text, to);
    std::size_t at = skip(text, 0, detail::white);
    bool needs_value = true; // the member's own key does, a property's does not
    for (;;) {
        const std::size_t key = at;
        at = skip(text, at, detail::token);
        if (at == key)
            return false;
        pieces.piece(key, at);
        at = skip(text, at, detail::white);
        if (at != text.size() && text[at] == '=') {
            pieces.piece(at, at + 1);
            const std::size_t value = skip(text, at + 1, detail::white);
            at = skip_value(text, value);
            if (at == std::string_view::npos)
                return false;
            if (at != value)
                pieces.piece(value, at);
            at = skip(text, at, detail::white);
        } else if (needs_value) {
            return false;
        }
        needs_value = false;
        if (at == text.size())
            break;
        if (text[at] != ';')
            return false;
        pieces.piece(at, at + 1);
        at = skip(text, at + 1, detail::white);
    }
    pieces.flush();
    return true;
}

void check_key(std::string_view key) {
    if (key.empty() || skip(key, 0, detail::token) != key.size())
        throw ValueError("baggage: a key is a token of HTTP: letters, digits and !#$%&'*+-.^_`|~");
}

/// Returns: key=value, encoded.
std::string encoded(std::string_view key, std::string_view value) {
    constexpr std::string_view digits = "0123456789ABCDEF";
    std::string text;
    text.reserve(key.size() + 1 + value.size());
    text.append(key).append(1, '=');
    for (const char c : value) {
        if (is(c, detail::baggage_octet) && c != '%' && c != '+') {
            text += c;
        } else {
            const auto byte = static_cast<unsigned char>(c);
            text += '%';
            text += digits[byte >> 4];
            text += digits[byte & 15];
        }
    }
    return text;
}

/// Returns: how many bytes at the front are one character of UTF-8. If none are: 0, and `bad` bytes
/// begin one that does not go on, and are replaced by one U+FFFD, as browsers and Go do.
std::size_t character_size(std::string_view text, std::size_t& bad) noexcept {
    const auto byte = [&](std::size_t i) { return static_cast<std::uint8_t>(text[i]); };
    const std::uint8_t first = byte(0);
    std::size_t size = 0;
    std::uint8_t least = 0x80;
    std::uint8_t most = 0xbf; // of the second byte
    if (first < 0x80)
        return 1;
    if (first >= 0xc2 && first <= 0xdf) {
        size = 2;
    } else if (first >= 0xe0 && first <= 0xef) {
        size = 3;
        if (first == 0xe0)
            least = 0xa0; // else it would be shorter
        else if (first == 0xed)
            most = 0x9f; // else it would be a surrogate
    } else if (first >= 0xf0 && first <= 0xf4) {
        size = 4;
        if (first == 0xf0)
            least = 0x90;
        else if (first == 0xf4)
            most = 0x8f;
    }
    bad = 1;
    for (std::size_t i = 1; i < size; ++i) {
        if (i == text.size() || byte(i) < least || byte(i) > most) {
            bad = i;
            return 0;
        }
        least = 0x80;
        most = 0xbf;
    }
    return size;
}

} // namespace

namespace detail {
std::string decoded(std::string_view text) {
    if (text.find('%') == std::string_view::npos)
        return std::string(text);
    std::string bytes;
    bytes.reserve(text.size());
    bool ascii = true;
    for (std::size_t i = 0; i != text.size(); ++i) {
        char c = text[i];
        if (c == '%') { // the parser has seen that two digits follow
            c = static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
            i += 2;
        }
        ascii &= static_cast<unsigned char>(c) < 0x80;
        bytes += c;
    }
    if (ascii)
        return bytes;
    std::string result;
    result.reserve(text.size());
    for (std::string_view rest(bytes); !rest.empty();) {
        std::size_t bad = 0;
        const std::size_t size = character_size(rest, bad);
        if (size == 0)
            result += "\xef\xbf\xbd";
        else
            result.append(rest, 0, size);
        rest.remove_prefix(size == 0 ? bad : size);
    }
    return result;
}
} // namespace detail

baggage baggage::parse(std::string_view line) {
    reader lines;
    lines.add(line);
    return lines.take();
}

std::optional<baggage_member> baggage::find(std::string_view key) const noexcept {
    const auto found =
        std::find_if(begin(), end(), [&](baggage_member member) { return member.key() == key; });
    if (found == end())
        return std::nullopt;
    return *found;
}

fault baggage::set(std::string_view key, std::string_view value) {
    check_key(key);
    if (!find(key))
        return add(key, value);
    std::string replacement = encoded(key, value);
    baggage changed;
    bool placed = false;
    changed.text_.reserve(text_.size() + replacement.size());
    for (const baggage_member member : *this) {
        const bool same = member.key() == key;
        if (same && placed)
            continue;
        if (!changed.text_.empty())
            changed.text_ += ',';
        if (same)
            changed.text_ += replacement;
        else
            changed.text_ += member.to_text();
        placed |= same;
        ++changed.members_;
    }
    if (changed.text_.size() > most_bytes)
        return fault::too_long;
    *this = std::move(changed);
    return fault::none;
}

fault baggage::add(std::string_view key, std::string_view value) {
    check_key(key);
    if (members_ == most_members)
        return fault::too_many;
    const std::string member = encoded(key, value);
    const std::size_t comma = text_.empty() ? 0 : 1;
    if (text_.size() + comma + member.size() > most_bytes)
        return fault::too_long;
    text_.reserve(text_.size() + comma + member.size());
    text_.append(comma, ',').append(member);
    ++members_;
    return fault::none;
}

std::size_t baggage::remove(std::string_view key) {
    baggage kept;
    for (const baggage_member member : *this) {
        if (member.key() == key)
            continue;
        if (kept.members_++ != 0)
            kept.text_ += ',';
        kept.text_ += member.to_text();
    }
    const std::size_t went = members_ - kept.members_;
    *this = std::move(kept);
    return went;
}

std::ostream& operator<<(std::ostream& out, const baggage& b) {
    const char* separator = "";
    for (const baggage_member member : b) {
        out << separator << member.key();
        separator = ",";
    }
    return out;
}

void baggage::reader::drop(fault reason) noexcept {
    if (dropped_++ == 0)
        reason_ = reason;
}

void baggage::reader::add(std::string_view line) {
    if (full_)
        return;
    if (lines_++ != 0)
        ++bytes_; // the comma that joins the lines
    const std::size_t left = most_bytes - std::min(bytes_, most_bytes);
    const bool cut = line.size() > left;
    bytes_ += line.size();
    // A byte more than may be read tells whether the last member ends there.
    line = line.substr(0, left + 1);
    read_.text_.reserve(read_.text_.size() + std::min(line.size(), left) + 1);
    while (!line.empty()) {
        const std::size_t comma = line.find(',');
        if (cut && comma == std::string_view::npos)
            break;
        const std::string_view member = line.substr(0, comma);
        line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
        if (skip(member, 0, detail::white) == member.size())
            continue;
        if (read_.members_ == most_members) {
            drop(fault::too_many);
            full_ = true;
            return;
        }
        const std::size_t before = read_.text_.size();
        if (before != 0)
            read_.text_ += ',';
        if (append_member(member, read_.text_)) {
            ++read_.members_;
        } else {
            read_.text_.resize(before);
            drop(fault::malformed);
        }
    }
    if (cut) {
        drop(fault::too_long);
        full_ = true;
    }
}

baggage baggage::reader::take() noexcept {
    baggage result = std::move(read_);
    *this = reader();
    return result;
}

} // namespace contextvars::inline v0::propagation
