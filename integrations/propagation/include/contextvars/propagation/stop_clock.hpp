// SPDX-License-Identifier: MIT
//
// stop_clock: a thread that requests stop when a deadline passes, for code that waits and computes
// without Asio.
#ifndef CONTEXTVARS_PROPAGATION_STOP_CLOCK_HPP
#define CONTEXTVARS_PROPAGATION_STOP_CLOCK_HPP

#include <contextvars/propagation/variables.hpp>

#include <condition_variable>
#include <map>
#include <mutex>
#include <stop_token>
#include <thread>

namespace contextvars::inline v0::propagation {

/// One for a program is enough. Callbacks of the stop tokens run on its thread, outside of any
/// request's context; bind_context() gives them one.
class stop_clock {
public:
    class timed_stop;

    /// Starts the thread.
    /// Throws: std::system_error, as std::thread.
    CONTEXTVARS_EXPORT stop_clock();
    stop_clock(const stop_clock&) = delete;
    stop_clock& operator=(const stop_clock&) = delete;
    /// Ends the thread, and waits for it.
    /// Precondition: the objects that stop_at() returned have ended.
    CONTEXTVARS_EXPORT ~stop_clock();

    /// Returns: an object whose token() is asked to stop when the deadline passes; at once, if it
    /// has passed; never, if there is none.
    /// Throws: std::bad_alloc.
    /// Cost: O(log n) for n deadlines that are waited for, two allocations, and a lock.
    /// Threads: any.
    timed_stop stop_at(deadline until = current_deadline.get());

private:
    void wait();

    std::mutex mutex_;
    std::condition_variable changed_;
    std::multimap<deadline, std::stop_source> waiting_;
    bool ends_ = false;
    std::thread thread_; // the last member: it uses the others
};

/// While it lives, its token may be asked to stop. Afterwards the deadline does nothing.
class [[nodiscard(
    "the deadline stops nothing once this object has ended")]] stop_clock::timed_stop {
public:
    timed_stop(const timed_stop&) = delete;
    timed_stop& operator=(const timed_stop&) = delete;
    CONTEXTVARS_EXPORT ~timed_stop();

    std::stop_token token() const noexcept { return source_.get_token(); }
    /// Returns: a source of the same state, to request stop for another reason as well.
    std::stop_source source() const noexcept { return source_; }

private:
    friend class stop_clock;
    CONTEXTVARS_EXPORT timed_stop(stop_clock& clock, deadline until);

    stop_clock& clock_;
    std::stop_source source_;
    deadline until_;
};

inline stop_clock::timed_stop stop_clock::stop_at(deadline until) {
    return timed_stop(*this, until);
}

} // namespace contextvars::inline v0::propagation

#endif
