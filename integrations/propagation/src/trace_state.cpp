// SPDX-License-Identifier: MIT
#include <contextvars/propagation/trace_state.hpp>

#include <contextvars/errors.hpp>

#include "characters.hpp"

#include <algorithm>
#include <ostream>
#include <utility>

namespace contextvars::inline v0::propagation {

namespace {

constexpr std::size_t most_of_key = 256;
constexpr std::size_t most_of_value = 256;
constexpr std::size_t goes_first = 128; // members that are longer

bool is_key(std::string_view key) noexcept {
    return !key.empty() && key.size() <= most_of_key && detail::is(key[0], detail::state_key) &&
           std::string_view("_-*/@").find(key[0]) == std::string_view::npos &&
           detail::skip(key, 0, detail::state_key) == key.size();
}

bool is_value(std::string_view value) noexcept {
    return !value.empty() && value.size() <= most_of_value && value.back() != ' ' &&
           detail::skip(value, 0, detail::state_value) == value.size();
}

/// The place of a member in the text, with the comma after it.
struct place {
    std::size_t begin;
    std::size_t end;
};

place member_at(std::string_view text, std::size_t begin) noexcept {
    const std::size_t comma = text.find(',', begin);
    return {begin, comma == std::string_view::npos ? text.size() : comma + 1};
}

/// Returns: the member with the key, or an empty place.
place find(std::string_view text, std::string_view key) noexcept {
    for (std::size_t at = 0; at != text.size();) {
        const place member = member_at(text, at);
        if (text.substr(at).starts_with(key) && text.substr(at + key.size()).starts_with('='))
            return member;
        at = member.end;
    }
    return {0, 0};
}

void erase(std::string& text, place member) noexcept {
    text.erase(member.begin, member.end - member.begin);
    if (!text.empty() && text.back() == ',') // it was the last one
        text.pop_back();
}

} // namespace

parsed<trace_state> trace_state::parse(std::string_view line) {
    reader lines;
    lines.add(line);
    return lines.take();
}

std::size_t trace_state::size() const noexcept {
    return text_.empty()
               ? 0
               : 1 + static_cast<std::size_t>(std::count(text_.begin(), text_.end(), ','));
}

std::optional<std::string_view> trace_state::get(std::string_view key) const noexcept {
    const place member = find(text_, key);
    if (member.end == 0 || key.empty())
        return std::nullopt;
    std::string_view value(text_);
    value = value.substr(member.begin, member.end - member.begin).substr(key.size() + 1);
    if (value.ends_with(','))
        value.remove_suffix(1);
    return value;
}

void trace_state::set(std::string_view key, std::string_view value) {
    if (!is_key(key))
        throw ValueError("trace_state: a key begins with one of a-z and 0-9, and has at most 256 "
                         "of these and _-*/@");
    if (!is_value(value))
        throw ValueError("trace_state: a value has 1 to 256 printable ASCII characters without , "
                         "and =, and does not end in a space");
    std::string changed;
    changed.reserve(key.size() + value.size() + text_.size() + 2);
    changed.append(key).append(1, '=').append(value);
    const place before = find(text_, key);
    std::size_t members = 1;
    for (std::size_t at = 0; at != text_.size() && members != most_members;) {
        const place member = member_at(text_, at);
        at = member.end;
        if (before.end != 0 && member.begin == before.begin)
            continue;
        std::string_view text(text_);
        text = text.substr(member.begin, member.end - member.begin);
        if (text.ends_with(','))
            text.remove_suffix(1);
        changed.append(1, ',').append(text);
        ++members;
    }
    text_ = std::move(changed);
}

bool trace_state::remove(std::string_view key) noexcept {
    const place member = find(text_, key);
    if (member.end == 0 || key.empty())
        return false;
    erase(text_, member);
    return true;
}

std::size_t trace_state::shorten(std::size_t most) noexcept {
    std::size_t went = 0;
    // From the end, long ones alone, and then any. A member before `end` is looked at next.
    for (const std::size_t longer_than : {goes_first, std::size_t{0}}) {
        std::size_t end = text_.size();
        while (text_.size() > most && end != 0) {
            const std::size_t comma = text_.rfind(',', end - 1);
            const std::size_t begin = comma == std::string::npos ? 0 : comma + 1;
            const std::size_t size = end - begin;
            if (size > longer_than) {
                erase(text_, {begin, std::min(end + 1, text_.size())});
                ++went;
            }
            end = begin == 0 ? 0 : begin - 1;
        }
    }
    return went;
}

std::ostream& operator<<(std::ostream& out, const trace_state& s) { return out << s.text_; }

fault trace_state::reader::add(std::string_view line) {
    if (reason_ != fault::none)
        return reason_;
    read_ += line.size() + 1; // the comma that joins it to the one before
    if (read_ > most_read + 1) {
        reason_ = fault::too_long;
        return reason_;
    }
    text_.reserve(text_.size() + line.size() + 1);
    while (!line.empty() && reason_ == fault::none) {
        const std::size_t comma = line.find(',');
        reason_ = add_member(line.substr(0, comma));
        line.remove_prefix(comma == std::string_view::npos ? line.size() : comma + 1);
    }
    return reason_;
}

fault trace_state::reader::add_member(std::string_view member) {
    member = detail::without_white(member);
    if (member.empty())
        return fault::none;
    const std::string_view key = member.substr(0, member.find('='));
    if (key.size() == member.size() || !is_key(key) || !is_value(member.substr(key.size() + 1)))
        return fault::malformed;
    for (std::size_t i = 0; i != members_; ++i)
        if (std::string_view(text_).substr(keys_[i].offset, keys_[i].size) == key) {
            ++repeated_;
            return fault::none;
        }
    if (members_ == most_members)
        return fault::too_many;
    if (!text_.empty())
        text_ += ',';
    keys_[members_++] = {text_.size(), key.size()};
    text_ += member;
    return fault::none;
}

parsed<trace_state> trace_state::reader::take() noexcept {
    trace_state result;
    const fault reason = reason_;
    result.text_ = std::move(text_);
    *this = reader();
    if (reason != fault::none)
        return reason;
    return result;
}

} // namespace contextvars::inline v0::propagation
