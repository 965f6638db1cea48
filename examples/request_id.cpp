// SPDX-License-Identifier: MIT
//
// The program of the README; what it prints is in request_id.expected.
// [program]
#include <contextvars/contextvars.hpp>
#include <iostream>

contextvars::ContextVar<std::string> request_id{"request_id", "-"};
void log(const char* text) { std::cout << '[' << request_id.get() << "] " << text << '\n'; }

int main() {
    log("starting");
    {
        auto scope = request_id.scoped("7f3a");
        log("handling");
        std::thread(contextvars::bind_context([] { log("on another thread"); })).join();
    }
    log("done");
}
// [/program]
