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
//
// If a flow is suspended in a scope, as an executor that captures makes for a handler, the thread
// keeps a reference to the flow's own map instead. The next capture is mostly that of the operation
// for which the flow waits: then the flow and the operation share one map. The reference that is
// added needs no locked instruction, since nobody else has the map.
#include "current/capture.hpp"

#include "current/thread_state.hpp"
#include "storage/map.hpp"

#include <contextvars/detail/frame.hpp>

#include <new>
#include <utility>

namespace contextvars::inline v0::detail {

namespace {

constexpr std::uint32_t cloned_at_capture = 16; // capacity

/// Whether other threads may read the map, or the frame below `by` has it: then it is not changed.
bool is_published(const map& map, const frame* by) noexcept { return by && &map == by->published; }

/// Whether the map is that of a Context, to which references may be held (context[variable]), or is
/// published. Then the frame below `by` keeps it.
bool stays_below(const map& map, const frame* by) noexcept {
    return by != nullptr && (by->context != nullptr || &map == by->published);
}

/// Freezes a map and gives it an edition, if it can have one. The edition makes its copies known.
void give_edition(map& map) noexcept {
    if (is_one_block(map) && unshared(map) && !is_published(map, top_frame()) &&
        try_this_thread() != nullptr)
        map.writer = map_writer::edition(new_identity());
}

/// Captures the bindings of a map of which something is not to be captured.
[[gnu::noinline]] map* capture_part(map& from) noexcept {
    if (suppressions(from) != 0)
        return empty_map();
    const bool has_all =
        for_each(from, [](void*, const cell& cell) { return is_captured(cell.key); }, nullptr);
    if (!has_all || &from != current_map() || !unshared(from) || is_published(from, top_frame()))
        return copy_captured_or_none(from);
    from.nodes %= partly_captured; // what was left out is bound no more
    return capture_bindings(&from);
}

/// Shares a map, unless something is not to be captured. In a function of its own, so that capture_anew()
/// compares in memory, and takes no register for what it compares.
[[gnu::noinline]] map* share_whole(map* from) noexcept {
    return is_captured_whole(*from) ? share_some(from) : capture_part(*from);
}

// In a function of its own, so that a capture that finds a clean map saves no registers.
[[gnu::noinline]] map* capture_anew(map* from) noexcept {
    if (!is_one_block(*from))
        return share_whole(from);
    if (from == empty_map() || (this_thread_state() == nullptr && try_this_thread() == nullptr))
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
        return share_whole(from);
    return copy_or_share(from);
}

[[gnu::noinline]] map* share_anew(map* current) noexcept {
    if (!is_captured_whole(*current))
        return capture_part(*current);
    give_edition(*current);
    return share_some(current);
}

/// Keeps a map for the next capture, with the caller's reference to it. Drops the one that was kept before.
[[gnu::always_inline]] inline void keep(map* map, thread_state& state) noexcept {
    if (auto* const before = std::exchange(state.clean, map); before != empty_map())
        if (drop_shared(*before))
            end(before);
}

/// Keeps a map that only the caller refers to for the next capture, or ends it.
[[gnu::always_inline]] inline void keep_or_end(map* map) noexcept {
    thread_state* const state = this_thread_state();
    if (!reuse_blocks || !map->writer.has_edition() || state == nullptr)
        return end(map);
    keep(map, *state);
}

[[gnu::noinline]] void release_shared(map* map) noexcept {
    if (drop_shared(*map))
        keep_or_end(map);
}

// The frame below has a map of its own, to give away and to replace, if it is that of a scope.
[[gnu::noinline]] map* read_suspended_anew(map& own, frame& scope, thread_state* state) noexcept {
    map* const below = scope.previous_map;
    if (!own.writer.has_edition())
        give_edition(own);
    const bool is_copy = &own == below || same_edition(own.writer, below->writer);
    if (state == nullptr || !own.writer.has_edition() || own.reach >= cloned_at_capture << 4 ||
        scope.previous == nullptr || scope.previous == &state->base ||
        scope.previous->context != nullptr || scope.previous->published != nullptr)
        return is_copy ? below : capture_bindings(&own);
    map* const reads = is_copy && &own != below ? below : capture_bindings(&own);
    if (&own == below) // whose reference the next capture is given
        scope.previous_map = scope.published = reads;
    else if (unshared(own)) // nobody else can add a reference meanwhile
        own.references.store(2, std::memory_order_relaxed);
    else
        add_one(own.references);
    keep(&own, *state);
    return reads;
}

} // namespace

map* copy_captured_or_none(const map& from) noexcept {
    try {
        return copy_captured(from);
    } catch (const std::bad_alloc&) {
        return empty_map();
    }
}

map* capture_bindings(map* from) noexcept {
    thread_state* const state = this_thread_state();
    // The clean map has an edition, so equal writers are equal editions. They are equal also if
    // both maps are empty.
    if (state != nullptr && state->clean->writer == from->writer)
        return std::exchange(state->clean, empty_map());
    return capture_anew(from);
}

map* read_suspended(map& own, frame& scope) noexcept {
    thread_state* const state = this_thread_state();
    // Mostly the operation that resumed the flow shared its map, and has called it in a scope that has
    // that map now. The thread keeps a clean map of these bindings, which the scope takes instead.
    if (&own == scope.previous_map && state != nullptr && state->clean->writer == own.writer &&
        !stays_below(own, scope.previous)) [[likely]]
        return scope.previous_map = scope.published = std::exchange(state->clean, &own);
    return read_suspended_anew(own, scope, state);
}

map* take_over_current_bindings() noexcept {
    map* const current = current_map();
    return is_captured_whole(*current) ? capture_bindings(current) : share_some(current);
}

map* share_current_bindings() noexcept {
    map* const current = current_map();
    return current->writer.has_edition() ? share(current) : share_anew(current);
}

void release_bindings(map* map) noexcept {
    CONTEXTVARS_ASSERT(map != empty_map());
    // Acquire: as in drop_one().
    if (map->references.load(std::memory_order_acquire) != 1)
        return release_shared(map);
    keep_or_end(map);
}

void release_clean_map(thread_state& state) noexcept { keep(empty_map(), state); }

} // namespace contextvars::inline v0::detail
