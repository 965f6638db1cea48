// SPDX-License-Identifier: MIT
#include <contextvars/propagation/stop_clock.hpp>

#include <utility>

namespace contextvars::inline v0::propagation {

stop_clock::stop_clock() : thread_([this] { wait(); }) {}

stop_clock::~stop_clock() {
    {
        const std::lock_guard lock(mutex_);
        CONTEXTVARS_ASSERT(waiting_.empty());
        ends_ = true;
    }
    changed_.notify_one();
    thread_.join();
}

void stop_clock::wait() {
    std::unique_lock lock(mutex_);
    while (!ends_) {
        if (waiting_.empty()) {
            changed_.wait(lock);
        } else if (const deadline first = waiting_.begin()->first; !first.passed()) {
            changed_.wait_until(lock, first.at());
        } else {
            const auto due = waiting_.extract(waiting_.begin());
            lock.unlock(); // the program's callbacks run now
            due.mapped().request_stop();
            lock.lock();
        }
    }
}

stop_clock::timed_stop::timed_stop(stop_clock& clock, deadline until)
    : clock_(clock), until_(until) {
    if (!until)
        return;
    if (until.passed()) {
        source_.request_stop();
        return;
    }
    bool earliest = false;
    {
        const std::lock_guard lock(clock_.mutex_);
        const auto place = clock_.waiting_.emplace(until, source_);
        earliest = place == clock_.waiting_.begin();
    }
    if (earliest)
        clock_.changed_.notify_one();
}

stop_clock::timed_stop::~timed_stop() {
    if (!until_)
        return;
    const std::lock_guard lock(clock_.mutex_);
    const auto [first, last] = clock_.waiting_.equal_range(until_);
    for (auto at = first; at != last; ++at)
        if (at->second == source_) {
            clock_.waiting_.erase(at);
            return;
        }
}

} // namespace contextvars::inline v0::propagation
