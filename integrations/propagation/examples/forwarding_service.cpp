// SPDX-License-Identifier: MIT
//
// An HTTP service that passes a request's trace, state, baggage and deadline on to the services
// that it calls, which the caller names. It is the service that W3C's test of trace context talks
// to (scripts/test-w3c), and the peers in other languages (scripts/test-peers).
//
//     forwarding_service [port [b3]]      port 0: any free one; b3: calls have B3's headers, too
//     curl -d '[{"url": "http://127.0.0.1:9000/next", "arguments": []}]' http://127.0.0.1:<port>/test
#include <contextvars/asio.hpp>
#include <contextvars/propagation.hpp>
#include <contextvars/propagation/asio.hpp>
#include <contextvars/propagation/beast.hpp>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/json/src.hpp>

#include <chrono>
#include <csignal>
#include <exception>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

namespace beast = boost::beast;
namespace http = beast::http;
namespace json = boost::json;
namespace net = boost::asio;
namespace propagation = contextvars::propagation;
using net::ip::tcp;
using namespace std::chrono_literals;

using request_type = http::request<http::string_body>;
using response_type = http::response<http::string_body>;

bool sends_b3 = false;

struct address {
    std::string host;
    std::string port;
    std::string target;
};
std::optional<address> address_of(std::string_view url) {
    constexpr std::string_view scheme = "http://";
    if (!url.starts_with(scheme))
        return std::nullopt;
    url.remove_prefix(scheme.size());
    const std::string_view authority = url.substr(0, url.find('/'));
    const std::string_view host = authority.substr(0, authority.find(':'));
    const std::string_view port = host == authority ? "80" : authority.substr(host.size() + 1);
    const std::string_view target = url.substr(authority.size());
    return address{std::string(host), std::string(port),
                   target.empty() ? "/" : std::string(target)};
}

// A client: each call is a span of its own, and the current context writes the headers.
contextvars::awaitable<void> call(address to, std::string body) {
    propagation::current_trace.set(propagation::current_trace.get().child());

    request_type request(http::verb::post, to.target, 11);
    request.set(http::field::host, to.host + ":" + to.port);
    request.set(http::field::content_type, "application/json");
    const bool in_time = propagation::inject(propagation::beast_fields(request),
                                             {.b3_single = sends_b3, .b3_multi = sends_b3});
    if (!in_time)
        throw propagation::system_error(net::error::timed_out);
    request.body() = std::move(body);
    request.prepare_payload();

    const auto executor = co_await net::this_coro::executor;
    tcp::resolver resolver(executor);
    const auto found = co_await resolver.async_resolve(to.host, to.port, net::use_awaitable);
    beast::tcp_stream stream(executor);
    co_await stream.async_connect(found, net::use_awaitable);
    co_await http::async_write(stream, request, net::use_awaitable);
    beast::flat_buffer buffer;
    response_type response;
    co_await http::async_read(stream, buffer, response, net::use_awaitable);
}

contextvars::awaitable<void> answer(const request_type& request, response_type& response) {
    json::error_code error;
    const json::value calls = json::parse(request.body(), error);
    if (error || !calls.is_array()) {
        response.result(http::status::bad_request);
        co_return;
    }
    for (const json::value& one : calls.get_array()) {
        const json::object* const fields = one.if_object();
        const json::value* const url = fields == nullptr ? nullptr : fields->if_contains("url");
        const json::value* const body =
            fields == nullptr ? nullptr : fields->if_contains("arguments");
        const auto to = url == nullptr || !url->is_string()
                            ? std::nullopt
                            : address_of(std::string_view(url->get_string()));
        if (!to) {
            response.result(http::status::bad_request);
            co_return;
        }
        std::string next = body == nullptr ? "[]" : json::serialize(*body);
        auto task = call(*to, std::move(next)); // not in one: g++ 12 would copy the string by bytes
        // No longer than the deadline that the request brought.
        co_await propagation::within_deadline(std::move(task));
    }
}

// A server: each request runs in the context that its headers bring.
contextvars::awaitable<void> serve(beast::tcp_stream stream) {
    beast::flat_buffer buffer;
    for (bool keep_alive = true; keep_alive;) {
        request_type request;
        stream.expires_after(30s);
        co_await http::async_read(stream, buffer, request, net::use_awaitable);
        stream.expires_never();
        keep_alive = request.keep_alive();

        response_type response(http::status::ok, request.version());
        const contextvars::Context context =
            propagation::extract(propagation::beast_fields(std::as_const(request)),
                                 {.trust_baggage = true, .b3 = true, .start_trace = true});
        try {
            co_await contextvars::co_spawn(co_await net::this_coro::executor, context,
                                           answer(request, response), net::use_awaitable);
        } catch (const propagation::system_error& error) {
            const bool late = error.code() == net::error::timed_out;
            response.result(late ? http::status::gateway_timeout : http::status::bad_gateway);
        }
        response.set(http::field::content_type, "application/json");
        response.body() = "[]";
        response.keep_alive(keep_alive);
        response.prepare_payload();
        co_await http::async_write(stream, response, net::use_awaitable);
    }
}

contextvars::awaitable<void> listen(tcp::acceptor acceptor) {
    for (;;) {
        const net::any_io_executor strand = contextvars::make_strand(acceptor.get_executor());
        tcp::socket socket = co_await acceptor.async_accept(strand, net::use_awaitable);
        contextvars::co_spawn(strand, serve(beast::tcp_stream(std::move(socket))), net::detached);
    }
}

int main(int argc, char** argv) try {
    const int port = argc > 1 ? std::stoi(argv[1]) : 8080;
    if (port < 0 || port > 65535)
        throw std::out_of_range("a port is a number from 0 to 65535");
    sends_b3 = argc > 2 && std::string_view(argv[2]) == "b3";
    propagation::set_dropped_hook([](const propagation::dropped& d) noexcept {
        std::clog << "dropped of " << d.header << ": " << propagation::words(d.reason) << '\n';
    });

    net::thread_pool pool(2);
    net::signal_set signals(pool, SIGINT, SIGTERM);
    signals.async_wait([&](auto, int) { pool.stop(); });
    tcp::acceptor acceptor(
        pool, tcp::endpoint(net::ip::address_v4::loopback(), static_cast<unsigned short>(port)));
    std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
    contextvars::co_spawn(pool, listen(std::move(acceptor)), net::detached);
    pool.join();
} catch (const std::exception& error) {
    std::cerr << "forwarding_service: " << error.what() << '\n';
    return 1;
}
