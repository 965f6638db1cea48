// SPDX-License-Identifier: MIT
#include "instrumented_library.hpp"

#include <opentelemetry/trace/provider.h>
#include <opentelemetry/trace/scope.h>
#include <opentelemetry/trace/tracer.h>

#include <cstring>

namespace instrumented_library {

namespace {

namespace trace = opentelemetry::trace;

opentelemetry::nostd::shared_ptr<trace::Span> start(const char* name, std::uint64_t expected) {
    auto span = trace::Provider::GetTracerProvider()->GetTracer("library")->StartSpan(name);
    span->SetAttribute("expected", static_cast<std::int64_t>(expected));
    return span;
}

std::uint64_t id_of(trace::Span& span) {
    const trace::SpanContext context = span.GetContext();
    std::uint64_t id = 0;
    std::memcpy(&id, context.span_id().Id().data(), sizeof id);
    return id;
}

} // namespace

void query(std::uint64_t expected) {
    auto outer = start("query", expected);
    const trace::Scope scope(outer);
    start("parse", id_of(*outer))->End();
}

void subscribe(std::uint64_t expected, const std::function<void(std::uint64_t)>& f) {
    auto span = start("subscribe", expected);
    const trace::Scope scope(span);
    f(id_of(*span));
}

} // namespace instrumented_library
