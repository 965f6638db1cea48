// SPDX-License-Identifier: MIT
//
// An HTTP service on Boost.Beast whose requests are traced with OpenTelemetry. Each request is one
// tree of spans and one line of log with its trace's id, though its parts run on several threads,
// and no function takes a span as a parameter. Spans go to standard output, the log to standard
// error.
//
//     traced_service [port]        port 0: any free one
//     curl http://127.0.0.1:<port>/price/7
//
// Built with OpenTelemetry's OTLP exporter, it sends the spans to a collector instead if the
// environment has OTEL_EXPORTER_OTLP_ENDPOINT.
#include <contextvars/asio.hpp>
#include <contextvars/opentelemetry.hpp>

#include <boost/asio.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <opentelemetry/exporters/ostream/span_exporter_factory.h>
#include <opentelemetry/sdk/trace/exporter.h>
#include <opentelemetry/sdk/trace/simple_processor_factory.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/trace/provider.h>
#include <opentelemetry/trace/scope.h>
#include <opentelemetry/trace/span_startoptions.h>
#include <opentelemetry/trace/tracer.h>

#ifdef TRACED_SERVICE_HAS_OTLP
#include <opentelemetry/exporters/otlp/otlp_http_exporter_factory.h>
#endif

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>

namespace beast = boost::beast;
namespace http = beast::http;
namespace net = boost::asio;
namespace trace = opentelemetry::trace;
using net::ip::tcp;
using namespace std::chrono_literals;

using request_type = http::request<http::string_body>;
using response_type = http::response<http::string_body>;

void trace_everything() {
    contextvars::opentelemetry::install_storage(); // before the first span: all that is needed

    auto exporter = opentelemetry::exporter::trace::OStreamSpanExporterFactory::Create();
#ifdef TRACED_SERVICE_HAS_OTLP
    if (std::getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != nullptr)
        exporter = opentelemetry::exporter::otlp::OtlpHttpExporterFactory::Create();
#endif
    const std::shared_ptr<trace::TracerProvider> provider =
        opentelemetry::sdk::trace::TracerProviderFactory::Create(
            opentelemetry::sdk::trace::SimpleSpanProcessorFactory::Create(std::move(exporter)));
    trace::Provider::SetTracerProvider(provider);
}

auto start_span(const std::string& name) {
    return trace::Provider::GetTracerProvider()->GetTracer("traced_service")->StartSpan(name);
}

/// With the id of the trace that the caller is in, whoever it is.
void log(const std::string& text) {
    char id[32];
    trace::Tracer::GetCurrentSpan()->GetContext().trace_id().ToLowerBase16(id);
    std::cerr << "[" + std::string(id, sizeof id) + "] " + text + "\n";
}

contextvars::awaitable<int> look_up(int item) {
    const trace::Scope scope(start_span("look up")); // until the end, across every co_await
    net::steady_timer timer(co_await net::this_coro::executor, 5ms);
    co_await timer.async_wait(net::use_awaitable);
    const trace::Scope parsing(start_span("parse"));
    co_return item * 100;
}

int add_tax(int price) {
    const trace::Scope scope(start_span("add tax"));
    return price + price / 5;
}

contextvars::awaitable<std::string> price_of(const std::string& item, net::thread_pool& workers) {
    const auto executor = co_await net::this_coro::executor;
    // A task of its own begins in its parent's span, and so does work on another pool.
    const int net_price =
        co_await contextvars::co_spawn(executor, look_up(std::stoi(item)), net::use_awaitable);
    const int price =
        co_await contextvars::to_thread(workers, [net_price] { return add_tax(net_price); });
    co_return item + " costs " + std::to_string(price) + "\n";
}

contextvars::awaitable<response_type> answer(const request_type& request,
                                             net::thread_pool& workers) {
    const std::string target(request.target());
    const trace::Scope scope(start_span(std::string(request.method_string()) + " " + target));
    response_type response(http::status::ok, request.version());
    response.set(http::field::content_type, "text/plain");
    try {
        if (!target.starts_with("/price/"))
            response.result(http::status::not_found);
        else
            response.body() = co_await price_of(target.substr(7), workers);
    } catch (const std::logic_error&) { // of stoi
        response.result(http::status::bad_request);
    }
    log(target + ": " + std::to_string(response.result_int()));
    co_return response;
}

/// One connection: requests, one after the other.
contextvars::awaitable<void> serve(beast::tcp_stream stream, net::thread_pool& workers) {
    beast::flat_buffer buffer;
    for (bool keep_alive = true; keep_alive;) {
        request_type request;
        stream.expires_after(30s);
        co_await http::async_read(stream, buffer, request, net::use_awaitable);
        response_type response = co_await answer(request, workers);
        keep_alive = request.keep_alive();
        response.keep_alive(keep_alive);
        response.prepare_payload();
        co_await http::async_write(stream, response, net::use_awaitable);
    }
    stream.socket().shutdown(tcp::socket::shutdown_send);
}

contextvars::awaitable<void> listen(tcp::acceptor acceptor, net::thread_pool& workers) {
    const auto executor = co_await net::this_coro::executor;
    for (;;) {
        const net::any_io_executor strand = contextvars::make_strand(executor);
        beast::error_code error;
        tcp::socket socket =
            co_await acceptor.async_accept(strand, net::redirect_error(net::use_awaitable, error));
        if (!error) {
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
    trace_everything();

    net::thread_pool pool(4);
    net::thread_pool workers(2); // destroyed first: its work posts results to the other
    net::signal_set signals(pool, SIGINT, SIGTERM);
    signals.async_wait([&](auto, int) { pool.stop(); });

    tcp::acceptor acceptor(
        pool, tcp::endpoint(net::ip::address_v4::loopback(), static_cast<unsigned short>(port)));
    std::cerr << "listening on " << acceptor.local_endpoint() << std::endl;
    contextvars::co_spawn(pool, listen(std::move(acceptor), workers), net::detached);

    pool.join();
    workers.join();
} catch (const std::exception& error) {
    std::cerr << "traced_service: " << error.what() << '\n';
    return 1;
}
