// SPDX-License-Identifier: MIT
//
// Timers of two users in one event loop. Each line knows its user.
#include <contextvars/contextvars.hpp>

#include <event2/event.h>

#include <cstdio>
#include <memory>
#include <string>
#include <utility>

namespace {

contextvars::ContextVar<std::string> user{"user", "nobody"};

void log(const char* what) { std::printf("%s: %s\n", user.get().c_str(), what); }

// [once]
/// Calls f once, in the context of the caller.
template <class F>
bool after(event_base* base, int milliseconds, F f) {
    auto callback = contextvars::as_callback_once<event_callback_fn>(
        [f = std::move(f)](evutil_socket_t, short) mutable { f(); });
    const timeval delay{milliseconds / 1000, milliseconds % 1000 * 1000};
    if (event_base_once(base, -1, EV_TIMEOUT, callback.function(), callback.data(), &delay) != 0)
        return false; // the callback ends with its object
    callback.hand_over();
    return true;
}
// [/once]

// [event]
/// Calls f at each tick, in the context in which the object was made.
class ticks {
public:
    template <class F>
    ticks(event_base* base, int milliseconds, F f)
        : callback_(contextvars::as_callback<event_callback_fn>(
              [f = std::move(f)](evutil_socket_t, short) mutable { f(); })),
          event_(event_new(base, -1, EV_PERSIST, callback_.function(), callback_.data()),
                 event_free) {
        const timeval period{milliseconds / 1000, milliseconds % 1000 * 1000};
        event_add(event_.get(), &period);
    }

    void stop() { event_del(event_.get()); }

private:
    contextvars::Callback<void(evutil_socket_t, short, void*)> callback_; // outlives the event
    std::unique_ptr<event, decltype(&event_free)> event_;
};
// [/event]

} // namespace

int main() {
    const std::unique_ptr<event_base, decltype(&event_base_free)> base(event_base_new(),
                                                                       event_base_free);
    std::unique_ptr<ticks> of_bob;
    {
        const auto scope = user.scoped("ann");
        after(base.get(), 10, [] { log("once"); });
    }
    {
        const auto scope = user.scoped("bob");
        of_bob = std::make_unique<ticks>(base.get(), 60, [&, count = 0]() mutable {
            log("tick");
            if (++count == 2)
                of_bob->stop();
        });
    }
    event_base_dispatch(base.get());
    log("the loop has ended");
}
