// SPDX-License-Identifier: MIT
//
// The slot: the map that get() reads on this thread; and the frame that was entered last on it.
#ifndef CONTEXTVARS_DETAIL_CURRENT_HPP
#define CONTEXTVARS_DETAIL_CURRENT_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/map.hpp>

namespace contextvars::inline v0::detail {

struct frame;

#if defined(CONTEXTVARS_SLOT_BY_CALL)

CONTEXTVARS_EXPORT map* current_map() noexcept;
CONTEXTVARS_EXPORT void set_current_map(map* map) noexcept;
CONTEXTVARS_EXPORT frame* top_frame() noexcept;
CONTEXTVARS_EXPORT void set_top_frame(frame* frame) noexcept;

#else

// constinit, so that no wrapper function stands before them; initial-exec, so that no
// __tls_get_addr does (the linker makes it local-exec in an executable that has the library in
// it). With one more in src/thread_state.cpp they are three words, all that the library takes of
// the static TLS space. Two objects, not one: an object of two words would be saved by one wide
// load after two narrow stores, which the processor cannot forward.
//
// Their addresses are never kept: each use names the object itself, which after a coroutine has
// moved is the new thread's.
extern CONTEXTVARS_EXPORT constinit thread_local map* current_map_slot
    __attribute__((tls_model("initial-exec"))); // never nullptr
extern CONTEXTVARS_EXPORT constinit thread_local frame* top_frame_slot
    __attribute__((tls_model("initial-exec")));

inline map* current_map() noexcept { return current_map_slot; }
inline void set_current_map(map* map) noexcept { current_map_slot = map; }

/// The frame entered last on this thread; nullptr stands for the base context.
inline frame* top_frame() noexcept { return top_frame_slot; }
inline void set_top_frame(frame* frame) noexcept { top_frame_slot = frame; }

#endif

} // namespace contextvars::inline v0::detail

#endif
