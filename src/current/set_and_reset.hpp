// SPDX-License-Identifier: MIT
//
// The rules of set and reset, as templates over the current context. The contexts of the core are
// frames (context_var.cpp); those of the extension module are objects of Python. Each function
// validates, then makes ready all that can fail, then commits. After that, the caller releases the
// value that was replaced.
//
// Current has these members.
//   bindings()             the current map
//   is_own(map)            the map can be changed at once; then it has the context of new tokens
//   is_own_of(map, context)  as is_own(), and `context` is current
//   is(context)            `context` is current
//   context_of(map)        the current context; after is_own() or own_place_for()
//   own_place_for(key)     the cell in which `key` is, or will be, bound in bindings(). These may
//                          be other ones now, and can be changed. Throws: std::bad_alloc
//   place_at_once(map, key), put(map, place, key, value), remove(map, place)
//                          as in map_operations.hpp
//   is_gone(key)           the variable that had the key does not exist any more
//   share_old_value(undo)  the token goes on showing the old value
#ifndef CONTEXTVARS_SRC_CURRENT_SET_AND_RESET_HPP
#define CONTEXTVARS_SRC_CURRENT_SET_AND_RESET_HPP

#include "storage/map_operations.hpp"

#include <contextvars/detail/variable.hpp>

#include <new>

namespace contextvars::inline v0::detail {

/// Throws: std::bad_alloc.
template <class Current>
[[gnu::always_inline]] inline void bind_in(Current current, key_type key, const word& value,
                                           undo& undo) {
    map* map = current.bindings();
    cell* place = current.is_own(*map) ? current.place_at_once(*map, key) : nullptr;
    if (place == nullptr) {
        place = &current.own_place_for(key);
        map = current.bindings();
    }
    const replaced before = current.put(*map, *place, key, value);
    undo.key = key;
    undo.context = current.context_of(*map);
    undo.old_value = before.value;
    undo.state = before.had_value ? undo_state::restores : undo_state::removes;
}

template <class Current>
[[gnu::always_inline]] inline reset_result unbind_in(Current current, key_type key, undo& undo,
                                                     replaced& before) noexcept {
    if (undo.used())
        return reset_result::used;
    if (undo.key != key)
        return reset_result::wrong_variable;
    map* map = current.bindings();
    const bool is_own = current.is_own_of(*map, undo.context);
    if (!is_own && !current.is(undo.context))
        return reset_result::wrong_context;
    // A variable that is gone is not bound again: another one may have its place.
    if (find(*map, key) == nullptr && (undo.state == undo_state::removes || current.is_gone(key))) {
        undo.state = undo.had_value() ? undo_state::used_after_value : undo_state::used;
        return reset_result::ok;
    }
    cell* place = is_own ? current.place_at_once(*map, key) : nullptr;
    if (place == nullptr) {
        try {
            place = &current.own_place_for(key);
            map = current.bindings();
        } catch (const std::bad_alloc&) {
            return reset_no_memory;
        }
    }
    if (undo.state == undo_state::restores) {
        current.share_old_value(undo);
        before = current.put(*map, *place, key, undo.old_value);
    } else {
        before = current.remove(*map, *place);
    }
    undo.state = undo.had_value() ? undo_state::used_after_value : undo_state::used;
    return reset_result::ok;
}

} // namespace contextvars::inline v0::detail

#endif
