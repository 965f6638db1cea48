// SPDX-License-Identifier: MIT
//
// The same coroutine for both Asios; included by boost.cpp and standalone.cpp, which define
// `net`.

namespace {

contextvars::awaitable<int> callee(int mark) {
    two_asios::shared.set(mark);
    co_await net::post(net::use_awaitable);
    co_return two_asios::shared.get();
}

contextvars::awaitable<int> counts(const std::function<void()>& between, int first) {
    int right = 0;
    net::steady_timer timer(net::make_strand(co_await net::this_coro::executor));
    for (int mark = first; mark != first + two_asios::steps; ++mark) {
        const auto guard = two_asios::shared.scoped(mark);
        timer.expires_after(std::chrono::steady_clock::duration::zero());
        co_await timer.async_wait(contextvars::bind_context(net::use_awaitable));
        between();
        const int before = two_asios::shared.get();
        const int during = co_await callee(-mark);
        right += before == mark && during == -mark;
        two_asios::shared.set(mark);
    }
    co_return right;
}

int run_coroutine(const std::function<void()>& between, int first) {
    net::io_context context;
    int result = 0;
    contextvars::co_spawn(context, counts(between, first),
                          [&](std::exception_ptr, int right) { result = right; });
    context.run();
    return result;
}

} // namespace
