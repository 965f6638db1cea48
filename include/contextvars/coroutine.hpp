// SPDX-License-Identifier: MIT
//
// context_promise<Promise>: a base for the promise of any coroutine type. It gives each coroutine
// one context from its start to its end, whatever it awaits, and on whatever thread it is resumed.
//
//     struct promise_type : contextvars::context_promise<promise_type> {
//         auto initial_suspend() noexcept { return starts(std::suspend_always{}); }
//         auto final_suspend() noexcept { return ends(final_awaiter{}); }
//         auto yield_value(int v) { value = v; return yields(std::suspend_always{}); } // if it yields
//         void unhandled_exception() { const auto guard = rethrows(); throw; }         // if it throws
//         …
//     };
//
// Each coroutine begins with a copy of the context in which it was called. If a caller awaits a
// coroutine, the two should share the caller's context instead, as in Python: then the caller sees
// the values that the coroutine sets. For this, the awaiter of such a type calls
// `callee.promise().join(caller.promise())` in its await_suspend, before it resumes the callee.
//
// carried(awaitable) is for a coroutine whose promise is somebody else's:
//
//     co_await contextvars::carried(reply()); // goes on with the bindings that it has here
//
// For Asio there is contextvars::awaitable in <contextvars/asio.hpp>.
#ifndef CONTEXTVARS_COROUTINE_HPP
#define CONTEXTVARS_COROUTINE_HPP

#include <contextvars/ext/flow.hpp>

#include <coroutine>
#include <exception>
#include <optional>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

template <class Promise>
class context_promise;

namespace detail {

/// Returns: the awaiter that co_await would use for `awaited`. A temporary is moved if it can be:
/// one that an await_transform makes is gone when that returns.
template <class A>
decltype(auto) awaiter_of(A&& awaited) {
    if constexpr (requires { std::forward<A>(awaited).operator co_await(); })
        return std::forward<A>(awaited).operator co_await();
    else if constexpr (requires { operator co_await(std::forward<A>(awaited)); })
        return operator co_await(std::forward<A>(awaited));
    else if constexpr (!std::is_lvalue_reference_v<A> && std::is_move_constructible_v<A>)
        return A(std::forward<A>(awaited));
    else
        return std::forward<A>(awaited);
}

/// The state of a context_promise, hidden from the classes that derive from it.
struct promise_flow {
    std::optional<ext::flow> own{std::in_place};
    ext::flow* flow = &*own;
    bool root = true;

    void resume() noexcept {
        if (!flow->running())
            flow->resume();
    }
    void suspend() noexcept {
        if (flow->running())
            flow->suspend();
    }
};

/// Suspends the flow before the inner awaiter can give the coroutine to other code, and runs the
/// inner await_suspend in a copy of the flow's context.
template <class Awaiter>
class flow_awaiter {
public:
    template <class A>
    flow_awaiter(A&& awaited, promise_flow& state)
        : awaiter_(detail::awaiter_of(std::forward<A>(awaited))), state_(&state) {}
    flow_awaiter(const flow_awaiter&) = delete;
    flow_awaiter& operator=(const flow_awaiter&) = delete;

    decltype(auto) await_ready() { return awaiter_.await_ready(); }

    template <class Promise>
    auto await_suspend(std::coroutine_handle<Promise> coroutine) {
        promise_flow& state = *state_;
        using result = decltype(awaiter_.await_suspend(coroutine));
        try {
            const ext::suspension scope(*state.flow);
            return static_cast<result>(awaiter_.await_suspend(coroutine));
        } catch (...) {
            // The coroutine goes on with the exception, in its own context.
            state.resume();
            throw;
        }
    }

    decltype(auto) await_resume() {
        state_->resume();
        return awaiter_.await_resume();
    }

private:
    Awaiter awaiter_;
    promise_flow* state_;
};

} // namespace detail

