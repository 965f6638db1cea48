// SPDX-License-Identifier: MIT
//
// ContextVar<T>: a variable whose value belongs to the current context, so that each thread,
// coroutine and callback sees its own. Its identity is the object, never its name.
#ifndef CONTEXTVARS_CONTEXT_VAR_HPP
#define CONTEXTVARS_CONTEXT_VAR_HPP

#include <contextvars/attributes.hpp>
#include <contextvars/errors.hpp>
#include <contextvars/scope.hpp>
#include <contextvars/token.hpp>

#include <concepts>
#include <cstddef>
#include <iosfwd>
#include <optional>
#include <string_view>
#include <type_traits>
#include <utility>

namespace contextvars::inline v0 {

/// Neither copyable nor movable. A variable is best at namespace scope, `inline` in headers, and
/// `constinit` if T allows it. It may also be a member or a local: destroying a variable that
/// contexts still bind is safe.
/// Threads: several threads may call every member at once. Each call acts on the context that is
/// current on its thread.
template <class T>
class ContextVar final : private detail::variable {
    static_assert(std::is_object_v<T>, "ContextVar<T> stores objects: T is not a reference, "
                                       "a function or void");
    static_assert(!std::is_array_v<T>, "ContextVar<T>: T is not an array; use std::array");
    static_assert(!std::is_const_v<T> && !std::is_volatile_v<T>,
                  "ContextVar<T>: T is not const or volatile; get() returns a const reference");
    static_assert(std::is_nothrow_destructible_v<T>,
                  "ContextVar<T>: destroying a T must not throw");

public:
    using value_type = T;

    /// The result of get(): T itself if T is stored inline; else a reference, which is good until
    /// the variable is next set or reset in this flow, or until the context goes.
    using get_type = std::conditional_t<stored_inline<T>, T, const T&>;

    /// A variable without a default.
    /// Throws: std::bad_alloc.
    /// Cost: none if it is constant-initialised; else one allocation, for the copy of the name.
    constexpr explicit ContextVar(std::string_view name) : ContextVar(name, attributes{}) {}
    // A template, so that `{}` and the like are the default value of the constructor below.
    template <std::same_as<attributes> A = attributes>
    constexpr ContextVar(std::string_view name, A attributes)
        : variable(name, detail::operations_with_operators<T>(), attributes) {}

    /// A variable whose get() returns `default_value` if the variable is missing. A default is not
    /// a binding: contexts know nothing of it.
    /// Throws: std::bad_alloc, and any exception of moving a T.
    /// Cost: as above, and that of a T.
    constexpr ContextVar(std::string_view name,
                         std::conditional_t<std::is_class_v<T>, T&&, T> default_value,
                         attributes attributes = {})
        : variable(name, detail::operations_with_operators<T>(), attributes),
          default_(std::in_place, std::move(default_value)) {}
    // For a T that is a class: takes anything that converts to T, also another T. The T is made in
    // its final place. So a T may be constant-initialised that cannot be moved in a constant
    // expression, or that cannot be moved at all.
    template <class U>
        requires(std::is_class_v<T> && std::is_convertible_v<U, T> &&
                 !std::same_as<std::remove_cvref_t<U>, attributes>)
    constexpr ContextVar(std::string_view name, U&& default_value, attributes attributes = {})
        : variable(name, detail::operations_with_operators<T>(), attributes),
          default_(std::in_place, std::forward<U>(default_value)) {}
    ContextVar(std::string_view name, detail::needs_a_static_cast_to<T> auto default_value,
               attributes attributes = {}) = delete;

    ContextVar(const ContextVar&) = delete;
    ContextVar& operator=(const ContextVar&) = delete;

    /// Contexts that bind the variable keep the binding, its name and its value. A variable that is
    /// made later is never mistaken for this one.
    ~ContextVar() = default;

    /// Returns: the name, for people. Cost: none.
    std::string_view name() const noexcept CONTEXTVARS_LIFETIMEBOUND { return variable::name(); }

    /// Returns: whether it was made with attributes{.secret = true}. Cost: none.
    bool is_secret() const noexcept { return variable::is_secret(); }

    /// Returns: the value in the current context, else the default.
    /// Throws: LookupError if there is neither.
    /// Cost: an indexed load, as of a thread_local array; never allocates.
    /// From: Python's ContextVar.get().
    get_type get() const
        requires stored_inline<T>
    {
        return find();
    }
    get_type get() const CONTEXTVARS_LIFETIMEBOUND
        requires(!stored_inline<T>)
    {
        return find();
    }

    /// Returns: the value in the current context, else `otherwise`. The variable's own default does
    /// not matter.
    /// Throws: any exception of copying a T.
    /// From: Python's ContextVar.get(default).
    T get(T otherwise) const
        requires std::is_move_constructible_v<T>
    {
        static_assert(std::is_copy_constructible_v<T>,
                      "get(otherwise) returns a copy of the value; use try_get() for a T that "
                      "cannot be copied");
        if (const detail::cell* cell = detail::find(*detail::current_map(), key()))
            return *detail::value_in<T>(cell->value);
        return otherwise;
    }
    template <class U>
        requires(!std::is_move_constructible_v<T> && std::is_convertible_v<U, T>)
    T get(U&& otherwise) const {
        if (const detail::cell* cell = detail::find(*detail::current_map(), key()))
            return *detail::value_in<T>(cell->value);
        return static_cast<T>(std::forward<U>(otherwise));
    }
    T get(detail::needs_a_static_cast_to<T> auto otherwise) const = delete;

