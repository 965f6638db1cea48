// SPDX-License-Identifier: MIT
//
// contextvars::awaitable<T>: Asio's awaitable, whose coroutine keeps one context from its start to
// its end. It is an asio::awaitable<T>, goes wherever one goes, and awaits whatever one awaits.
// (layer B)
//
// How a step finds its context.
//
// Asio keeps the frames of nested awaitables as a stack and resumes the top one in a loop (the
// "pump"), in whatever handler completed last. The outermost of this library's frames (the root)
// owns a flow: the context of all the frames of this library above it. So a callee's set is seen
// by its caller, and a coroutine started by co_spawn, or a branch of && and ||, which is a root,
// begins with a copy: of the context in which it was called.
//
//     handler -> pump -> resume  frame of ours:  flow resumes (unless it runs already)
//                                  … user code: get, set, reset act on the flow …
//                                frame awaits:   flow is suspended; the thread has its own context
//                        resume  what it awaits, in a copy of the flow's context
//                -> returns to whoever called the handler
//
// The flow is suspended *before* what completes the operation is published, since another thread
// may resume the coroutine before the operation's initiating function has returned. That function,
// and what it starts (a composed operation's steps), see a copy of the flow's context.
//
// A frame cannot know what it is resumed by: a timer, a foreign thread, another executor, a channel.
// It need not: it resumes its flow, and suspends it when it awaits, and nothing depends on the
// executor or the handler in between. That is why the failures of a capturing executor alone (see
// docs/asio.md) do not exist here.
//
// Three kinds of things are awaited:
//   - an awaitable of this library: shares the flow;
//   - any other asio::awaitable (among them, what use_awaitable returns): its frames are resumed by
//     a small pump of our own, inside the copy's scope, until they suspend or are done;
//   - an operation (deferred and the like, Asio 1.23 and newer): its initiation is wrapped.
//
// It relies on these parts of Asio's that are not documented: awaitable_frame and its members,
// awaitable_thread::entry_point and its top_of_stack_. The tests of every Asio in
// docs/asio.md cover them.
#ifndef CONTEXTVARS_ASIO_AWAITABLE_HPP
#define CONTEXTVARS_ASIO_AWAITABLE_HPP

#include <contextvars/asio/config.hpp>
#include <contextvars/asio/context_executor.hpp>
#include <contextvars/asio/event_loop.hpp>
#include <contextvars/detail/mixed_flow.hpp>
#include <contextvars/ext/flow.hpp>

#include CONTEXTVARS_ASIO_HEADER(any_io_executor.hpp)
#include CONTEXTVARS_ASIO_HEADER(async_result.hpp)
#include CONTEXTVARS_ASIO_HEADER(awaitable.hpp)
#include CONTEXTVARS_ASIO_HEADER(associated_executor.hpp)
#include CONTEXTVARS_ASIO_HEADER(co_spawn.hpp)
#include CONTEXTVARS_ASIO_HEADER(this_coro.hpp)
#include CONTEXTVARS_ASIO_HEADER(use_awaitable.hpp)

#include <concepts>
#include <coroutine>
#include <exception>
#include <new>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {

template <class T = void, class Executor = net::any_io_executor>
class awaitable;

namespace asio_detail {

template <class T, class E>
class awaitable_promise;

/// Names this library's specialisations of Asio's frames, which Asio's classes have as friends.
struct frame_access;

struct spawn_access;

template <class Entry, class E>
class spawned_promise;

} // namespace asio_detail
} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE

