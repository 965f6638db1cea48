// SPDX-License-Identifier: MIT
//
// What does it cost to capture the current context, and to drop what was captured?
#include "peers.hpp"

namespace {

const auto capture_and_drop = [](benchmark::State& state, const auto& peer) {
    for (auto _ : state) {
        const auto context = peer.capture();
        benchmark::DoNotOptimize(&context);
    }
};

} // namespace

int main(int argc, char** argv) {
    using namespace peers;
    add<long, inc_and_dec>("capture and drop", {0, 1, 8, 16, 64, 1000, 10000}, capture_and_drop);
    add<large, inc_and_dec>("capture and drop", {1, 8, 64}, capture_and_drop);
    add<std::string, inc_and_dec>("capture and drop", {8}, capture_and_drop);
    return run(argc, argv);
}
