// SPDX-License-Identifier: MIT
//
// How contexts are entered and left. Each entry is a frame; a thread's frames are a chain, whose
// top says which context is current. Frames lie where their owner does: on the stack for
// Context::run, in the coroutine for a flow.
#ifndef CONTEXTVARS_DETAIL_FRAME_HPP
#define CONTEXTVARS_DETAIL_FRAME_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/current.hpp>
#include <contextvars/detail/map.hpp>
#include <contextvars/detail/variable.hpp>
#include <contextvars/fwd.hpp>

#include <utility>

namespace contextvars::inline v0 {

namespace detail {

/// Who pushes one has set the first three.
struct frame {
    identity_type identity; ///< of the context entered; 0 until a token needs one
    const Context* context; ///< the Context object entered, or nullptr
    map* published;    ///< the map that `context` shows to other threads meanwhile: this thread
                       ///< reads it, but may not change it in place. Of a suspension: the map
                       ///< below, likewise. Of a context that was destroyed meanwhile: its address
                       ///< (see src/current/context.cpp). Else nullptr
    frame* previous;   ///< the frame below; nullptr: the thread's base context
    map* previous_map; ///< what is current again when this frame is left
};

/// Tells the diagnostics hook that `frame` is not the one entered last, and terminates.
[[noreturn]] CONTEXTVARS_EXPORT void report_left_out_of_order(const frame& frame) noexcept;
/// The same, but returns, and does nothing, if the process ends: a guard in static storage ends then
/// inside what was entered after it, or on another thread.
CONTEXTVARS_EXPORT void leave_out_of_order(const frame& frame) noexcept;

inline void push(frame& frame, map* map) noexcept {
    // volatile: else g++ makes one wide store of two fields, which reaches the narrow loads in pop()
    // later than two (an empty run takes 4.4 ns instead of 3.0).
    static_cast<detail::frame* volatile&>(frame.previous) = top_frame();
    static_cast<detail::map* volatile&>(frame.previous_map) = current_map();
    set_top_frame(&frame);
    set_current_map(map);
}

/// Returns: the map that was current in the frame last.
inline map* pop(const frame& frame) noexcept {
    if (top_frame() != &frame) [[unlikely]]
        report_left_out_of_order(frame);
    map* last = current_map();
    set_top_frame(frame.previous);
    set_current_map(frame.previous_map);
    return last;
}

/// Puts `next` in the place of `frame`, which is left; the current map is to be set.
/// Returns: the map that was current in the frame last.
inline map* replace(const frame& frame, detail::frame& next) noexcept {
    if (top_frame() != &frame) [[unlikely]]
        report_left_out_of_order(frame);
    next.previous = frame.previous;
    next.previous_map = frame.previous_map;
    set_top_frame(&next);
    return current_map();
}

/// The frame of something that runs in a copy which is its own.
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

/// Enters, for as long as it lives, a Context that nobody else can use meanwhile, since it is an
/// rvalue: nothing is shown to other threads, so no locked instruction is needed and sets are in
/// place. Its members are in context.hpp.
class sole_entry {
public:
    /// Throws: RuntimeError where the context is entered.
    explicit sole_entry(Context& context);
    sole_entry(const sole_entry&) = delete;
    sole_entry& operator=(const sole_entry&) = delete;
    ~sole_entry();

private:
    frame frame_;
};

/// Takes the bindings of a map, for somebody who will go on without the giver: a clone if the map is
/// small, else a reference. Never fails: without memory for a clone, a reference will do.
CONTEXTVARS_EXPORT map* capture_bindings(map* map) noexcept;
/// Drops a reference. The last destroys the values, whose destructors may call anything here.
/// Precondition: it is not the empty map.
CONTEXTVARS_EXPORT void release_bindings(map* map) noexcept;
/// Takes a reference to the current map, small as it may be: for what is kept while much else runs, and
/// often made many times of one context.
CONTEXTVARS_EXPORT map* share_current_bindings() noexcept;

/// A reference to a map: whoever holds one may read it, and nobody changes it in place.
class pinned_map {
public:
    /// The empty map.
    pinned_map() noexcept : map_(empty_map()) {}
    /// What copy_context() would hold.
    static pinned_map of_current() noexcept { return pinned_map(capture(current_map())); }
    /// The same bindings, in the current map itself.
    static pinned_map shared() noexcept { return pinned_map(share_current_bindings()); }
    /// What `context` holds: as of now on the thread that runs it, else as it was when entered.
    CONTEXTVARS_EXPORT explicit pinned_map(const Context& context) noexcept;

    pinned_map(const pinned_map& other) noexcept : map_(capture(other.map_)) {}
    pinned_map(pinned_map&& other) noexcept : map_(other.take()) {}
    pinned_map& operator=(pinned_map other) noexcept {
        std::swap(map_, other.map_);
        return *this;
    }
    ~pinned_map() {
        if (map_ != empty_map())
            release_bindings(map_);
    }

    map* get() const noexcept { return map_; }
    map* take() noexcept { return std::exchange(map_, empty_map()); }
    static pinned_map adopt(map* map) noexcept { return pinned_map(map); }
    /// Precondition: it holds the empty map.
    void emplace(map* map) noexcept {
        CONTEXTVARS_ASSERT(map_ == empty_map());
        map_ = map;
    }

private:
    explicit pinned_map(map* map) noexcept : map_(map) {}

    static map* capture(map* map) noexcept {
        return map == empty_map() ? map : capture_bindings(map);
    }

    map* map_;
};

} // namespace detail
} // namespace contextvars::inline v0

#endif
