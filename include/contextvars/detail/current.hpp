// SPDX-License-Identifier: MIT
//
// The slot is the map that get() reads on this thread. Beside it: the frame that was entered last.
#ifndef CONTEXTVARS_DETAIL_CURRENT_HPP
#define CONTEXTVARS_DETAIL_CURRENT_HPP

#include <contextvars/config.hpp>
#include <contextvars/detail/map.hpp>

namespace contextvars::inline v0::detail {

struct frame;

/// The same accesses by a call, for code that is built without the inline ones below.
CONTEXTVARS_EXPORT map* load_current_map() noexcept;
CONTEXTVARS_EXPORT void store_current_map(map* map) noexcept;
CONTEXTVARS_EXPORT frame* load_top_frame() noexcept;
CONTEXTVARS_EXPORT void store_top_frame(frame* frame) noexcept;
CONTEXTVARS_EXPORT std::uint64_t load_thread_number() noexcept;

// A coroutine that is resumed on another thread must read that thread's slot, so no compiler may
// keep the slot's address across a suspension. g++ makes coroutines before it optimises, and keeps
// no address. clang makes them between its optimisations, and clang 16 at -O2 does keep the address
// (tests/hop shows it). So clang is shown no address, but two instructions that it cannot look
// into. If these are not known for a processor, clang is shown a call.
#if defined(CONTEXTVARS_SLOT_BY_CALL) || (defined(__clang__) && !defined(__x86_64__))

inline map* current_map() noexcept { return load_current_map(); }
inline void set_current_map(map* map) noexcept { store_current_map(map); }
inline frame* top_frame() noexcept { return load_top_frame(); }
inline void set_top_frame(frame* frame) noexcept { store_top_frame(frame); }
inline std::uint64_t thread_number() noexcept { return load_thread_number(); }

#else

// The slots are constinit, so that an access calls no wrapper function. They are initial-exec, so
// that it does not call __tls_get_addr. (In an executable that has the library in it, the linker
// makes them local-exec.) With one more in src/current/thread_state.cpp they are three words, all
// that the library takes of the static TLS space. They are two objects: one wide load would save an
// object of two words after two narrow stores, which the processor cannot forward. They have names
// of their own in the object file, so that the instructions can name them.
extern CONTEXTVARS_EXPORT constinit thread_local map*
    current_map_slot __asm__("contextvars_v0_current_map")
        __attribute__((tls_model("initial-exec"))); // never nullptr
extern CONTEXTVARS_EXPORT constinit thread_local frame*
    top_frame_slot __asm__("contextvars_v0_top_frame") __attribute__((tls_model("initial-exec")));

#if defined(__clang__)

// volatile keeps the reads in order with the writes and with calls. The writes name "memory", so
// that the contents of a frame are stored before the frame can be reached.
inline map* current_map() noexcept {
    map* map;
    __asm__ volatile("movq contextvars_v0_current_map@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(map));
    return map;
}
inline void set_current_map(map* map) noexcept {
    std::uintptr_t offset;
    __asm__ volatile("movq contextvars_v0_current_map@gottpoff(%%rip), %0\n\t"
                     "movq %1, %%fs:(%0)"
                     : "=&r"(offset)
                     : "r"(map)
                     : "memory");
}

/// The frame entered last on this thread; nullptr stands for the base context.
inline frame* top_frame() noexcept {
    frame* frame;
    __asm__ volatile("movq contextvars_v0_top_frame@gottpoff(%%rip), %0\n\t"
                     "movq %%fs:(%0), %0"
                     : "=r"(frame));
    return frame;
}
inline void set_top_frame(frame* frame) noexcept {
    std::uintptr_t offset;
    __asm__ volatile("movq contextvars_v0_top_frame@gottpoff(%%rip), %0\n\t"
                     "movq %1, %%fs:(%0)"
                     : "=&r"(offset)
                     : "r"(frame)
                     : "memory");
}

/// The number of this thread, as std::this_thread::get_id() prints it. Its two low bits are 0.
inline std::uint64_t thread_number() noexcept {
    std::uint64_t number;
    __asm__ volatile("movq %%fs:0, %0" : "=r"(number));
    return number;
}

#else

inline map* current_map() noexcept { return current_map_slot; }
inline void set_current_map(map* map) noexcept { current_map_slot = map; }

/// The frame entered last on this thread; nullptr stands for the base context.
inline frame* top_frame() noexcept { return top_frame_slot; }
inline void set_top_frame(frame* frame) noexcept { top_frame_slot = frame; }

/// The number of this thread, as std::this_thread::get_id() prints it. Its two low bits are 0.
inline std::uint64_t thread_number() noexcept {
    // By way of an integer of its size: else the sign of a narrower pointer would be extended.
    return reinterpret_cast<std::uintptr_t>(__builtin_thread_pointer());
}

#endif
#endif

} // namespace contextvars::inline v0::detail

#endif
