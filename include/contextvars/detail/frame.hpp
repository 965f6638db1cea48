// SPDX-License-Identifier: MIT
//
// How contexts are entered and left. Each entry is a frame; a thread's frames are a chain, whose
// top says which context is current. Frames lie where their owner does: on the stack for
// Context::run, in the coroutine for a flow.
#ifndef CONTEXTVARS_DETAIL_FRAME_HPP
#define CONTEXTVARS_DETAIL_FRAME_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/map.hpp>
#include <contextvars/detail/variable.hpp>

#include <utility>

namespace contextvars::inline v0 {

class Context;

namespace detail {

struct frame {
    frame* previous = nullptr;        ///< the frame below; nullptr: the thread's base context
    map* previous_map = nullptr;      ///< what is current again when this frame is left
    identity_type identity = 0;       ///< of the context entered; 0 until a token needs one
    const Context* context = nullptr; ///< the Context object entered, or nullptr
    map* published = nullptr;         ///< the map that `context` shows to other threads meanwhile:
                                      ///< this thread reads it, but may not change it in place
};

/// Enters a Context for as long as it lives.
class entry {
public:
    /// Throws: RuntimeError where the context is entered.
    CONTEXTVARS_EXPORT explicit entry(Context& context);
    entry(const entry&) = delete;
    entry& operator=(const entry&) = delete;
    /// Terminates where this is not the frame entered last on this thread.
    CONTEXTVARS_EXPORT ~entry();

private:
    frame frame_;
};

/// A reference to a map: whoever holds one may read it, and nobody changes it in place.
class pinned_map {
public:
    /// What copy_context() would hold.
    CONTEXTVARS_EXPORT static pinned_map of_current() noexcept;
    /// What `context` holds: as of now on the thread that runs it, else as it was when entered.
    CONTEXTVARS_EXPORT explicit pinned_map(const Context& context) noexcept;
    pinned_map() noexcept : pinned_map(empty()) {}
    pinned_map(const pinned_map& other) noexcept : pinned_map(share(other.map_)) {}
    pinned_map(pinned_map&& other) noexcept : map_(std::exchange(other.map_, empty())) {}
    pinned_map& operator=(pinned_map other) noexcept {
        std::swap(map_, other.map_);
        return *this;
    }
    ~pinned_map() { release(map_); }

    map* get() const noexcept { return map_; }
    map* take() noexcept { return std::exchange(map_, empty()); }
    static pinned_map adopt(map* map) noexcept { return pinned_map(map); }

private:
    explicit pinned_map(map* map) noexcept : map_(map) {}

    CONTEXTVARS_EXPORT static map* empty() noexcept;
    CONTEXTVARS_EXPORT static map* share(map* map) noexcept;
    CONTEXTVARS_EXPORT static void release(map* map) noexcept;

    map* map_;
};

} // namespace detail
} // namespace contextvars::inline v0

#endif
