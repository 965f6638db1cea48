// SPDX-License-Identifier: MIT
//
// Both Asios in one program: one half is compiled with Boost.Asio, the other with standalone Asio.
// Returns 0 where the coroutines of both keep their bindings, also one within the other.
#include "coexistence/two_asios.hpp"

#include <cstdio>

int main() {
    using namespace two_asios;
    shared.set(1);
    int wrong = 0;
    const auto check = [&wrong](const char* what, int is, int should_be) {
        if (is != should_be) {
            ++wrong;
            std::printf("%s: %d steps right of %d\n", what, is, should_be);
        }
    };
    check("Boost.Asio", run_with_boost_asio([] {}), steps);
    check("standalone Asio", run_with_standalone_asio([] {}), steps);
    int inner = 0;
    check("Boost.Asio around standalone Asio",
          run_with_boost_asio([&] { inner += run_with_standalone_asio([] {}); }), steps);
    check("standalone Asio within Boost.Asio", inner, steps * steps);
    check("the thread's own bindings", shared.get(), 1);
    std::puts(wrong == 0 ? "both Asios keep their coroutines' bindings" : "bindings were lost");
    return wrong == 0 ? 0 : 1;
}
