// SPDX-License-Identifier: MIT
//
// A compiler that keeps a thread_local's address across a suspension reads another thread's slot.
// Here each coroutine moves to the next thread at every co_await, in loops, branches and inlined
// callees, so that there is something to keep; and checks after each move that get, set, reset and
// tokens act on its own context, while every thread has bindings of its own that must neither be
// seen nor changed.
#include <contextvars/contextvars.hpp>
#include <contextvars/coroutine.hpp>

#include <array>
#include <atomic>
#include <condition_variable>
#include <coroutine>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <exception>
#include <mutex>
#include <string>
#include <thread>

namespace {

constinit contextvars::ContextVar<int> number{"number", -1};
contextvars::ContextVar<std::string> text{"text"};
constinit thread_local int this_threads_number_slot = -1;

/// By a call that the compiler cannot take for a constant: this is not what is tested.
[[gnu::noinline]] int this_threads_number() {
    __asm__ volatile("" ::: "memory");
    return this_threads_number_slot;
}

std::atomic<int> failures{0};

void check(bool right, const char* what, int line) {
    if (!right && failures.fetch_add(1) < 10)
        std::fprintf(stderr, "hop.cpp:%d: %s\n", line, what);
}
#define CHECK(condition) check((condition), #condition, __LINE__)

/// A thread that resumes what it is given, with bindings of its own in its base context.
class worker {
public:
    explicit worker(int id) : thread_([this, id] { run(id); }) {}
    ~worker() { thread_.join(); }

    void resume(std::coroutine_handle<> coroutine) {
        {
            const std::lock_guard guard(mutex_);
            queue_.push_back(coroutine);
        }
        condition_.notify_one();
    }

private:
    void run(int id) {
        this_threads_number_slot = id;
        number.set(-id);
        text.set("thread");
        for (;;) {
            std::unique_lock guard(mutex_);
            condition_.wait(guard, [this] { return !queue_.empty(); });
            const std::coroutine_handle<> coroutine = queue_.front();
            queue_.pop_front();
            guard.unlock();
            if (!coroutine)
                return;
            coroutine.resume();
            CHECK(number.get() == -id);
            CHECK(text.get() == "thread");
        }
    }

    std::mutex mutex_;
    std::condition_variable condition_;
    std::deque<std::coroutine_handle<>> queue_;
    std::thread thread_;
};

struct hop_to {
    worker& target;
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) const { target.resume(coroutine); }
    void await_resume() const noexcept {}
};

/// A task that shares its caller's context; the outermost counts down when it is done.
class task {
public:
    struct promise_type : contextvars::context_promise<promise_type> {
        std::coroutine_handle<> caller;
        std::atomic<int>* running = nullptr;

        task get_return_object() {
            return task(std::coroutine_handle<promise_type>::from_promise(*this));
        }
        auto initial_suspend() noexcept { return starts(std::suspend_always{}); }
        auto final_suspend() noexcept {
            struct awaiter {
                bool await_ready() const noexcept { return false; }
                std::coroutine_handle<>
                await_suspend(std::coroutine_handle<promise_type> self) const noexcept {
                    promise_type& promise = self.promise();
                    if (promise.caller)
                        return promise.caller;
                    promise.running->fetch_sub(1);
                    promise.running->notify_one();
                    return std::noop_coroutine();
                }
                void await_resume() const noexcept {}
            };
            return ends(awaiter{});
        }
        void return_void() noexcept {}
        void unhandled_exception() noexcept { std::terminate(); }
    };

    task(task&& other) noexcept : coroutine_(std::exchange(other.coroutine_, {})) {}
    ~task() {
        if (coroutine_)
            coroutine_.destroy();
    }

    bool await_ready() const noexcept { return false; }
    template <class Caller>
    std::coroutine_handle<> await_suspend(std::coroutine_handle<Caller> caller) noexcept {
        coroutine_.promise().caller = caller;
        coroutine_.promise().join(caller.promise());
        return coroutine_;
    }
    void await_resume() const noexcept {}

    void start(worker& on, std::atomic<int>& running) {
        coroutine_.promise().running = &running;
        on.resume(coroutine_);
    }

private:
    explicit task(std::coroutine_handle<promise_type> coroutine) : coroutine_(coroutine) {}
    std::coroutine_handle<promise_type> coroutine_;
};

using workers = std::array<worker, 4>;

task callee(workers& threads, int id, int step) {
    CHECK(number.get() == id);
    co_await hop_to{threads[static_cast<unsigned>(step) % 4]};
    CHECK(this_threads_number() == step % 4);
    CHECK(number.get() == id);
    number.set(id + 1);
}

task body(workers& threads, int id, int steps) {
    text.set("task " + std::to_string(id));
    for (int step = 0; step < steps; ++step) {
        auto token = number.set(id);
        {
            const auto scope = number.scoped(id + 100);
            CHECK(number.get() == id + 100);
            co_await hop_to{threads[static_cast<unsigned>(step) % 4]};
            CHECK(this_threads_number() == step % 4);
            CHECK(number.get() == id + 100);
            const int* before = number.try_get();
            CHECK(before != nullptr && *before == id + 100);
            if (step % 3 == 0) {
                co_await hop_to{threads[static_cast<unsigned>(step + 1) % 4]};
                CHECK(this_threads_number() == (step + 1) % 4);
                CHECK(number.get() == id + 100);
            }
        }
        CHECK(number.get() == id);
        co_await callee(threads, id, step + 2);
        CHECK(this_threads_number() == (step + 2) % 4);
        CHECK(number.get() == id + 1);
        CHECK(text.get() == "task " + std::to_string(id));
        number.reset(token);
        CHECK(number.get() == -7);
    }
}

} // namespace

int main(int argc, char** argv) {
    const int steps = argc > 1 ? std::atoi(argv[1]) : 3000;
    constexpr int tasks = 6;
    workers threads{worker(0), worker(1), worker(2), worker(3)};
    {
        number.set(-7); // the tasks begin with copies of this context
        std::atomic<int> running{tasks};
        std::array<task, tasks> all{body(threads, 1000, steps), body(threads, 2000, steps),
                                    body(threads, 3000, steps), body(threads, 4000, steps),
                                    body(threads, 5000, steps), body(threads, 6000, steps)};
        for (unsigned i = 0; i != tasks; ++i)
            all[i].start(threads[i % 4], running);
        for (int left = running.load(); left != 0; left = running.load())
            running.wait(left);
        for (worker& thread : threads)
            thread.resume({});
    }
    CHECK(number.get() == -7);
    std::printf("%d tasks of %d steps, %d failures\n", tasks, steps, failures.load());
    return failures.load() == 0 ? 0 : 1;
}
