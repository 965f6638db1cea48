// SPDX-License-Identifier: MIT
//
// context_promise<Promise>: a base for the promise of any coroutine type, which gives its coroutines
// one context from their start to their end, whatever they await and whoever resumes them.
//
//     struct promise_type : contextvars::context_promise<promise_type> {
//         auto initial_suspend() noexcept { return starts(std::suspend_always{}); }
//         auto final_suspend() noexcept { return ends(final_awaiter{}); }
//         …
//     };
//
// Each coroutine begins with a copy of the context in which it was called. A coroutine that a
// caller awaits should share the caller's instead, as in Python, so that the caller sees what it
// sets: the awaiter of such a type calls `callee.promise().join(caller.promise())` in its
// await_suspend, before it resumes the callee.
//
// For Asio there is contextvars::awaitable in <contextvars/asio.hpp>.
#ifndef CONTEXTVARS_COROUTINE_HPP
#define CONTEXTVARS_COROUTINE_HPP

#include <contextvars/ext/flow.hpp>

#include <coroutine>
#include <optional>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

template <class Promise>
class context_promise;

namespace detail {

/// The awaiter that co_await would use for `awaited`. A temporary is moved if it can be: what an
/// await_transform makes is gone when that returns.
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

/// What a context_promise hides of itself from those who derive from it.
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

/// Suspends the flow before the inner awaiter can give the coroutine to anybody else, and runs the
/// inner await_suspend in a copy of its context.
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

/// Threads: as the coroutine: one at a time.
template <class Promise>
class context_promise {
public:
    context_promise() noexcept = default;
    context_promise(const context_promise&) = delete;
    context_promise& operator=(const context_promise&) = delete;

    /// Wraps each awaiter of the coroutine body. A derived class with an await_transform of its own
    /// passes its result through `this->context_promise::await_transform(…)`.
    template <class A>
    auto await_transform(A&& awaited) {
        using awaiter = decltype(detail::awaiter_of(std::forward<A>(awaited)));
        return detail::flow_awaiter<awaiter>(std::forward<A>(awaited), state_);
    }

    /// Shares the caller's context from now on. Precondition: the coroutine was not resumed yet.
    template <class Caller>
    void join(context_promise<Caller>& caller) noexcept {
        CONTEXTVARS_ASSERT(!state_.own.has_value() || !state_.own->running());
        state_.own.reset();
        state_.flow = caller.state_.flow;
        state_.root = false;
    }

    /// Starts in `flow` instead of a copy of the context of the call. Precondition: as join().
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

    /// Wraps the awaiter that final_suspend returns.
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
            // What ends in its caller's context goes on in it; a coroutine that is its own root
            // gives the thread back here, also where it does not suspend any more.
            if (state.root)
                state.suspend();
            return awaiter.await_ready();
        }
        template <class P>
        auto await_suspend(std::coroutine_handle<P> coroutine) noexcept {
            return awaiter.await_suspend(coroutine);
        }
        void await_resume() noexcept { awaiter.await_resume(); }
    };

    detail::promise_flow state_;

    template <class>
    friend class context_promise;
};

} // namespace contextvars::inline v0

#endif
