// SPDX-License-Identifier: MIT
//
// An HTTP service on Boost.Beast in which every line that a request logs carries the request's id,
// user and deadline, wherever it is written: in the request's coroutine, in a timer's callback, in
// a pool of workers, in a child task, in a plain callback. No function takes them as parameters.
//
//     http_service [port]      port 0: any free one
//     curl -H 'X-Request-Id: 7f3a' -H 'X-User: ann' http://127.0.0.1:<port>/slow
#include <contextvars/asio.hpp>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <spdlog/fmt/chrono.h>
#include <spdlog/fmt/fmt.h>
#include <spdlog/pattern_formatter.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <ctime>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
using net::ip::tcp;
using namespace std::chrono_literals;

using clock_type = std::chrono::system_clock;
constexpr auto time_for_a_request = 500ms;
using request_type = http::request<http::string_body>;
using response_type = http::response<http::string_body>;

contextvars::ContextVar<std::string> request_id{"request_id"};
contextvars::ContextVar<std::string> user{"user"};
contextvars::ContextVar<clock_type::time_point> deadline{"deadline"};

// [log]
/// `%*` in a log pattern: the variables, of whatever the calling thread is doing at the moment.
/// (An asynchronous logger formats on a thread of its own: it would have to capture them first.)
class context_flag : public spdlog::custom_flag_formatter {
public:
    void format(const spdlog::details::log_msg&, const std::tm&,
                spdlog::memory_buf_t& line) override {
        std::string text = "no request";
        if (const std::string* id = request_id.try_get()) {
            const auto until = std::chrono::floor<std::chrono::milliseconds>(deadline.get());
            text = fmt::format("id={} user={} until={:%H:%M:%S}.{:03}", *id, user.get(),
                               fmt::gmtime(clock_type::to_time_t(until)),
                               until.time_since_epoch().count() % 1000);
        }
        line.append(text.data(), text.data() + text.size());
    }
    std::unique_ptr<custom_flag_formatter> clone() const override {
        return std::make_unique<context_flag>();
    }
};

void log_the_context() {
    auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
    formatter->add_flag<context_flag>('*').set_pattern("%H:%M:%S.%e %t [%*] %v");
    spdlog::set_formatter(std::move(formatter));
}
// [/log]

// [slow]
/// A child task begins with a copy of its parent's context. The shorter deadline is its own.
contextvars::awaitable<void> look_up() {
    deadline.set(std::min(deadline.get(), clock_type::now() + 100ms));
    net::steady_timer timer(co_await net::this_coro::executor, 10ms);
    co_await timer.async_wait(net::use_awaitable);
    spdlog::info("child: looked up");
}

contextvars::awaitable<std::string> slow(net::thread_pool& workers) {
    // The strand of contextvars::make_strand carries contexts: handlers on it need no bind_context.
    const auto executor = co_await net::this_coro::executor;
    net::steady_timer half_time(executor, 20ms);
    half_time.async_wait([](auto) { spdlog::info("timer: half of the time is over"); });
    net::steady_timer timer(executor, 40ms);
    co_await timer.async_wait(net::use_awaitable);
    spdlog::info("slow: waited");

    // A plain pool knows nothing of contexts, as most of what takes a callback.
    net::post(workers, contextvars::bind_context([] { spdlog::info("callback: counted"); }));

    const int answer = co_await contextvars::to_thread(workers, [] {
        spdlog::info("pool: computing");
        return 42;
    });
    co_await contextvars::co_spawn(executor, look_up(), net::use_awaitable);
    co_return fmt::format("the answer for {} is {}\n", user.get(), answer);
}
// [/slow]

contextvars::awaitable<response_type> answer(const request_type& request,
                                             net::thread_pool& workers) {
    response_type response(http::status::ok, request.version());
    response.set(http::field::content_type, "text/plain");
    response.set("X-Request-Id", request_id.get());
    if (request.target() == "/hello")
        response.body() = fmt::format("hello {}\n", user.get());
    else if (request.target() == "/slow")
        response.body() = co_await slow(workers);
    else
        response.result(http::status::not_found);
    if (clock_type::now() > deadline.get())
        response.result(http::status::gateway_timeout);
    co_return response;
}

std::string header_or(const request_type& request, const char* name, std::string otherwise) {
    const auto field = request.find(name);
    return field != request.end() ? std::string(field->value()) : std::move(otherwise);
}

// [connection]
/// One connection: requests, one after the other.
contextvars::awaitable<void> serve(beast::tcp_stream stream, net::thread_pool& workers) {
    static std::atomic<unsigned> requests = 0;
    beast::flat_buffer buffer;
    for (bool keep_alive = true; keep_alive;) {
        request_type request;
        stream.expires_after(30s);
        co_await http::async_read(stream, buffer, request, net::use_awaitable);

        // Until the end of this request, across every co_await and whatever thread it goes on.
        const auto scope = contextvars::scoped(
            request_id.to(header_or(request, "X-Request-Id", fmt::format("r{}", ++requests))),
            user.to(header_or(request, "X-User", "anonymous")),
            deadline.to(clock_type::now() + time_for_a_request));

        response_type response = co_await answer(request, workers);
        keep_alive = request.keep_alive();
        response.keep_alive(keep_alive);
        response.prepare_payload();
        spdlog::info("{} {}: {}", std::string(request.method_string()),
                     std::string(request.target()), response.result_int());
        co_await http::async_write(stream, response, net::use_awaitable);
    }
    stream.socket().shutdown(tcp::socket::shutdown_send);
}
// [/connection]

contextvars::awaitable<void> listen(tcp::acceptor acceptor, net::thread_pool& workers) {
    const auto executor = co_await net::this_coro::executor;
    for (;;) {
        // Beast's stream has a timer beside its socket, so each connection needs a strand: that
        // of contextvars, of which each handler runs in its own context.
        const net::any_io_executor strand = contextvars::make_strand(executor);
        beast::error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(strand, net::redirect_error(net::use_awaitable, error));
        if (!error) {
            // `detached` drops exceptions: the end of a connection is its client's affair.
            contextvars::co_spawn(strand, serve(beast::tcp_stream(std::move(socket)), workers),
                                  net::detached);
        } else {
            net::steady_timer pause(executor, 100ms); // out of file descriptors, mostly
            co_await pause.async_wait(net::use_awaitable);
        }
    }
}

int main(int argc, char** argv) try {
    const int port = argc > 1 ? std::stoi(argv[1]) : 8080;
    if (port < 0 || port > 65535)
        throw std::out_of_range("a port is a number from 0 to 65535");
    log_the_context();

    net::thread_pool pool(4);
    net::thread_pool workers(2); // destroyed first: its work posts results to the other
    net::signal_set signals(pool, SIGINT, SIGTERM);
    net::steady_timer grace(pool);
    signals.async_wait([&](auto, int) {
        // Requests under way are answered by then, and only idle connections are dropped.
        grace.expires_after(time_for_a_request);
        grace.async_wait([&pool](auto) { pool.stop(); });
    });

    tcp::acceptor acceptor(
        pool, tcp::endpoint(net::ip::address_v4::loopback(), static_cast<unsigned short>(port)));
    std::cout << "listening on " << acceptor.local_endpoint() << std::endl;
    contextvars::co_spawn(pool, listen(std::move(acceptor), workers), net::detached);

    pool.join();
    workers.join(); // callbacks may be left
} catch (const std::exception& error) {
    std::cerr << "http_service: " << error.what() << '\n';
    return 1;
}
