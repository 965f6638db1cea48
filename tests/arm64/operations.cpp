// SPDX-License-Identifier: MIT
//
// The core's operations, each in a function that main calls, so that check.sh finds them in a trace.
#include <contextvars/contextvars.hpp>

#include <optional>

namespace {
constinit contextvars::ContextVar<int> number{"number", 0};
std::optional<contextvars::Context> captured;
} // namespace

extern "C" {
[[gnu::noipa]] int operation_get() { return number.get(); }
[[gnu::noipa]] void operation_set_and_reset(int value) {
    auto token = number.set(value);
    number.reset(token);
}
[[gnu::noipa]] void operation_capture() { captured.emplace(contextvars::copy_context()); }
[[gnu::noipa]] void operation_end_of_capture() { captured.reset(); }
[[gnu::noipa]] void operation_run(contextvars::Context& context, void (*function)()) {
    context.run(function);
}
[[gnu::noipa]] void nothing() {}
}

int main() {
    number.set(1);
    contextvars::Context context = contextvars::copy_context();
    // Each a few times: the last time all is at hand.
    for (int i = 0; i != 4; ++i)
        operation_run(context, nothing);
    for (int i = 0; i != 4; ++i) {
        operation_capture();
        operation_end_of_capture();
    }
    for (int i = 0; i != 4; ++i)
        operation_set_and_reset(2);
    return operation_get() - 1;
}
