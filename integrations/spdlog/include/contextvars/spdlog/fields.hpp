// SPDX-License-Identifier: MIT
//
// context_fields: the variables that log lines show, and how. It is chosen once, and needs only the
// standard library: it appends the values of the current context to a string.
//
//     const contextvars::context_fields fields{request_id, user};  // request_id=7f3a user="ann lee"
//     const contextvars::context_fields json{contextvars::field_style::json, request_id, user};
#ifndef CONTEXTVARS_SPDLOG_FIELDS_HPP
#define CONTEXTVARS_SPDLOG_FIELDS_HPP

#include <contextvars/context_var.hpp>
#include <contextvars/ext/flow.hpp>

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

namespace contextvars::inline v0 {

/// How context_fields writes a line.
enum class field_style {
    key_value, ///< `request_id=7f3a user="ann lee"`
    json,      ///< `{"request_id":"7f3a","user":"ann lee"}`
};

namespace detail {

/// Returns: the length of the UTF-8 sequence that `text` begins with, or 0 if it begins with none.
constexpr std::size_t length_of_utf8(std::string_view text) noexcept {
    const auto at = [&](std::size_t i) {
        return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
    };
    const unsigned first = at(0);
    const unsigned second = at(1);
    if (first < 0x80)
        return 1;
    const std::size_t length = first >= 0xF0 ? 4 : first >= 0xE0 ? 3 : 2;
    if (first < 0xC2 || first > 0xF4 || (first == 0xE0 && second < 0xA0) ||
        (first == 0xED && second > 0x9F) || (first == 0xF0 && second < 0x90) ||
        (first == 0xF4 && second > 0x8F))
        return 0; // too long, a surrogate, or above the last code point
    for (std::size_t i = 1; i != length; ++i)
        if ((at(i) & 0xC0) != 0x80)
            return 0;
    return length;
}

/// Appends a JSON string: in quotes, with escapes. Bytes that are no UTF-8 become U+FFFD.
inline void append_json_string(std::string& out, std::string_view text) {
    constexpr std::string_view digits = "0123456789abcdef";
    out += '"';
    while (!text.empty()) {
        const std::size_t length = length_of_utf8(text);
        const char first = text.front();
        if (length == 0)
            out += "\xEF\xBF\xBD";
        else if (length > 1)
            out += text.substr(0, length);
        else if (first == '"' || first == '\\')
            (out += '\\') += first;
        else if (first == '\n')
            out += "\\n";
        else if (first == '\r')
            out += "\\r";
        else if (first == '\t')
            out += "\\t";
        else if (static_cast<unsigned char>(first) < 0x20 || first == 0x7F)
            ((out += "\\u00") += digits[static_cast<unsigned char>(first) / 16]) +=
                digits[static_cast<unsigned char>(first) % 16];
        else
            out += first;
        text.remove_prefix(length == 0 ? 1 : length);
    }
    out += '"';
}

/// Appends the text as it is if it is one word; else as a JSON string.
inline void append_word(std::string& out, std::string_view text) {
    bool plain = !text.empty();
    for (const char c : text)
        plain = plain && c > ' ' && c < 0x7F && c != '"' && c != '\\' && c != '=';
    if (plain)
        out += text;
    else
        append_json_string(out, text);
}

inline void append_text(std::string& out, field_style style, std::string_view text) {
    if (style == field_style::json)
        append_json_string(out, text);
    else
        append_word(out, text);
}

/// Appends the value of a ContextVar<T>. Returns: false if it is missing; then nothing is appended.
template <class T>
bool append_field(std::string& out, field_style style, const void* variable) {
    const T* const value = static_cast<const ContextVar<T>*>(variable)->try_get();
    if (value == nullptr)
        return false;
    if constexpr (std::is_same_v<T, bool>) {
        out += *value ? "true" : "false";
    } else if constexpr (std::is_arithmetic_v<T> && !one_of<T, char, signed char, unsigned char,
                                                            wchar_t, char8_t, char16_t, char32_t>) {
        std::array<char, 64> digits; // NOLINT(*-member-init): the digits are written, then read
        const auto written = std::to_chars(digits.data(), digits.data() + digits.size(), *value);
        const std::string_view number(digits.data(),
                                      static_cast<std::size_t>(written.ptr - digits.data()));
        if constexpr (std::is_floating_point_v<T>)
            if (!std::isfinite(*value)) { // JSON has no such number
                append_text(out, style, number);
                return true;
            }
        out += number;
    } else if constexpr (std::is_same_v<T, std::string> || std::is_same_v<T, std::string_view>) {
        append_text(out, style, *value);
    } else {
        // A << is code of the user: it may set variables, and may throw. It runs in a copy of the
        // context, which ends with it.
        std::string printed;
        try {
            const ext::copy_scope scope(ext::snapshot::of_current());
            std::ostringstream stream;
            if constexpr (std::is_pointer_v<T>)
                detail::print_pointer(stream, *value);
            else
                stream << *value;
            printed = std::move(stream).str();
        } catch (...) {
            printed = "?"; // the line is worth more than the value
        }
        append_text(out, style, printed);
    }
    return true;
}

} // namespace detail

/// A list of variables, which must outlive it, and a style. A variable that is marked secret is
/// left out. A value is printed by its << and, if that throws, as `?`; numbers and bools are JSON's
/// own. If a << sets variables, nobody sees that.
/// Threads: as a const object of the standard library.
class context_fields {
public:
    template <class... T>
    explicit context_fields(const ContextVar<T>&... variables)
        : context_fields(field_style::key_value, variables...) {}
    template <class... T>
    explicit context_fields(field_style style, const ContextVar<T>&... variables) : style_(style) {
        static_assert((enable_printing<T> && ...),
                      "context_fields: the value of each variable needs a << that is seen here");
        (add(variables), ...);
    }

    /// Appends the variables that have a value in the current context, or a default; with
    /// field_style::json in braces.
    /// Throws: std::bad_alloc.
    /// Cost: no allocation but that of `out`, for text and numbers; for other types, a stream and a
    /// capture.
    void append_to(std::string& out) const {
        if (style_ == field_style::json)
            out += '{';
        bool first = true;
        for (const field& shown : fields_) {
            const std::size_t before = out.size();
            if (!first)
                out += style_ == field_style::json ? ',' : ' ';
            out += shown.key;
            if (shown.append(out, style_, shown.variable))
                first = false;
            else
                out.resize(before);
        }
        if (style_ == field_style::json)
            out += '}';
    }

private:
    struct field {
        std::string key; ///< as it is printed, with the sign that follows
        const void* variable;
        bool (*append)(std::string& out, field_style style, const void* variable);
    };

    template <class T>
    void add(const ContextVar<T>& variable) {
        if (variable.is_secret())
            return;
        std::string key;
        detail::append_text(key, style_, variable.name());
        key += style_ == field_style::json ? ':' : '=';
        fields_.push_back({std::move(key), detail::address_of(variable), &detail::append_field<T>});
    }

    field_style style_;
    std::vector<field> fields_;
};

} // namespace contextvars::inline v0

#endif
