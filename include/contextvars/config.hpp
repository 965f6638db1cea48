// SPDX-License-Identifier: MIT
//
// Version, export, assertions, what the library asks of the compiler and an attribute of clang's: its only
// macros, besides the choice of Asio in <contextvars/asio.hpp>. Includes nothing.
#ifndef CONTEXTVARS_CONFIG_HPP
#define CONTEXTVARS_CONFIG_HPP

#define CONTEXTVARS_VERSION_MAJOR 0
#define CONTEXTVARS_VERSION_MINOR 1
#define CONTEXTVARS_VERSION_PATCH 0

#if !defined(__cpp_exceptions)
#error "contextvars reports misuse by exceptions: compile with exceptions enabled"
#endif
#if !defined(__cpp_rtti)
#error "contextvars compares value types at run time: compile with RTTI enabled"
#endif
#if __cplusplus < 202002L
#error "contextvars needs C++20"
#endif

// CONTEXTVARS_SHARED is defined for users of the shared library and for the library itself
// (by the CMake target and by the pkg-config file).
#if defined(_WIN32) && defined(CONTEXTVARS_SHARED)
#if defined(CONTEXTVARS_BUILDING)
#define CONTEXTVARS_EXPORT __declspec(dllexport)
#else
#define CONTEXTVARS_EXPORT __declspec(dllimport)
#endif
#elif defined(__GNUC__)
#define CONTEXTVARS_EXPORT __attribute__((visibility("default")))
#else
#define CONTEXTVARS_EXPORT
#endif

// In a program that is built without NDEBUG, a precondition that does not hold ends it, with a message.
#if defined(NDEBUG)
#define CONTEXTVARS_ASSERT(condition) static_cast<void>(0)
#else
#define CONTEXTVARS_ASSERT(condition)                                                              \
    ((condition) ? static_cast<void>(0)                                                            \
                 : ::contextvars::detail::assertion_failed(#condition, __FILE__, __LINE__))
#endif

namespace contextvars::inline v0::detail {
[[noreturn]] CONTEXTVARS_EXPORT void assertion_failed(const char* condition, const char* file,
                                                      int line) noexcept;
} // namespace contextvars::inline v0::detail

// On what returns a reference into an object: clang warns if the object is a temporary.
#if defined(__clang__)
#define CONTEXTVARS_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define CONTEXTVARS_LIFETIMEBOUND
#endif

#endif
