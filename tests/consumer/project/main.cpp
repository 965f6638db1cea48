// SPDX-License-Identifier: MIT
#include <contextvars/contextvars.hpp>

#include <string>

contextvars::ContextVar<std::string> user{"user", "nobody"};

int main() {
    const auto scope = user.scoped("ann");
    std::string seen;
    contextvars::thread([&] { seen = user.get(); }).join();
    return seen == "ann" ? 0 : 1;
}
