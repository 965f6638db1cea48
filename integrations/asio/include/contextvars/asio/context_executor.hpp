// SPDX-License-Identifier: MIT
//
// context_executor<E>: an executor like E, but what is submitted to it runs in a copy of the context
// that is current at that moment. And contextvars::make_strand, for strands whose handlers each
// run in their own context.
//
// When Asio starts an operation, it asks the handler's executor to track outstanding work: the
// executor then returned holds a copy of the context, so that what completes later, from wherever,
// runs in the context of the operation, not of the completer. (layer A)
#ifndef CONTEXTVARS_ASIO_CONTEXT_EXECUTOR_HPP
#define CONTEXTVARS_ASIO_CONTEXT_EXECUTOR_HPP

#include <contextvars/asio/config.hpp>
#include <contextvars/bind_context.hpp>

#include CONTEXTVARS_ASIO_HEADER(any_io_executor.hpp)
#include CONTEXTVARS_ASIO_HEADER(execution.hpp)
#include CONTEXTVARS_ASIO_HEADER(execution_context.hpp)
#include CONTEXTVARS_ASIO_HEADER(io_context.hpp)
#include CONTEXTVARS_ASIO_HEADER(prefer.hpp)
#include CONTEXTVARS_ASIO_HEADER(query.hpp)
#include CONTEXTVARS_ASIO_HEADER(require.hpp)
#include CONTEXTVARS_ASIO_HEADER(strand.hpp)
#include CONTEXTVARS_ASIO_HEADER(thread_pool.hpp)

#include <concepts>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {

template <class E>
class context_executor;

namespace asio_detail {

// any_io_executor asks for prefer_only<tracked_t>, everybody else for tracked_t.
template <class P>
inline constexpr bool asks_for_tracking = false;
template <>
inline constexpr bool asks_for_tracking<net::execution::outstanding_work_t::tracked_t> = true;
template <class P>
inline constexpr bool asks_for_tracking<net::execution::prefer_only<P>> = asks_for_tracking<P>;

template <class E, class F>
void submit(const E& executor, F&& function) {
#if CONTEXTVARS_ASIO_VERSION >= 102600
    executor.execute(std::forward<F>(function));
#else
    // io_context's own execute is private here, unless deprecated parts are left out.
    net::execution::execute(executor, std::forward<F>(function));
#endif
}

/// Of a function that Asio has erased, a move and a call leave nothing to destroy.
template <class F>
inline constexpr bool leaves_nothing = std::is_same_v<F, net::detail::executor_function>;

/// A function that an executor calls once, in what was captured for it: the capture is moved into
/// the call, where Bound would copy it. What was moved from, or called, holds neither of the two:
/// Asio moves it twice, and destroying what is left of an erased function is a call that compilers
/// do not look into.
template <class F>
class once {
public:
    template <class G>
    once(ext::snapshot captured, G&& function)
        : function_(std::forward<G>(function)),
          map_(detail::snapshot_map::take(std::move(captured))) {}
    once(once&& other) noexcept(std::is_nothrow_move_constructible_v<F>)
        : function_(std::move(other.function_)), map_(opaque(other.leave())) {
        other.destroy();
    }
    ~once() {
        if (map_ != nullptr) [[unlikely]] {
            function_.~F();
            detail::pinned_map::adopt(map_);
        }
    }

    void operator()() {
        struct end {
            once& self;
            ~end() { self.destroy(); }
        };
        const end end{*this};
        const ext::copy_scope scope(detail::snapshot_map::adopt(leave()));
        std::move(function_)();
    }

private:
    detail::map* leave() noexcept { return std::exchange(map_, nullptr); }
    void destroy() noexcept {
        if constexpr (!leaves_nothing<F>)
            function_.~F();
    }

    /// Keeps the compiler from merging the moves of the members: it is moved as soon as it is made,
    /// and one wide load just after two narrow stores waits for both to reach the cache.
    static detail::map* opaque(detail::map* map) noexcept {
        __asm__("" : "+r"(map));
        return map;
    }

    union {
        F function_;
    };
    detail::map* map_; ///< nullptr: then there is no function either
};

/// E, with the context of an operation that it works for.
template <class E>
class tracking_executor {
public:
    tracking_executor(E inner, ext::snapshot captured) noexcept
        : inner_(std::move(inner)), captured_(std::move(captured)) {}

    template <class F>
    void execute(F&& function) const {
        asio_detail::submit(inner_, once<std::decay_t<F>>(captured_, std::forward<F>(function)));
    }

