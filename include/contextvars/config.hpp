// SPDX-License-Identifier: MIT
//
// The version, export, assertions, the requirements on the compiler, and an attribute of clang's.
// These are the library's only macros, besides the choice of Asio in <contextvars/asio.hpp>. This
// file includes nothing.
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

// The CMake target and the pkg-config file define CONTEXTVARS_SHARED for users of the shared
// library. It is defined for the library itself, too.
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

// If a program is built without NDEBUG, a precondition that does not hold ends it with a message.
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

// Marks a function that returns a reference into an object: clang warns if the object is a
// temporary.
#if defined(__clang__)
#define CONTEXTVARS_LIFETIMEBOUND [[clang::lifetimebound]]
#else
#define CONTEXTVARS_LIFETIMEBOUND
#endif

#endif