CONTEXTVARS_ASIO_BEGIN
namespace detail {

template <>
class awaitable_frame_base<contextvars::asio_detail::frame_access> {
public:
    /// The frame to resume next; nullptr once the stack has gone to another handler.
    template <class Thread>
    static awaitable_frame_base<typename Thread::executor_type>* top(Thread& stack) noexcept {
        if constexpr (requires { stack.entry_point(); }) {
            auto* entry_point = stack.entry_point();
            return entry_point != nullptr ? entry_point->top_of_stack_ : nullptr;
        } else {
            return stack.top_of_stack_;
        }
    }
};

} // namespace detail
CONTEXTVARS_ASIO_END

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {

/// A coroutine's return type, for `co_await`, Asio's co_spawn and this library's.
template <class T, class Executor>
class [[nodiscard]] awaitable : public net::awaitable<T, Executor> {
    using base = net::awaitable<T, Executor>;

public:
    using promise_type = asio_detail::awaitable_promise<T, Executor>;

    constexpr awaitable() noexcept = default;
    /// What use_awaitable, co_spawn, && and || return, and plain coroutines. It stays what it is.
    awaitable(base&& other) noexcept
        : base(std::move(other)) {} // NOLINT(*-explicit-*): as asked for
    awaitable(awaitable&& other) noexcept
        : base(static_cast<base&&>(other)), promise_(std::exchange(other.promise_, nullptr)) {}
    awaitable& operator=(awaitable&& other) noexcept {
        if (this != &other) {
            this->~awaitable(); // Asio's has no assignment before 1.20, and later one that leaks
            ::new (this) awaitable(std::move(other));
        }
        return *this;
    }
    ~awaitable() = default;

private:
    awaitable(base&& made, promise_type& promise) noexcept
        : base(std::move(made)), promise_(&promise) {}

    promise_type* promise_ = nullptr; ///< nullptr: the coroutine is Asio's

    friend promise_type;
    template <class, class>
    friend class asio_detail::awaitable_promise;
    template <class, class>
    friend class asio_detail::spawned_promise;
    friend struct asio_detail::spawn_access;
};

namespace asio_detail {

/// What an exception is to a handler that no longer is on the stack: Asio's run() rethrows it.
inline void rethrow_from_run() noexcept {
    auto* const loop = asio_detail::running_loop();
    if (loop == nullptr)
        std::terminate();
    loop->capture_current_exception();
}

/// A handler with an executor. Asio's bind_executor would merge with another one around it.
template <class Handler, class E>
struct handler_on {
    Handler handler;
    E executor;

    template <class... Args>
    void operator()(Args&&... args) {
        std::move(handler)(std::forward<Args>(args)...);
    }
};

/// An operation whose initiation runs in a copy of the flow's context.
template <class Operation>
struct operation_in_flow {
    Operation operation;
    ext::flow* flow;

    // Asio's awaitables also try to call what they await with a frame's address.
    template <class Token>
        requires(!std::is_pointer_v<std::decay_t<Token>>)
    decltype(auto) operator()(Token&& token) {
        const ext::suspension scope(*flow);
        // Asio erases the type of a coroutine's executor. With it known, a step costs an allocation
        // and some calls by pointers less than Asio's own. (Asio's probes have no executor.)
        if constexpr (requires { token.get_executor(); }) {
            using executor_type = std::remove_cvref_t<decltype(token.get_executor())>;
            if constexpr (std::is_same_v<executor_type, net::any_io_executor>) {
                using usual_executor = context_executor<net::io_context::executor_type>;
                using holder = carrying_executor<net::io_context::executor_type>;
                const net::any_io_executor executor = token.get_executor();
                if (executor.target_type() == typeid(holder))
                    return std::move(operation)(handler_on<std::decay_t<Token>, usual_executor>{
                        std::forward<Token>(token), *executor.template target<holder>()});
            }
        }
        return std::move(operation)(std::forward<Token>(token));
    }
};

template <class T, class E>
class awaitable_promise : public net::detail::awaitable_frame<T, E> {
    static_assert(std::is_void_v<T> || std::is_object_v<T> || std::is_lvalue_reference_v<T>,
                  "awaitable<T>: T is void, an object type or an lvalue reference");

    using base = net::detail::awaitable_frame<T, E>;
    using frame_base = net::detail::awaitable_frame_base<E>;
    template <class U>
    using asio_awaitable = net::awaitable<U, E>;

public:
    /// A root until an awaitable of this library awaits it.
    awaitable_promise() noexcept { flow_ = ::new (&own_flow_) detail::mixed_flow; }
    ~awaitable_promise() { drop_own_flow(); }

    awaitable<T, E> get_return_object() noexcept {
        asio_awaitable<T> made = base::get_return_object();
        this->coro_ = std::coroutine_handle<awaitable_promise>::from_promise(*this);
        return awaitable<T, E>(std::move(made), *this);
    }

    auto initial_suspend() noexcept {
        struct awaiter {
            awaitable_promise& self;

            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<>) const noexcept {}
            void await_resume() const noexcept { self.begin(); }
        };
        return awaiter{*this};
    }

    auto final_suspend() noexcept {
        struct awaiter {
            awaitable_promise& self;

            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<>) const noexcept {
                if (self.is_root())
                    self.own_flow_.end();
                self.pop_frame();
            }
            void await_resume() const noexcept {}
        };
        return awaiter{*this};
    }

    template <class U>
    auto await_transform(awaitable<U, E> callee) {
        awaitable_promise<U, E>* const promise = callee.promise_;
        return callee_awaiter<U>{base::await_transform(std::move(callee)), promise, *this};
    }

    template <class U>
    [[gnu::always_inline]] auto await_transform(asio_awaitable<U> other) {
        return asio_awaiter<U>(base::await_transform(std::move(other)), *this);
    }

    auto await_transform(net::this_coro::executor_t) noexcept {
        struct awaiter {
            awaitable_promise& self;

            bool await_ready() const noexcept { return true; }
            void await_suspend(std::coroutine_handle<>) const noexcept {}
            E await_resume() const noexcept {
                if constexpr (std::is_same_v<E, net::any_io_executor>)
                    return asio_detail::without_carrying(self.attached_thread_->get_executor());
                else
                    return self.attached_thread_->get_executor();
            }
        };
        return awaiter{*this};
    }

    /// The rest of this_coro, which suspends nothing; and operations.
    template <class Awaited>
    auto await_transform(Awaited&& awaited) {
        static_assert(!std::invocable<Awaited&, frame_base*>,
                      "an awaitable of this library awaits awaitables and operations of Asio; to "
                      "await anything else, make it an operation with async_initiate");
#if CONTEXTVARS_ASIO_VERSION >= 102300
        if constexpr (net::is_async_operation<Awaited>::value)
            return operation_awaiter<std::decay_t<Awaited>>(std::forward<Awaited>(awaited), *this);
        else
#endif
        {
            static_assert(
                requires(base& frame) { frame.await_transform(std::forward<Awaited>(awaited)); },
                "an awaitable of this library awaits awaitables of Asio with the same executor "
                "type, "
                "operations and this_coro; to await anything else, make it an operation with "
                "async_initiate");
            return base::await_transform(std::forward<Awaited>(awaited));
        }
    }

    /// Starts the root in `flow` instead of a copy of the context in which it was made.
    void start_in(ext::flow flow) noexcept {
        drop_own_flow();
        flow_ = ::new (&own_flow_) detail::mixed_flow(std::move(flow));
    }

private:
    bool is_root() const noexcept { return flow_ == &own_flow_; }
    void drop_own_flow() noexcept {
        if (is_root())
            own_flow_.~mixed_flow();
    }

    void begin() noexcept {
        // Who awaits a root is what Asio starts a task in, which nobody awaits; or a coroutine of Asio's.
        constexpr auto caller_of = &awaitable_promise::caller_;
        if (is_root() && this->caller_->*caller_of != nullptr) [[unlikely]]
            begin_mixed();
        resume_flow();
    }
    [[gnu::noinline, gnu::cold]] void begin_mixed() noexcept {
        start_in(ext::flow());
        own_flow_.begin_mixed();
    }

    void resume_flow() noexcept {
        if (!flow_->running()) [[likely]]
            resume_suspended();
    }
    void resume_suspended() noexcept {
        if (flow_->is_mixed()) [[unlikely]]
            flow_->resume_mixed();
        else
            flow_->resume();
    }

    /// The caller's part of Asio's push_frame.
    template <class U>
    void push(asio_awaitable<U>& callee) noexcept {
        callee.await_suspend(std::coroutine_handle<base>::from_promise(*this));
    }

    /// Runs a coroutine of Asio's in a copy of the flow's context, up to its first suspension.
    /// Returns: whether it suspends. Then another thread may have resumed this coroutine, or
    /// destroyed it: from the first resume() on, nothing of it is touched but its address.
    template <class U>
    [[gnu::always_inline]] bool run(asio_awaitable<U>& other) noexcept {
        using access = net::detail::awaitable_frame_base<frame_access>;
        auto& stack = *this->attached_thread_;
        const frame_base* const caller = this;
        push(other);
        const bool is_whole = detail::is_captured_whole(*detail::current_map());
        const ext::suspension scope(*flow_);
        if (!is_whole) [[unlikely]]
            flow_->show_all();
        for (frame_base* top = access::top(stack);;) {
            try {
                top->resume();
            } catch (...) {
                // Thrown by an initiation; with it went the handler that had the coroutine.
                rethrow_from_run();
            }
            top = access::top(stack);
            if (top == nullptr) [[likely]]
                return true;
            if (top == caller) {
                flow_->take_over_current();
                return false;
            }
        }
    }

    template <class U>
    [[gnu::noinline]] bool run_apart(asio_awaitable<U>& other) noexcept {
        return run(other);
    }

    /// Suspends, where the scope of the coroutine of Asio's that awaits this one is current: what resumes
    /// that resumes `other` in it. So coroutines of both kinds in turn need no stack.
    template <class U>
    [[gnu::noinline, gnu::cold]] bool leave_to_pump(asio_awaitable<U>& other) noexcept {
        if (!flow_->leave_home())
            return false;
        other.await_suspend(std::coroutine_handle<base>::from_promise(*this));
        return true;
    }

    template <class U>
    struct asio_awaiter {
        // In a union, so that the compiler sees that nothing is left to destroy.
        union {
            asio_awaitable<U> other;
        };
        awaitable_promise& self;

        asio_awaiter(asio_awaitable<U>&& awaited, awaitable_promise& promise) noexcept
            : other(std::move(awaited)), self(promise) {}
        asio_awaiter(const asio_awaiter&) = delete;
        asio_awaiter& operator=(const asio_awaiter&) = delete;
        ~asio_awaiter() {
            if (other.valid()) [[unlikely]]
                other.~asio_awaitable<U>();
        }

        bool await_ready() const noexcept { return false; }
        [[gnu::always_inline]] bool await_suspend(std::coroutine_handle<>) noexcept {
            if (self.flow_->is_mixed() && self.leave_to_pump(other)) [[unlikely]]
                return true;
            return self.run(other);
        }
        U await_resume() {
            self.resume_suspended();
            return other.await_resume();
        }
    };

    /// Awaits what may be a coroutine of this library, which then shares the flow.
    template <class U>
    struct callee_awaiter {
        asio_awaitable<U> callee;
        awaitable_promise<U, E>* promise;
        awaitable_promise& self;

        bool await_ready() const noexcept { return false; }
        bool await_suspend(std::coroutine_handle<>) noexcept {
            if (promise == nullptr) [[unlikely]]
                return self.leave_to_pump(callee) || self.run_apart(callee);
            promise->drop_own_flow();
            promise->flow_ = self.flow_;
            self.push(callee);
            return true;
        }
        U await_resume() {
            self.resume_flow();
            return callee.await_resume();
        }
    };

#if CONTEXTVARS_ASIO_VERSION >= 102300
    template <class Operation>
    class operation_awaiter {
    public:
        template <class O>
        operation_awaiter(O&& operation, awaitable_promise& self)
            : operation_{std::forward<O>(operation), self.flow_}, self_(self),
              inner_(self.base::await_transform(std::move(operation_))) {}
        operation_awaiter(const operation_awaiter&) = delete;
        operation_awaiter& operator=(const operation_awaiter&) = delete;

        bool await_ready() const noexcept { return false; }
        // Registers the initiation, which Asio calls once the coroutine is suspended; with it, the flow is.
        void await_suspend(std::coroutine_handle<> handle) { inner_.await_suspend(handle); }
        decltype(auto) await_resume() {
            self_.resume_flow();
            return inner_.await_resume();
        }

    private:
        operation_in_flow<Operation> operation_;
        awaitable_promise& self_;
        decltype(std::declval<base&>().await_transform(
            std::declval<operation_in_flow<Operation>>())) inner_;
    };
#endif

    union {
        detail::mixed_flow own_flow_; ///< of a root
    };
    detail::mixed_flow* flow_;

    template <class, class>
    friend class awaitable_promise;
};

