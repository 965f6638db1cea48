// SPDX-License-Identifier: MIT
//
// plain_awaitable REPORTS: what the check of event loops says of programs that use Asio's own
// awaitable and co_spawn, if REPORTS is 1; it says nothing if that is 0, nor of programs that are
// right. The environment switches the check on.
#include <contextvars/asio.hpp>

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio.hpp>
#else
#include <boost/asio.hpp>
#endif

#include <array>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace cv = contextvars;
namespace net = CONTEXTVARS_ASIO;

namespace {

cv::ContextVar<int> id{"id", 0};

std::atomic<int> sets{0};
std::atomic<int> guards{0};

void count(const cv::diagnostic& told) noexcept {
    if (told.variable == "id" && told.what.find("contextvars::awaitable") != std::string_view::npos)
        ++(told.kind == cv::diagnostic_kind::set_in_event_loop ? sets : guards);
}

int reports = 0;
bool failed = false;

/// Checks what was told since the last call.
void told(const char* of, int expected_sets, int expected_guards) {
    const int said_sets = sets.exchange(0);
    const int said_guards = guards.exchange(0);
    if (said_sets == expected_sets * reports && said_guards == expected_guards * reports)
        return;
    std::printf("%s: %d sets and %d guards were told\n", of, said_sets, said_guards);
    failed = true;
}

template <class Awaitable>
Awaitable sets_it(int value) {
    id.set(value);
    co_await net::post(net::use_awaitable);
}

template <class Awaitable>
Awaitable guards_it(int hops) {
    auto guard = id.scoped(hops);
    for (int i = 0; i != hops; ++i)
        co_await net::post(net::use_awaitable);
}

void plain_ones() {
    net::io_context io;
    for (int i = 1; i <= 200; ++i)
        net::co_spawn(io, sets_it<net::awaitable<void>>(i), net::detached);
    io.run();
    told("an awaitable of Asio's", 1, 0);

    net::thread_pool pool(1);
    net::post(pool, [] { id.set(1); });
    pool.join();
    told("a callback in a pool", 1, 0);

    net::io_context other;
    net::co_spawn(other, guards_it<net::awaitable<void>>(1), net::detached); // ends first
    net::co_spawn(other, guards_it<net::awaitable<void>>(2), net::detached);
    other.run();
    told("guards in awaitables of Asio's", 0, 1);
}

void right_ones() {
    net::io_context io;
    for (int i = 1; i <= 20; ++i) {
        cv::co_spawn(io, sets_it<cv::awaitable<void>>(i), net::detached);
        cv::co_spawn(io, guards_it<cv::awaitable<void>>(i), net::detached);
        cv::co_spawn(io, guards_it<net::awaitable<void>>(i), net::detached);
        net::co_spawn(io, sets_it<cv::awaitable<void>>(i), net::detached);
    }
    net::post(io, cv::bind_context([] { id.set(1); }));
    net::post(cv::context_executor(io.get_executor()), [] { id.set(1); });
    net::post(io, [] {
        auto guard = id.scoped(1);
        auto within = id.scoped(2);
    });
    io.run();
    id.set(1); // no loop runs
    told("a program that is right", 0, 0);
}

} // namespace

int main(int argc, char** argv) {
    reports = argc == 2 ? std::atoi(argv[1]) : 0;
    cv::set_diagnostics_hook(&count);
    right_ones();
    cv::Context().run(right_ones);
    plain_ones();
    right_ones();
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
