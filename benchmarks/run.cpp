// SPDX-License-Identifier: MIT
//
// What does it cost to run code in a context: one that is there, a copy made for it, and what is
// the price of the first set after a capture, which must part what is shared?
#include "peers.hpp"

namespace {

// What one iteration left in a register, the next one must load again: hence ClobberMemory.

const auto run_empty = [](benchmark::State& state, const auto& peer) {
    auto context = peer.capture();
    for (auto _ : state) {
        peer.run(context, [] { benchmark::ClobberMemory(); });
        benchmark::ClobberMemory();
    }
};

const auto spawn_and_get = [](benchmark::State& state, const auto& peer) {
    const auto variable = peer.middle();
    for (auto _ : state) {
        peer.run_copy([&] {
            for (int i = 0; i != 3; ++i)
                peers::use(peer.get(variable));
        });
        benchmark::ClobberMemory();
    }
};

template <class T>
const auto spawn_set_and_get = [](benchmark::State& state, const auto& peer) {
    const auto variable = peer.middle();
    const T value = peers::some<T>();
    for (auto _ : state) {
        peer.run_copy([&] {
            peer.set(variable, value);
            for (int i = 0; i != 3; ++i)
                peers::use(peer.get(variable));
        });
        benchmark::ClobberMemory();
    }
};

const auto capture_and_set = [](benchmark::State& state, const auto& peer) {
    const auto variable = peer.middle();
    for (auto _ : state) {
        const auto context = peer.capture();
        peer.set(variable, 1);
        benchmark::DoNotOptimize(&context);
    }
};

} // namespace

int main(int argc, char** argv) {
    using namespace peers;
    add<long, pointer_and_array, guarded_pointer>("run, empty body", {0, 8, 64}, run_empty);
    add<long, pointer_and_array>("capture, enter, 3 gets, leave, drop", {8, 64}, spawn_and_get);
    const char* const spawn = "capture, enter, set, 3 gets, leave, drop";
    add<long, pointer_and_array>(spawn, {1, 8, 16, 64, 1000, 10000}, spawn_set_and_get<long>);
    add<large, pointer_and_array>(spawn, {8, 64}, spawn_set_and_get<large>);
    add<std::string, pointer_and_array>(spawn, {8}, spawn_set_and_get<std::string>);
    add<long, pointer_and_array>("capture, first set, drop", {100, 1000, 10000}, capture_and_set);
    return run(argc, argv);
}