/// The promise of the coroutine in which Asio's co_spawn calls a function that returns an awaitable of this
/// library, on whatever executor: in a flow that begins where co_spawn was called, and is the task's.
template <class Entry, class E>
class spawned_promise : public net::detail::awaitable_frame<Entry, E> {
    using base = net::detail::awaitable_frame<Entry, E>;

public:
    auto get_return_object() {
        auto made = base::get_return_object();
        this->coro_ = std::coroutine_handle<spawned_promise>::from_promise(*this);
        return made;
    }

    auto final_suspend() noexcept {
        leave();
        return base::final_suspend();
    }

    template <class U>
    auto await_transform(awaitable<U, E> task) {
        leave();
        if (task.promise_ != nullptr && !begun_) {
            begun_ = true;
            task.promise_->start_in(std::move(flow_));
        }
        return wrapped(base::await_transform(std::move(task)));
    }
    template <class Awaited>
    auto await_transform(Awaited&& awaited) {
        leave();
        return wrapped(base::await_transform(std::forward<Awaited>(awaited)));
    }

private:
    /// Between two suspensions the function may be called, or have thrown.
    template <class Awaiter>
    struct awaiter {
        Awaiter inner;
        spawned_promise& self;

        bool await_ready() { return inner.await_ready(); }
        auto await_suspend(std::coroutine_handle<> coroutine) {
            if constexpr (requires { inner.await_suspend(coroutine); })
                return inner.await_suspend(coroutine);
            else
                return inner.await_suspend(std::coroutine_handle<base>::from_promise(self));
        }
        decltype(auto) await_resume() {
            if (!self.begun_)
                self.flow_.resume();
            return inner.await_resume();
        }
    };
    template <class Awaiter>
    auto wrapped(Awaiter inner) {
        return awaiter<Awaiter>{std::move(inner), *this};
    }

