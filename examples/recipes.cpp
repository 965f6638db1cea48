// SPDX-License-Identifier: MIT
//
// The code of docs/recipes.md, which shows the marked regions. As a program it checks what they claim,
// prints the places that do not hold, and exits with 1 then.
#include <contextvars/contextvars.hpp>
#include <contextvars/coroutine.hpp>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <coroutine>
#include <exception>
#include <functional>
#include <future>
#include <iostream>
#include <memory>
#include <mutex>
#include <optional>
#include <queue>
#include <source_location>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

using namespace std::chrono_literals;

// [variables]
contextvars::ContextVar<std::string> request_id{"request_id"};
contextvars::ContextVar<std::string> user{"user"};
contextvars::ContextVar<int> depth{"depth", 0};
contextvars::ContextVar<std::shared_ptr<std::string>> request_body{"request_body"};
contextvars::ContextVar<std::chrono::steady_clock::time_point> deadline{"deadline"};
contextvars::ContextVar<std::string> password{"password"};
contextvars::ContextVar<std::string> secret_password{"secret_password",
                                                     contextvars::attributes{.secret = true}};
contextvars::ContextVar<int> wrong_total{"wrong_total", 0};
contextvars::ContextVar<std::shared_ptr<std::atomic<int>>> total{"total"};
thread_local std::string old_user;

std::string line(const char* text) { return '[' + request_id.get("-") + "] " + text; }
// [/variables]

