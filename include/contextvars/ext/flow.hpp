// SPDX-License-Identifier: MIT
//
// For authors of frameworks. A flow is the logical context of something that is suspended and
// resumed, on any thread: a coroutine, a fiber, a state machine. Everything that this library does
// for Asio and for other coroutine types is made of flows.
//
//     flow flow;              // captures the current context's bindings
//     flow.resume();          // makes it current, on any thread
//     …                       // get, set, reset act on it
//     flow.suspend();         // the thread has its own context back; the flow keeps its values
//
// Tokens and guards that are made between resume and suspend are good again after the next resume.
#ifndef CONTEXTVARS_EXT_FLOW_HPP
#define CONTEXTVARS_EXT_FLOW_HPP

#include <contextvars/context.hpp>
#include <contextvars/detail/frame.hpp>

#include <utility>

namespace contextvars::inline v0 {

namespace detail {
struct snapshot_map;
}

namespace ext {

/// A captured context, from which flows start. A copy is O(1). An empty context is captured like
/// any other.
class snapshot {
public:
    /// Holds no bindings.
    snapshot() noexcept = default;
    /// Returns: the current context's bindings. Cost: as copy_context().
    static snapshot of_current() noexcept { return snapshot(detail::pinned_map::of_current()); }
    /// Returns: the same bindings, but clones nothing; instead, the next set in the current context
    /// clones. It is for snapshots that are kept while much else runs, and often made many times of
    /// one context.
    static snapshot shared() noexcept { return snapshot(detail::pinned_map::shared()); }
    /// Holds the bindings of `context`. If another thread runs it, these are the bindings at its
    /// entry.
    explicit snapshot(const Context& context) noexcept
        : bindings_(detail::pinned_map::copy_of(context)) {}

private:
    explicit snapshot(detail::pinned_map bindings) noexcept : bindings_(std::move(bindings)) {}

    detail::pinned_map bindings_;

    friend class flow;
    friend class copy_scope;
    friend struct detail::snapshot_map;
};

/// One logical context. It is not copyable, and not movable while it runs.
/// Threads: one at a time; resume on one thread must happen after suspend on another.
class flow {
public:
    /// Starts with a copy of the current context. Cost: as copy_context().
    flow() noexcept : flow(snapshot::of_current()) {}
    /// Starts with a copy of the captured context.
    explicit flow(snapshot captured) noexcept { frame_.previous_map = captured.bindings_.take(); }

    /// Runs in `context` itself. Values that the flow sets are stored there at each suspension. The
    /// context is reserved for the flow.
    /// Precondition: the context outlives the flow.
    /// Throws: RuntimeError if the context is entered or reserved.
    CONTEXTVARS_EXPORT explicit flow(Context& context);

    /// Precondition: other is not running.
    flow(flow&& other) noexcept : frame_(other.frame_) {
        CONTEXTVARS_ASSERT(!other.running());
        other.frame_.previous_map = detail::empty_map();
        other.frame_.identity = 0; // tokens go with the move, as those of a Context do
        if (frame_.context != nullptr) [[unlikely]]
            take_reservation(other);
    }
    flow& operator=(flow&&) = delete;

    /// A flow that runs is suspended first. If this thread made something else current since, the
    /// diagnostics hook is told and the program terminated, unless the process ends.
    ~flow() {
        if (frame_.context != nullptr || running()) [[unlikely]]
            end();
        detail::pinned_map::adopt(map());
    }

    /// Makes the flow's context current on this thread.
    /// Precondition: the flow is not running.
    // Inline also if a compiler finds a coroutine large enough: a hop is made of these.
    [[gnu::always_inline]] void resume() noexcept {
        CONTEXTVARS_ASSERT(!running());
        if (frame_.context == nullptr) [[likely]]
            detail::push(frame_, map());
        else
            resume_reserved();
    }

    /// Gives the thread back the context that it had at resume(). If a context was entered since
    /// and not left (a guard of Context::enter is held across a suspension), the diagnostics hook
    /// is told and the program terminated.
    /// Precondition: the flow runs on this thread.
    void suspend() noexcept {
        detail::map* last = detail::pop(frame_);
        keep(last);
        if (frame_.context != nullptr) [[unlikely]]
            suspend_reserved(last);
    }

    bool running() const noexcept { return frame_.previous != not_running(); }