    template <class P>
        requires net::can_query<const E&, P>::value
    decltype(auto) query(const P& property) const
        noexcept(net::is_nothrow_query<const E&, P>::value) {
        return net::query(inner_, property);
    }
    template <class P>
        requires net::can_require<const E&, P>::value
    auto require(const P& property) const {
        return with(net::require(inner_, property));
    }
    template <class P>
        requires net::can_prefer<const E&, P>::value
    auto prefer(const P& property) const {
        return with(net::prefer(inner_, property));
    }

    // Two that hold different bindings are not interchangeable, whatever they hold them for.
    friend bool operator==(const tracking_executor& a, const tracking_executor& b) noexcept {
        return a.inner_ == b.inner_ && detail::snapshot_map::same(a.captured_, b.captured_);
    }
    friend bool operator!=(const tracking_executor& a, const tracking_executor& b) noexcept {
        return !(a == b);
    }

private:
    template <class R>
    tracking_executor<std::decay_t<R>> with(R&& inner) const {
        return {std::forward<R>(inner), captured_};
    }

    E inner_;
    ext::snapshot captured_;
};

} // namespace asio_detail

/// Meets Asio's executor requirements wherever E does, and adds no allocation to E's.
/// Threads: as E.
template <class E>
class context_executor {
    static_assert(net::execution::is_executor<E>::value,
                  "context_executor<E>: E is an executor, such as io_context::executor_type");

public:
    using inner_executor_type = E;

    /// Precondition of the default constructor: E has one.
    context_executor() = default;
    /// A template, so that no conversion to E is asked for: an any_io_executor would convert from a
    /// context_executor, if that were an executor, and so on.
    template <std::same_as<E> Inner>
    explicit context_executor(Inner inner) noexcept : inner_(std::move(inner)) {}

    const E& get_inner_executor() const noexcept { return inner_; }

    /// Runs `function` on E in a copy of the context that is current now.
    template <class F>
    void execute(F&& function) const {
        asio_detail::submit(inner_, asio_detail::once<std::decay_t<F>>(ext::snapshot::of_current(),
                                                                       std::forward<F>(function)));
    }

    template <class P>
        requires net::can_query<const E&, P>::value
    decltype(auto) query(const P& property) const
        noexcept(net::is_nothrow_query<const E&, P>::value) {
        return net::query(inner_, property);
    }
    template <class P>
        requires net::can_require<const E&, P>::value
    auto require(const P& property) const {
        return with<P>(net::require(inner_, property));
    }
    template <class P>
        requires net::can_prefer<const E&, P>::value
    auto prefer(const P& property) const {
        return with<P>(net::prefer(inner_, property));
    }

    // Where E has them (strand, io_context's and thread_pool's executors).
    auto context() const noexcept -> decltype(auto)
        requires requires(const E& e) { e.context(); }
    {
        return inner_.context();
    }
    bool running_in_this_thread() const noexcept
        requires requires(const E& e) { e.running_in_this_thread(); }
    {
        return inner_.running_in_this_thread();
    }

    friend bool operator==(const context_executor& a, const context_executor& b) noexcept {
        return a.inner_ == b.inner_;
    }
    friend bool operator!=(const context_executor& a, const context_executor& b) noexcept {
        return !(a == b);
    }

private:
    template <class P, class R>
    static auto with(R&& inner) {
        if constexpr (asio_detail::asks_for_tracking<P>)
            return asio_detail::tracking_executor<std::decay_t<R>>(std::forward<R>(inner),
                                                                   ext::snapshot::of_current());
        else
            return context_executor<std::decay_t<R>>(std::forward<R>(inner));
    }

    E inner_;
};

/// `context_executor(e)` carries contexts on the executor `e`.
template <class E>
context_executor(E) -> context_executor<E>;

/// What `co_await this_coro::executor` yields, by the name that it once had.
using executor = net::any_io_executor;

namespace asio_detail {

/// What contextvars::co_spawn puts under a task: it captures for what Asio starts on the task's behalf,
/// and is known from a context_executor that the program chose. The task sees E.
template <class E>
class carrying_executor : public context_executor<E> {
public:
    using context_executor<E>::context_executor;
};

template <class E>
inline constexpr bool is_context_executor = false;
template <class E>
inline constexpr bool is_context_executor<context_executor<E>> = true;
template <class E>
inline constexpr bool is_context_executor<net::strand<context_executor<E>>> = true;

template <class... E>
struct executor_types {
    template <class T>
    static constexpr bool contain = (std::same_as<T, E> || ...);

