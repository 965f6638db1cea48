// SPDX-License-Identifier: MIT
//
// For authors of frameworks. An event loop that check_event_loops() shall know: while it runs code
// on a thread, setting a variable in the thread's own context is taken for a mistake.
#ifndef CONTEXTVARS_EXT_EVENT_LOOP_HPP
#define CONTEXTVARS_EXT_EVENT_LOOP_HPP

#include <contextvars/config.hpp>

namespace contextvars::inline v0::ext {

/// One kind of event loop, best an inline variable of a header.
/// Threads: each may be made and destroyed on any thread.
class event_loop {
public:
    /// Returns: whether a loop of this kind is on the stack of the calling thread.
    /// It is called while a lock is held, so it calls nothing of this library.
    using runs_here_function = bool (*)() noexcept;

    /// `advice` ends the report. It says what to write instead, has no full stop, and outlives the
    /// object.
    CONTEXTVARS_EXPORT event_loop(runs_here_function runs_here, const char* advice) noexcept;
    event_loop(const event_loop&) = delete;
    event_loop& operator=(const event_loop&) = delete;
    CONTEXTVARS_EXPORT ~event_loop();

    /// Returns: the advice of a loop that runs on this thread, or nullptr.
    static const char* advice_here() noexcept;

private:
    const runs_here_function runs_here_;
    const char* const advice_;
    event_loop* next_;
};

} // namespace contextvars::inline v0::ext

#endif
