// SPDX-License-Identifier: MIT
//
// contextvars::thread and contextvars::jthread are as the standard ones, but a new thread runs in a
// copy of the context in which it was started. (A new std::thread starts in an empty context.)
#ifndef CONTEXTVARS_THREAD_HPP
#define CONTEXTVARS_THREAD_HPP

#include <contextvars/bind_context.hpp>

#include <concepts>
#include <thread>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

/// From: Python's threading.Thread, with thread_inherit_context.
class thread : public std::thread {
public:
    thread() noexcept = default;

    /// Throws: as std::thread, and any exception of copying f and args.
    template <class F, class... Args>
        requires(!std::same_as<std::remove_cvref_t<F>, thread>)
    explicit thread(F&& f, Args&&... args)
        : std::thread(contextvars::bind_context(std::forward<F>(f)), std::forward<Args>(args)...) {}
};

#if defined(__cpp_lib_jthread)

/// As thread, but the destructor requests stop and joins. If f can take a stop_token first, it gets
/// one.
class jthread : public std::jthread {
public:
    jthread() noexcept = default;

    /// Throws: as std::jthread, and any exception of copying f and args.
    template <class F, class... Args>
        requires(!std::same_as<std::remove_cvref_t<F>, jthread>)
    explicit jthread(F&& f, Args&&... args)
        : std::jthread(contextvars::bind_context(std::forward<F>(f)), std::forward<Args>(args)...) {
    }
};

#endif

} // namespace contextvars::inline v0

#endif
