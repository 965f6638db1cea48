// SPDX-License-Identifier: MIT
//
// The program of docs/integrating.md; what it prints is in integrating_c_library.expected.
// [program]
#include <contextvars/context_var.hpp>
#include <contextvars/ext/flow.hpp>

#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <queue>
#include <string>
#include <utility>

// A library as C has them: what it calls is a function and a pointer, and it knows no contexts.
using loop_callback = void (*)(void* data, int event);
struct loop_call {
    loop_callback function;
    void* data;
};
struct loop {
    std::queue<loop_call> posted;
    std::map<int, loop_call> watched;
};
/// Calls the function once. Returns: whether it will.
bool loop_post(loop* l, loop_callback function, void* data) {
    l->posted.push({function, data});
    return true;
}
/// Calls the function at each event of a channel, until it is unwatched.
bool loop_watch(loop* l, int channel, loop_callback function, void* data) {
    return l->watched.insert({channel, {function, data}}).second;
}
void loop_unwatch(loop* l, int channel) { l->watched.erase(channel); }
void loop_pump(loop* l, int channel, int event) {
    for (; !l->posted.empty(); l->posted.pop())
        l->posted.front().function(l->posted.front().data, 0);
    if (const auto found = l->watched.find(channel); found != l->watched.end())
        found->second.function(found->second.data, event);
}

// The integration.
namespace ext = contextvars::ext;

/// Calls f once, in a copy of the context that is current now.
template <class F>
void post(loop* l, F f) {
    struct work {
        ext::snapshot captured;
        F function;
    };
    auto owned = std::make_unique<work>(work{ext::snapshot::of_current(), std::move(f)});
    const loop_callback call = [](void* data, int) noexcept { // no exception may cross C
        const std::unique_ptr<work> mine(static_cast<work*>(data));
        const ext::copy_scope scope(std::move(mine->captured));
        mine->function();
    };
    if (!loop_post(l, call, owned.get()))
        throw std::bad_alloc();
    static_cast<void>(owned.release()); // the call owns it
}

/// Calls f at each event, each time in a new copy of the context that was current when it was made.
template <class F>
class watch {
public:
    watch(loop* l, int channel, F f) : loop_(l), channel_(channel), function_(std::move(f)) {
        const loop_callback call = [](void* data, int event) noexcept {
            auto& self = *static_cast<watch*>(data);
            const ext::copy_scope scope(self.captured_);
            self.function_(event);
        };
        if (!loop_watch(l, channel, call, this))
            throw std::bad_alloc();
    }
    watch(const watch&) = delete;
    watch& operator=(const watch&) = delete;
    ~watch() { loop_unwatch(loop_, channel_); } // from here on nobody calls

private:
    loop* loop_;
    int channel_;
    F function_;
    ext::snapshot captured_ = ext::snapshot::shared();
};

/// Calls f at each event, always in one context, which goes from event to event.
template <class F>
class session {
public:
    session(loop* l, int channel, F f) : loop_(l), channel_(channel), function_(std::move(f)) {
        const loop_callback call = [](void* data, int event) noexcept {
            auto& self = *static_cast<session*>(data);
            const ext::flow_scope scope(self.flow_);
            self.function_(event);
        };
        if (!loop_watch(l, channel, call, this))
            throw std::bad_alloc();
    }
    session(const session&) = delete;
    session& operator=(const session&) = delete;
    ~session() { loop_unwatch(loop_, channel_); }

private:
    loop* loop_;
    int channel_;
    F function_;
    ext::flow flow_;
};

// A program.
contextvars::ContextVar<std::string> user{"user", "nobody"};
contextvars::ContextVar<int> events{"events", 0};

void log(const char* what) { std::printf("%s, %d: %s\n", user.get().c_str(), events.get(), what); }

int main() {
    loop l;
    const auto count = [](const char* what) {
        return [what](int event) {
            events.set(events.get() + event);
            log(what);
        };
    };
    auto token = user.set("ann");
    post(&l, [] { log("posted"); });
    const watch forgets(&l, 1, count("watched, forgets"));
    const session remembers(&l, 2, count("session, remembers"));
    user.reset(token);

    for (int i = 0; i < 2; ++i) {
        loop_pump(&l, 1, 10);
        loop_pump(&l, 2, 10);
    }
    log("the thread");
}
// [/program]
