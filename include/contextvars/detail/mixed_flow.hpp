// SPDX-License-Identifier: MIT
//
// The flow of a coroutine that another kind of coroutine, which has none, may await.
#ifndef CONTEXTVARS_DETAIL_MIXED_FLOW_HPP
#define CONTEXTVARS_DETAIL_MIXED_FLOW_HPP

#include <contextvars/ext/flow.hpp>

#include <utility>

namespace contextvars::inline v0::detail {

/// Once mixed, it acts in the context of who awaits, as far as that one's scope is known: it begins with a
/// copy of what is current, and leaves there what it has in the end. The scope is a copy whose changes go
/// with its end, as an executor that captures makes for a handler. After a suspension it is another one,
/// which is known by the flow's own bindings in it.
class mixed_flow : public ext::flow {
public:
    using ext::flow::flow;
    explicit mixed_flow(ext::flow&& other) noexcept : ext::flow(std::move(other)) {}

    bool is_mixed() const noexcept { return home_ != never_mixed; }

    /// Precondition: what is current is the context of who awaits, and the flow has a copy of it.
    CONTEXTVARS_EXPORT void begin_mixed() noexcept;
    /// Instead of resume(). What was set in the scope meanwhile is the flow's as well.
    CONTEXTVARS_EXPORT void resume_mixed() noexcept;
    /// Suspends in the scope of who awaits, which then has the flow's bindings, if that is current.
    /// Returns: whether it is.
    CONTEXTVARS_EXPORT bool leave_home() noexcept;
    /// Takes what is current for its own. Precondition: not running.
    CONTEXTVARS_EXPORT void take_over_current() noexcept;
    /// In the scope of a suspension that take_over_current() may end, makes current also what a capture
    /// leaves out: bindings, and that captures are suppressed. Else these would be lost.
    /// Precondition: not running, and nobody else can use the flow yet.
    CONTEXTVARS_EXPORT void show_all() noexcept;

    /// Instead of suspend(), at the end.
    [[gnu::noinline]] void end() noexcept {
        suspend();
        if (is_mixed()) [[unlikely]]
            give_back();
    }

private:
    static constexpr identity_type never_mixed = 1;

    CONTEXTVARS_EXPORT void give_back() noexcept;
    ext::snapshot all() noexcept; // not a capture: also what that leaves out
    void settle(bool has_copy) noexcept;
    bool is_at_home() const noexcept;

    identity_type home_ = never_mixed; // of the scope; 0: it is not known
};

} // namespace contextvars::inline v0::detail

#endif
