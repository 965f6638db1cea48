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
#include <contextvars/ext/flow.hpp>

#include CONTEXTVARS_ASIO_HEADER(any_io_executor.hpp)
#include CONTEXTVARS_ASIO_HEADER(async_result.hpp)
#include CONTEXTVARS_ASIO_HEADER(awaitable.hpp)
#include CONTEXTVARS_ASIO_HEADER(bind_executor.hpp)
#include CONTEXTVARS_ASIO_HEADER(co_spawn.hpp)
#include CONTEXTVARS_ASIO_HEADER(this_coro.hpp)
#include CONTEXTVARS_ASIO_HEADER(use_awaitable.hpp)

#include <concepts>
#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {

template <class T = void>
class awaitable;

namespace asio_detail {

template <class T>
class awaitable_promise;

template <class T>
using asio_awaitable = net::awaitable<T, net::any_io_executor>;
template <class T>
using asio_frame = net::detail::awaitable_frame<T, net::any_io_executor>;
using asio_frame_base = net::detail::awaitable_frame_base<net::any_io_executor>;
using asio_thread = net::detail::awaitable_thread<net::any_io_executor>;

/// Names this library's specialisations of Asio's frames, which Asio's classes have as friends.
struct frame_access;

struct spawn_access;

} // namespace asio_detail
} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE

CONTEXTVARS_ASIO_BEGIN
namespace detail {

template <>
class awaitable_frame_base<contextvars::asio_detail::frame_access> {
public:
    /// The frame to resume next; nullptr once the stack has gone to another handler.
    template <class Thread>
    static contextvars::asio_detail::asio_frame_base* top(Thread& stack) noexcept {
        if constexpr (requires { stack.entry_point(); }) {
            auto* entry_point = stack.entry_point();
            return entry_point != nullptr ? entry_point->top_of_stack_ : nullptr;
        } else {
            return stack.top_of_stack_;
        }
    }
};

template <>
class awaitable_frame<contextvars::asio_detail::frame_access,
                      contextvars::asio_detail::frame_access> {
public:
    template <class T>
    static contextvars::asio_detail::asio_frame<T>*
    frame_of(const contextvars::asio_detail::asio_awaitable<T>& awaitable) noexcept {
        return awaitable.frame_;
    }
};

} // namespace detail
CONTEXTVARS_ASIO_END

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {

/// A coroutine's return type, for `co_await`, Asio's co_spawn and this library's.
template <class T>
class [[nodiscard]] awaitable : public asio_detail::asio_awaitable<T> {
public:
    using promise_type = asio_detail::awaitable_promise<T>;

    constexpr awaitable() noexcept = default;
    awaitable(awaitable&&) noexcept = default;
    awaitable& operator=(awaitable&&) noexcept = default; // where Asio's has it: 1.20

private:
    explicit awaitable(asio_detail::asio_awaitable<T>&& base) noexcept
        : asio_detail::asio_awaitable<T>(std::move(base)) {}

    promise_type& promise() const noexcept {
        using access =
            net::detail::awaitable_frame<asio_detail::frame_access, asio_detail::frame_access>;
        return static_cast<promise_type&>(*access::template frame_of<T>(*this));
    }

    friend promise_type;
    template <class>
    friend class asio_detail::awaitable_promise;
    friend struct asio_detail::spawn_access;
};

namespace asio_detail {

/// What an exception is to a handler that no longer is on the stack: Asio's run() rethrows it.
inline void rethrow_from_run() noexcept {
    auto* thread_info = []<class Thread>(std::type_identity<Thread>) {
        if constexpr (requires { Thread::top_of_thread_call_stack(); })
            return Thread::top_of_thread_call_stack();
        else
            return Thread::thread_call_stack::top();
    }(std::type_identity<net::detail::thread_context>{});
    if (thread_info == nullptr)
        std::terminate();
    thread_info->capture_current_exception();
}

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
            using usual_executor = context_executor<net::io_context::executor_type>;
            const net::any_io_executor executor = token.get_executor();
            if (executor.target_type() == typeid(usual_executor))
                return std::move(operation)(net::bind_executor(
                    *executor.template target<usual_executor>(), std::forward<Token>(token)));
        }
        return std::move(operation)(std::forward<Token>(token));
    }
};

template <class T>
class awaitable_promise : public asio_frame<T> {
    static_assert(std::is_void_v<T> || std::is_object_v<T> || std::is_lvalue_reference_v<T>,
                  "awaitable<T>: T is void, an object type or an lvalue reference");

    using base = asio_frame<T>;

public:
    /// A root until an awaitable of this library awaits it.
    awaitable_promise() noexcept : own_flow_(std::in_place), flow_(&*own_flow_) {}

