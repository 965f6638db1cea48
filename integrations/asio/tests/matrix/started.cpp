// SPDX-License-Identifier: MIT
//
// Tokens with which a coroutine starts an operation and goes on: callbacks, futures and none.
#include "matrix.hpp"

#include <future>
#include <vector>

namespace matrix::MATRIX_SIDE {

namespace {

struct callback {
    std::string* line;
    template <class... Values>
    void operator()(const Values&... values) const {
        *line += texts(values...);
    }
};

template <class Operation>
struct state {
    std::string& line;
    parts given;
    Operation operation;
    std::function<std::string()> afterwards = [] { return std::string(); };
};

template <class T>
void keep(std::function<std::string()>& afterwards, std::future<T> result) {
    afterwards = [future = std::make_shared<std::future<T>>(std::move(result))] {
        try {
            return text((future->get(), nothing()));
        } catch (...) {
            return text(std::current_exception());
        }
    };
}

template <class Operation, class MakeToken>
void started_row(lines& out, const char* name, MakeToken make_token) {
    std::vector<std::shared_ptr<state<Operation>>> states;
    const auto task = [&](std::string& line, net::any_io_executor executor,
                          bool fails) -> awaitable<void> {
        set_mark();
        states.push_back(std::shared_ptr<state<Operation>>(
            new state<Operation>{line, {{}, {}, executor}, Operation{executor, fails}}));
        auto& mine = *states.back();
        auto start = [&] { return mine.operation(make_token(mine.given, callback{&line})); };
        if constexpr (std::is_void_v<decltype(start())>)
            start();
        else
            keep(mine.afterwards, start());
        co_await net::post(net::use_awaitable);
        line += has_mark() ? ", kept" : ", LOST";
    };
    const auto afterwards = [&] {
        for (const auto& each : states) {
            // A future may be made ready on a thread of the system's executor: first wait, then read.
            const std::string result = each->afterwards();
            each->line += ", " + result + ", redirected " + text(each->given.error);
        }
        states.clear();
    };
    run_on_each_executor(out, std::string(Operation::name) + " × " + name, task, afterwards);
}

} // namespace

lines started() {
    lines out;
    for_each_operation([&]<class Operation>(std::type_identity<Operation>) {
        started_row<Operation>(out, "callback", [](parts&, callback tell) { return tell; });
        started_row<Operation>(out, "detached", [](parts&, callback) { return net::detached; });
        started_row<Operation>(out, "use_future", [](parts&, callback) { return net::use_future; });
        started_row<Operation>(out, "as_tuple(callback)",
                               [](parts&, callback tell) { return adapt::as_tuple(tell); });
        started_row<Operation>(out, "redirect_error(callback)", [](parts& given, callback tell) {
            return net::redirect_error(tell, given.error);
        });
        started_row<Operation>(out, "redirect_error(use_future)", [](parts& given, callback) {
            return net::redirect_error(net::use_future, given.error);
        });
        started_row<Operation>(out, "append(callback)",
                               [](parts&, callback tell) { return adapt::append(tell, 1); });
        started_row<Operation>(out, "prepend(callback)",
                               [](parts&, callback tell) { return adapt::prepend(tell, 1); });
        started_row<Operation>(out, "bind_executor(callback)", [](parts& given, callback tell) {
            return net::bind_executor(given.executor, tell);
        });
        started_row<Operation>(out, "bind_cancellation_slot(callback)",
                               [](parts& given, callback tell) {
                                   return net::bind_cancellation_slot(given.signal.slot(), tell);
                               });
        started_row<Operation>(
            out, "a token of the user's own (callback)",
            [](parts& given, callback tell) { return counted{tell, &given.count}; });
        started_row<Operation>(out, "bind_context(callback)",
                               [](parts&, callback tell) { return bound(tell); });
        started_row<Operation>(out, "bind_context(use_future)",
                               [](parts&, callback) { return bound(net::use_future); });
        started_row<deferred_first<Operation>>(out, "callback",
                                               [](parts&, callback tell) { return tell; });
        started_row<deferred_first<Operation>>(out, "use_future",
                                               [](parts&, callback) { return net::use_future; });
#if MATRIX_VERSION >= 102400
        started_row<Operation>(out, "consign(callback)", [](parts&, callback tell) {
            return net::consign(tell, std::make_shared<int>(1));
        });
        started_row<Operation>(out, "bind_allocator(callback)", [](parts&, callback tell) {
            return net::bind_allocator(std::allocator<void>(), tell);
        });
#endif
#if MATRIX_VERSION >= 102800
        started_row<Operation>(out, "bind_immediate_executor(callback)",
                               [](parts& given, callback tell) {
                                   return net::bind_immediate_executor(given.executor, tell);
                               });
#endif
#if MATRIX_VERSION >= 103100
        started_row<Operation>(out, "cancel_after(callback)", [](parts&, callback tell) {
            return net::cancel_after(std::chrono::hours(1), tell);
        });
#endif
    });
    return out;
}

} // namespace matrix::MATRIX_SIDE