    /// Precondition: the flow is not running.
    /// Returns: a copy of the flow's bindings.
    snapshot copy() const noexcept {
        CONTEXTVARS_ASSERT(!running());
        return frame_.context == nullptr ? snapshot(detail::pinned_map::copy_of(map()))
                                         : copy_reserved();
    }

private:
    // While the flow is suspended, nothing is below its frame. In the place of what was, there are the
    // mark that says so, and the flow's map; with a reserved Context, the empty one.
    static detail::frame* not_running() noexcept {
        return reinterpret_cast<detail::frame*>(std::uintptr_t{1});
    }
    detail::map* map() const noexcept { return frame_.previous_map; }
    void keep(detail::map* map) noexcept {
        frame_.previous = not_running();
        frame_.previous_map = map;
    }

    std::uint64_t state_of_reserved() const noexcept;
    CONTEXTVARS_EXPORT void take_reservation(flow& other) noexcept;
    CONTEXTVARS_EXPORT void end() noexcept;
    CONTEXTVARS_EXPORT void resume_reserved() noexcept;
    CONTEXTVARS_EXPORT void suspend_reserved(detail::map* last) noexcept;
    CONTEXTVARS_EXPORT snapshot copy_reserved() const noexcept;
    // Its context: the one reserved for the flow, or nullptr.
    detail::frame frame_{0, nullptr, detail::flow_mark(), not_running(), detail::empty_map()};

    friend class suspension;
};

/// Resumes a flow, and suspends it when the scope ends.
class flow_scope {
public:
    explicit flow_scope(flow& flow) noexcept : flow_(flow) { flow_.resume(); }
    flow_scope(const flow_scope&) = delete;
    flow_scope& operator=(const flow_scope&) = delete;
    ~flow_scope() { flow_.suspend(); }

private:
    flow& flow_;
};

/// Suspends a flow. Until the scope ends, the thread runs with the flow's bindings. It is for code
/// that may give the flow to another thread and goes on itself, such as the initiation of an
/// operation. Values that are set in the scope are seen by nobody else.
/// Precondition: the flow runs on this thread. The scope does not use it after the constructor.
class suspension {
public:
    [[gnu::always_inline]] explicit suspension(flow& flow) noexcept {
        CONTEXTVARS_ASSERT(flow.running());
        detail::map* last = detail::replace(flow.frame_, frame_);
        flow.keep(last);
        if (flow.frame_.context != nullptr) [[unlikely]] {
            suspend_reserved(flow, last);
            return;
        }
        frame_.published = frame_.previous_map;
        if (last != detail::empty_map())
            last = detail::read_suspended(*last, frame_);
        detail::set_current_map(last);
    }
    suspension(const suspension&) = delete;
    suspension& operator=(const suspension&) = delete;
    [[gnu::always_inline]] ~suspension() {
        if (detail::map* last = detail::pop(frame_); last != frame_.published) [[unlikely]]
            detail::pinned_map::adopt(last);
    }

private:
    CONTEXTVARS_EXPORT void suspend_reserved(flow& flow, detail::map* last) noexcept;

    detail::frame frame_{};
};

/// Makes the captured context current until the scope ends.
class copy_scope : detail::copy_frame {
public:
    explicit copy_scope(snapshot captured) noexcept { enter(captured.bindings_.take()); }
    ~copy_scope() { detail::pinned_map::adopt(leave()); }
};

} // namespace ext

namespace detail {

/// The library's own way between a snapshot and its map.
struct snapshot_map {
    static const map* get(const ext::snapshot& captured) noexcept {
        return captured.bindings_.get();
    }
    /// Whether both have the same bindings, as far as copies show it.
    static bool same(const ext::snapshot& a, const ext::snapshot& b) noexcept {
        return get(a) == get(b) || same_edition(get(a)->writer, get(b)->writer);
    }
    static bool holds_current(const ext::snapshot& captured) noexcept {
        const map* const current = current_map();
        return get(captured) == current || same_edition(get(captured)->writer, current->writer);
    }
    /// Makes the bindings of what is current those that were captured.
    static void make_current(ext::snapshot captured) noexcept {
        const frame* const top = top_frame();
        map* const before = current_map();
        map* const made = take(std::move(captured));
        set_current_map(made);
        // A published map is not the frame's: its reference is another's, and it has none of its own.
        if (top != nullptr && made == top->published)
            adopt(made);
        if (top == nullptr || before != top->published)
            adopt(before);
    }
    /// Returns: the current bindings, all of them, for a coroutine that goes on with them.
    static ext::snapshot all_of_current() noexcept { return adopt(take_over_current_bindings()); }
    static map* take(ext::snapshot captured) noexcept { return captured.bindings_.take(); }
    static ext::snapshot adopt(map* map) noexcept { return ext::snapshot(pinned_map::adopt(map)); }
};

} // namespace detail
} // namespace contextvars::inline v0

#endif
