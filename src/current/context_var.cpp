// SPDX-License-Identifier: MIT
//
// set and reset, for the cases that the inline paths of detail/variable.hpp do not cover (see
// set_and_reset.hpp).
//
// The writer of a map. The inline paths replace the value of a variable that is bound in the table,
// and ask one question: has the current map a writer (set), and is it the one that the token
// remembers (reset)? The writer is the identity of the frame whose map this is. The map gets it at
// the first set, and loses it when something besides the thread that runs the map may look at it:
// sharing the map freezes it, and so does leaving it to a Context. So the writer stands for all
// that is asked below: the map is unshared, no Context publishes it, and it belongs to the frame in
// which the token was made. The map of a flow keeps its writer while the flow is suspended, since
// nobody else can reach it.
//
// A signal handler may call try_get at any instruction: so the slot changes after what it will point
// to is complete and before what it pointed to is given back. The fences are for the compiler.
#include "current/event_loops.hpp"
#include "current/set_and_reset.hpp"
#include "current/thread_state.hpp"
#include "storage/map.hpp"
#include "variables/registry.hpp"

#include <contextvars/context_var.hpp>

#include <atomic>

namespace contextvars::inline v0::detail {

namespace {

/// Lets the top frame change the current map in place from now on.
/// Precondition: the map was seen unshared. Returns: false if the map is another's all the same.
bool begin_writing(map& current, frame& top) noexcept {
    // A map that its Context shows to other threads is not this frame's, even if nobody else counted
    // it: they may count it at any moment.
    if (&current == top.published)
        return false;
    CONTEXTVARS_ASSERT(unshared(current));
    current.writer = map_writer::frame(identity_of(top));
    return true;
}

/// The body of own_current_map(), for functions that call nothing besides.
[[gnu::always_inline]] inline map* own_map(frame& frame) {
    map* current = current_map();
    if (unshared(*current) && begin_writing(*current, frame))
        return current;
    // A published map stays with its Context. Any other may be given away. Dropping it destroys no
    // value, since the clone has all of them.
    const auto writer = map_writer::frame(identity_of(frame));
    map* made = clone(current, current != frame.published);
    made->writer = writer;
    // For a signal handler on this thread. Another thread is shown a map only by what has an order
    // of its own: a context's lock or word, or whatever hands a copy over.
    std::atomic_signal_fence(std::memory_order_release);
    set_current_map(made);
    return made;
}

/// The current context of the thread, for bind_in and unbind_in.
template <frame& top()>
struct thread_current {
    static map* bindings() noexcept { return current_map(); }
    static bool is_own(const map& map) noexcept { return map.writer.is_frame(); }
    static bool is_own_of(const map& map, identity_type context) noexcept {
        return map.writer.is_frame(context);
    }
    static bool is(identity_type context) noexcept {
        const frame* frame = top_frame();
        return frame != nullptr && frame->identity == context;
    }
    static identity_type context_of(const map& map) noexcept { return map.writer.identity(); }
    static cell& own_place_for(key_type key) {
        return place_for(own_map(top()), key, set_current_map);
    }
    static bool is_gone(key_type key) noexcept { return !variable_exists(key); }
    static void share_old_value(const undo& undo) noexcept {
        if (in_node(undo.key))
            share_own_node(node_of(undo.old_value));
    }
    static constexpr auto place_at_once = detail::place_at_once;
    static constexpr auto put = detail::put;
    static constexpr auto remove = detail::remove;
};

/// Whether a binding of the key changes more than a cell and the size.
constexpr bool needs_care(key_type key) noexcept { return (key & 7) != 0; }

/// Precondition: there is one, as is() has found.
frame& entered_frame() noexcept { return *top_frame(); }

template <bool of_guard>
[[gnu::cold, gnu::noinline]] void bind_in_checked_base(key_type key, word value, undo& undo,
                                                       void* caller) {
    {
        const checked_base base;
        bind_in(thread_current<current_frame>{}, key, value, undo);
    }
    if constexpr (of_guard)
        guard_began_in_base(undo);
    else
        was_set_in_base(key, caller);
}

[[gnu::cold, gnu::noinline]] reset_result unbind_in_checked_base(key_type key, undo& undo,
                                                                 replaced& before) noexcept {
    const checked_base base;
    return unbind_in(thread_current<entered_frame>{}, key, undo, before);
}

// In functions of their own, so that the cases before them save no registers.
template <bool of_guard>
[[gnu::noinline]] void bind_with_care(const variable& variable, word value, undo& undo) {
    const key_type key = variable.bound_key();
    try {
        bind_in(thread_current<current_frame>{}, key, value, undo);
    } catch (const base_is_checked&) { // an exception, since it takes nothing if there is no check
        bind_in_checked_base<of_guard>(key, value, undo, __builtin_return_address(0));
    }
}

[[gnu::noinline]] reset_result unbind_with_care(key_type key, undo& undo) noexcept {
    replaced before{};
    reset_result result = unbind_in(thread_current<entered_frame>{}, key, undo, before);
    if (result == reset_result::wrong_context && is_checked_base(undo.context)) {
        result = unbind_in_checked_base(key, undo, before);
        was_reset_in_base(undo, __builtin_return_address(0));
    }
    if (before.had_value && in_node(key))
        release_node(node_of(before.value));
    return result;
}

// Each has the whole lookup in it, and nothing else that would take registers.
template <bool of_guard>
[[gnu::noinline, gnu::flatten]] void bind_in_trie(map& map, key_type key, const variable& variable,
                                                  word value, undo& undo) {
    cell* const place = own_far_place(map, key);
    if (place == nullptr)
        return bind_with_care<of_guard>(variable, value, undo);
    undo.key = key;
    undo.context = map.writer.identity();
    undo.old_value = std::exchange(place->value, value);
    undo.state = undo_state::restores;
}

[[gnu::noinline, gnu::flatten]] reset_result unbind_in_trie(map& map, key_type key,
                                                            undo& undo) noexcept {
    cell* const place = own_far_place(map, key);
    if (place == nullptr)
        return unbind_with_care(key, undo);
    place->value = undo.old_value;
    undo.state = undo_state::used_after_value;
    return reset_result::ok;
}

/// Binds a small value in a map that this frame may change.
template <bool of_guard>
[[gnu::always_inline]] inline void bind_in_own(map& map, key_type key, const variable& variable,
                                               word value, undo& undo) {
    const std::size_t place = map.offset_of(key);
    if (map.key_at(place) == key) {
        undo.old_value = std::exchange(map.value_at(place), value);
        undo.state = undo_state::restores;
    } else if (map.key_at(place) == no_key && map.rest == nullptr) {
        map.value_at(place) = value;
        ++map.size;
        // For a signal handler: the value is there before its key is.
        std::atomic_signal_fence(std::memory_order_release);
        map.place_of(key).key = key;
        undo.old_value = {};
        undo.state = undo_state::removes;
    } else {
        return bind_in_trie<of_guard>(map, key, variable, value, undo);
    }
    undo.key = key;
    undo.context = map.writer.identity();
}

/// The same, in a map in which nobody has set since it was captured or shown to others.
/// Precondition: the map is unshared.
template <bool of_guard>
[[gnu::noinline]] void bind_first(const variable& variable, word value, undo& undo) {
    map& map = *current_map();
    frame* const top = top_frame();
    if (top == nullptr || this_thread_state() == nullptr || !begin_writing(map, *top))
        return bind_with_care<of_guard>(variable, value, undo);
    bind_in_own<of_guard>(map, variable.key(), variable, value, undo);
}

} // namespace

map* own_current_map(frame& frame) { return own_map(frame); }

template <bool of_guard>
void bind_anyhow(const variable& variable, word value, undo& undo) {
    const key_type key = variable.key();
    map& map = *current_map();
    if (needs_care(key)) // so does unbound_key
        return bind_with_care<of_guard>(variable, value, undo);
    if (!map.writer.is_frame())
        return unshared(map) ? bind_first<of_guard>(variable, value, undo)
                             : bind_with_care<of_guard>(variable, value, undo);
    bind_in_own<of_guard>(map, key, variable, value, undo);
}

template void bind_anyhow<false>(const variable& variable, word value, undo& undo);
template void bind_anyhow<true>(const variable& variable, word value, undo& undo);

reset_result unbind_anyhow(key_type key, undo& undo) noexcept {
    map& map = *current_map();
    if (undo.used() || undo.key != key || !map.writer.is_frame(undo.context) || needs_care(key))
        return unbind_with_care(key, undo);
    if (undo.state == undo_state::removes) {
        if (map.rest != nullptr || map.key_at(map.offset_of(key)) != key)
            return unbind_with_care(key, undo);
        map.place_of(key).key = no_key;
        --map.size;
        undo.state = undo_state::used;
    } else {
        return unbind_in_trie(map, key, undo);
    }
    return reset_result::ok;
}

void release_old_value(const undo& undo) noexcept {
    void* const value = node_of(undo.old_value);
    // Mostly the current map has the value back, and nobody else has the value or the map: then no
    // locked instruction is needed.
    if (const map& map = *current_map(); map.writer.is_frame(undo.context)) {
        const std::size_t place = map.offset_of(undo.key);
        if (map.key_at(place) == undo.key && node_of(map.value_at(place)) == value &&
            release_one_of_two(value))
            return;
    }
    release_node(value);
}

} // namespace contextvars::inline v0::detail
