// SPDX-License-Identifier: MIT
//
// What does a round trip to an echo server over loopback cost where the server's coroutine has
// contexts, beside Asio's own in the same run? Client and server share a thread; the client is
// Asio's own in both. The argument is the number of variables bound in the server's coroutine.
#include <contextvars/asio.hpp>

#include <boost/asio.hpp>

#include <benchmark/benchmark.h>

#include <array>
#include <cstddef>
#include <deque>
#include <utility>

#if !defined(NDEBUG)
#error "a debug build measures nothing"
#endif

namespace {

namespace net = boost::asio;
using net::ip::tcp;
using buffer = std::array<char, 64>;

const std::deque<contextvars::ContextVar<long>>& variables() {
    static const auto& all = []() -> const std::deque<contextvars::ContextVar<long>>& {
        static std::deque<contextvars::ContextVar<long>> made;
        for (int i = 0; i != 8; ++i)
            made.emplace_back("variable");
        return made;
    }();
    return all;
}

template <class Awaitable>
Awaitable serve(tcp::socket socket, std::int64_t bindings) {
    for (std::int64_t i = 0; i != bindings; ++i)
        variables()[static_cast<std::size_t>(i)].set(i);
    buffer message;
    for (;;) {
        boost::system::error_code error;
        const std::size_t length = co_await socket.async_read_some(
            net::buffer(message), net::redirect_error(net::use_awaitable, error));
        if (error)
            break;
        co_await net::async_write(socket, net::buffer(message, length), net::use_awaitable);
    }
}

net::awaitable<void> ask(benchmark::State& state, tcp::socket socket) {
    buffer message{};
    for (auto _ : state) {
        co_await net::async_write(socket, net::buffer(message), net::use_awaitable);
        co_await net::async_read(socket, net::buffer(message), net::use_awaitable);
    }
}

template <class Spawn>
void echo(benchmark::State& state, Spawn spawn) {
    net::io_context io(1);
    tcp::acceptor acceptor(io, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    tcp::socket client(io);
    client.connect(acceptor.local_endpoint());
    tcp::socket server = acceptor.accept();
    client.set_option(tcp::no_delay(true));
    server.set_option(tcp::no_delay(true));
    spawn(io, std::move(server));
    net::co_spawn(io, ask(state, std::move(client)), net::detached);
    io.run();
}

void asio(benchmark::State& state) {
    echo(state, [](net::io_context& io, tcp::socket socket) {
        net::co_spawn(io, serve<net::awaitable<void>>(std::move(socket), 0), net::detached);
    });
}

void this_library(benchmark::State& state) {
    echo(state, [&state](net::io_context& io, tcp::socket socket) {
        contextvars::co_spawn(
            io, serve<contextvars::awaitable<void>>(std::move(socket), state.range(0)),
            net::detached);
    });
}

// Named as in peers.hpp: operation/who/value/size.
BENCHMARK(asio)->Name("echo over TCP, round trip/Asio/long")->Arg(0)->Arg(1)->Arg(8);
BENCHMARK(this_library)
    ->Name("echo over TCP, round trip/this library/long")
    ->Arg(0)
    ->Arg(1)
    ->Arg(8);

} // namespace