    void leave() noexcept {
        if (flow_.running())
            flow_.suspend();
    }

    ext::flow flow_;
    bool begun_ = false;
};

template <class F, class T, class E>
concept returns_awaitable = std::same_as<std::invoke_result_t<F&>, awaitable<T, E>>;

} // namespace asio_detail
} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE

CONTEXTVARS_ASIO_BEGIN

#if CONTEXTVARS_ASIO_VERSION >= 102300

template <template <class, class> class Associator, class Handler, class E, class Default>
struct associator<Associator, contextvars::asio_detail::handler_on<Handler, E>, Default>
    : Associator<Handler, Default> {
    using bound = contextvars::asio_detail::handler_on<Handler, E>;
    static typename Associator<Handler, Default>::type get(const bound& on) noexcept {
        return Associator<Handler, Default>::get(on.handler);
    }
    static typename Associator<Handler, Default>::type get(const bound& on,
                                                           const Default& otherwise) noexcept {
        return Associator<Handler, Default>::get(on.handler, otherwise);
    }
};

template <class Handler, class E, class Default>
struct associated_executor<contextvars::asio_detail::handler_on<Handler, E>, Default> {
    using type = E;
    using bound = contextvars::asio_detail::handler_on<Handler, E>;
    static E get(const bound& on) noexcept { return on.executor; }
    static E get(const bound& on, const Default&) noexcept { return on.executor; }
};

