// SPDX-License-Identifier: MIT
//
// What does it cost to read a variable, and to find it missing?
#include "peers.hpp"

namespace {

template <class Peer, class Variable>
[[gnu::noinline]] void get_and_use(const Peer& peer, Variable variable) {
    peers::use(peer.get(variable));
}

const auto get_in_a_loop = [](benchmark::State& state, const auto& peer) {
    const auto variable = peer.middle();
    for (auto _ : state)
        peers::use(peer.get(variable));
};

const auto get_in_a_function = [](benchmark::State& state, const auto& peer) {
    const auto variable = peer.middle();
    for (auto _ : state)
        get_and_use(peer, variable);
};

const auto find_missing = [](benchmark::State& state, const auto& peer) {
    const auto variable = peer.missing();
    for (auto _ : state)
        benchmark::DoNotOptimize(peer.has(variable));
};

} // namespace

int main(int argc, char** argv) {
    using namespace peers;
    add<long, plain_thread_local, pointer_and_array>("get", {1, 8, 16, 64, 1000, 10000},
                                                     get_in_a_loop);
    add<large, plain_thread_local, pointer_and_array>("get", {8, 64}, get_in_a_loop);
    add<std::string, plain_thread_local, pointer_and_array>("get", {8}, get_in_a_loop);
    add<long, plain_thread_local, pointer_and_array>("get, in a function that is called",
                                                     {1, 8, 64, 1000}, get_in_a_function);
    add<long>("get of a missing one", {0, 1, 8, 16, 64, 1000, 10000}, find_missing);
    return run(argc, argv);
}
