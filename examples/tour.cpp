// SPDX-License-Identifier: MIT
//
// Every operation of the core, a few lines each. The documentation shows the marked regions; as a
// program it checks what they claim, prints the places that do not hold, and exits with 1 then.
#include <contextvars/contextvars.hpp>
#include <contextvars/ext/flow.hpp>

#include <future>
#include <iostream>
#include <memory>
#include <source_location>
#include <sstream>
#include <string>
#include <thread>
#include <utility>

// [declare]
// At namespace scope, usually: `inline` in a header, constinit where the default allows it.
constinit contextvars::ContextVar<int> depth{"depth", 0};     // a default, which is not a binding
contextvars::ContextVar<std::string> user{"user"};            // none: missing until it is set
contextvars::ContextVar<std::unique_ptr<int>> quota{"quota"}; // values need not be copyable
// [/declare]

namespace {

int failures = 0;

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

void get() {
    // [get]
    expect(depth.get() == 0);             // the default
    expect(user.get("guest") == "guest"); // what to take instead, for this once
    expect(throws<contextvars::LookupError>([] { user.get(); }));

    user.set("ann");
    expect(user.get() == "ann"); // a reference to the value in the current context
    expect(user.name() == "user");
    // [/get]
}

void try_get() {
    // [try_get]
    expect(user.try_get() == nullptr); // missing, and no default; never throws or allocates
    expect(*depth.try_get() == 0);
    user.set("ann");
    if (const std::string* name = user.try_get())
        expect(*name == "ann");
    // [/try_get]
}

void set() {
    // [set]
    user.set("ann");
    user.emplace(std::size_t{3}, 'x');   // constructed in place
    quota.set(std::make_unique<int>(7)); // moved in
    expect(user.get() == "xxx" && *quota.get() == 7);
    // [/set]
}

void reset() {
    // [reset]
    user.set("ann");
    contextvars::Token<std::string> token = user.set("bob");
    user.reset(token); // what it was before that set
    expect(user.get() == "ann");

    expect(user.try_reset(token) == contextvars::reset_result::used); // once only
    expect(throws<contextvars::RuntimeError>([&] { user.reset(token); }));
    // [/reset]
}

void token() {
    // [token]
    auto first = user.set("ann");
    auto second = user.set("bob");
    expect(&first.var() == &user);
    expect(first.old_value() == contextvars::Token<std::string>::MISSING);
    expect(*second.old_value() == "ann");
    user.reset(std::move(first)); // in any order; missing again
    expect(user.try_get() == nullptr);
    // [/token]
}

void scoped() {
    // [scoped]
    {
        auto scope = user.scoped("ann");
        expect(user.get() == "ann");
    } // reset here, also by an exception
    expect(user.try_get() == nullptr);
    // [/scoped]
}

void scoped_several() {
    // [scoped_several]
    {
        auto scope = contextvars::scoped(user.to("ann"), depth.to(1)); // all or none
        expect(user.get() == "ann" && depth.get() == 1);
    }
    expect(user.try_get() == nullptr && depth.get() == 0);
    // [/scoped_several]
}

void copy_context() {
    // [copy_context]
    user.set("ann");
    contextvars::Context captured = contextvars::copy_context(); // O(1)
    user.set("bob");
    expect(captured[user] == "ann");
    // [/copy_context]
}

void run() {
    // [run]
    contextvars::Context context;
    const std::string greeting = context.run(
        [](std::string word) {
            user.set("ann"); // stays in `context`, and nowhere else
            return word + ' ' + user.get();
        },
        "hello");
    expect(greeting == "hello ann");
    expect(context[user] == "ann" && user.try_get() == nullptr);
    // [/run]
}

void enter() {
    // [enter]
    contextvars::Context context; // for frameworks; run() is shorter
    {
        auto entered = context.enter();
        user.set("ann");
        expect(throws<contextvars::RuntimeError>([&] { context.run([] {}); })); // once at a time
    }
    expect(context[user] == "ann" && user.try_get() == nullptr);
    // [/enter]
}

void context_values() {
    // [context_values]
    contextvars::Context context;
    context.run([] { user.set("ann"); });
    contextvars::Context copy = context; // or context.copy(): O(1), independent
    copy.run([] { user.set("bob"); });
    expect(context[user] == "ann" && copy[user] == "bob");
    contextvars::Context moved = std::move(copy); // tokens made in `copy` are good in `moved`
    expect(moved[user] == "bob");
    // [/context_values]
}

void mapping() {
    contextvars::Context context;
    context.run([] { user.set("ann"); });
    // [mapping]
    expect(context.contains(user) && !context.contains(depth)); // a default is not a binding
    expect(context.size() == 1 && !context.empty());
    expect(context[user] == "ann");
    expect(throws<contextvars::KeyError>([&] { context[depth]; }));
    expect(context.get(depth) == nullptr);
    expect(context.get(depth, 5) == 5);
    // [/mapping]
}

void items() {
    contextvars::Context context;
    context.run([] { user.set("ann"); });
    std::ostringstream out;
    // [items]
    for (auto&& [variable, value] : context) // a snapshot; types forgotten
        out << variable.name() << '=' << value << '\n';

    for (contextvars::value_ref value : context.values())
        if (const std::string* text = value.as<std::string>())
            expect(*text == "ann");

    for (contextvars::variable_ref variable : context.keys())
        expect(variable == user && variable.name() == "user");
    // [/items]
    expect(out.str() == "user=ann\n");
}

void equality() {
    // [equality]
    contextvars::Context a, b;
    a.run([] { user.set("ann"); });
    b.run([] { user.set("ann"); });
    expect(a == b); // the same variables, with equal values
    b.run([] { depth.set(0); });
    expect(a != b);
    // [/equality]
}

void print() {
    contextvars::Context context;
    context.run([] { user.set("ann"); });
    std::ostringstream out;
    // [print]
    out << depth << '\n';   // <ContextVar name='depth' default=0 at 0x…>
    out << context << '\n'; // <Context at 0x… {user='ann'}>
    // [/print]
    expect(out.str().starts_with("<ContextVar name='depth' default=0 at 0x"));
    expect(out.str().ends_with(" {user='ann'}>\n"));
}

void bind_context() {
    // [bind_context]
    user.set("ann");
    auto greet = contextvars::bind_context([](std::string word) {
        auto result = word + ' ' + user.get();
        user.set("nobody"); // each call has a fresh copy of what was captured
        return result;
    });
    user.set("bob");
    std::thread([&] {
        expect(user.try_get() == nullptr); // a new thread begins with an empty context
        expect(greet("hello") == "hello ann");
        expect(greet("hi") == "hi ann");
    }).join();
    // [/bind_context]
}

void bind_given_context() {
    // [bind_given_context]
    contextvars::Context context;
    context.run([] { user.set("ann"); });
    auto name = contextvars::bind_context(context, [] { return user.get(); });
    expect(name() == "ann" && user.try_get() == nullptr);
    // [/bind_given_context]
}

void threads() {
    // [threads]
    user.set("ann");
    contextvars::thread worker([] { expect(user.get() == "ann"); }); // begins with a copy
    worker.join();
    contextvars::jthread joined([](std::stop_token) { expect(user.get() == "ann"); });
    // [/threads]
}

void futures() {
    // [futures]
    user.set("ann");
    auto result = std::async(contextvars::bind_context([] { return user.get(); }));
    std::packaged_task<bool()> task(contextvars::bind_context([] { return user.get() == "ann"; }));
    auto is_ann = task.get_future();
    std::jthread pool(std::move(task)); // any thread, at any time
    user.set("bob");
    expect(result.get() == "ann" && is_ann.get());
    // [/futures]
}

void suppress_flow() {
    // [suppress_flow]
    user.set("ann");
    {
        auto suppressed = contextvars::suppress_flow(); // this timer is to be nobody's
        contextvars::jthread timer([](std::stop_token) { expect(user.try_get() == nullptr); });
        expect(user.get() == "ann"); // here it is still known
    }
    {
        auto empty = contextvars::without_context(); // for code that is called at once
        expect(user.try_get() == nullptr);
    }
    // stays in the context in which it is set, and is in no copy:
    static const contextvars::ContextVar<int> lease{
        "lease", contextvars::attributes{.captured = contextvars::capture_policy::never}};
    lease.set(7);
    expect(lease.get() == 7);
    contextvars::copy_context().run([] { expect(lease.try_get() == nullptr); });
    // [/suppress_flow]
}

void diff() {
    // [diff]
    const contextvars::Context before = contextvars::copy_context();
    user.set("ann");
    for (const auto& [variable, was, is] : diff(before, contextvars::copy_context()))
        expect(variable == user && !was && is && *is->as<std::string>() == "ann");
    // [/diff]
}

void errors() {
    // [errors]
    std::string message;
    contextvars::Token<std::string> token = user.set("ann");
    try {
        contextvars::copy_context().run([&] { user.reset(token); });
    } catch (const contextvars::ValueError& error) {
        message = error.what(); // … was created in a different Context
    }
    user.reset(token); // an error changes nothing: the token is as good as before
    // [/errors]
    expect(message.find("was created in a different Context") != std::string::npos);
}

void diagnostics() {
    // [diagnostics]
    // Told of misuse that cannot throw; the default writes a line to standard error.
    static int reports = 0;
    const contextvars::diagnostics_hook before =
        contextvars::set_diagnostics_hook([](const contextvars::diagnostic& diagnostic) noexcept {
            if (diagnostic.kind == contextvars::diagnostic_kind::scope_not_restored)
                ++reports;
        });
    contextvars::Context context, inner;
    context.run([&] {
        auto scope = std::make_unique<contextvars::Scope<std::string>>(user, "ann");
        inner.run([&] { scope.reset(); }); // the guard dies inside another context than its own
    });
    expect(reports == 1 && context[user] == "ann");
    contextvars::set_diagnostics_hook(before);
    // [/diagnostics]
}

void flow() {
    // [flow]
    // For frameworks: the context of something that is suspended and resumed, on any thread.
    contextvars::ext::flow flow; // a copy of the current context
    flow.resume();
    auto token = user.set("ann");
    flow.suspend(); // the thread has its own context back
    expect(user.try_get() == nullptr);
    std::thread([&] {
        const contextvars::ext::flow_scope scope(flow);
        expect(user.get() == "ann");
        user.reset(token); // tokens and guards go with the flow
    }).join();
    // [/flow]
}

} // namespace

int main() {
    // Each in a context of its own.
    for (const auto part : {get, try_get, set, reset, token, scoped, scoped_several, copy_context})
        contextvars::Context().run(part);
    for (const auto part : {run, enter, context_values, mapping, items, equality, print})
        contextvars::Context().run(part);
    for (const auto part : {bind_context, bind_given_context, threads, futures, suppress_flow, diff,
                            errors, diagnostics, flow})
        contextvars::Context().run(part);
    std::cout << (failures == 0 ? "everything holds\n" : "");
    return failures == 0 ? 0 : 1;
}
