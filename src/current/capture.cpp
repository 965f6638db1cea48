// SPDX-License-Identifier: MIT
//
// How bindings are captured for an owner that goes on without the giver, and how captures are
// dropped.
//
// A clone in which nothing was set is as good as new. So a thread keeps the last such map that was
// dropped, and gives it to the next capture of the same bindings: then a scope that only reads
// costs no copy. The thread knows the bindings by their edition: a number that a map is given when
// it is captured. The clones of the map have the same edition until something is set in them. Only
// maps of small values have one, so that no value waits for the thread before it ends. At most one
// block of 1,056 bytes is kept.
#include "current/capture.hpp"

#include "current/thread_state.hpp"
#include "storage/map.hpp"

#include <contextvars/detail/frame.hpp>

#include <utility>

namespace contextvars::inline v0::detail {

namespace {

constexpr std::uint32_t cloned_at_capture = 16; // capacity

/// Whether other threads may read the map, or this thread's frame below has it: then it is not
/// changed.
bool is_published(const map& map) noexcept {
    const frame* const top = top_frame();
    return top != nullptr && &map == top->published;
}

/// Freezes a map and gives it an edition, if it can have one. The edition makes its copies known.
void give_edition(map& map) noexcept {
    if (is_one_block(map) && unshared(map) && !is_published(map) && try_this_thread() != nullptr)
        map.writer = map_writer::edition(new_identity());
}

// In a function of its own, so that a capture that finds a clean map saves no registers.
[[gnu::noinline]] map* capture_anew(map* from) noexcept {
    if (!is_one_block(*from) || from == empty_map() ||
        (this_thread_state() == nullptr && try_this_thread() == nullptr))
        return share(from);
    // Only the current map is this thread's to write to. Several threads may capture other maps at
    // once, that of a bound callable, say.
    if (!from->writer.has_edition() && from == current_map()) [[unlikely]]
        give_edition(*from);
    // A larger map is shared the first time, and copied if it is captured again at once. Then
    // captures follow each other, and threads that make them do not meet in one count of
    // references.
    if (from->reach >= cloned_at_capture << 4 &&
        (!reuse_blocks ||
         std::exchange(this_thread_state()->last_shared, from->writer) != from->writer))
        return share(from);
    return copy_or_share(from);
}

/// Keeps a map that only the caller refers to for the next capture, or ends it.
[[gnu::always_inline]] inline void keep_or_end(map* map) noexcept {
    thread_state* const state = this_thread_state();
    if (!reuse_blocks || !map->writer.has_edition() || state == nullptr)
        return end(map);
    if (auto* const before = std::exchange(state->clean, map); before != empty_map())
        end(before);
}

[[gnu::noinline]] void release_shared(map* map) noexcept {
    if (drop_shared(*map))
        keep_or_end(map);
}

} // namespace

map* capture_of_own(map* from) noexcept {
    if (!from->writer.has_edition())
        give_edition(*from);
    return capture_bindings(from);
}

map* capture_bindings(map* from) noexcept {
    thread_state* const state = this_thread_state();
    // The clean map has an edition, so equal writers are equal editions. They are equal also if
    // both maps are empty.
    if (state != nullptr && state->clean->writer == from->writer)
        return std::exchange(state->clean, empty_map());
    return capture_anew(from);
}

map* share_current_bindings() noexcept {
    map* const current = current_map();
    if (current != empty_map() && !current->writer.has_edition())
        give_edition(*current);
    return share(current);
}

void release_bindings(map* map) noexcept {
    CONTEXTVARS_ASSERT(map != empty_map());
    // Acquire: as in drop_one().
    if (map->references.load(std::memory_order_acquire) != 1)
        return release_shared(map);
    keep_or_end(map);
}

void release_clean_map(thread_state& state) noexcept {
    if (map* const clean = std::exchange(state.clean, empty_map()); clean != empty_map())
        end(clean);
}

} // namespace contextvars::inline v0::detail