/// Gives each coroutine one context from its start to its end: see coroutine.hpp.
/// Threads: one at a time, as the coroutine.
template <class Promise>
class context_promise {
public:
    context_promise() noexcept = default;
    context_promise(const context_promise&) = delete;
    context_promise& operator=(const context_promise&) = delete;

    /// Wraps each awaiter of the coroutine body. If a derived class has an await_transform of its
    /// own, that passes its result through `this->context_promise::await_transform(…)`.
    template <class A>
    auto await_transform(A&& awaited) {
        using awaiter = decltype(detail::awaiter_of(std::forward<A>(awaited)));
        return detail::flow_awaiter<awaiter>(std::forward<A>(awaited), state_);
    }

    /// Shares the caller's context from now on.
    /// Precondition: the coroutine was not resumed yet.
    template <class Caller>
    void join(context_promise<Caller>& caller) noexcept {
        CONTEXTVARS_ASSERT(!state_.own.has_value() || !state_.own->running());
        state_.own.reset();
        state_.flow = caller.state_.flow;
        state_.root = false;
    }

    /// Starts in `flow` instead of a copy of the context of the call.
    /// Precondition: as join().
    void start_in(ext::flow flow) noexcept {
        CONTEXTVARS_ASSERT(!state_.own.has_value() || !state_.own->running());
        state_.own.reset();
        state_.own.emplace(std::move(flow));
        state_.flow = &*state_.own;
        state_.root = true;
    }

protected:
    ~context_promise() = default;

    /// Wraps the awaiter that initial_suspend returns.
    template <class A>
    auto starts(A awaiter) noexcept {
        return start_awaiter<A>{std::move(awaiter), state_};
    }

    /// Wraps the awaiter that yield_value returns: whoever resumed the coroutine has its own context
    /// then, and the coroutine its own again when it goes on.
    template <class A>
    auto yields(A&& awaiter) {
        return await_transform(std::forward<A>(awaiter));
    }

    /// Returns: a guard, for an unhandled_exception that may throw. If it is left by an exception,
    /// whoever resumed the coroutine, and gets that, has its own context.
    [[nodiscard]] auto rethrows() noexcept { return exception_guard{state_}; }

    /// Wraps the awaiter that final_suspend returns, also one that resumes somebody else.
    template <class A>
    auto ends(A awaiter) noexcept {
        return end_awaiter<A>{std::move(awaiter), state_};
    }

private:
    template <class A>
    struct start_awaiter {
        A awaiter;
        detail::promise_flow& state;

        bool await_ready() noexcept { return awaiter.await_ready(); }
        template <class P>
        auto await_suspend(std::coroutine_handle<P> coroutine) noexcept {
            return awaiter.await_suspend(coroutine);
        }
        void await_resume() noexcept {
            state.resume();
            awaiter.await_resume();
        }
    };

    template <class A>
    struct end_awaiter {
        A awaiter;
        detail::promise_flow& state;

        bool await_ready() noexcept {
            // A coroutine that shares its caller's context leaves that current. A coroutine that is
            // its own root gives the thread back here, even if it does not suspend any more.
            if (state.root)
                state.suspend();
            return awaiter.await_ready();
        }
        template <class P>
        auto await_suspend(std::coroutine_handle<P> coroutine) noexcept {
            using result = decltype(awaiter.await_suspend(coroutine));
            if (!state.flow->running())
                return static_cast<result>(awaiter.await_suspend(coroutine));
            // The caller's. It resumes it itself; whoever else goes on has no part in it.
            const ext::suspension scope(*state.flow);
            return static_cast<result>(awaiter.await_suspend(coroutine));
        }
        void await_resume() noexcept { awaiter.await_resume(); }
    };

    class [[nodiscard]] exception_guard {
    public:
        explicit exception_guard(detail::promise_flow& state) noexcept : state_(state) {}
        exception_guard(const exception_guard&) = delete;
        exception_guard& operator=(const exception_guard&) = delete;
        ~exception_guard() {
            if (std::uncaught_exceptions() != before_)
                state_.suspend();
        }

