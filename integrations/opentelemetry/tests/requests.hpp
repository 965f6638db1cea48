// SPDX-License-Identifier: MIT
//
// Requests of an Asio program that make spans with OpenTelemetry's SDK, everywhere: after timers, on
// pools and strands, in child tasks, callbacks and nested scopes, after cancellation, and in a
// library. Each span says as an attribute which parent it expects. The tests and the benchmark run
// them with this storage and with OpenTelemetry's own.
#ifndef CONTEXTVARS_TESTS_OPENTELEMETRY_REQUESTS_HPP
#define CONTEXTVARS_TESTS_OPENTELEMETRY_REQUESTS_HPP

#include <contextvars/asio.hpp>

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio.hpp>
#include <asio/experimental/awaitable_operators.hpp>
#else
#include <boost/asio.hpp>
#include <boost/asio/experimental/awaitable_operators.hpp>
#endif

#include "instrumented_library.hpp"

#include <opentelemetry/exporters/memory/in_memory_span_exporter_factory.h>
#include <opentelemetry/sdk/trace/simple_processor_factory.h>
#include <opentelemetry/sdk/trace/tracer_provider.h>
#include <opentelemetry/sdk/trace/tracer_provider_factory.h>
#include <opentelemetry/trace/provider.h>
#include <opentelemetry/trace/scope.h>

#include <chrono>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace contextvars_tests {

namespace cv = contextvars;
namespace net = CONTEXTVARS_ASIO;
namespace trace = opentelemetry::trace;

using Span = opentelemetry::nostd::shared_ptr<trace::Span>;
using span_number = std::uint64_t; ///< the bytes of a span's id; 0: no span

inline span_number number_of(const trace::SpanId& id) {
    span_number number = 0;
    std::memcpy(&number, id.Id().data(), sizeof number);
    return number;
}
inline span_number number_of(trace::Span& span) { return number_of(span.GetContext().span_id()); }

struct Parents {
    long right = 0;
    long wrong = 0;   ///< another span's, or the wrong one of the request's
    long orphans = 0; ///< none, though there should be one
};

/// OpenTelemetry's SDK, for as long as it lives, with an exporter that keeps spans in memory.
class Tracing {
public:
    Tracing() {
        auto exporter =
            opentelemetry::exporter::memory::InMemorySpanExporterFactory::Create(spans_, 1U << 17);
        auto processor =
            opentelemetry::sdk::trace::SimpleSpanProcessorFactory::Create(std::move(exporter));
        const std::shared_ptr<trace::TracerProvider> provider =
            opentelemetry::sdk::trace::TracerProviderFactory::Create(std::move(processor));
        trace::Provider::SetTracerProvider(provider);
    }
    Tracing(const Tracing&) = delete;
    Tracing& operator=(const Tracing&) = delete;
    ~Tracing() {
        trace::Provider::SetTracerProvider(
            opentelemetry::nostd::shared_ptr<trace::TracerProvider>(new trace::NoopTracerProvider));
    }

    /// Looks at all spans that have ended since the last call.
    void count(Parents& parents, std::unordered_map<std::string, long>& by_name) {
        for (const auto& span : spans_->GetSpans()) {
            const auto& attribute = span->GetAttributes().at("expected");
            const auto expected =
                static_cast<span_number>(opentelemetry::nostd::get<std::int64_t>(attribute));
            const span_number parent = number_of(span->GetParentSpanId());
            ++by_name[std::string(span->GetName())];
            if (parent == expected)
                ++parents.right;
            else if (parent == 0)
                ++parents.orphans;
            else
                ++parents.wrong;
        }
    }

private:
    std::shared_ptr<opentelemetry::exporter::memory::InMemorySpanData> spans_;
};

inline Span start(const char* name, span_number expected) {
    auto span = trace::Provider::GetTracerProvider()->GetTracer("requests")->StartSpan(name);
    span->SetAttribute("expected", static_cast<std::int64_t>(expected));
    return span;
}
inline void leaf(const char* name, span_number expected) { start(name, expected)->End(); }

