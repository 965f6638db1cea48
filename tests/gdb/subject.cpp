// SPDX-License-Identifier: MIT
//
// The program that GDB looks at. Each thread stops in a state that commands.gdb knows.
#include <contextvars/contextvars.hpp>
#include <contextvars/coroutine.hpp>
#include <contextvars/ext/flow.hpp>

#include <coroutine>
#include <deque>
#include <latch>
#include <string>
#include <thread>

contextvars::ContextVar<std::string> user{"user", "nobody"};
contextvars::ContextVar<int> depth{"depth", 3};
contextvars::ContextVar<std::string> password{"password", contextvars::attributes{.secret = true}};
struct point {
    int x, y, z;
};
contextvars::ContextVar<point> place{"place"};

struct task {
    struct promise_type : contextvars::context_promise<promise_type> {
        task get_return_object() {
            return {std::coroutine_handle<promise_type>::from_promise(*this)};
        }
        auto initial_suspend() noexcept { return starts(std::suspend_always{}); }
        auto final_suspend() noexcept { return ends(std::suspend_always{}); }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
    std::coroutine_handle<promise_type> handle;
};

task coroutine() {
    user.set("coroutine");
    co_await std::suspend_always{};
}

extern "C" [[gnu::noinline]] void stop_here() { __asm__ volatile(""); }

std::latch waiting{1};
std::latch checked{1};

void other_thread() {
    const auto scope = user.scoped("on the other thread");
    waiting.count_down();
    checked.wait();
}

int main() {
    std::thread other(other_thread);
    waiting.wait();

    const auto base = user.scoped("base");
    contextvars::Context context;
    const task suspended = coroutine();
    suspended.handle.resume();
    contextvars::ext::flow flow;
    {
        const contextvars::ext::flow_scope running(flow);
        user.set("flow");
    }
    contextvars::Token<std::string> token = user.set("token");
    user.reset(token);

    contextvars::ext::flow running;
    running.resume();
    user.set("runs");
    context.run([&] {
        auto many = contextvars::copy_context();
        const auto scope = contextvars::scoped(user.to("ann"), depth.to(7), password.to("hunter2"));
        const auto in_node = place.scoped({1, 2, 3});
        {
            const contextvars::ContextVar<int> gone{"gone"};
            gone.set(42);
        }
        many.run([&] {
            std::deque<contextvars::ContextVar<int>> variables; // more than a table takes
            for (int i = 0; i != 100; ++i)
                variables.emplace_back("many").set(1000 + i);
            stop_here();
        });
    });
    running.suspend();
    checked.count_down();
    other.join();
    suspended.handle.destroy();
}
