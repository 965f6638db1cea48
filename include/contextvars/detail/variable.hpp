// SPDX-License-Identifier: MIT
//
// The parts of ContextVar<T> and Token<T> that do not depend on T, and the compiled operations on
// them.
#ifndef CONTEXTVARS_DETAIL_VARIABLE_HPP
#define CONTEXTVARS_DETAIL_VARIABLE_HPP

#include <contextvars/attributes.hpp>
#include <contextvars/config.hpp>
#include <contextvars/detail/current.hpp>
#include <contextvars/detail/value.hpp>

#include <atomic>
#include <cstdint>
#include <iosfwd>
#include <string_view>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

/// The result of try_reset. Every result but `ok` leaves the token and the context as they were.
enum class reset_result {
    ok,
    used,           ///< the token was used before, or moved from
    wrong_variable, ///< another variable created the token
    wrong_context,  ///< the token was created in another context
};
/// The result of try_reset if the context shares its bindings with a copy, and there is no memory
/// to part them. It is no enumerator: a program that handles the four has handled all that Python
/// knows.
inline constexpr reset_result reset_no_memory{4};

namespace detail {

/// Throws ValueError: the variable's policy is none of the enumerators.
[[noreturn]] CONTEXTVARS_EXPORT void throw_policy_error(std::string_view name);

class variable {
public:
    constexpr variable(std::string_view name, const type_operations& operations,
                       attributes attributes)
        : operations_(&operations), attributes_(attributes) {
        if (attributes.captured > capture_policy::never)
            throw_policy_error(name);
        // A constant initialiser's characters live as long as the program; any others may be a
        // temporary's.
        if (std::is_constant_evaluated())
            name_ = name;
        else
            copy_name(name);
    }
    variable(const variable&) = delete;
    variable& operator=(const variable&) = delete;
    CONTEXTVARS_EXPORT ~variable();

    std::string_view name() const noexcept { return name_; }
    const type_operations& operations() const noexcept { return *operations_; }
    bool is_secret() const noexcept { return attributes_.secret; }

    /// Returns: the key, or unbound_key until the variable is bound for the first time.
    key_type key() const noexcept {
        // Relaxed: a thread that holds a map which binds this variable was given the map by a
        // thread that had read the key. Any other thread may as well read the old value, which
        // finds nothing.
        return key_.load(std::memory_order_relaxed);
    }

    /// As key(), but gives an unbound variable its key. Throws: std::bad_alloc, std::length_error.
    key_type bound_key() const {
        const key_type key = this->key();
        return key != unbound_key ? key : assign_key();
    }

private:
    CONTEXTVARS_EXPORT void copy_name(std::string_view name);
    CONTEXTVARS_EXPORT key_type assign_key() const;

    mutable std::atomic<key_type> key_{unbound_key};
    const type_operations* operations_;
    std::string_view name_;
    bool owns_name_ = false;
    attributes attributes_;

    friend struct registry;
};

/// The effect that reset() would have.
enum class undo_state : std::uint8_t {
    used,             ///< none: it was done; the variable had been missing
    used_after_value, ///< none: it was done; there was an old value
    removes,
    restores,
};

/// The record that set() makes for reset().
struct undo {
    key_type key;
    identity_type context;
    word old_value;
    undo_state state;

    bool had_value() const noexcept {
        return state == undo_state::restores || state == undo_state::used_after_value;
    }
    bool used() const noexcept { return state < undo_state::removes; }
};

/// Precondition: there is, or was, a variable with this key. Returns: whether it still exists.
CONTEXTVARS_EXPORT bool variable_exists(key_type key) noexcept;

/// As bind() and unbind(), for all cases.
template <bool of_guard>
CONTEXTVARS_EXPORT void bind_anyhow(const variable& variable, word value, undo& undo);
[[nodiscard]] CONTEXTVARS_EXPORT reset_result unbind_anyhow(key_type key, undo& undo) noexcept;

/// Binds `variable` to `value` in the current context, which takes the value over.
/// of_guard: the check of event loops treats guards otherwise than tokens.
/// Fills in `undo` in its final place: if it were copied from a result, it would be read by wide
/// loads just after narrow stores, which the processor cannot forward.
/// Throws: std::bad_alloc, std::length_error; then nothing has changed.
template <bool in_node, bool of_guard>
inline void bind(const variable& variable, word value, undo& undo) {
    const key_type key = variable.key();
    map* const map = current_map();
    const std::size_t place = map->offset_of(key);
    if (map->key_at(place) != key || !map->writer.is_frame()) [[unlikely]]
        return bind_anyhow<of_guard>(variable, value, undo);
    undo.key = key;
    undo.context = map->writer.identity();
    undo.old_value = std::exchange(map->value_at(place), value);
    undo.state = undo_state::restores;
}

/// Undoes a bind() of the variable with this key. Then `undo` is used. It keeps a share of the old
/// value, unless nobody will ask for that.
template <bool in_node, bool keeps_old_value = true>
[[nodiscard]] inline reset_result unbind(key_type key, undo& undo) noexcept {
    map* const map = current_map();
    const std::size_t place = map->offset_of(key);
    if (undo.state != undo_state::restores || undo.key != key ||
        !map->writer.is_frame(undo.context) || map->key_at(place) != key) [[unlikely]]
        return unbind_anyhow(key, undo);
    if constexpr (in_node && keeps_old_value)
        share_own_node(node_of(undo.old_value));
    const word replaced = std::exchange(map->value_at(place), undo.old_value);
    undo.state = keeps_old_value ? undo_state::used_after_value : undo_state::used;
    if constexpr (in_node)
        release_node(node_of(replaced));
    return reset_result::ok;
}

/// Drops the share that `undo` keeps of an old value in a node.
CONTEXTVARS_EXPORT void release_old_value(const undo& undo) noexcept;

/// Tells the diagnostics hook that a guard could not restore its variable.
CONTEXTVARS_EXPORT void report_unrestored(const undo& undo, reset_result result) noexcept;

[[noreturn]] CONTEXTVARS_EXPORT void throw_lookup_error(const variable& variable,
                                                        const void* default_value);
[[noreturn]] CONTEXTVARS_EXPORT void throw_reset_error(reset_result result,
                                                       const variable& variable, const undo& undo,
                                                       const void* token);

CONTEXTVARS_EXPORT void print(std::ostream& out, const variable& variable,
                              const void* default_value);

/// Prints the text before and after a token's variable; if the variable is gone, also the variable.
class token_parts {
public:
    CONTEXTVARS_EXPORT token_parts(const undo& undo, const void* token, std::ostream& out);
    token_parts(const token_parts&) = delete;
    token_parts& operator=(const token_parts&) = delete;
    CONTEXTVARS_EXPORT ~token_parts() noexcept(false);

    bool variable_exists() const noexcept { return exists_; }

private:
    std::ostream& out_;
    const void* token_;
    bool exists_;
};

} // namespace detail
} // namespace contextvars::inline v0

#endif
