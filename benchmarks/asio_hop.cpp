// SPDX-License-Identifier: MIT
//
// What does `co_await post` cost with contexts, beside Asio's own in the same run? The argument is
// the number of variables bound in the coroutine.
#include <contextvars/asio.hpp>

#include <boost/asio.hpp>

#include <benchmark/benchmark.h>

#include <memory>
#include <vector>

#if !defined(NDEBUG)
#error "a debug build measures nothing"
#endif

namespace {

namespace net = boost::asio;

using variable = contextvars::ContextVar<long>;

const std::vector<std::unique_ptr<variable>>& variables() {
    static const auto all = [] {
        std::vector<std::unique_ptr<variable>> made;
        for (int i = 0; i != 64; ++i)
            made.push_back(std::make_unique<variable>("variable"));
        return made;
    }();
    return all;
}

void bind(std::int64_t count) {
    for (std::int64_t i = 0; i != count; ++i)
        variables()[static_cast<std::size_t>(i)]->set(i);
}

template <class Awaitable, class Token>
Awaitable hops(benchmark::State& state, Token token, std::int64_t bindings) {
    bind(bindings);
    for (auto _ : state)
        co_await net::post(token);
}

template <class Token>
void asio(benchmark::State& state, Token token) {
    net::io_context io(1);
    net::co_spawn(io, hops<net::awaitable<void>>(state, token, 0), net::detached);
    io.run();
}

template <class Token>
void capturing_executor(benchmark::State& state, Token token) {
    net::io_context io(1);
    contextvars::Context context;
    context.run([&] {
        bind(state.range(0));
        net::co_spawn(contextvars::context_executor(io.get_executor()),
                      hops<net::awaitable<void>>(state, token, 0), net::detached);
    });
    io.run();
}

template <class Token>
void this_library(benchmark::State& state, Token token) {
    net::io_context io(1);
    contextvars::co_spawn(io, hops<contextvars::awaitable<void>>(state, token, state.range(0)),
                          net::detached);
    io.run();
}

// Named as in peers.hpp: operation/who/value/size.
BENCHMARK_CAPTURE(asio, use_awaitable, net::use_awaitable)
    ->Name("co_await post(use_awaitable)/Asio/long")
    ->Arg(0)
    ->Arg(1)
    ->Arg(8);
BENCHMARK_CAPTURE(this_library, use_awaitable, net::use_awaitable)
    ->Name("co_await post(use_awaitable)/this library/long")
    ->Arg(0)
    ->Arg(1)
    ->Arg(8);
BENCHMARK_CAPTURE(capturing_executor, use_awaitable, net::use_awaitable)
    ->Name("co_await post(use_awaitable)/context_executor/long")
    ->Arg(0)
    ->Arg(1)
    ->Arg(8);
BENCHMARK_CAPTURE(asio, deferred, net::deferred)
    ->Name("co_await post(deferred)/Asio/long")
    ->Arg(0)
    ->Arg(1)
    ->Arg(8);
BENCHMARK_CAPTURE(this_library, deferred, net::deferred)
    ->Name("co_await post(deferred)/this library/long")
    ->Arg(0)
    ->Arg(1)
    ->Arg(8);
BENCHMARK_CAPTURE(capturing_executor, deferred, net::deferred)
    ->Name("co_await post(deferred)/context_executor/long")
    ->Arg(0)
    ->Arg(1)
    ->Arg(8);

} // namespace
