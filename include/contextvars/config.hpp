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

#if !defined(__GNUC__) // clang defines it, too
#error "contextvars needs g++ or clang"
#elif defined(_WIN32)
#error "contextvars needs POSIX threads, so it does not run on Windows"
#elif defined(__clang__) ? __clang_major__ < 14 : __GNUC__ < 12
#error "contextvars needs g++ 12, clang 14, or a newer one"
#endif
#if !defined(__cpp_exceptions)
#error "contextvars reports misuse by exceptions: compile with exceptions enabled"
#endif
#if !defined(__cpp_rtti)
#error "contextvars compares value types at run time: compile with RTTI enabled"
#endif
#if __cplusplus < 202002L
#error "contextvars needs C++20"
#endif

#define CONTEXTVARS_EXPORT __attribute__((visibility("default")))

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
