// SPDX-License-Identifier: MIT
//
// What the library keeps for each thread. All of thread_local lives in thread_state.cpp.
#ifndef CONTEXTVARS_SRC_THREAD_STATE_HPP
#define CONTEXTVARS_SRC_THREAD_STATE_HPP

#include <contextvars/detail/current.hpp>
#include <contextvars/detail/frame.hpp>

#include <cstddef>
#include <cstdint>

namespace contextvars::inline v0::detail {

/// As top_frame(), but the base context's frame where there is no other. Throws: std::bad_alloc,
/// the first time on a thread.
frame& current_frame();

/// Gives `frame` its identity if it has none.
identity_type identity_of(frame& frame) noexcept;

/// As std::this_thread::get_id() prints it; even, and never 0.
std::uint64_t thread_number() noexcept;

/// From a few free blocks that the thread keeps for each size, else from operator new. A block may
/// be given back on any thread. Throws: std::bad_alloc.
void* allocate(std::size_t bytes);
void* try_allocate(std::size_t bytes) noexcept;
void deallocate(void* block, std::size_t bytes) noexcept;

} // namespace contextvars::inline v0::detail

#endif