    /// Calls f(std::type_identity<E>) for each, until one returns true.
    template <class F>
    static bool any(const F& f) {
        return (f(std::type_identity<E>{}) || ...);
    }
};

/// What an any_io_executor usually holds; or what any other is wrapped in.
using usual_executors =
    executor_types<net::io_context::executor_type, net::thread_pool::executor_type,
                   net::strand<net::io_context::executor_type>,
                   net::strand<net::thread_pool::executor_type>, net::strand<net::any_io_executor>,
                   net::any_io_executor>;

/// Some Asios' target() does not ask for the type.
template <class E>
const E* target(const net::any_io_executor& executor) noexcept {
    return executor.target_type() == typeid(E) ? executor.template target<E>() : nullptr;
}

/// What contextvars::co_spawn puts under a task that is started on `executor`: that itself, if it captures.
/// What it usually holds is wrapped inside; wrapping it whole costs allocations. Throws: bad_executor if
/// there is none.
inline net::any_io_executor carrying(const net::any_io_executor& executor) {
    if (!executor)
        throw net::execution::bad_executor(); // Asio asks it for its properties without a look
    net::any_io_executor made;
    const auto wraps = [&]<class E>(std::type_identity<E>) {
        if (target<context_executor<E>>(executor) || target<carrying_executor<E>>(executor))
            made = executor;
        else if (const E* inner = target<E>(executor))
            made = carrying_executor<E>(*inner);
        return static_cast<bool>(made);
    };
    if (!usual_executors::any(wraps))
        made = carrying_executor<net::any_io_executor>(executor);
    return made;
}

template <class E>
net::any_io_executor carrying(const E& executor) {
    if constexpr (is_context_executor<E>)
        return executor;
    else if constexpr (usual_executors::contain<E>)
        return carrying_executor<E>(executor);
    else
        return carrying_executor<net::any_io_executor>(net::any_io_executor(executor));
}

/// The executor that the task was started on.
inline net::any_io_executor without_carrying(net::any_io_executor executor) {
    const auto unwraps = [&]<class E>(std::type_identity<E>) {
        const auto* const holder = target<carrying_executor<E>>(executor);
        if (holder == nullptr)
            return false;
        executor = net::any_io_executor(E(holder->get_inner_executor()));
        return true;
    };
    usual_executors::any(unwraps);
    return executor;
}

template <class T>
concept is_execution_context = std::derived_from<T, net::execution_context>;

template <class E>
E plain_executor(const E& executor) noexcept {
    return executor;
}
template <class E>
E plain_executor(const context_executor<E>& executor) noexcept {
    return executor.get_inner_executor();
}

template <class E>
using plain_executor_type =
    std::remove_cvref_t<decltype(asio_detail::plain_executor(std::declval<const E&>()))>;

struct make_strand_function {
    template <class E>
        requires net::execution::is_executor<E>::value
    context_executor<net::strand<plain_executor_type<E>>> operator()(const E& executor) const {
        return context_executor(
            net::strand<plain_executor_type<E>>(asio_detail::plain_executor(executor)));
    }
    template <is_execution_context C>
    context_executor<net::strand<typename C::executor_type>> operator()(C& context) const {
        return (*this)(context.get_executor());
    }
};

} // namespace asio_detail

/// make_strand(executor), make_strand(execution_context): an object, which argument-dependent lookup
/// does not find, so that an unqualified make_strand is Asio's where a program says `using`.
/// Returns: a strand on the executor of which every handler runs in the context in which it was
/// submitted, or of its operation. (One invoker of a strand runs many handlers, so the capturing
/// must be around the strand, not under it.)
/// Throws: std::bad_alloc. Cost: as asio::make_strand.
inline constexpr asio_detail::make_strand_function make_strand{};

} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE

// asio::make_strand on a capturing executor: the shape that contextvars::make_strand gives.
CONTEXTVARS_ASIO_BEGIN

template <class E>
class strand<contextvars::context_executor<E>> : public contextvars::context_executor<strand<E>> {
    using base = contextvars::context_executor<strand<E>>;

public:
    using inner_executor_type = contextvars::context_executor<E>;

    explicit strand(const inner_executor_type& executor)
        : base(strand<E>(executor.get_inner_executor())), executor_(executor),
          impl_(base::get_inner_executor().impl_) {}

    /// What is under the strand.
    inner_executor_type get_inner_executor() const noexcept { return executor_; }

    // By these, strands convert to each other.
    inner_executor_type executor_;
    decltype(strand<E>::impl_) impl_;
};

CONTEXTVARS_ASIO_END

#endif
