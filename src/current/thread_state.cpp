// SPDX-License-Identifier: MIT
//
// The slot and everything else that is thread_local, and how it ends.
//
// A thread has three words: the current map, the top frame, and a pointer to the rest, which is
// allocated when the thread first needs it. All three are constant-initialised and trivial, so that
// no access runs a constructor, and every thread-exit destructor of the program still finds them.
//
// The rest ends in the destructor of a pthread key, since that runs after all of C++'s thread-exit
// destructors. The values of the base context are destroyed there. If the destructor of a value
// sets again, that starts a new base context, and POSIX calls the key's destructor again. On the
// main thread, which returns from main, keys are not destroyed: its base context lives until the
// process ends.
#include "current/thread_state.hpp"

#include "current/capture.hpp"
#include "current/event_loops.hpp"
#include "process/locks.hpp"
#include "process/report.hpp"
#include "storage/map.hpp"

#include <contextvars/detail/current.hpp>

#include <pthread.h>

#include <atomic>
#include <new>
#include <utility>

namespace contextvars::inline v0::detail {

#if defined(CONTEXTVARS_SLOT_BY_CALL) || (defined(__clang__) && !defined(__x86_64__))
namespace {
constinit thread_local map* current_map_slot = empty_map();
constinit thread_local frame* top_frame_slot = nullptr;
} // namespace
#else
constinit thread_local map* current_map_slot = empty_map();
constinit thread_local frame* top_frame_slot = nullptr;
#endif
constinit thread_local thread_storage* this_thread_storage = nullptr;

map* load_current_map() noexcept { return current_map_slot; }
void store_current_map(map* map) noexcept { current_map_slot = map; }
std::uint64_t load_thread_number() noexcept { return pthread_self(); }
frame* load_top_frame() noexcept { return top_frame_slot; }
void store_top_frame(frame* frame) noexcept { top_frame_slot = frame; }

namespace {

// Here, since every program that uses the library has this file of it: the slot is in it.
[[gnu::constructor]] void when_loaded() {
    take_locks_at_fork();
    report_other_copies();
    check_event_loops_if_asked();
}

// Identities are handed to threads in blocks, so that no path of set() shares a counter.
constexpr identity_type identities_in_a_block = 1 << 16;
constinit std::atomic<identity_type> next_block{identity_step};

identity_type next_block_of_identities() noexcept {
    // Relaxed: the blocks need only be distinct.
    return next_block.fetch_add(identities_in_a_block * identity_step, std::memory_order_relaxed);
}

void end_of_thread(void* state) noexcept;

pthread_key_t end_key;
constinit bool has_end_key = false;

/// Throws: std::bad_alloc if the process has no key left. The next call tries again.
void make_end_key() {
    const holding guard(end_key_lock);
    if (!has_end_key && pthread_key_create(&end_key, end_of_thread) != 0)
        throw std::bad_alloc();
    has_end_key = true;
}

[[gnu::cold, gnu::noinline]] void begin_thread() {
    make_end_key();
    void* const memory = need_memory(sizeof(thread_state));
    auto* const state = ::new (memory) thread_state;
    if (pthread_setspecific(end_key, state) != 0) {
        give_memory(memory);
        throw std::bad_alloc();
    }
    this_thread_storage = state;
}

thread_state& this_thread() {
    if (this_thread_storage == nullptr) [[unlikely]]
        begin_thread();
    return *this_thread_state();
}

[[gnu::cold, gnu::noinline]] void put_base_into_chain(thread_state& state) {
    if (checks_event_loops())
        throw base_is_checked();
    set_top_frame(&state.base);
}

void end_of_thread(void* state) noexcept {
    // A thread may end inside contexts that it never left. Their maps here end with the thread,
    // except those that a Context shows to others. The map below them is the thread's own.
    const frame* const base = &static_cast<thread_state*>(state)->base;
    frame* const top = top_frame();
    map* live = current_map();
    for (frame* frame = top; frame != nullptr && frame != base; frame = frame->previous) {
        live = std::exchange(frame->previous_map, live != frame->published ? live : empty_map());
    }
    set_top_frame(nullptr);
    set_current_map(live);
    for (frame* frame = top; frame != nullptr && frame != base; frame = frame->previous)
        pinned_map::adopt(frame->previous_map);
    // Destructors of values may set again, and so bring a new base map. After a few rounds, the
    // rest is left to the next call, for which this state stays.
    for (int round = 0; current_map() != empty_map(); ++round) {
        if (round == 4) {
            // The thread has held a value of this key before, so the call needs no memory and does
            // not fail. If it did, the rounds would go on here.
            if (pthread_setspecific(end_key, state) == 0)
                return;
        }
        map* last = current_map();
        set_current_map(empty_map());
        static_cast<thread_state*>(state)->base.identity = 0;
        pinned_map::adopt(last);
        set_top_frame(nullptr);
    }
    release_clean_map(*static_cast<thread_state*>(state));
    forget_guards(static_cast<thread_state*>(state)->guards);
    static_cast<thread_state*>(state)->blocks.clear();
    give_memory(state);
    this_thread_storage = nullptr;
}

} // namespace

thread_state* try_this_thread() noexcept {
    try {
        return &this_thread();
    } catch (const std::bad_alloc&) {
        return nullptr;
    }
}

thread_storage* try_thread_storage() noexcept { return try_this_thread(); }

frame& current_frame() {
    thread_state& state = this_thread();
    if (top_frame() == nullptr)
        put_base_into_chain(state);
    return *top_frame();
}

identity_type new_identity() noexcept {
    CONTEXTVARS_ASSERT(this_thread_state() != nullptr);
    thread_state& state = *this_thread_state();
    if (state.next_identity == state.end_of_identities) {
        state.next_identity = next_block_of_identities();
        state.end_of_identities = state.next_identity + identities_in_a_block * identity_step;
    }
    return std::exchange(state.next_identity, state.next_identity + identity_step);
}

identity_type identity_of(frame& frame) noexcept {
    if (frame.identity == 0)
        frame.identity = new_identity(); // current_frame() has made the state
    return frame.identity;
}

} // namespace contextvars::inline v0::detail
