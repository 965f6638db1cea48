// SPDX-License-Identifier: MIT
//
// Variables and contexts before main, in it, and in the destructors that run after it. A program
// of its own, without a test framework, which is gone by then. Its exit code is the number of the
// check that failed, or 0.
#include <contextvars/contextvars.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>

namespace cv = contextvars;

namespace {

int checks = 0;

void check(bool holds, const char* what) {
    ++checks;
    if (!holds) {
        std::fprintf(stderr, "check %d failed: %s\n", checks, what);
        std::_Exit(checks);
    }
}

/// Made before main and before everything below; destroyed after all of it.
struct First {
    First();
    ~First();
};
const First first;

} // namespace

inline constinit cv::ContextVar<int> number{"number", 7};
inline constinit cv::ContextVar<std::string> text{"text"};

namespace {
/// Destroyed after main and before the variables above.
struct Middle {
    ~Middle();
};
const Middle middle;
} // namespace

inline cv::ContextVar<std::string> dynamic{std::string("dynamic"), std::string("default")};

namespace {

constinit cv::ContextVar<int> internal{"internal"};
cv::Context global_context;

/// Counts, without a destructor, so that it may be read until the process is gone.
int values_alive = 0;
struct Value {
    Value() { ++values_alive; }
    Value(const Value&) { ++values_alive; }
    ~Value() { --values_alive; }
};
inline cv::ContextVar<Value> value{"value"};

First::First() {
    // constinit variables need no constructor to have run
    check(number.get() == 7, "a default before main");
    check(number.try_get() != nullptr, "try_get before main");
    check(text.try_get() == nullptr, "no default before main");
    check(number.name() == "number", "the name before main");
    number.set(8);
    text.set("set before main, and too long for the small string buffer");
    internal.set(9);
    check(number.get() == 8, "a value set before main");
    const cv::Context captured = cv::copy_context();
    check(captured.size() == 3, "a capture before main");
    cv::Context own;
    check(own.run([] { return number.get(); }) == 7, "run before main");
}

Middle::~Middle() {
    // `dynamic`, `value`, `internal` and `global_context` are gone
    check(number.get() == 12, "a value after its neighbours are destroyed");
    number.set(13);
    check(number.get() == 13, "set in the last static destructor");
    text.set("set after main, and too long for the small string buffer");
    check(text.get().size() > 20, "a string set in the last static destructor");
    cv::Context own = cv::copy_context();
    check(own.run([] { return number.get(); }) == 13, "run in the last static destructor");
    cv::ContextVar<int> late{"late"};
    check(late.try_get() == nullptr, "a new variable after main");
    late.set(1);
    check(late.get() == 1, "a new variable set after main");
    int seen = 0;
    std::thread([&] { seen = number.get(); }).join();
    check(seen == 7, "a thread after main");
    auto token = number.set(14);
    number.reset(token);
    check(number.get() == 13, "reset after main");
}

First::~First() {
    // every variable is gone; the library is not, and neither are the bindings
    const cv::Context captured = cv::copy_context();
    check(captured.size() >= 3, "the base context keeps its bindings");
    cv::ContextVar<std::string> last{"last"};
    check(last.try_get() == nullptr, "a new variable is not mistaken for one that is gone");
    auto scope = last.scoped("a text that is too long for the small string buffer");
    check(last.get().size() > 20, "a new variable is set");
    cv::Context own;
    check(own.run([&] { return last.try_get(); }) == nullptr, "a context is run");
    std::printf("%d checks hold\n", checks);
    std::fflush(stdout);
}

/// Destroyed first: everything is still there.
struct Late {
    ~Late() {
        check(number.get() == 11, "a value in the first static destructor");
        check(dynamic.get() == "set in main", "a dynamic variable in the first static destructor");
        check(global_context.size() == 1, "a global context in the first static destructor");
        number.set(12);
    }
};

} // namespace

int main() {
    check(number.get() == 8, "what was set before main is there in main");
    check(text.get() == "set before main, and too long for the small string buffer",
          "and the text");
    check(internal.get() == 9, "and a variable with internal linkage");
    check(dynamic.get() == "default", "the default of a dynamic variable");
    check(cv::copy_context().size() == 3, "main runs in the context that was set before main");
    static const Late late;
    number.set(11);
    dynamic.set("set in main");
    value.emplace();
    global_context.run([] { number.set(1); });
    check(values_alive == 1, "one value");
    static std::string buffer; // registered later, destroyed earlier, than what it refers to
    buffer = text.get();
    return 0;
}