    awaitable<T> get_return_object() noexcept {
        asio_awaitable<T> made = base::get_return_object();
        this->coro_ = std::coroutine_handle<awaitable_promise>::from_promise(*this);
        return awaitable<T>(std::move(made));
    }

    auto initial_suspend() noexcept {
        struct awaiter {
            awaitable_promise& self;

            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<>) const noexcept {}
            void await_resume() const noexcept { self.resume_flow(); }
        };
        return awaiter{*this};
    }

    auto final_suspend() noexcept {
        struct awaiter {
            awaitable_promise& self;

            bool await_ready() const noexcept { return false; }
            void await_suspend(std::coroutine_handle<>) const noexcept {
                if (self.own_flow_.has_value())
                    self.own_flow_->suspend();
                self.pop_frame();
            }
            void await_resume() const noexcept {}
        };
        return awaiter{*this};
    }

    template <class U>
    auto await_transform(awaitable<U> callee) {
        awaitable_promise<U>& promise = callee.promise();
        return nested_awaiter<U>{base::await_transform(std::move(callee)), promise, *this};
    }

    template <class U>
    [[gnu::always_inline]] auto await_transform(asio_awaitable<U> other) {
        return asio_awaiter<U>{base::await_transform(std::move(other)), *this};
    }

    auto await_transform(net::this_coro::executor_t) noexcept {
        struct awaiter {
            awaitable_promise& self;

            bool await_ready() const noexcept { return true; }
            void await_suspend(std::coroutine_handle<>) const noexcept {}
            executor await_resume() const noexcept {
                return executor(self.attached_thread_->get_executor());
            }
        };
        return awaiter{*this};
    }

    /// The rest of this_coro, which suspends nothing; and operations.
    template <class Awaited>
    auto await_transform(Awaited&& awaited) {
        static_assert(!std::invocable<Awaited&, asio_frame_base*>,
                      "an awaitable of this library awaits awaitables and operations of Asio; to "
                      "await anything else, make it an operation with async_initiate");
#if CONTEXTVARS_ASIO_VERSION >= 102300
        if constexpr (net::is_async_operation<Awaited>::value)
            return operation_awaiter<std::decay_t<Awaited>>(std::forward<Awaited>(awaited), *this);
        else
#endif
            return base::await_transform(std::forward<Awaited>(awaited));
    }

    /// Starts the root in `flow` instead of a copy of the context in which it was made.
    void start_in(ext::flow flow) noexcept {
        own_flow_.reset();
        own_flow_.emplace(std::move(flow));
    }

private:
    void resume_flow() noexcept {
        if (!flow_->running()) [[likely]]
            flow_->resume();
    }

    /// The caller's part of Asio's push_frame.
    template <class U>
    void push(asio_awaitable<U>& callee) noexcept {
        callee.await_suspend(std::coroutine_handle<base>::from_promise(*this));
    }

    template <class U>
    struct nested_awaiter {
        asio_awaitable<U> callee;
        awaitable_promise<U>& promise;
        awaitable_promise& self;

        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<>) noexcept {
            promise.own_flow_.reset();
            promise.flow_ = self.flow_;
            self.push(callee);
        }
        U await_resume() {
            self.resume_flow();
            return callee.await_resume();
        }
    };

    template <class U>
    struct asio_awaiter {
        asio_awaitable<U> other;
        awaitable_promise& self;

        bool await_ready() const noexcept { return false; }

        // Returns: whether it suspends. Then another thread may have resumed this coroutine, or
        // destroyed it: from the first resume() on, nothing of it is touched but its address.
        bool await_suspend(std::coroutine_handle<>) noexcept {
            using access = net::detail::awaitable_frame_base<frame_access>;
            asio_thread& stack = *self.attached_thread_;
            const asio_frame_base* const caller = &self;
            self.push(other);
            const ext::suspension scope(*self.flow_);
            for (asio_frame_base* top = access::top(stack);;) {
                try {
                    top->resume();
                } catch (...) {
                    // Thrown by an initiation; with it went the handler that had the coroutine.
                    rethrow_from_run();
                }
                top = access::top(stack);
                if (top == nullptr || top == caller) [[likely]]
                    return top == nullptr;
            }
        }

        U await_resume() {
            self.resume_flow();
            return other.await_resume();
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

    std::optional<ext::flow> own_flow_;
    ext::flow* flow_;

    template <class>
    friend class awaitable_promise;
};

} // namespace asio_detail
} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE

// co_spawn(executor, function, token), for functions that return this library's awaitable.
CONTEXTVARS_ASIO_BEGIN
namespace detail {

template <class T>
struct awaitable_signature<contextvars::awaitable<T>>
    : awaitable_signature<contextvars::asio_detail::asio_awaitable<T>> {};

} // namespace detail
CONTEXTVARS_ASIO_END

#endif
