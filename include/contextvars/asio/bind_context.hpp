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

/// An initiation that binds the handler it is given.
template <class Initiation>
struct bound_initiation {
    Initiation initiation;
    ext::snapshot captured;

    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) && {
        std::move(initiation)(
            Bound<std::decay_t<Handler>>(std::move(captured), std::forward<Handler>(handler)),
            std::forward<Args>(args)...);
    }
    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) const& {
        initiation(Bound<std::decay_t<Handler>>(captured, std::forward<Handler>(handler)),
                   std::forward<Args>(args)...);
    }
};

template <class Initiation>
    requires requires { typename Initiation::executor_type; }
struct bound_initiation<Initiation> {
    using executor_type = typename Initiation::executor_type;
    executor_type get_executor() const noexcept { return initiation.get_executor(); }

    Initiation initiation;
    ext::snapshot captured;

    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) && {
        std::move(initiation)(
            Bound<std::decay_t<Handler>>(std::move(captured), std::forward<Handler>(handler)),
            std::forward<Args>(args)...);
    }
    template <class Handler, class... Args>
    void operator()(Handler&& handler, Args&&... args) const& {
        initiation(Bound<std::decay_t<Handler>>(captured, std::forward<Handler>(handler)),
                   std::forward<Args>(args)...);
    }
};

} // namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE::asio_detail

CONTEXTVARS_ASIO_BEGIN

template <class Token, class Signature>
class async_result<contextvars::Bound<Token>, Signature> {
public:
    template <class Initiation, class BoundToken, class... Args>
    static decltype(auto) initiate(Initiation&& initiation, BoundToken&& token, Args&&... args) {
        // const where the token is.
        using inner_token = std::remove_reference_t<decltype(token.get())>;
        return async_initiate<inner_token, Signature>(
            contextvars::asio_detail::bound_initiation<std::decay_t<Initiation>>{
                std::forward<Initiation>(initiation), token.captured()},
            token.get(), std::forward<Args>(args)...);
    }
};

#if CONTEXTVARS_ASIO_VERSION >= 102000

template <template <class, class> class Associator, class F, class Default>
struct associator<Associator, contextvars::Bound<F>, Default> : Associator<F, Default> {
    static typename Associator<F, Default>::type get(const contextvars::Bound<F>& bound) noexcept {
        return Associator<F, Default>::get(bound.get());
    }
    static typename Associator<F, Default>::type get(const contextvars::Bound<F>& bound,
                                                     const Default& otherwise) noexcept {
        return Associator<F, Default>::get(bound.get(), otherwise);
    }
};

#else

template <class F, class Default>
struct associated_executor<contextvars::Bound<F>, Default> {
    using type = typename associated_executor<F, Default>::type;
    static type get(const contextvars::Bound<F>& bound,
                    const Default& otherwise = Default()) noexcept {
        return associated_executor<F, Default>::get(bound.get(), otherwise);
    }
};

template <class F, class Default>
struct associated_allocator<contextvars::Bound<F>, Default> {
    using type = typename associated_allocator<F, Default>::type;
    static type get(const contextvars::Bound<F>& bound,
                    const Default& otherwise = Default()) noexcept {
        return associated_allocator<F, Default>::get(bound.get(), otherwise);
    }
};

#endif

CONTEXTVARS_ASIO_END

#endif
