// SPDX-License-Identifier: MIT
//
// How contexts are entered and left. Each entry is a frame. The frames of a thread are a chain, and
// its top says which context is current. A frame lies where its owner does: on the stack for
// Context::run, in the coroutine for a flow.
#ifndef CONTEXTVARS_DETAIL_FRAME_HPP
#define CONTEXTVARS_DETAIL_FRAME_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/capture.hpp>
#include <contextvars/detail/current.hpp>
#include <contextvars/detail/map.hpp>
#include <contextvars/detail/variable.hpp>
#include <contextvars/fwd.hpp>

#include <utility>

namespace contextvars::inline v0 {

namespace detail {

/// The first three members are set before a frame is pushed.
struct frame {
    identity_type identity; ///< the context's identity; 0 until a token needs one
    const Context* context; ///< the Context object that was entered, or nullptr
    map* published;    ///< the map that `context` shows to other threads meanwhile: this thread
                       ///< reads it, but may not change it in place. Of a suspension: the map
                       ///< below, likewise. Of a context that was destroyed meanwhile: its address
                       ///< (see src/current/context.cpp). Of a flow: its own mark. Else nullptr
    frame* previous;   ///< the frame below; nullptr: the thread's base context
    map* previous_map; ///< the map that is current again when this frame is left
};

/// In the place of a published map, says that what is set in the frame does not go with its end.
inline map* flow_mark() noexcept { return reinterpret_cast<map*>(std::uintptr_t{1}); }

/// Tells the diagnostics hook that `frame` is not the one entered last, and terminates.
[[noreturn]] CONTEXTVARS_EXPORT void report_left_out_of_order(const frame& frame) noexcept;
/// The same. But if the process ends, it does nothing and returns: then a guard in static storage
/// may end inside a context that was entered after it, or on another thread.
CONTEXTVARS_EXPORT void leave_out_of_order(const frame& frame) noexcept;

inline void push(frame& frame, map* map) noexcept {
    // volatile: else g++ makes one wide store of the two fields, which reaches the narrow loads in
    // pop() later than two stores do (an empty run takes 4.4 ns instead of 3.0).
    static_cast<detail::frame* volatile&>(frame.previous) = top_frame();
    static_cast<detail::map* volatile&>(frame.previous_map) = current_map();
    set_top_frame(&frame);
    set_current_map(map);
}

/// Returns: the map that was current in the frame last.
[[gnu::always_inline]] inline map* pop(const frame& frame) noexcept {
    if (top_frame() != &frame) [[unlikely]]
        report_left_out_of_order(frame);
    map* last = current_map();
    set_top_frame(frame.previous);
    set_current_map(frame.previous_map);
    return last;
}

/// Leaves `frame`, and puts `next` in its place. The caller has to set the current map.
/// Returns: the map that was current in `frame` last.
inline map* replace(const frame& frame, detail::frame& next) noexcept {
    if (top_frame() != &frame) [[unlikely]]
        report_left_out_of_order(frame);
    next.previous = frame.previous;
    next.previous_map = frame.previous_map;
    set_top_frame(&next);
    return current_map();
}

/// For the scope of a suspension, whose frame is on top, finds the bindings of the flow that is suspended.
/// If these are few and small, the first capture in the scope is given the flow's own map, so that the flow
/// and the operation that it waits for hold one map.
/// Precondition: `own` is the flow's map, and not the empty one; `scope.published` is the map below.
/// Returns: the map that the scope reads.
CONTEXTVARS_EXPORT map* read_suspended(map& own, frame& scope) noexcept;

/// The frame of code that runs in a copy of its own.
class copy_frame {
protected:
    copy_frame() noexcept = default;
    copy_frame(const copy_frame&) = delete;
    copy_frame& operator=(const copy_frame&) = delete;
    ~copy_frame() = default;

    void enter(map* copy) noexcept {
        frame_.identity = 0;
        frame_.context = nullptr;
        frame_.published = nullptr;
        push(frame_, copy);
    }
    /// Returns: the map that the scope had last, for the caller to release.
    map* leave() noexcept { return pop(frame_); }

private:
    frame frame_;
};

/// Enters a Context, and leaves it when the object is destroyed. The Context is an rvalue, so
/// nobody else can use it meanwhile: nothing is shown to other threads, no locked instruction is
/// needed, and sets are in place. The definitions of the members are in context.hpp.
class sole_entry {
public:
    /// Throws: RuntimeError if the context is entered.
    explicit sole_entry(Context& context);
    sole_entry(const sole_entry&) = delete;
    sole_entry& operator=(const sole_entry&) = delete;
    ~sole_entry();

private:
    frame frame_;
};

} // namespace detail
} // namespace contextvars::inline v0

#endif
