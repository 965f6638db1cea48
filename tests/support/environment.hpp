// SPDX-License-Identifier: MIT
//
// What a test takes from its environment: numbers, and whether it runs under a sanitizer.
#ifndef CONTEXTVARS_TESTS_SUPPORT_ENVIRONMENT_HPP
#define CONTEXTVARS_TESTS_SUPPORT_ENVIRONMENT_HPP

#include <cstdlib>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define CONTEXTVARS_TESTS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define CONTEXTVARS_TESTS_SANITIZED 1
#endif
#endif
#if !defined(CONTEXTVARS_TESTS_SANITIZED)
#define CONTEXTVARS_TESTS_SANITIZED 0
#endif

#if defined(__SANITIZE_THREAD__)
#define CONTEXTVARS_TESTS_THREAD_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define CONTEXTVARS_TESTS_THREAD_SANITIZED 1
#endif
#endif
#if !defined(CONTEXTVARS_TESTS_THREAD_SANITIZED)
#define CONTEXTVARS_TESTS_THREAD_SANITIZED 0
#endif

namespace contextvars_tests {

inline constexpr bool sanitized = CONTEXTVARS_TESTS_SANITIZED == 1;
inline constexpr bool thread_sanitized = CONTEXTVARS_TESTS_THREAD_SANITIZED == 1;

inline long from_environment(const char* name, long otherwise) {
    const char* text = std::getenv(name);
    return text != nullptr ? std::atol(text) : otherwise;
}

} // namespace contextvars_tests

#endif