/// How many spans a request makes.
inline constexpr long spans_of_a_request = 22;

class Requests {
public:
    explicit Requests(net::thread_pool& other) : other_(other) {}

    // On a strand, since cancellation needs one.
    template <class Executor>
    void start_one(const Executor& executor) {
        cv::co_spawn(executor, request(), net::detached);
    }

private:
    static cv::awaitable<void> pause() {
        net::steady_timer timer(co_await net::this_coro::executor, std::chrono::microseconds(50));
        co_await timer.async_wait(net::use_awaitable);
    }

    cv::awaitable<void> request() { // 22 spans
        auto span = start("request", 0);
        const trace::Scope scope(span);
        const span_number own = number_of(*span);
        co_await pause();
        leaf("after a timer", own);
        co_await net::post(other_, net::use_awaitable);
        leaf("after a hop to another pool", own);
        co_await nested(own); // 3
        leaf("after a nested scope", own);
        co_await children(own); // 5
        leaf("after children", own);
        co_await cancelled(own); // 2
        leaf("after cancellation", own);
        const int answer = co_await cv::to_thread(other_, [own] {
            leaf("on a thread", own);
            return 42;
        });
        try {
            co_await failing(own); // 1
        } catch (const std::runtime_error&) {
            leaf("after an exception", answer == 42 ? own : 0);
        }
        net::post(other_, cv::bind_context([own] { leaf("bound callback", own); }));
        instrumented_library::query(own); // 2
        span->End();
    }

    static cv::awaitable<void> nested(span_number outer) {
        auto span = start("nested", outer);
        std::optional<trace::Scope> scope(std::in_place, span);
        co_await pause();
        leaf("nested leaf", number_of(*span));
        scope.reset();
        co_await pause();
        leaf("after the scope", outer);
    }

    static cv::awaitable<void> failing(span_number outer) {
        auto span = start("failing", outer);
        const trace::Scope scope(span);
        co_await pause();
        throw std::runtime_error("as expected");
    }

    static cv::awaitable<void> child(span_number parent) {
        auto span = start("child", parent);
        const trace::Scope scope(span);
        co_await pause();
        leaf("child's leaf", number_of(*span));
    }

    static cv::awaitable<void> children(span_number own) {
        const auto executor = co_await net::this_coro::executor;
        // The library calls back in its own scope, where a task begins that outlives it.
        instrumented_library::subscribe(own, [&](span_number subscription) {
            net::co_spawn(executor, child(subscription), net::detached);
        });
        co_await net::co_spawn(executor, child(own), net::use_awaitable);
    }

    static cv::awaitable<void> long_wait(span_number own) {
        auto span = start("cancelled", own);
        const trace::Scope scope(span);
        net::steady_timer timer(co_await net::this_coro::executor, std::chrono::hours(1));
        co_await timer.async_wait(net::use_awaitable);
    }
    static cv::awaitable<void> short_wait(span_number own) {
        co_await pause();
        leaf("short wait", own);
    }
    static cv::awaitable<void> cancelled(span_number own) {
        using namespace net::experimental::awaitable_operators;
        co_await (long_wait(own) || short_wait(own));
    }

    net::thread_pool& other_;
};

/// Runs requests, at most 2,000 at once, until they have made that many spans.
inline Parents run_requests(long spans, std::unordered_map<std::string, long>& by_name) {
    Parents parents;
    Tracing tracing;
    for (long left = (spans + spans_of_a_request - 1) / spans_of_a_request; left > 0;
         left -= 2'000) {
        net::thread_pool pool(4);
        net::thread_pool other(2);
        Requests requests(other);
        for (long i = 0; i != 2'000 && i != left; ++i)
            requests.start_one(cv::make_strand(pool));
        pool.join();
        other.join();
        tracing.count(parents, by_name);
        if (left < 2'000)
            break;
    }
    return parents;
}

} // namespace contextvars_tests

#endif
