// SPDX-License-Identifier: MIT
//
// A timer, and work on a thread of libuv's pool, for two users. Each line knows its user. A timer that serves
// everybody is started without one.
#include <contextvars/contextvars.hpp>

#include <uv.h>

#include <chrono>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>

namespace {

contextvars::ContextVar<std::string> user{"user", "nobody"};

void log(const char* what) { std::printf("%s: %s\n", user.get().c_str(), what); }

// [timer]
using timer_callback = contextvars::Callback<void(uv_timer_t*, void*)>;

/// Runs f once, after some time, in the context of the caller.
template <class F>
void run_after(uv_loop_t* loop, std::chrono::milliseconds delay, F f) {
    auto callback = contextvars::as_callback<void(uv_timer_t*, void*)>(
        [f = std::move(f)](uv_timer_t* timer) mutable {
            f();
            uv_close(reinterpret_cast<uv_handle_t*>(timer), [](uv_handle_t* handle) {
                contextvars::release_callback(handle->data); // libuv is done with the handle
                delete reinterpret_cast<uv_timer_t*>(handle);
            });
        });
    auto timer = std::make_unique<uv_timer_t>();
    uv_timer_init(loop, timer.get());
    timer->data = callback.hand_over();
    uv_timer_start(
        timer.release(), [](uv_timer_t* t) { timer_callback::call(t, t->data); },
        static_cast<std::uint64_t>(delay.count()), 0);
}
// [/timer]

// [work]
/// `data` has room for one pointer, but this needs two functions. So it points to an object with both.
struct job {
    uv_work_t request{};
    std::function<void()> on_pool;
    std::function<void()> done;
};

/// Runs one function on a thread of the pool, then the other one on the loop, in the context of the caller.
template <class Pool, class Done>
void queue_work(uv_loop_t* loop, Pool on_pool, Done done) {
    auto work = std::make_unique<job>();
    work->on_pool = contextvars::bind_context(std::move(on_pool));
    work->done = contextvars::bind_context(std::move(done));
    work->request.data = work.get();
    uv_queue_work(
        loop, &work.release()->request, [](uv_work_t* r) { static_cast<job*>(r->data)->on_pool(); },
        [](uv_work_t* r, int) { // comes in any case, also if the work is cancelled
            const std::unique_ptr<job> mine(static_cast<job*>(r->data));
            mine->done();
        });
}
// [/work]

void serve(uv_loop_t* loop, const char* name, int delay) {
    const auto scope = user.scoped(name);
    run_after(loop, std::chrono::milliseconds(delay), [loop] {
        log("the timer");
        queue_work(loop, [] { log("on the pool"); }, [] { log("done"); });
    });
    log("asked");
    // [suppress]
    // Whoever is served first starts what serves all, which is to be nobody's.
    static bool started = false;
    if (!std::exchange(started, true)) {
        const auto suppressed = contextvars::suppress_flow();
        run_after(loop, std::chrono::milliseconds(150), [] { log("a timer of everybody's"); });
    }
    // [/suppress]
}

} // namespace

int main() {
    uv_loop_t loop;
    uv_loop_init(&loop);
    serve(&loop, "ann", 10);
    serve(&loop, "bob", 80);
    uv_run(&loop, UV_RUN_DEFAULT);
    return uv_loop_close(&loop) == 0 ? 0 : 1;
}
