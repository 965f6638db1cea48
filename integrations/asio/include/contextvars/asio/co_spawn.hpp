// SPDX-License-Identifier: MIT
//
// contextvars::co_spawn: Asio's, with the same signatures, for tasks that run in a copy of the
// spawner's context, on an executor that carries contexts into everything started on it. Needed
// once, for the first coroutine of a program; inside, Asio's own does as well (see docs/asio.md).
//
// With a context after the executor:
//   Context&         the task runs in that very object, which is reserved for it until it ends
//   Context&&,       the task begins with a copy of its bindings
//   const Context&
#ifndef CONTEXTVARS_ASIO_CO_SPAWN_HPP
#define CONTEXTVARS_ASIO_CO_SPAWN_HPP

#include <contextvars/asio/awaitable.hpp>
#include <contextvars/asio/bind_context.hpp>
#include <contextvars/asio/config.hpp>
#include <contextvars/asio/context_executor.hpp>

#include CONTEXTVARS_ASIO_HEADER(co_spawn.hpp)
#include CONTEXTVARS_ASIO_HEADER(detached.hpp)

#include <concepts>
#include <exception>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {

namespace asio_detail {

struct spawn_access {
    template <class T, class E>
    static bool is_ours(const awaitable<T, E>& task) noexcept {
        return task.promise_ != nullptr;
    }
    template <class T, class E>
    static void start_in(awaitable<T, E>& root, ext::flow flow) noexcept {
        root.promise_->start_in(std::move(flow));
    }
};

template <class A>
inline constexpr bool is_awaitable = false;
template <class T, class E>
inline constexpr bool is_awaitable<awaitable<T, E>> = true;
template <class T, class E>
inline constexpr bool is_awaitable<net::awaitable<T, E>> = true;

template <class T, class E>
awaitable<T, E> as_ours(net::awaitable<T, E> task) {
    co_return co_await std::move(task);
}
template <class T, class E>
awaitable<T, E> as_ours(awaitable<T, E> task) {
    if (spawn_access::is_ours(task))
        return task;
    return asio_detail::as_ours<T, E>(static_cast<net::awaitable<T, E>&&>(task));
}

/// A function that makes a task. It is called in the flow, which then is the task's.
/// Start: an ext::snapshot, or an ext::flow.
template <class Start, class F>
struct task_in_flow {
    Start start;
    F function;

    using result_type = typename std::invoke_result_t<F&>::value_type;
    using executor_type = typename std::invoke_result_t<F&>::executor_type;

    net::awaitable<result_type, executor_type> operator()() {
        ext::flow flow(std::move(start));
        awaitable<result_type, executor_type> task = [&] {
            const ext::flow_scope scope(flow);
            return asio_detail::as_ours(function());
        }();
        spawn_access::start_in(task, std::move(flow));
        return task;
    }
};

/// A task that was made already, and has its flow.
template <class T, class E>
struct given_task {
    net::awaitable<T, E> task;

    using result_type = T;
    using executor_type = E;

