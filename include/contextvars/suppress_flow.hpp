// SPDX-License-Identifier: MIT
//
// What must not be carried. suppress_flow() lets nothing of the current context into what is started
// inside its scope: an accept loop, a timer, a connection of a pool. without_context() runs the code of
// its scope in an empty context.
//
//     contextvars::ContextVar<std::string> user{"user"};
//     void start() {
//         auto suppressed = contextvars::suppress_flow();
//         pool.start(contextvars::bind_context(refresh)); // refresh sees no user, whoever called start()
//         log(user.get());                                // here the user is still known
//     }
//
// A single variable can be kept out of all captures: `attributes{.captured = capture_policy::never}`.
#ifndef CONTEXTVARS_SUPPRESS_FLOW_HPP
#define CONTEXTVARS_SUPPRESS_FLOW_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/map.hpp>
#include <contextvars/ext/flow.hpp>

namespace contextvars::inline v0 {

/// The guard that suppress_flow() returns.
class [[nodiscard(
    "captures are suppressed until the guard is destroyed, so it must be kept")]] FlowSuppression {
public:
    FlowSuppression(const FlowSuppression&) = delete;
    FlowSuppression& operator=(const FlowSuppression&) = delete;
    /// Ends the suppression. In another context than that of the guard it does nothing, and the
    /// diagnostics hook is told if the guard's context is entered on this thread, below the current one.
    CONTEXTVARS_EXPORT ~FlowSuppression();

private:
    CONTEXTVARS_EXPORT FlowSuppression();

    detail::identity_type context_;

    friend FlowSuppression suppress_flow();
};

/// Suppresses captures of the current context: until the guard is destroyed, each is empty, whatever
/// makes it: copy_context, bind_context, thread, ext::snapshot, ext::flow, an integration.
/// The suppression belongs to the context. It goes with a coroutine whose context is a flow from thread
/// to thread, so that a guard may be held across a co_await. It does not hold in a context that is
/// entered in the scope, by Context::run or a bound callable: what is given explicitly is carried.
/// get, set and reset are as ever. Guards may be nested.
/// Throws: std::bad_alloc; RuntimeError if 255 guards hold at once.
/// Cost: as a set of a missing variable; the guard's end the same. Captures in other contexts cost
/// nothing more.
/// From: .NET's ExecutionContext.SuppressFlow.
[[nodiscard("captures are suppressed until the guard is destroyed, so it must be kept")]]
inline FlowSuppression suppress_flow() {
    return FlowSuppression();
}

/// Makes an empty context current until the returned guard is destroyed. It is for code that is called
/// at once; `bind_context(Context(), f)` makes a callable that starts empty. Never hold the guard
/// across a co_await.
/// Cost: none.
[[nodiscard("the context is empty until the guard is destroyed, so it must be kept")]]
inline ext::copy_scope without_context() noexcept {
    return ext::copy_scope(ext::snapshot());
}

} // namespace contextvars::inline v0

#endif
