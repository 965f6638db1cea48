// SPDX-License-Identifier: MIT
//
// What does a scope cost, that sets a variable and restores it, where nobody else has the bindings?
#include "peers.hpp"

namespace {

/// Of a variable that is bound, unless none is.
template <class T>
const auto set_and_reset = [](benchmark::State& state, const auto& peer) {
    const auto variable = peer.middle();
    const T value = peers::some<T>();
    for (auto _ : state) {
        auto token = peer.set(variable, value);
        benchmark::ClobberMemory();
        peer.reset(variable, token);
        benchmark::ClobberMemory();
    }
};

} // namespace

int main(int argc, char** argv) {
    using namespace peers;
    add<long, plain_thread_local, pointer_and_array>(
        "set and reset", {0, 1, 8, 16, 64, 1000, 10000}, set_and_reset<long>);
    add<large, plain_thread_local, pointer_and_array>("set and reset", {8, 64},
                                                      set_and_reset<large>);
    add<std::string, plain_thread_local, pointer_and_array>("set and reset", {8, 64},
                                                            set_and_reset<std::string>);
    return run(argc, argv);
}
