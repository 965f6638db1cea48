// SPDX-License-Identifier: MIT
//
// What does `co_await post` cost with contexts, beside Asio's own in the same run? The argument is
// the number of variables bound in the coroutine (in Asio's: none).
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
#define ADD(function, token, name)                                                                 \
    BENCHMARK_CAPTURE(function, token, net::token)->Name(name "/long")->Arg(0)->Arg(1)->Arg(8)

ADD(asio, use_awaitable, "co_await post(use_awaitable)/Asio");
ADD(this_library, use_awaitable, "co_await post(use_awaitable)/this library");
ADD(asio, deferred, "co_await post(deferred)/Asio");
ADD(this_library, deferred, "co_await post(deferred)/this library");
ADD(asio, use_awaitable, "Asio's coroutine on context_executor, post(use_awaitable)/Asio");
ADD(capturing_executor, use_awaitable,
    "Asio's coroutine on context_executor, post(use_awaitable)/this library");
ADD(asio, deferred, "Asio's coroutine on context_executor, post(deferred)/Asio");
ADD(capturing_executor, deferred,
    "Asio's coroutine on context_executor, post(deferred)/this library");

} // namespace
