// SPDX-License-Identifier: MIT
//
// fmt::formatter for variables, tokens and contexts: they print as by <<, secrets hidden, and take
// the format specifications of a string.
//
//     fmt::print("{}\n", contextvars::copy_context());   // <Context at 0x… {user='ann'}>
#ifndef CONTEXTVARS_FMT_HPP
#define CONTEXTVARS_FMT_HPP

#include <contextvars/context.hpp>

#include <fmt/ostream.h>

template <class T>
struct fmt::formatter<contextvars::ContextVar<T>> : fmt::ostream_formatter {};
template <class T>
struct fmt::formatter<contextvars::Token<T>> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<contextvars::Context> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<contextvars::variable_ref> : fmt::ostream_formatter {};
template <>
struct fmt::formatter<contextvars::value_ref> : fmt::ostream_formatter {};

#endif