#endif

// co_spawn(executor, function, token), for functions that return this library's awaitable.
namespace detail {

template <class T, class E>
struct awaitable_signature<contextvars::awaitable<T, E>> : awaitable_signature<awaitable<T, E>> {};

} // namespace detail
CONTEXTVARS_ASIO_END

// The coroutine of Asio's co_spawn, for functions of the program's that return this library's awaitable.
// Entry is void in old releases of Asio, and a type of Asio's own in others.
template <class Entry, class T, class E, class F, class Handler>
    requires contextvars::asio_detail::returns_awaitable<F, T, E>
struct std::coroutine_traits<CONTEXTVARS_ASIO::awaitable<Entry, E>,
                             CONTEXTVARS_ASIO::awaitable<T, E>*, E, F, Handler> {
    using promise_type = contextvars::asio_detail::spawned_promise<Entry, E>;
};
template <class Entry, class T, class E, class F, class Handler,
          template <class, class, class> class State>
    requires contextvars::asio_detail::returns_awaitable<F, T, E>
struct std::coroutine_traits<CONTEXTVARS_ASIO::awaitable<Entry, E>,
                             CONTEXTVARS_ASIO::awaitable<T, E>*, State<Handler, E, F>> {
    using promise_type = contextvars::asio_detail::spawned_promise<Entry, E>;
};

#endif
