// SPDX-License-Identifier: MIT
//
// What do the core's operations cost, beside the floors (a thread_local, a pair of locked
// instructions) in the same run? The argument is the number of variables bound.
#include <contextvars/contextvars.hpp>

#include <benchmark/benchmark.h>

#include <atomic>
#include <memory>
#include <vector>

#if !defined(NDEBUG)
#error "a debug build measures nothing"
#endif

namespace {

using contextvars::Context;
using variable = contextvars::ContextVar<long>;

constinit thread_local long plain = 1;

const std::vector<std::unique_ptr<variable>>& variables() {
    static const auto all = [] {
        std::vector<std::unique_ptr<variable>> made;
        for (int i = 0; i != 10000; ++i)
            made.push_back(std::make_unique<variable>("variable"));
        return made;
    }();
    return all;
}

/// Runs `loop` where as many variables are bound as the benchmark's argument says.
template <class Loop>
void with_bindings(benchmark::State& state, Loop loop) {
    Context context;
    context.run([&] {
        for (std::int64_t i = 0; i != state.range(0); ++i)
            variables()[static_cast<std::size_t>(i)]->set(i);
        loop(*variables()[static_cast<std::size_t>(state.range(0)) / 2]);
    });
}

void floor_thread_local(benchmark::State& state) {
    for (auto _ : state)
        benchmark::DoNotOptimize(plain);
}

void floor_two_locked(benchmark::State& state) {
    std::atomic<unsigned> count{1};
    for (auto _ : state) {
        count.fetch_add(1);
        count.fetch_sub(1);
    }
}

void get(benchmark::State& state) {
    with_bindings(state, [&](const variable& middle) {
        for (auto _ : state)
            benchmark::DoNotOptimize(middle.get());
    });
}

void set_and_reset(benchmark::State& state) {
    with_bindings(state, [&](const variable& middle) {
        for (auto _ : state) {
            auto token = middle.set(1);
            middle.reset(token);
        }
    });
}

void copy(benchmark::State& state) {
    with_bindings(state, [&](const variable&) {
        for (auto _ : state)
            benchmark::DoNotOptimize(contextvars::copy_context());
    });
}

void run(benchmark::State& state) {
    Context context;
    for (auto _ : state)
        context.run([] { benchmark::ClobberMemory(); });
}

void copy_run_set_get(benchmark::State& state) {
    with_bindings(state, [&](const variable& middle) {
        for (auto _ : state)
            contextvars::copy_context().run([&] {
                middle.set(1);
                for (int i = 0; i != 3; ++i)
                    benchmark::DoNotOptimize(middle.get());
            });
    });
}

BENCHMARK(floor_thread_local);
BENCHMARK(floor_two_locked);
BENCHMARK(get)->Arg(1)->Arg(16)->Arg(64)->Arg(1000)->Arg(9999);
BENCHMARK(set_and_reset)->Arg(1)->Arg(16)->Arg(64)->Arg(1000)->Arg(9999);
BENCHMARK(copy)->Arg(0)->Arg(1)->Arg(16)->Arg(64)->Arg(1000)->Arg(9999);
BENCHMARK(run);
BENCHMARK(copy_run_set_get)->Arg(1)->Arg(16)->Arg(64)->Arg(1000)->Arg(9999);

} // namespace
