// SPDX-License-Identifier: MIT
//
// Operations together: the operators && and ||, parallel groups; and operations of stackful coroutines.
#include "matrix.hpp"

#include MATRIX_EXPERIMENTAL(awaitable_operators.hpp)
#if MATRIX_VERSION >= 102300
#include MATRIX_EXPERIMENTAL(parallel_group.hpp)
#endif

#if defined(CONTEXTVARS_MATRIX_STACKFUL)
#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/spawn.hpp>
#else
#include <boost/asio/spawn.hpp>
#endif
#if !defined(CONTEXTVARS_MATRIX_PLAIN)
#include <contextvars/asio/spawn.hpp>
#endif
#endif

namespace matrix::MATRIX_SIDE {

namespace {

using net::experimental::awaitable_operators::operator&&;
using net::experimental::awaitable_operators::operator||;

template <class Result, class Operation>
awaitable<Result> in_coroutine(Operation& operation) {
    set_mark();
    co_return co_await operation(net::use_awaitable);
}

template <class Operation>
using result_of = typename decltype(std::declval<Operation&>()(net::use_awaitable))::value_type;

enum class way { both, either, both_coroutines, either_coroutine };

template <class Operation>
awaitable<void> by_operators(std::string& line, net::any_io_executor executor, bool fails,
                             way how) {
    set_mark();
    net::steady_timer now(executor, std::chrono::seconds(0));
    net::steady_timer never(executor, std::chrono::steady_clock::time_point::max());
    // Asio's || waits for one that succeeds.
    if (fails && (how == way::either || how == way::either_coroutine))
        fails = false;
    Operation operation{executor, fails};
    try {
        using result = result_of<Operation>;
        switch (how) {
        case way::both:
            line += text(
                (co_await (operation(net::use_awaitable) && now.async_wait(net::use_awaitable)),
                 nothing()));
            break;
        case way::either:
            line += text(
                (co_await (operation(net::use_awaitable) || never.async_wait(net::use_awaitable)),
                 nothing()));
            break;
        case way::both_coroutines:
            line += text(
                (co_await (in_coroutine<result>(operation) && now.async_wait(net::use_awaitable)),
                 nothing()));
            break;
        case way::either_coroutine:
            line += text(
                (co_await (in_coroutine<result>(operation) || never.async_wait(net::use_awaitable)),
                 nothing()));
            break;
        }
    } catch (...) {
        line += text(std::current_exception());
    }
    line += has_mark() ? ", kept" : ", LOST";
}

template <class Operation>
void operators(lines& out) {
    const auto row = [&](const char* name, way how) {
        run_on_each_executor(
            out, std::string(Operation::name) + " × " + name,
            [how](std::string& line, const net::any_io_executor& executor, bool fails) {
                return by_operators<Operation>(line, executor, fails, how);
            });
    };
    row("&&", way::both);
    row("||", way::either);
    row("&& of coroutines", way::both_coroutines);
    row("|| of coroutines", way::either_coroutine);
}

#if MATRIX_VERSION >= 102300

template <class Operation, class MakeToken>
awaitable<void> by_group(std::string& line, net::any_io_executor executor, bool fails,
                         MakeToken make_token) {
    set_mark();
    Operation operation{executor, fails};
    net::steady_timer now(executor, std::chrono::seconds(0));
    const auto completed = (co_await net::experimental::make_parallel_group(
                                operation(net::deferred), now.async_wait(net::deferred))
                                .async_wait(net::experimental::wait_for_all(), make_token()));
    line += std::to_string(std::tuple_size_v<std::remove_const_t<decltype(completed)>>) + " values";
    line += has_mark() ? ", kept" : ", LOST";
}

template <class Operation>
void groups(lines& out) {
    const auto row = [&](const char* name, auto make_token) {
        run_on_each_executor(
            out, std::string(Operation::name) + " × " + name,
            [make_token](std::string& line, const net::any_io_executor& executor, bool fails) {
                return by_group<Operation>(line, executor, fails, make_token);
            });
    };
    row("parallel group, use_awaitable", [] { return net::use_awaitable; });
    row("parallel group, deferred", [] { return net::deferred; });
    row("parallel group, as_tuple(use_awaitable)",
        [] { return net::as_tuple(net::use_awaitable); });
}

#endif

#if defined(CONTEXTVARS_MATRIX_STACKFUL)

#if defined(CONTEXTVARS_MATRIX_PLAIN)
using net::spawn;
using net::yield_context;
#else
using contextvars::spawn;
using contextvars::yield_context;
#endif

template <class Operation, class MakeToken>
void stackful(lines& out, const char* name, MakeToken make_token) {
    for (const bool fails : {false, true}) {
        net::io_context context;
        out.push_back(std::string(Operation::name) + " × " + name + (fails ? " (fails): " : ": "));
        std::string& line = out.back();
        const auto task = [&](yield_context yield) {
            set_mark();
            parts given;
            Operation operation{context.get_executor(), fails};
            try {
                line += text((operation(make_token(given, yield)), nothing()));
            } catch (...) {
                line += text(std::current_exception());
            }
            line += ", redirected " + text(given.error);
            line += has_mark() ? ", kept, ended" : ", LOST, ended";
        };
#if MATRIX_VERSION >= 102300
        spawn(context, task, net::detached);
#else
        spawn(context, task);
#endif
        context.run();
    }
}

template <class Operation>
void stackful_rows(lines& out) {
    stackful<Operation>(out, "yield_context", [](parts&, yield_context yield) { return yield; });
    stackful<Operation>(out, "yield_context[error]",
                        [](parts& given, yield_context yield) { return yield[given.error]; });
#if MATRIX_VERSION >= 102300
    stackful<Operation>(out, "as_tuple(yield_context)",
                        [](parts&, yield_context yield) { return net::as_tuple(yield); });
    stackful<Operation>(
        out, "redirect_error(yield_context)",
        [](parts& given, yield_context yield) { return net::redirect_error(yield, given.error); });
#endif
}

#endif

} // namespace

lines together() {
    lines out;
    for_each_operation([&]<class Operation>(std::type_identity<Operation>) {
        operators<Operation>(out);
#if MATRIX_VERSION >= 102300
        groups<Operation>(out);
#endif
#if defined(CONTEXTVARS_MATRIX_STACKFUL)
        // Before, one that completes with an exception and a value was wrong in a stackful coroutine.
        if constexpr (!std::is_same_v<Operation, spawned> || MATRIX_VERSION >= 102900)
            stackful_rows<Operation>(out);
#endif
    });
    return out;
}

} // namespace matrix::MATRIX_SIDE