namespace {

std::atomic<int> failures = 0;

void expect(bool holds, std::source_location place = std::source_location::current()) {
    if (holds)
        return;
    ++failures;
    std::cerr << place.file_name() << ':' << place.line() << " does not hold\n";
}

template <class Error, class F>
bool throws(F f) {
    try {
        f();
    } catch (const Error&) {
        return true;
    }
    return false;
}

template <class F>
void on_another_thread(F f) {
    std::thread(std::move(f)).join();
}

/// Stands for a pool, or a loop: whoever calls run() does the work.
class work_queue {
public:
    void post(std::function<void()> work) { work_.push(std::move(work)); }
    void run() {
        for (; !work_.empty(); work_.pop())
            work_.front()();
    }

private:
    std::queue<std::function<void()>> work_;
};

void call_from_c(void (*function)(void*), void* data) { function(data); }

/// A coroutine type of another library, which starts at once and knows no contexts.
struct foreign_task {
    struct promise_type {
        foreign_task get_return_object() { return {}; }
        std::suspend_never initial_suspend() noexcept { return {}; }
        std::suspend_never final_suspend() noexcept { return {}; }
        void return_void() {}
        void unhandled_exception() { std::terminate(); }
    };
};
class event {
public:
    auto wait() {
        struct awaiter {
            event& happens;
            bool await_ready() { return false; }
            void await_suspend(std::coroutine_handle<> handle) {
                happens.waiting_.push_back(handle);
            }
            void await_resume() {}
        };
        return awaiter{*this};
    }
    void happen() {
        for (const std::coroutine_handle<> handle : waiting_)
            handle.resume();
    }

private:
    std::vector<std::coroutine_handle<>> waiting_;
};

void callback() {
    // [callback]
    auto request = request_id.scoped("7f3a");
    std::function<std::string()> wrong = [] { return line("done"); };
    std::function<std::string()> right = contextvars::bind_context([] { return line("done"); });
    on_another_thread([&] {
        expect(wrong() == "[-] done");
        expect(right() == "[7f3a] done");
    });
    // [/callback]
}

void pool() {
    // [pool]
    work_queue pool;
    auto request = request_id.scoped("7f3a");
    pool.post([] { expect(line("wrong") == "[-] wrong"); });
    pool.post(contextvars::bind_context([] { expect(line("right") == "[7f3a] right"); }));
    on_another_thread([&] { pool.run(); });
    // [/pool]
}

void one_binding() {
    // [one_binding]
    work_queue pool;
    auto wrong = contextvars::bind_context([] { return line("work"); }); // before any request
    auto request = request_id.scoped("7f3a");
    pool.post([&] { expect(wrong() == "[-] work"); });
    pool.post(contextvars::bind_context([] { expect(line("work") == "[7f3a] work"); }));
    on_another_thread([&] { pool.run(); });
    // [/one_binding]
}

void thread() {
    // [thread]
    auto request = request_id.scoped("7f3a");
    std::thread wrong([] { expect(line("hello") == "[-] hello"); });
    contextvars::thread right([] { expect(line("hello") == "[7f3a] hello"); });
    wrong.join();
    right.join();
    // [/thread]
}

void async() {
    // [async]
    auto request = request_id.scoped("7f3a");
    auto wrong = std::async(std::launch::async, [] { return line("hello"); });
    auto right =
        std::async(std::launch::async, contextvars::bind_context([] { return line("hello"); }));
    expect(wrong.get() == "[-] hello");
    expect(right.get() == "[7f3a] hello");
    // [/async]
}

void packaged_task() {
    // [packaged_task]
    auto request = request_id.scoped("7f3a");
    std::packaged_task<std::string()> wrong([] { return line("hello"); });
    std::packaged_task<std::string()> right(
        contextvars::bind_context([] { return line("hello"); }));
    on_another_thread([&] { wrong(), right(); });
    expect(wrong.get_future().get() == "[-] hello");
    expect(right.get_future().get() == "[7f3a] hello");
    // [/packaged_task]
}

void fan_out() {
    // [fan_out]
    auto request = request_id.scoped("7f3a");
    std::vector<contextvars::thread> parts;
    for (int i = 0; i != 20; ++i)
        parts.emplace_back([i] {
            request_id.set(request_id.get() + '.' + std::to_string(i)); // of this part alone
            expect(line("part") == "[7f3a." + std::to_string(i) + "] part");
        });
    for (contextvars::thread& part : parts)
        part.join();
    expect(line("all") == "[7f3a] all");
    // [/fan_out]
}

void siblings() {
    // [siblings]
    auto copies = wrong_total.scoped(0);
    auto shared = total.scoped(std::make_shared<std::atomic<int>>(0));
    std::vector<contextvars::thread> parts;
    for (int i = 0; i != 20; ++i)
        parts.emplace_back([] {
            wrong_total.set(wrong_total.get() + 1);
            ++*total.get();
        });
    for (contextvars::thread& part : parts)
        part.join();
    expect(wrong_total.get() == 0 && *total.get() == 20);
    // [/siblings]
}

void many_calls() {
    // [many_calls]
    auto count = [] {
        depth.set(depth.get() + 1);
        return depth.get();
    };
    auto forgets = contextvars::bind_context(count);
    expect(forgets() == 1 && forgets() == 1);
    contextvars::Context session;
    expect(session.run(count) == 1 && session.run(count) == 2);
    // [/many_calls]
}

void result() {
    // [result]
    const auto log_in = [] { user.set("ann"); };
    contextvars::Context session;
    session.run(log_in);
    expect(user.try_get() == nullptr); // the wrong place
    expect(session[user] == "ann");    // the right one
    log_in();
    expect(user.get() == "ann"); // an ordinary call
    // [/result]
}

void c_library() {
    // [c_library]
    auto request = request_id.scoped("7f3a");
    auto wrong = [](void*) { expect(line("event") == "[-] event"); };
    auto right =
        contextvars::as_callback<void(void*)>([] { expect(line("event") == "[7f3a] event"); });
    on_another_thread([&] {
        call_from_c(wrong, nullptr);
        call_from_c(right.function(), right.data());
    });
    // [/c_library]
}

void connection_pool() {
    // [connection_pool]
    auto request = user.scoped("ann");
    const auto open = [] { return contextvars::bind_context([] { return user.get("nobody"); }); };
    auto wrong = open();
    auto right = [&] {
        auto suppressed = contextvars::suppress_flow();
        expect(user.get() == "ann"); // still known here
        return open();
    }();
    expect(wrong() == "ann"); // for as long as the connection lives
    expect(right() == "nobody");
    // [/connection_pool]
}

void transaction() {
    // [transaction]
    const contextvars::ContextVar<int> right{
        "right", contextvars::attributes{.captured = contextvars::capture_policy::never}};
    const contextvars::ContextVar<int> wrong{"wrong"};
    auto both = contextvars::scoped(wrong.to(7), right.to(7));
    expect(wrong.get() == 7 && right.get() == 7);
    contextvars::thread([&] {
        expect(*wrong.try_get() == 7); // two threads in one transaction
        expect(right.try_get() == nullptr);
    }).join();
    // [/transaction]
}

void background() {
    // [background]
    auto request = request_id.scoped("7f3a");
    contextvars::thread wrong([] { expect(line("tick") == "[7f3a] tick"); });
    contextvars::thread right(contextvars::bind_context(
        contextvars::Context(), [] { expect(line("tick") == "[-] tick"); }));
    wrong.join();
    right.join();
    // [/background]
}

void plugin() {
    // [plugin]
    auto secret = user.scoped("root");
    const auto plugin = [] { return user.get("nobody"); };
    expect(plugin() == "root"); // wrong
    auto empty = contextvars::without_context();
    expect(plugin() == "nobody");
    // [/plugin]
}

void keeps_alive() {
    // [keeps_alive]
    auto body = std::make_shared<std::string>("a large body");
    std::weak_ptr<std::string> watch = body;
    auto request = contextvars::scoped(request_id.to("7f3a"), request_body.to(std::move(body)));
    const auto tick = [] { return line("tick"); };
    auto wrong = contextvars::bind_context(tick);
    auto right = contextvars::bind_context(
        contextvars::Context().with(request_id.to(request_id.get())), tick);
    expect(wrong() == right() && watch.use_count() == 1); // held, once, by the request and `wrong`
    // [/keeps_alive]
}

void ends_with() {
    // [ends_with]
    std::weak_ptr<std::string> watch;
    const auto handle = [&](auto bind) {
        auto made = std::make_shared<std::string>("a large body");
        watch = made;
        bind(std::move(made));
    };
    handle([](auto made) { request_body.set(std::move(made)); });
    expect(!watch.expired()); // wrong: the context goes on
    handle([](auto made) { auto guard = request_body.scoped(std::move(made)); });
    expect(watch.expired());
    // [/ends_with]
}

void per_request() {
    // [per_request]
    const auto handle = [](const char* name) {
        if (name != nullptr)
            user.set(name);
        return user.get("anonymous");
    };
    handle("ann");
    expect(handle(nullptr) == "ann"); // wrong: the user of the request before
    contextvars::Context().run(handle, "bob");
    expect(contextvars::Context().run(handle, nullptr) == "anonymous");
    // [/per_request]
}

void secret() {
    // [secret]
    auto wrong = password.scoped("1234");
    auto right = secret_password.scoped("1234");
    std::ostringstream out;
    out << contextvars::copy_context();
    expect(out.str().find("password='1234'") != std::string::npos);
    expect(out.str().find("secret_password=<std::") != std::string::npos);
    // [/secret]
}

void several() {
    // [several]
    const auto fails = []() -> int { throw std::runtime_error("no depth"); };
    const auto wrong = [&] {
        user.set("ann");
        depth.set(fails());
    };
    const auto right = [&] { auto both = contextvars::scoped(user.to("bob"), depth.to(fails())); };
    expect(throws<std::runtime_error>(wrong) && user.get() == "ann"); // half of it
    expect(throws<std::runtime_error>(right) && user.get() == "ann"); // nothing of it
    // [/several]
}

void dropped_guard() {
    // [dropped_guard]
    static_cast<void>(user.scoped("ann")); // wrong: destroyed in this line
    expect(user.try_get() == nullptr);
    auto guard = user.scoped("ann");
    expect(user.get() == "ann");
    // [/dropped_guard]
}

void exceptions() {
    // [exceptions]
    const auto wrong = [] {
        auto token = user.set("ann");
        throw std::runtime_error("on the way");
        user.reset(token);
    };
    const auto right = [] {
        auto guard = user.scoped("ann");
        throw std::runtime_error("on the way");
    };
    expect(throws<std::runtime_error>(right) && user.try_get() == nullptr);
    expect(throws<std::runtime_error>(wrong) && user.get() == "ann");
    // [/exceptions]
}

void other_context() {
    // [other_context]
    auto token = user.set("ann");
    auto wrong = contextvars::bind_context([&] { user.reset(token); }); // in a copy
    expect(throws<contextvars::ValueError>(wrong));
    expect(contextvars::Context().run([&] { return user.try_reset(token); }) ==
           contextvars::reset_result::wrong_context);
    user.reset(token); // the token is as good as before
    expect(user.try_get() == nullptr);
    // [/other_context]
}

void changing_guard() {
    // [changing_guard]
    for (const char* name : {"ann", "bob"}) {
        auto round = user.scoped(name);
        expect(user.get() == name);
    }
    std::optional<contextvars::Scope<std::string>> current;
    for (const char* name : {"ann", "bob"})
        current.emplace(user, name); // ends the old one first
    expect(user.get() == "bob");
    current.reset();
    expect(user.try_get() == nullptr);
    // [/changing_guard]
}

void missing() {
    // [missing]
    expect(*depth.try_get() == 0); // the default
    expect(!contextvars::copy_context().contains(depth));
    depth.set(0);
    expect(contextvars::copy_context().contains(depth));
    expect(user.try_get() == nullptr); // neither set, nor a default
    expect(user.get("guest") == "guest");
    // [/missing]
}

void reference() {
    // [reference]
    auto outer = user.scoped("ann");
    const std::string& wrong = user.get(); // good until the next line that sets
    std::string right = user.get();        // a copy
    expect(wrong == "ann");
    user.set("bob");
    right += " wrote";
    expect(right == "ann wrote");
    // [/reference]
}

void nested_deadline() {
    // [nested_deadline]
    const auto now = std::chrono::steady_clock::time_point{};
    auto outer = deadline.scoped(now + 100ms);
    auto wrong = deadline.scoped(now + 500ms);
    expect(deadline.get() == now + 500ms); // the outer limit is forgotten
    auto right = deadline.scoped(std::min(now + 100ms, now + 500ms));
    expect(deadline.get() == now + 100ms);
    // [/nested_deadline]
}

void thread_locals() {
    // [thread_locals]
    auto guard = [saved = old_user]() mutable { old_user = std::move(saved); };
    old_user = "ann"; // and on each way out: guard()
    on_another_thread([] { expect(old_user.empty()); });
    guard();

    auto scope = user.scoped("ann"); // resets by itself, and goes where it is carried
    on_another_thread(contextvars::bind_context([] { expect(user.get() == "ann"); }));
    // [/thread_locals]
}

void request_context() {
    // [request_context]
    struct shared_data {
        std::mutex mutex;
        std::vector<std::string> visited;
    };
    contextvars::ContextVar<std::shared_ptr<shared_data>> shared{"shared"};
    auto request = shared.scoped(std::make_shared<shared_data>());
    contextvars::thread([&] {
        const std::lock_guard lock(shared.get()->mutex);
        shared.get()->visited.push_back(request_id.get("a part"));
    }).join();
    expect(shared.get()->visited.size() == 1);
    // [/request_context]
}

void parameters() {
    // [parameters]
    const auto query = [] { return "select … -- " + user.get(); };
    const auto between = [&] { return query(); };      // has lost its parameter
    const auto handle = [&](const std::string& name) { // still has it
        auto scope = user.scoped(name);
        return between();
    };
    expect(handle("ann") == "select … -- ann");
    // [/parameters]
}

void coroutine_type() {
    // [coroutine_type]
    event reply;
    std::string wrong, right;
    auto request = request_id.scoped("7f3a");
    [](event& e, std::string& said) -> foreign_task {
        co_await e.wait();
        said = line("reply");
    }(reply, wrong);
    [](event& e, std::string& said) -> foreign_task {
        co_await contextvars::carried(e.wait());
        said = line("reply");
    }(reply, right);
    on_another_thread([&] { reply.happen(); });
    expect(wrong == "[-] reply" && right == "[7f3a] reply");
    // [/coroutine_type]
}

void dump() {
    // [dump]
    auto outer = user.scoped("ann");
    std::ostringstream out;
    contextvars::Context().run([&] {
        auto inner = depth.scoped(7);
        contextvars::dump_current(out);
    });
    // <Context at 0x…>: depth=7
    // <Context at 0x…>: user='ann'
    // this thread's base context
    expect(out.str().find(">: depth=7\n<Context at 0x") != std::string::npos);
    expect(out.str().ends_with(">: user='ann'\nthis thread's base context\n"));
    // [/dump]
}

void changes() {
    // [changes]
    auto before_the_call = depth.scoped(1);
    const contextvars::Context before = contextvars::copy_context();
    user.set("ann");
    const contextvars::Context after = contextvars::copy_context();
    expect(before != after);
    for (const auto& [variable, old_value, new_value] : contextvars::diff(before, after))
        if (new_value)
            expect(variable == user && !old_value && *new_value->as<std::string>() == "ann");
    // [/changes]
}

void test_leaks() {
    // [test_leaks]
    const auto test = [] { user.set("ann"); };
    test();
    expect(user.get() == "ann"); // wrong: the next test sees it
    const bool leaks = contextvars::Context().run([&] {
        test();
        return !contextvars::copy_context().empty();
    });
    expect(leaks);
    // [/test_leaks]
}

} // namespace

int main() {
    // Each in a context of its own.
    for (const auto recipe : {callback,        pool,          one_binding,     thread,
                              async,           packaged_task, fan_out,         siblings,
                              many_calls,      result,        c_library,       connection_pool,
                              transaction,     background,    plugin,          keeps_alive,
                              ends_with,       per_request,   secret,          several,
                              dropped_guard,   exceptions,    other_context,   changing_guard,
                              missing,         reference,     nested_deadline, thread_locals,
                              request_context, parameters,    coroutine_type,  dump,
                              changes,         test_leaks})
        contextvars::Context().run(recipe);
    std::cout << (failures == 0 ? "everything holds\n" : "");
    return failures == 0 ? 0 : 1;
}
