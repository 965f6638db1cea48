// SPDX-License-Identifier: MIT
//
// Do two threads slow each other down: when they call one bound callable, when each has its own, and
// when one makes what the other runs and destroys?
#include "peers.hpp"

#include <sched.h>

#include <ctime>
#include <functional>
#include <vector>

namespace {

/// Keeps each of several threads on a processor of its own, for as long as it lives.
class pinned {
public:
    explicit pinned(const benchmark::State& state) {
        if (state.threads() == 1)
            return;
        cpu_set_t one;
        CPU_ZERO(&one);
        CPU_SET(static_cast<unsigned>(state.thread_index()), &one);
        was_pinned_ = sched_getaffinity(0, sizeof before_, &before_) == 0 &&
                      sched_setaffinity(0, sizeof one, &one) == 0;
    }
    pinned(const pinned&) = delete;
    pinned& operator=(const pinned&) = delete;
    ~pinned() {
        if (was_pinned_)
            sched_setaffinity(0, sizeof before_, &before_);
    }

private:
    cpu_set_t before_{};
    bool was_pinned_ = false;
};

void nothing() { benchmark::ClobberMemory(); }

const auto call_own = [](benchmark::State& state, const auto& peer) {
    const pinned here(state);
    const auto bound = peer.bind(&nothing);
    for (auto _ : state) {
        bound();
        benchmark::ClobberMemory();
    }
};

/// Made on first use, and called by the threads of all runs.
template <std::size_t size>
const auto call_shared = [](benchmark::State& state, const auto& peer) {
    const pinned here(state);
    static const auto bound = peer.bind(&nothing);
    for (auto _ : state) {
        bound();
        benchmark::ClobberMemory();
    }
};

const auto bind_call_drop = [](benchmark::State& state, const auto& peer) {
    for (auto _ : state)
        peer.bind (&nothing)();
};

double seconds_of_this_thread() {
    std::timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// A thread that does what it is given, while who gives it waits.
class worker {
public:
    worker() = default;
    worker(const worker&) = delete;
    worker& operator=(const worker&) = delete;
    ~worker() {
        job_ = nullptr;
        given_.release();
    }

    /// Returns: the processor time that the job took.
    double run(const std::function<void()>& job) {
        job_ = &job;
        given_.release();
        done_.acquire();
        return seconds_;
    }

private:
    void work() {
        for (given_.acquire(); job_ != nullptr; given_.acquire()) {
            const double began = seconds_of_this_thread();
            (*job_)();
            seconds_ = seconds_of_this_thread() - began;
            done_.release();
        }
    }

    const std::function<void()>* job_ = nullptr;
    double seconds_ = 0;
    std::binary_semaphore given_{0};
    std::binary_semaphore done_{0};
    std::jthread thread_{[this] { work(); }};
};

constexpr std::size_t batch = 1000;

/// Bound callables, a batch at a time, since a thread is not woken for one of them. The time is that
/// of both threads' processors, without what waking takes.
template <bool to_another_thread>
const auto hand_off = [](benchmark::State& state, const auto& peer) {
    std::vector<decltype(peer.bind(&nothing))> made;
    made.reserve(batch);
    const std::function<void()> run_and_destroy = [&made] {
        for (const auto& bound : made)
            bound();
        made.clear();
    };
    worker other;
    while (state.KeepRunningBatch(batch)) {
        const double began = seconds_of_this_thread();
        for (std::size_t i = 0; i != batch; ++i)
            made.push_back(peer.bind(&nothing));
        if (!to_another_thread)
            run_and_destroy();
        double seconds = seconds_of_this_thread() - began;
        if (to_another_thread)
            seconds += other.run(run_and_destroy);
        state.SetIterationTime(seconds);
    }
};

/// Contexts, each with a change of its own, that another thread drops: likewise.
const auto hand_off_contexts = [](benchmark::State& state, const auto& peer) {
    const auto variable = peer.middle();
    std::vector<decltype(peer.capture())> made;
    made.reserve(batch);
    const std::function<void()> destroy = [&made] { made.clear(); };
    worker other;
    while (state.KeepRunningBatch(batch)) {
        const double began = seconds_of_this_thread();
        for (std::size_t i = 0; i != batch; ++i) {
            static_cast<void>(peer.set(variable, peers::some<long>()));
            made.push_back(peer.capture());
        }
        const double seconds = seconds_of_this_thread() - began;
        state.SetIterationTime(seconds + other.run(destroy));
    }
};

} // namespace

int main(int argc, char** argv) {
    using namespace peers;
    using with_floor = without_lock<long, inc_and_dec>;
    with_floor::add("call of one bound callable", "long", {16}, call_shared<16>,
                    by_one_and_two_threads);
    with_floor::add("call of one bound callable", "long", {64}, call_shared<64>,
                    by_one_and_two_threads);
    using no_floor = without_lock<long>;
    no_floor::add("call of a bound callable of one's own", "long", {16, 64}, call_own,
                  by_one_and_two_threads);
    no_floor::add("bind, call, drop", "long", {8, 64}, bind_call_drop);
    no_floor::add("bind 1000, then call and drop them", "long", {8, 64}, hand_off<false>,
                  in_its_own_time);
    no_floor::add("bind 1000, another thread calls and drops them", "long", {8, 64}, hand_off<true>,
                  in_its_own_time);
    no_floor::add("set and capture 1000, another thread drops them", "long", {8, 64},
                  hand_off_contexts, in_its_own_time);
    return run(argc, argv);
}
