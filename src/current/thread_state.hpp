// SPDX-License-Identifier: MIT
//
// The part of the library that each thread has. All of thread_local lives in thread_state.cpp.
#ifndef CONTEXTVARS_SRC_CURRENT_THREAD_STATE_HPP
#define CONTEXTVARS_SRC_CURRENT_THREAD_STATE_HPP

#include "storage/thread_storage.hpp"

#include <contextvars/detail/current.hpp>
#include <contextvars/detail/frame.hpp>

#include <cstddef>
#include <cstdint>
#include <new>

namespace contextvars::inline v0::detail {

class carrier;
class guards_in_base;

struct thread_state : thread_storage {
    frame base{};
    identity_type next_identity = 0;
    identity_type end_of_identities = 0;
    map* clean = empty_map(); ///< a clone in which nothing was set (see capture.cpp)
    map_writer last_shared =
        map_writer::nobody();    ///< edition of the map that was captured last, and shared
    bool prints_value = false;   ///< see print.hpp
    carrier* carrying = nullptr; ///< see carried.cpp
    void* comparing = nullptr;   ///< the comparison of contexts that is going on (see compare.cpp)
    guards_in_base* guards = nullptr; ///< see event_loops.cpp
};

/// This thread's, or nullptr until the thread first needs it.
inline thread_state* this_thread_state() noexcept {
    return static_cast<thread_state*>(this_thread_storage);
}

/// Makes it; returns nullptr if that fails.
thread_state* try_this_thread() noexcept;

/// As top_frame(), but returns the base context's frame if there is no other. Throws:
/// std::bad_alloc, the first time on a thread; base_is_checked (see event_loops.hpp).
frame& current_frame();

/// Returns: the current map, which may be changed in place from now on; the same bindings, perhaps in a
/// clone. Precondition: `frame` is current_frame(). Throws: std::bad_alloc.
map* own_current_map(frame& frame);

/// Whether the context with this identity is entered on this thread, below the current one.
bool is_entered_below(identity_type context) noexcept;

/// Returns: the Context object that a frame has entered, also if it is destroyed; or nullptr.
const Context* context_of(const frame& frame) noexcept;

/// Returns: an identity that no frame and no map has had. Precondition: the thread has its state.
identity_type new_identity() noexcept;
/// Gives `frame` its identity if it has none.
identity_type identity_of(frame& frame) noexcept;

} // namespace contextvars::inline v0::detail

#endif
