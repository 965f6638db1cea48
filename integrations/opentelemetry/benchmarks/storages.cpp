// SPDX-License-Identifier: MIT
//
// What OpenTelemetry's own storage and that of contextvars::opentelemetry take, and how many spans
// get a wrong parent with each. A storage cannot be taken out, so its own comes first.
//
//     benchmark_opentelemetry [options of Google Benchmark]
#include <contextvars/opentelemetry.hpp>

#include "requests.hpp"

#include <opentelemetry/context/runtime_context.h>
#include <opentelemetry/trace/default_span.h>
#include <opentelemetry/trace/scope.h>

#include <benchmark/benchmark.h>

#include <string>
#include <unordered_map>

namespace {

namespace tests = contextvars_tests;
using opentelemetry::context::RuntimeContext;
using Span = opentelemetry::nostd::shared_ptr<opentelemetry::trace::Span>;

Span a_span() {
    return Span(
        new opentelemetry::trace::DefaultSpan(opentelemetry::trace::SpanContext::GetInvalid()));
}

void get_current(benchmark::State& state) {
    const Span span = a_span();
    const opentelemetry::trace::Scope scope(span);
    for (auto _ : state)
        benchmark::DoNotOptimize(RuntimeContext::GetCurrent());
}

/// A Scope and its end: GetCurrent, SetValue, Attach, Detach.
void scope(benchmark::State& state) {
    const Span span = a_span();
    for (auto _ : state) {
        const opentelemetry::trace::Scope scope(span);
        benchmark::DoNotOptimize(&scope);
    }
}

/// As scope, without what OpenTelemetry takes to make the context.
void attach(benchmark::State& state) {
    const auto context = RuntimeContext::GetCurrent().SetValue("span", a_span());
    for (auto _ : state)
        benchmark::DoNotOptimize(RuntimeContext::Attach(context).get());
}

void parents(benchmark::State& state) {
    tests::Parents sum;
    for (auto _ : state) {
        std::unordered_map<std::string, long> by_name;
        sum = tests::run_requests(100'000, by_name);
    }
    state.counters["right"] = static_cast<double>(sum.right);
    state.counters["wrong"] = static_cast<double>(sum.wrong);
    state.counters["orphans"] = static_cast<double>(sum.orphans);
}

void add(const std::string& storage, bool install) {
    const auto with_storage = [&](const char* what, void (*f)(benchmark::State&)) {
        return benchmark::RegisterBenchmark((storage + ": " + what).c_str(), [=](auto& state) {
            if (install) {
                [[maybe_unused]] static const bool once = [] {
                    contextvars::opentelemetry::install_storage();
                    return true;
                }();
            }
            f(state);
        });
    };
    with_storage("GetCurrent", get_current);
    with_storage("Attach and Detach", attach);
    with_storage("Scope", scope);
    with_storage("spans of requests", parents)
        ->Iterations(1)
        ->Unit(benchmark::kMillisecond)
        ->UseRealTime();
}

} // namespace

int main(int argc, char** argv) {
    benchmark::Initialize(&argc, argv);
    if (benchmark::ReportUnrecognizedArguments(argc, argv))
        return 1;
    add("OpenTelemetry's own", false);
    add("contextvars", true);
    benchmark::RunSpecifiedBenchmarks();
}