    private:
        detail::promise_flow& state_;
        int before_ = std::uncaught_exceptions();
    };

    detail::promise_flow state_;

    template <class>
    friend class context_promise;
};

namespace detail {

/// Resumes `coroutine` in a scope of what was captured. If the coroutine that this resumes is resumed
/// by it again meanwhile on this thread, it is resumed after that: so a loop in which everything
/// completes at once needs no stack.
CONTEXTVARS_EXPORT void resume_carried(std::coroutine_handle<> coroutine, ext::snapshot captured);

/// In the place of the coroutine's frame, what it awaits is given this one, which resumes the coroutine
/// by resume_carried(). It begins as the frame of a coroutine does, for all compilers that this library
/// is for, and is in the awaiter.
struct carried_frame {
    void (*resume)(carried_frame*) = [](carried_frame* self) {
        self->resumed = true;
        resume_carried(self->coroutine, std::move(self->captured));
    };
    void (*destroy)(carried_frame*) = [](carried_frame* self) { self->coroutine.destroy(); };
    std::coroutine_handle<> coroutine;
    ext::snapshot captured;
    bool resumed = false;

    std::coroutine_handle<> handle() noexcept {
        return std::coroutine_handle<>::from_address(this);
    }
};

template <class Awaiter>
class carried_awaiter {
public:
    template <class A>
    carried_awaiter(A&& awaited, ext::snapshot captured)
        : awaiter_(detail::awaiter_of(std::forward<A>(awaited))) {
        frame_.captured = std::move(captured);
    }
    carried_awaiter(const carried_awaiter&) = delete;
    carried_awaiter& operator=(const carried_awaiter&) = delete;

    bool await_ready() { return static_cast<bool>(awaiter_.await_ready()); }

    auto await_suspend(std::coroutine_handle<> coroutine) {
        static_assert(
            requires { awaiter_.await_suspend(coroutine); },
            "carried(awaitable): what takes a handle of a certain promise only cannot be "
            "carried; await it in a coroutine whose promise is a context_promise");
        frame_.coroutine = coroutine;
        return awaiter_.await_suspend(frame_.handle());
    }

    decltype(auto) await_resume() {
        if (!frame_.resumed && !snapshot_map::same(frame_.captured, ext::snapshot::of_current()))
            snapshot_map::make_current(std::move(frame_.captured));
        return awaiter_.await_resume();
    }

private:
    Awaiter awaiter_;
    carried_frame frame_;
};

template <class A>
class carried_awaitable {
public:
    explicit carried_awaitable(A&& awaited) : awaited_(std::forward<A>(awaited)) {}

    // Not for rvalues alone: QCoro takes what an lvalue has for an awaitable, and nothing else.
    auto operator co_await() {
        using awaiter = decltype(detail::awaiter_of(std::forward<A>(awaited_)));
        return carried_awaiter<awaiter>(std::forward<A>(awaited_), std::move(captured_));
    }

private:
    A awaited_;
    ext::snapshot captured_ = snapshot_map::all_of_current();
};

} // namespace detail

/// co_await carried(awaitable), in a coroutine whose promise is not this library's: it goes on with the
/// bindings that were current at this call, whoever resumes it on whatever thread, also if the awaitable
/// completes at once, fails, or is done before its await_suspend has returned. Whoever resumes it has
/// its own context again when the coroutine suspends or ends. Between two of them, what it sets is its
/// own; before the first, and after it awaits anything else, it acts in its resumer's context.
/// Precondition: what is awaited takes a std::coroutine_handle<>.
/// Throws: what awaiting it does. Cost: as copy_context(), and two calls by a pointer.
template <class A>
auto carried(A&& awaitable) {
    return detail::carried_awaitable<A>(std::forward<A>(awaitable));
}

} // namespace contextvars::inline v0

#endif
