// SPDX-License-Identifier: MIT
//
// The operations of costs.cpp by OpenTelemetry C++'s API, for check.sh to set beside ours.
#include <opentelemetry/baggage/baggage.h>
#include <opentelemetry/context/propagation/text_map_propagator.h>
#include <opentelemetry/context/runtime_context.h>
#include <opentelemetry/trace/propagation/http_trace_context.h>
#include <opentelemetry/trace/trace_state.h>

#include <valgrind/callgrind.h>

#include <cstddef>
#include <map>
#include <string>
#include <tuple>

namespace otel = opentelemetry;

namespace {

template <class F>
void measure(const char* name, F f) {
    f(); // warm
    CALLGRIND_ZERO_STATS;
    f();
    CALLGRIND_DUMP_STATS_AT(name);
}

std::string members(std::size_t count) {
    std::string text;
    for (std::size_t i = 0; i != count; ++i) {
        const std::string number = std::to_string(i);
        text.append(i == 0 ? "" : ",").append("key").append(number).append("=value%20");
        text.append(number);
    }
    return text;
}

class map_carrier : public otel::context::propagation::TextMapCarrier {
public:
    otel::nostd::string_view Get(otel::nostd::string_view key) const noexcept override {
        const auto found = headers.find(std::string(key.data(), key.size()));
        return found == headers.end() ? "" : otel::nostd::string_view(found->second);
    }
    void Set(otel::nostd::string_view key, otel::nostd::string_view value) noexcept override {
        headers.emplace(std::string(key.data(), key.size()),
                        std::string(value.data(), value.size()));
    }
    std::map<std::string, std::string> headers;
};

/// One header, and no allocation.
class plain_carrier : public otel::context::propagation::TextMapCarrier {
public:
    otel::nostd::string_view Get(otel::nostd::string_view key) const noexcept override {
        return key == "traceparent" ? value : "";
    }
    void Set(otel::nostd::string_view, otel::nostd::string_view text) noexcept override {
        written += text.size();
    }
    otel::nostd::string_view value;
    std::size_t written = 0;
};

volatile std::size_t sink;

} // namespace

int main() {
    plain_carrier plain;
    plain.value = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    otel::trace::propagation::HttpTraceContext propagator;
    // The parser is private: these are the smallest calls that parse and write.
    measure("traceparent: parse and write", [&] {
        otel::context::Context none;
        const otel::context::Context context = propagator.Extract(plain, none);
        propagator.Inject(plain, context);
        sink = plain.written;
    });
    const std::string state = "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE,third=1";
    measure("tracestate of 3: parse and write",
            [&] { sink = otel::trace::TraceState::FromHeader(state)->ToHeader().size(); });
    for (const auto& [count, name] : {std::tuple{3, "baggage of 3: parse and write"},
                                      std::tuple{64, "baggage of 64: parse and write"}}) {
        const std::string text = members(static_cast<std::size_t>(count));
        measure(name, [&] { sink = otel::baggage::Baggage::FromHeader(text)->ToHeader().size(); });
    }
    map_carrier message;
    message.headers["traceparent"] = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    measure("extract of a traceparent, inject", [&] {
        otel::context::Context none;
        const otel::context::Context context = propagator.Extract(message, none);
        map_carrier next;
        propagator.Inject(next, context);
        sink = next.headers.size();
    });
}
