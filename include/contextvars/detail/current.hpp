// SPDX-License-Identifier: MIT
//
// The slot: the map that get() reads on this thread.
#ifndef CONTEXTVARS_DETAIL_CURRENT_HPP
#define CONTEXTVARS_DETAIL_CURRENT_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/map.hpp>

namespace contextvars::inline v0::detail {

#if defined(CONTEXTVARS_SLOT_BY_CALL)

CONTEXTVARS_EXPORT map* current_map() noexcept;

#else

// Never nullptr. constinit, so that no wrapper function stands before it; initial-exec, so that no
// __tls_get_addr does (the linker makes it local-exec in an executable that has the library in
// it). Three words are all that the library takes of the static TLS space. Its address is never
// kept: each use names the slot itself, which after a coroutine has moved is the new thread's.
extern CONTEXTVARS_EXPORT constinit thread_local map* current_map_slot
    __attribute__((tls_model("initial-exec")));

inline map* current_map() noexcept { return current_map_slot; }

#endif

} // namespace contextvars::inline v0::detail

#endif
