// SPDX-License-Identifier: MIT
//
// Fibers of Boost.Fiber, each with a context of its own: a scheduler that switches contexts where it
// switches fibers. docs/boost_fiber.md shows the region. The program checks itself.
// [scheduler]
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include <boost/fiber/all.hpp>

#include <chrono>
#include <optional>

namespace fibers = boost::fibers;

/// What the scheduler keeps for each fiber.
struct fiber_context : fibers::fiber_properties {
    using fibers::fiber_properties::fiber_properties;
    std::optional<contextvars::ext::flow> flow; // of main and of the dispatcher: none
};

/// Boost's round_robin, with contexts.
class carrying_round_robin : public fibers::algo::algorithm_with_properties<fiber_context> {
public:
    /// Called when a fiber is started, by the fiber that starts it; and when it can go on.
    void awakened(fibers::context* fiber, fiber_context& its) noexcept override {
        if (!its.flow && fiber->is_context(fibers::type::worker_context))
            its.flow.emplace(); // a copy of what is current where it is started
        fiber->ready_link(ready_);
    }
    /// Called by the fiber that stops, which is still on the thread. What is returned goes on.
    fibers::context* pick_next() noexcept override {
        if (ready_.empty())
            return nullptr;
        fibers::context* const next = &ready_.front();
        ready_.pop_front();
        fiber_context& its = properties(next);
        auto* const flow = its.flow ? &*its.flow : nullptr;
        if (flow != running_) {
            if (running_ != nullptr)
                running_->suspend();
            running_ = flow;
            if (running_ != nullptr)
                running_->resume();
        }
        return next;
    }
    bool has_ready_fibers() const noexcept override { return !ready_.empty(); }

    void suspend_until(std::chrono::steady_clock::time_point const& time) noexcept override {
        sleeping_.suspend_until(time);
    }
    void notify() noexcept override { sleeping_.notify(); }

private:
    fibers::scheduler::ready_queue_type ready_;
    contextvars::ext::flow* running_ = nullptr;
    fibers::algo::round_robin sleeping_; // for its way to wait for other threads
};
// [/scheduler]

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

namespace {

contextvars::ContextVar<std::string> user{"user", "nobody"};
std::atomic<bool> failed{false};

void expect(const std::string& found, const std::string& expected, const char* where) {
    if (found == expected)
        return;
    std::printf("%s: '%s' instead of '%s'\n", where, found.c_str(), expected.c_str());
    failed = true;
}

void callee() {
    boost::this_fiber::yield();
    user.set(user.get() + "!"); // seen by its caller
    boost::this_fiber::sleep_for(std::chrono::milliseconds(1));
}

void handle(int i, fibers::barrier& all) {
    const std::string name = "user " + std::to_string(i);
    expect(user.get(), "starter", "a fiber begins with a copy");
    auto token = user.set(name);
    all.wait(); // every fiber has set its own by now
    expect(user.get(), name, "after a wait");
    {
        auto guard = user.scoped("guarded " + name);
        for (int hop = 0; hop < 100; ++hop) {
            boost::this_fiber::yield();
            expect(user.get(), "guarded " + name, "between yields");
        }
    }
    callee();
    expect(user.get(), name + "!", "after a callee's set");
    user.reset(token); // good after all these stops
    expect(user.get(), "starter", "after a reset");
}

void serve() {
    fibers::use_scheduling_algorithm<carrying_round_robin>();
    constexpr int count = 50;
    fibers::barrier all(count);
    std::vector<fibers::fiber> fibers;
    {
        auto guard = user.scoped("starter");
        for (int i = 0; i < count; ++i)
            fibers.emplace_back([i, &all] { handle(i, all); });
    }
    for (fibers::fiber& fiber : fibers) {
        fiber.join();
        expect(user.get(), "nobody", "the thread has its own context");
    }
    // A fiber that another thread wakes.
    fibers::promise<int> promise;
    fibers::fiber waits([&] {
        user.set("waits");
        auto future = promise.get_future();
        std::thread other([&] {
            user.set("other thread");
            promise.set_value(1);
        });
        future.get();
        expect(user.get(), "waits", "after a wait for another thread");
        other.join();
    });
    waits.join();
    expect(user.get(), "nobody", "in the end");
}

} // namespace

int main() {
    std::thread one(serve);
    std::thread two(serve);
    one.join();
    two.join();
    std::puts(failed ? "wrong" : "every fiber had its own context");
    return failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
