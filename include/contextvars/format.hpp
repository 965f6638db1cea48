// SPDX-License-Identifier: MIT
//
// std::formatter for variables, tokens and contexts, if the standard library has <format>: they
// print as by <<, secrets hidden, and take the format specifications of a string. The same for fmt
// is an integration. No other header includes this one.
#ifndef CONTEXTVARS_FORMAT_HPP
#define CONTEXTVARS_FORMAT_HPP

#include <contextvars/context.hpp>

#include <version>

#if defined(__cpp_lib_format)

#include <format>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>

namespace contextvars::inline v0::detail {

template <class T>
struct stream_formatter : std::formatter<std::string_view> {
    template <class FormatContext>
    auto format(const T& object, FormatContext& context) const {
        std::ostringstream out;
        out << object;
        const std::string text = std::move(out).str();
        return std::formatter<std::string_view>::format(text, context);
    }
};

} // namespace contextvars::inline v0::detail

template <class T>
struct std::formatter<contextvars::ContextVar<T>>
    : contextvars::detail::stream_formatter<contextvars::ContextVar<T>> {};
template <class T>
struct std::formatter<contextvars::Token<T>>
    : contextvars::detail::stream_formatter<contextvars::Token<T>> {};
template <>
struct std::formatter<contextvars::Context>
    : contextvars::detail::stream_formatter<contextvars::Context> {};
template <>
struct std::formatter<contextvars::variable_ref>
    : contextvars::detail::stream_formatter<contextvars::variable_ref> {};
template <>
struct std::formatter<contextvars::value_ref>
    : contextvars::detail::stream_formatter<contextvars::value_ref> {};

#endif

#endif
