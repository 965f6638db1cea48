// SPDX-License-Identifier: MIT
//
// Tokens of which the result is awaited.
#include "matrix.hpp"

namespace matrix::MATRIX_SIDE {

namespace {

template <class Operation, class MakeToken>
awaitable<void> await_it(std::string& line, net::any_io_executor executor, bool fails,
                         MakeToken make_token) {
    set_mark();
    parts given;
    given.executor = executor;
    Operation operation{executor, fails};
    try {
        line += text((co_await operation(make_token(given)), nothing()));
    } catch (...) {
        line += text(std::current_exception());
    }
    line += ", redirected " + text(given.error) + ", counted " + text(given.count);
    line += has_mark() ? ", kept" : ", LOST";
    line += executor == co_await net::this_coro::executor ? ", here" : ", elsewhere";
}

template <class Operation, class MakeToken>
void awaited_row(lines& out, const char* name, MakeToken make_token) {
    run_on_each_executor(out, std::string(Operation::name) + " × " + name,
                         [&](std::string& line, const net::any_io_executor& executor, bool fails) {
                             return await_it<Operation>(line, executor, fails, make_token);
                         });
}

#if MATRIX_VERSION >= 102300

template <class Operation>
void adapted_rows(lines& out) {
    awaited_row<Operation>(out, "deferred", [](parts&) { return net::deferred; });
    awaited_row<Operation>(out, "as_tuple(deferred)",
                           [](parts&) { return net::as_tuple(net::deferred); });
    awaited_row<Operation>(out, "append(deferred)",
                           [](parts&) { return net::append(net::deferred, 1); });
    awaited_row<Operation>(out, "prepend(deferred)",
                           [](parts&) { return net::prepend(net::deferred, 1); });
    awaited_row<Operation>(out, "bind_executor(deferred)", [](parts& given) {
        return net::bind_executor(given.executor, net::deferred);
    });
    awaited_row<Operation>(out, "a token of the user's own (deferred)",
                           [](parts& given) { return counted{net::deferred, &given.count}; });
    awaited_row<Operation>(out, "bind_context(deferred)",
                           [](parts&) { return bound(net::deferred); });
#if MATRIX_VERSION >= 102400
    awaited_row<Operation>(out, "consign(deferred)", [](parts&) {
        return net::consign(net::deferred, std::make_shared<int>(1));
    });
#endif
#if MATRIX_VERSION >= 102800 // before, these take no token whose result depends on the initiation
    awaited_row<Operation>(out, "bind_cancellation_slot(deferred)", [](parts& given) {
        return net::bind_cancellation_slot(given.signal.slot(), net::deferred);
    });
    awaited_row<Operation>(out, "bind_allocator(deferred)", [](parts&) {
        return net::bind_allocator(std::allocator<void>(), net::deferred);
    });
    awaited_row<Operation>(out, "redirect_error(deferred)", [](parts& given) {
        return net::redirect_error(net::deferred, given.error);
    });
    awaited_row<Operation>(out, "as_tuple(append(redirect_error(deferred)))", [](parts& given) {
        return net::as_tuple(net::append(net::redirect_error(net::deferred, given.error), 1));
    });
    awaited_row<Operation>(out, "bind_immediate_executor(deferred)", [](parts& given) {
        return net::bind_immediate_executor(given.executor, net::deferred);
    });
#endif
#if MATRIX_VERSION >= 103100
    awaited_row<Operation>(out, "cancel_after(deferred)", [](parts&) {
        return net::cancel_after(std::chrono::hours(1), net::deferred);
    });
#endif
}

#endif

} // namespace

lines awaited() {
    lines out;
    for_each_operation([&]<class Operation>(std::type_identity<Operation>) {
        awaited_row<Operation>(out, "use_awaitable", [](parts&) { return net::use_awaitable; });
        awaited_row<Operation>(out, "as_tuple(use_awaitable)",
                               [](parts&) { return adapt::as_tuple(net::use_awaitable); });
        awaited_row<Operation>(out, "redirect_error(use_awaitable)", [](parts& given) {
            return net::redirect_error(net::use_awaitable, given.error);
        });
        awaited_row<Operation>(out, "append(use_awaitable)",
                               [](parts&) { return adapt::append(net::use_awaitable, 1); });
        awaited_row<Operation>(out, "prepend(use_awaitable)",
                               [](parts&) { return adapt::prepend(net::use_awaitable, 1); });
        awaited_row<Operation>(out, "bind_executor(use_awaitable)", [](parts& given) {
            return net::bind_executor(given.executor, net::use_awaitable);
        });
        awaited_row<Operation>(out, "bind_cancellation_slot(use_awaitable)", [](parts& given) {
            return net::bind_cancellation_slot(given.signal.slot(), net::use_awaitable);
        });
        awaited_row<Operation>(out, "a token of the user's own (use_awaitable)", [](parts& given) {
            return counted{net::use_awaitable, &given.count};
        });
        awaited_row<Operation>(out, "a token of the user's own",
                               [](parts&) { return by_coroutine(); });
        awaited_row<Operation>(out, "bind_context(use_awaitable)",
                               [](parts&) { return bound(net::use_awaitable); });
        awaited_row<Operation>(
            out, "bind_executor(append(as_tuple(use_awaitable)))", [](parts& given) {
                return net::bind_executor(given.executor,
                                          adapt::append(adapt::as_tuple(net::use_awaitable), 1));
            });
        awaited_row<deferred_first<Operation>>(out, "use_awaitable",
                                               [](parts&) { return net::use_awaitable; });
#if MATRIX_VERSION >= 102400
        awaited_row<Operation>(out, "consign(use_awaitable)", [](parts&) {
            return net::consign(net::use_awaitable, std::make_shared<int>(1));
        });
        awaited_row<Operation>(out, "bind_allocator(use_awaitable)", [](parts&) {
            return net::bind_allocator(std::allocator<void>(), net::use_awaitable);
        });
#endif
#if MATRIX_VERSION >= 102800
        awaited_row<Operation>(out, "bind_immediate_executor(use_awaitable)", [](parts& given) {
            return net::bind_immediate_executor(given.executor, net::use_awaitable);
        });
#endif
#if MATRIX_VERSION >= 103100
        awaited_row<Operation>(out, "cancel_after(use_awaitable)", [](parts&) {
            return net::cancel_after(std::chrono::hours(1), net::use_awaitable);
        });
#endif
    });
    return out;
}

lines adapted() {
    lines out;
#if MATRIX_VERSION >= 102300
    for_each_operation([&]<class Operation>(std::type_identity<Operation>) {
        // Before, an operation that completes with an exception and a value could not be awaited.
        if constexpr (!std::is_same_v<Operation, spawned> || MATRIX_VERSION >= 102700)
            adapted_rows<Operation>(out);
    });
#endif
    return out;
}

} // namespace matrix::MATRIX_SIDE