    /// Returns: the value in the current context, else the default, else nullptr. If T is stored
    /// inline, the pointer is good until the next set, reset, capture, switch or suspension; else
    /// it is good for as long as the reference of get().
    /// Cost: as get(); never allocates.
    /// Threads: as every member; it is async-signal-safe if T is stored inline and the variable is
    /// bound.
    const T* try_get() const noexcept CONTEXTVARS_LIFETIMEBOUND {
        const detail::key_type key = this->key();
        const detail::map& map = *detail::current_map();
        const std::size_t place = map.offset_of(key);
        if (map.key_at(place) == key) [[likely]]
            return detail::value_in<T>(map.value_at(place));
        if (map.rest != nullptr) [[unlikely]]
            if (const detail::cell* cell = detail::find_far(&map, key))
                return detail::value_in<T>(cell->value);
        if (!default_.has_value())
            return nullptr;
        __asm__(""); // a branch: a conditional move takes an instruction more on both ways
        return detail::address_of(*default_);
    }

    /// Binds the variable to `value` in the current context. The argument converts to T as an
    /// argument of any function does: implicitly, and with the compiler's warnings at the caller's
    /// line. Use emplace() for explicit construction.
    /// Returns: a token that can undo this set, once. Dropping the token undoes nothing.
    /// Throws: std::bad_alloc; std::length_error if a million variables are bound at once; any
    /// exception of moving a T. Then nothing has changed.
    /// Cost: a store if T is stored inline, one allocation if not. If the context shares its
    /// bindings with a copy, a copy of the map besides.
    /// From: Python's ContextVar.set().
    Token<T> set(T value) const
        requires std::is_move_constructible_v<T>
    {
        return emplace(std::move(value));
    }
    // A value that cannot be moved is made in its final place.
    template <class U>
        requires(!std::is_move_constructible_v<T> && std::is_convertible_v<U, T>)
    Token<T> set(U&& value) const {
        return emplace(std::forward<U>(value));
    }
    Token<T> set(detail::needs_a_static_cast_to<T> auto value) const = delete;

    /// As set(), but constructs the value in place from `args`, explicitly.
    template <class... Args>
    Token<T> emplace(Args&&... args) const {
        static_assert(std::is_constructible_v<T, Args&&...>,
                      "emplace(args...): the variable's type is not constructible from these");
        return bind<false>(std::forward<Args>(args)...);
    }

    /// Restores the variable to its state before the set that made `token`: its old value, or
    /// missing.
    /// Throws: RuntimeError if the token was used before; ValueError if another variable, or
    /// another context, made it; std::bad_alloc. They are checked in this order. Then nothing has
    /// changed, and the token is as good as before.
    /// Cost: as set(); allocates only if the bindings were captured since.
    /// From: Python's ContextVar.reset().
    void reset(Token<T>& token) const {
        if (const reset_result result = try_reset(token); result != reset_result::ok)
            detail::throw_reset_error(result, *this, token.undo_, detail::address_of(token));
    }
    void reset(Token<T>&& token) const { reset(token); }

    /// As reset(), but throws nothing.
    /// Returns: `ok`, or the reason for which reset() would throw.
    reset_result try_reset(Token<T>& token) const noexcept {
        return detail::unbind<!stored_inline<T>>(key(), token.undo_);
    }
    reset_result try_reset(Token<T>&& token) const noexcept { return try_reset(token); }

    /// Sets the variable.
    /// Returns: a guard that resets it.
    /// Throws: as set().
    /// From: Python 3.14's `with var.set(value):`.
    Scope<T> scoped(T value) const
        requires std::is_move_constructible_v<T>
    {
        return Scope<T>(*this, std::move(value));
    }
    template <class U>
        requires(!std::is_move_constructible_v<T> && std::is_convertible_v<U, T>)
    Scope<T> scoped(U&& value) const {
        return Scope<T>(*this, std::forward<U>(value));
    }
    Scope<T> scoped(detail::needs_a_static_cast_to<T> auto value) const = delete;

    /// Returns: an argument for contextvars::scoped or Context::with, which bind several variables
    /// at once.
    [[nodiscard("to() sets nothing")]]
    Assignment<T> to(T value) const CONTEXTVARS_LIFETIMEBOUND {
        return {*this, std::move(value)};
    }
    Assignment<T> to(detail::needs_a_static_cast_to<T> auto value) const = delete;

    /// Prints `<ContextVar name='v' at 0x…>`, or `<ContextVar name='v' default=1 at 0x…>`.
    friend std::ostream& operator<<(std::ostream& out, const ContextVar& variable) {
        detail::print(out, variable,
                      variable.default_.has_value() ? detail::address_of(*variable.default_)
                                                    : nullptr);
        return out;
    }

private:
    template <bool of_guard, class... Args>
    Token<T> bind(Args&&... args) const {
        constexpr std::bool_constant<of_guard> whose;
        if constexpr (stored_inline<T>) {
            return Token<T>(*this, detail::word_of<T>(std::forward<Args>(args)...), whose);
        } else {
            return Token<T>(
                *this, detail::new_node<T>(this->operations(), std::forward<Args>(args)...), whose);
        }
    }

    get_type find() const {
        const detail::key_type key = this->key();
        const detail::map& map = *detail::current_map();
        const std::size_t place = map.offset_of(key);
        if (map.key_at(place) == key) [[likely]]
            return *detail::value_in<T>(map.value_at(place));
        if (map.rest != nullptr) [[unlikely]]
            if (const detail::cell* cell = detail::find_far(&map, key))
                return *detail::value_in<T>(cell->value);
        return get_default();
    }

    const T& get_default() const {
        if (!default_.has_value()) [[unlikely]]
            detail::throw_lookup_error(*this, nullptr);
        return *default_;
    }

    std::optional<T> default_;

    friend class Context;
    friend class Scope<T>;
    friend class Token<T>;
    friend class variable_ref;
};

} // namespace contextvars::inline v0

#endif
