// SPDX-License-Identifier: MIT
//
// Boost.Beast on coroutines of ours: sessions of HTTP and of WebSocket, many at once on two threads.
#include "support.hpp"

#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <exception>
#include <string>
#include <utility>

using namespace contextvars_tests;
namespace beast = boost::beast;
namespace http = beast::http;
namespace websocket = beast::websocket;
using net::ip::tcp;

namespace {

using AsioBeast = Isolated;

constexpr int sessions = 100;
constexpr int requests = 10;

const cv::ContextVar<std::string> request_id{"request_id", "-"};
const cv::ContextVar<int> client{"client", -1};

/// What each session found wrong, and how much it looked at.
struct found {
    std::atomic<int> right = 0;
    std::atomic<int> wrong = 0;
    void expect(bool true_) { ++(true_ ? right : wrong); }
};

cv::awaitable<void> serve_http(beast::tcp_stream stream, found& log) {
    beast::flat_buffer buffer;
    for (int i = 0; i != requests; ++i) {
        log.expect(request_id.get() == "-");
        http::request<http::string_body> request;
        co_await http::async_read(stream, buffer, request, net::use_awaitable);
        const auto scope = request_id.scoped(std::string(request["X-Request-Id"]));
        co_await timer_tick();
        http::response<http::string_body> response(http::status::ok, request.version());
        response.keep_alive(true);
        response.body() = request_id.get();
        response.prepare_payload();
        co_await http::async_write(stream, response, net::use_awaitable);
        log.expect(request_id.get() == request["X-Request-Id"]);
    }
}

cv::awaitable<void> ask_http(beast::tcp_stream stream, int number, found& log) {
    client.set(number);
    beast::flat_buffer buffer;
    for (int i = 0; i != requests; ++i) {
        const std::string id = std::to_string(number) + '/' + std::to_string(i);
        http::request<http::empty_body> request(http::verb::get, "/", 11);
        request.set("X-Request-Id", id);
        stream.expires_after(std::chrono::minutes(5));
        co_await http::async_write(stream, request, net::use_awaitable);
        http::response<http::string_body> response;
        co_await http::async_read(stream, buffer, response, net::use_awaitable);
        log.expect(response.body() == id);
        log.expect(client.get() == number && request_id.get() == "-");
    }
}

cv::awaitable<void> serve_websocket(beast::tcp_stream stream, found& log) {
    websocket::stream<beast::tcp_stream> socket(std::move(stream));
    co_await socket.async_accept(net::use_awaitable);
    beast::flat_buffer buffer;
    for (int i = 0; i != requests; ++i) {
        co_await socket.async_read(buffer, net::use_awaitable);
        const std::string id = beast::buffers_to_string(buffer.data());
        buffer.clear();
        const auto scope = request_id.scoped(id);
        co_await socket.async_write(net::buffer(request_id.get()), net::use_awaitable);
        log.expect(request_id.get() == id);
    }
}

cv::awaitable<void> ask_websocket(beast::tcp_stream stream, int number, found& log) {
    client.set(number);
    websocket::stream<beast::tcp_stream> socket(std::move(stream));
    co_await socket.async_handshake("localhost", "/", net::use_awaitable);
    beast::flat_buffer buffer;
    for (int i = 0; i != requests; ++i) {
        const std::string id = std::to_string(number) + '/' + std::to_string(i);
        co_await socket.async_write(net::buffer(id), net::use_awaitable);
        co_await socket.async_read(buffer, net::use_awaitable);
        log.expect(beast::buffers_to_string(buffer.data()) == id);
        log.expect(client.get() == number && request_id.get() == "-");
        buffer.clear();
    }
}

/// Runs serve(stream, log) and ask(stream, number, log) for each session.
template <class Serve, class Ask>
void expect_all_right(Serve serve, Ask ask, int looked_at) {
    found log;
    net::thread_pool pool(2);
    net::io_context opens;
    tcp::acceptor acceptor(opens, tcp::endpoint(net::ip::address_v4::loopback(), 0));
    const auto ended = [&](std::exception_ptr error) { log.expect(!error); };
    for (int i = 0; i != sessions; ++i) {
        // A strand is the executor of the stream and of its session.
        tcp::socket asks(net::make_strand(pool));
        asks.connect(acceptor.local_endpoint());
        tcp::socket serves = acceptor.accept(net::make_strand(pool));
        const auto serving = serves.get_executor();
        cv::co_spawn(serving, serve(beast::tcp_stream(std::move(serves)), log), ended);
        const auto asking = asks.get_executor();
        cv::co_spawn(asking, ask(beast::tcp_stream(std::move(asks)), i, log), ended);
    }
    pool.join();
    EXPECT_EQ(log.wrong, 0);
    EXPECT_EQ(log.right, looked_at);
}

} // namespace

TEST_F(AsioBeast, sessions_of_http_have_the_bindings_of_their_request) {
    expect_all_right(serve_http, ask_http, sessions * (4 * requests + 2));
}

TEST_F(AsioBeast, sessions_of_websocket_have_the_bindings_of_their_message) {
    expect_all_right(serve_websocket, ask_websocket, sessions * (3 * requests + 2));
}
