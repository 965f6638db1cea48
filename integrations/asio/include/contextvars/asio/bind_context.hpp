// SPDX-License-Identifier: MIT
//
// bind_context for handlers and completion tokens: `async_x(…, bind_context(handler))` runs the
// handler in a copy of the context that was current at bind_context; `bind_context(token)` does so
// with the handler that any token stands for. The handler's associated executor, allocator and
// cancellation slot stay what they are. (layer C)
#ifndef CONTEXTVARS_ASIO_BIND_CONTEXT_HPP
#define CONTEXTVARS_ASIO_BIND_CONTEXT_HPP

#include <contextvars/asio/config.hpp>
#include <contextvars/bind_context.hpp>

#include CONTEXTVARS_ASIO_HEADER(associated_allocator.hpp)
#include CONTEXTVARS_ASIO_HEADER(associated_executor.hpp)
#include CONTEXTVARS_ASIO_HEADER(async_result.hpp)
#if CONTEXTVARS_ASIO_VERSION >= 102000
#include CONTEXTVARS_ASIO_HEADER(associated_cancellation_slot.hpp)
#include CONTEXTVARS_ASIO_HEADER(associator.hpp)
#endif

#include <type_traits>
#include <utility>

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE::asio_detail {

template <class Initiation>
struct executor_type_of {};
template <class Initiation>
    requires requires { typename Initiation::executor_type; }
struct executor_type_of<Initiation> {
    using executor_type = typename Initiation::executor_type;
};

/// An initiation that binds the handler it is given. It has an executor where the other has.
template <class Initiation>
class bound_initiation : public executor_type_of<Initiation> {
public:
    template <class I>
    bound_initiation(I&& initiation, ext::snapshot captured)
        : initiation_(std::forward<I>(initiation)), captured_(std::move(captured)) {}

    auto get_executor() const noexcept
        requires requires { typename Initiation::executor_type; }
    {
        return initiation_.get_executor();
    }

    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) && {
        std::move(initiation_)(
            Bound<std::decay_t<Handler>>(std::move(captured_), std::forward<Handler>(handler)),
            std::forward<Args>(args)...);
    }
    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) const& {
        initiation_(Bound<std::decay_t<Handler>>(captured_, std::forward<Handler>(handler)),
                    std::forward<Args>(args)...);
    }

private:
    Initiation initiation_;
    ext::snapshot captured_;
};

// What Asio's own classes ask an async_result for: the handler's type where the token is one (its
// checks of handlers), and the result (executor_binder).
template <class Result>
struct bound_handler {};
template <class Result>
    requires requires { typename Result::completion_handler_type; }
struct bound_handler<Result> {
    using completion_handler_type = Bound<typename Result::completion_handler_type>;

    // The older protocol, by which executor_binder of Asio 1.18 asks.
    explicit bound_handler(completion_handler_type& handler) : target_(handler.get()) {}
    auto get() { return target_.get(); }

private:
    Result target_;
};

template <class Result>
struct result_of_token {};
template <class Result>
    requires requires { typename Result::return_type; }
struct result_of_token<Result> {
    using return_type = typename Result::return_type;
};

} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE::asio_detail

CONTEXTVARS_ASIO_BEGIN

template <class Token, class Call, class Signature>
class async_result<contextvars::Bound<Token, Call>, Signature>
    : public contextvars::asio_detail::bound_handler<async_result<Token, Signature>>,
      public contextvars::asio_detail::result_of_token<async_result<Token, Signature>> {
    template <class Initiation>
    using bound_initiation = contextvars::asio_detail::bound_initiation<std::decay_t<Initiation>>;

public:
    using contextvars::asio_detail::bound_handler<async_result<Token, Signature>>::bound_handler;

    // The type is spelled out since Asio asks, of tokens that do not fit an operation, whether this
    // compiles.
    template <class Initiation, class BoundToken, class... Args>
    static auto initiate(Initiation&& initiation, BoundToken&& token, Args&&... args)
        -> decltype(async_initiate<Token, Signature>(std::declval<bound_initiation<Initiation>>(),
                                                     std::declval<Token&>(),
                                                     std::forward<Args>(args)...)) {
        // async_initiate moves from what it is given; who gave an lvalue may use it again.
        Token own(static_cast<std::conditional_t<std::is_lvalue_reference_v<BoundToken>,
                                                 const Token&, Token&&>>(token.get()));
        return async_initiate<Token, Signature>(
            bound_initiation<Initiation>(std::forward<Initiation>(initiation), token.captured()),
            own, std::forward<Args>(args)...);
    }
};

#if CONTEXTVARS_ASIO_VERSION >= 102000

template <template <class, class> class Associator, class F, class Call, class Default>
struct associator<Associator, contextvars::Bound<F, Call>, Default> : Associator<F, Default> {
    static typename Associator<F, Default>::type
    get(const contextvars::Bound<F, Call>& bound) noexcept {
        return Associator<F, Default>::get(bound.get());
    }
    static typename Associator<F, Default>::type get(const contextvars::Bound<F, Call>& bound,
                                                     const Default& otherwise) noexcept {
        return Associator<F, Default>::get(bound.get(), otherwise);
    }
};

#else

template <class F, class Call, class Default>
struct associated_executor<contextvars::Bound<F, Call>, Default> {
    using type = typename associated_executor<F, Default>::type;
    static type get(const contextvars::Bound<F, Call>& bound,
                    const Default& otherwise = Default()) noexcept {
        return associated_executor<F, Default>::get(bound.get(), otherwise);
    }
};

template <class F, class Call, class Default>
struct associated_allocator<contextvars::Bound<F, Call>, Default> {
    using type = typename associated_allocator<F, Default>::type;
    static type get(const contextvars::Bound<F, Call>& bound,
                    const Default& otherwise = Default()) noexcept {
        return associated_allocator<F, Default>::get(bound.get(), otherwise);
    }
};

#endif

CONTEXTVARS_ASIO_END

#endif
