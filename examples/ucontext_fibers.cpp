// SPDX-License-Identifier: MIT
//
// Fibers made of ucontext, each with a context of its own (docs/integrating.md, "Fibers").
// [program]
#include <contextvars/context_var.hpp>
#include <contextvars/ext/flow.hpp>

#include <ucontext.h>

#include <cstddef>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

/// A function with a stack of its own. It begins with a copy of the context in which it is made.
class fiber {
public:
    explicit fiber(std::function<void()> function) : function_(std::move(function)) {
        getcontext(&self_);
        self_.uc_stack.ss_sp = stack_.get();
        self_.uc_stack.ss_size = stack_size;
        self_.uc_link = &resumer_;
        makecontext(&self_, &fiber::start, 0);
    }
    fiber(const fiber&) = delete; // self_ refers to this object
    fiber& operator=(const fiber&) = delete;

    /// Goes on until the fiber yields or ends.
    void resume() {
        fiber* const before = std::exchange(current, this);
        {
            const contextvars::ext::flow_scope scope(flow_); // the one line that contexts need
            swapcontext(&resumer_, &self_);
        }
        current = before;
    }
    bool done() const { return done_; }

    static void yield() {
        fiber& self = *current;
        swapcontext(&self.self_, &self.resumer_);
    }

private:
    static void start() {
        fiber& self = *current;
        self.function_();
        self.done_ = true;
    }

    static constexpr std::size_t stack_size = 256 * 1024;
    static inline thread_local fiber* current = nullptr;

    std::function<void()> function_;
    std::unique_ptr<std::byte[]> stack_{new std::byte[stack_size]};
    ucontext_t self_{};
    ucontext_t resumer_{};
    bool done_ = false;
    contextvars::ext::flow flow_;
};

// A program.
contextvars::ContextVar<std::string> user{"user", "nobody"};
contextvars::ContextVar<int> steps{"steps", 0};

void log(const char* what) { std::printf("%s, %d: %s\n", user.get().c_str(), steps.get(), what); }

void step() { // deep in the fiber's stack
    steps.set(steps.get() + 1);
    fiber::yield();
}

int main() {
    std::vector<std::unique_ptr<fiber>> fibers;
    for (const char* name : {"ann", "bob"}) {
        auto guard = user.scoped(name);
        fibers.push_back(std::make_unique<fiber>([] {
            auto token = user.set(user.get() + "'s fiber");
            step();
            log("went on");
            step();
            user.reset(token); // good after the stops
            log("ends");
        }));
    }
    for (int round = 0; round < 3; ++round) {
        for (auto& fiber : fibers)
            fiber->resume();
        log("the thread");
    }
}
// [/program]