    net::awaitable<T, E> operator()() { return std::move(task); }
};

template <class Start, class A>
auto given_in_flow(Start&& start, A task) {
    using T = typename A::value_type;
    using E = typename A::executor_type;
    awaitable<T, E> root = asio_detail::as_ours(std::move(task));
    spawn_access::start_in(root, ext::flow(std::forward<Start>(start)));
    return given_task<T, E>{std::move(root)};
}

template <class T, class Token>
concept is_plain_handler =
    (std::is_void_v<T> && std::invocable<std::decay_t<Token>&, std::exception_ptr>) ||
    (!std::is_void_v<T> && std::invocable<std::decay_t<Token>&, std::exception_ptr, T>);

/// A plain completion handler runs in a copy of the spawner's context, as Python's
/// add_done_callback has it; what other tokens stand for finds its context by itself.
template <class T, class Token>
decltype(auto) bound_if_handler(Token&& token) {
    if constexpr (is_plain_handler<T, Token>)
        return contextvars::bind_context(std::forward<Token>(token));
    else
        return std::forward<Token>(token);
}

template <class T>
struct spawned {
    using type = T;
};
template <class T>
    requires std::is_invocable_v<std::decay_t<T>&>
struct spawned<T> {
    using type = std::remove_cvref_t<std::invoke_result_t<std::decay_t<T>&>>;
};

template <class E>
concept is_executor = net::execution::is_executor<E>::value;

template <class Start, class Task>
auto as_function(Start&& start, Task&& task) {
    using type = std::decay_t<Task>;
    static_assert(is_awaitable<typename spawned<type>::type>,
                  "co_spawn(executor, task, token): task is a contextvars::awaitable<T>, an "
                  "asio::awaitable<T>, or a function that returns one");
    if constexpr (is_awaitable<type>)
        return asio_detail::given_in_flow(std::forward<Start>(start), std::forward<Task>(task));
    else
        return task_in_flow<std::decay_t<Start>, type>{std::forward<Start>(start),
                                                       std::forward<Task>(task)};
}

template <class Wanted, class E>
Wanted executor_for(const E& executor) {
    if constexpr (std::is_same_v<Wanted, net::any_io_executor>)
        return asio_detail::carrying(executor);
    else
        return Wanted(executor);
}

inline ext::snapshot bindings_of(const ext::snapshot& start) noexcept { return start; }
inline ext::snapshot bindings_of(const ext::flow& start) noexcept { return start.copy(); }

/// Asio tracks work with what is current here, until the task has ended. In that runs the task, which has
/// its flow, and the handler. If the handler needs no context, or is bound to one, nothing is to be kept.
/// Start: an ext::snapshot, from which the task's flow starts; or an ext::flow, which is the task's.
template <class E, class Start, class Task, class Token>
auto spawn(const E& executor, Start start, Task&& task, Token&& token) {
    using result_type = typename spawned<std::decay_t<Task>>::type::value_type;
    constexpr bool needs_no_context = is_plain_handler<result_type, Token> ||
                                      std::is_same_v<std::decay_t<Token>, net::detached_t>;
    auto&& bound = bound_if_handler<result_type>(std::forward<Token>(token));
    ext::snapshot captured;
    if constexpr (!needs_no_context)
        captured = asio_detail::bindings_of(start);
    auto function = asio_detail::as_function(std::move(start), std::forward<Task>(task));
    const ext::copy_scope scope(std::move(captured));
    return net::co_spawn(
        asio_detail::executor_for<typename decltype(function)::executor_type>(executor),
        std::move(function), std::forward<decltype(bound)>(bound));
}

struct co_spawn_function {
    template <is_executor E, class Task, class Token = net::default_completion_token_t<E>>
    auto operator()(const E& executor, Task&& task, Token&& token = Token()) const {
        return asio_detail::spawn(executor, ext::snapshot::of_current(), std::forward<Task>(task),
                                  std::forward<Token>(token));
    }
    template <is_executor E, class Task, class Token = net::default_completion_token_t<E>>
    auto operator()(const E& executor, Context& context, Task&& task,
                    Token&& token = Token()) const {
        return asio_detail::spawn(executor, ext::flow(context), std::forward<Task>(task),
                                  std::forward<Token>(token));
    }
    template <is_executor E, class Task, class Token = net::default_completion_token_t<E>>
    auto operator()(const E& executor, const Context& context, Task&& task,
                    Token&& token = Token()) const {
        return asio_detail::spawn(executor, ext::snapshot(context), std::forward<Task>(task),
                                  std::forward<Token>(token));
    }
    template <is_executor E, class Task, class Token = net::default_completion_token_t<E>>
    auto operator()(const E& executor, Context&& context, Task&& task,
                    Token&& token = Token()) const {
        return (*this)(executor, std::as_const(context), std::forward<Task>(task),
                       std::forward<Token>(token));
    }
    template <is_execution_context C, class... Rest>
    auto operator()(C& context, Rest&&... rest) const {
        return (*this)(context.get_executor(), std::forward<Rest>(rest)...);
    }
};

} // namespace asio_detail

/// co_spawn(executor, task, token): starts a coroutine in a copy of the current context. `task` is an
/// awaitable or a function that returns one, of this library or of Asio; instead of the executor, an
/// execution context may stand, and the token may be left out where the executor has a default.
/// co_spawn(executor, context, task, token), where `context` is a Context& (not const): starts it in that
/// context itself: what it sets is set there; else in a copy of it.
/// An object, which argument-dependent lookup does not find, so that an unqualified co_spawn is
/// Asio's where a program says `using`.
/// Precondition: a Context& outlives the task.
/// Returns, allocates: as asio::co_spawn with this token.
/// Throws: that, RuntimeError where a Context& is entered or reserved, and asio's bad_executor of an
/// any_io_executor that holds none.
inline constexpr asio_detail::co_spawn_function co_spawn{};

} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE

#endif
