// SPDX-License-Identifier: MIT
//
// Context: a set of bindings to run code in; copy_context(): the current one's bindings; and what
// iterating over a context yields (variable_ref, value_ref, binding). To carry a context into a
// callback or thread, bind_context() and contextvars::thread are shorter.
//
//     idle       run, enter: entered              copy, read: any thread
//     entered    run, enter: RuntimeError         copy: any thread; read: see below
//
// On the thread that runs it, an entered context reads as it is at that moment. Other threads copy,
// count, compare and iterate over what it was when it was entered; what would return a reference
// or pointer into it throws RuntimeError there.
#ifndef CONTEXTVARS_CONTEXT_HPP
#define CONTEXTVARS_CONTEXT_HPP

#include <contextvars/context_var.hpp>
#include <contextvars/detail/current.hpp>
#include <contextvars/detail/frame.hpp>
#include <contextvars/errors.hpp>

#include <atomic>
#include <compare>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <iterator>
#include <memory>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace contextvars::inline v0 {

namespace detail {
struct context_access;
struct snapshot_access;
} // namespace detail

/// A variable, its type forgotten. Regular; good for ever, also when the variable is gone.
class variable_ref {
public:
    /// Equal for one variable, and never for two, also one after the other.
    std::uint64_t identity() const noexcept { return key_; }
    /// Returns: the name; good for ever.
    CONTEXTVARS_EXPORT std::string_view name() const noexcept;
    /// Whether the variable still exists.
    CONTEXTVARS_EXPORT bool exists() const noexcept;

    friend bool operator==(variable_ref, variable_ref) noexcept = default;
    /// As the variable itself is printed (without its default), or as destroyed.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, variable_ref variable);

private:
    explicit variable_ref(detail::key_type key) noexcept : key_(key) {}

    detail::key_type key_;

    friend struct detail::snapshot_access;
};

/// A value, its type forgotten. Good as long as the range it came from.
class value_ref {
public:
    const std::type_info& type() const noexcept { return *operations_->type; }

    /// Returns: the value, or nullptr where it is not a T. Types are compared by name, so that
    /// modules agree.
    template <class T>
    const T* as() const noexcept {
        return type() == typeid(T) ? static_cast<const T*>(value_) : nullptr;
    }

    /// The value where enable_printing<T>, else its type.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, value_ref value);

private:
    value_ref(const detail::type_operations* operations, const void* value) noexcept
        : operations_(operations), value_(value) {}

    const detail::type_operations* operations_;
    const void* value_;

    friend struct detail::snapshot_access;
};

/// A variable's value in one context.
struct binding {
    variable_ref variable;
    value_ref value;
};

namespace detail {

/// The bindings of a context at one moment, kept alive. Implemented in src/context.cpp.
struct snapshot_access {
    struct snapshot;

    CONTEXTVARS_EXPORT static std::size_t size(const snapshot& snapshot) noexcept;
    CONTEXTVARS_EXPORT static binding at(const snapshot& snapshot, std::size_t index) noexcept;
    static variable_ref variable(key_type key) noexcept { return variable_ref(key); }
    static value_ref value(const type_operations* operations, const void* value) noexcept {
        return {operations, value};
    }
};

struct get_item {
    using type = binding;
    static binding of(const binding& binding) noexcept { return binding; }
};
struct get_key {
    using type = variable_ref;
    static variable_ref of(const binding& binding) noexcept { return binding.variable; }
};
struct get_value {
    using type = value_ref;
    static value_ref of(const binding& binding) noexcept { return binding.value; }
};

} // namespace detail

/// What keys(), values() and items() return: a range over a snapshot, in no particular order.
/// Later changes of the context are not seen. Copies share the snapshot.
template <class Get>
class snapshot_range {
    using snapshot = detail::snapshot_access::snapshot;

public:
    class iterator {
    public:
        using iterator_concept = std::forward_iterator_tag;
        using iterator_category = std::input_iterator_tag;
        using value_type = typename Get::type;
        using difference_type = std::ptrdiff_t;
        using reference = value_type;
        using pointer = void;

        iterator() noexcept = default;
        value_type operator*() const noexcept {
            return Get::of(detail::snapshot_access::at(*snapshot_, index_));
        }
        iterator& operator++() noexcept {
            ++index_;
            return *this;
        }
        iterator operator++(int) noexcept {
            iterator before = *this;
            ++index_;
            return before;
        }
        friend bool operator==(const iterator& a, const iterator& b) noexcept {
            return a.index_ == b.index_;
        }
        friend bool operator==(const iterator& a, std::default_sentinel_t) noexcept {
            return a.index_ == detail::snapshot_access::size(*a.snapshot_);
        }

    private:
        iterator(std::shared_ptr<const snapshot> bindings, std::size_t index) noexcept
            : snapshot_(std::move(bindings)), index_(index) {}

        std::shared_ptr<const snapshot> snapshot_;
        std::size_t index_ = 0;

        friend class snapshot_range;
    };

    iterator begin() const noexcept { return {snapshot_, 0}; }
    iterator end() const noexcept { return {nullptr, size()}; }
    std::size_t size() const noexcept { return detail::snapshot_access::size(*snapshot_); }
    bool empty() const noexcept { return size() == 0; }

private:
    explicit snapshot_range(std::shared_ptr<const snapshot> bindings) noexcept
        : snapshot_(std::move(bindings)) {}

    std::shared_ptr<const snapshot> snapshot_;

    friend class Context;
};

using items_range = snapshot_range<detail::get_item>;
using keys_range = snapshot_range<detail::get_key>;
using values_range = snapshot_range<detail::get_value>;

/// A regular value type. A copy is independent and has an identity of its own: tokens made in the
/// original are foreign to it. A move transfers identity; a move *from* an entered context copies.
/// Threads: const members on one object from several threads at once, also while another thread
/// runs it; run and enter from any thread, where all but one throw; the rest one at a time.
class Context final {
public:
    /// Empty. Cost: none.
    constexpr Context() noexcept = default;

    /// O(1): the bindings are shared until one side changes them. Two locked instructions.
    CONTEXTVARS_EXPORT Context(const Context& other) noexcept;
    CONTEXTVARS_EXPORT Context(Context&& other) noexcept;
    /// Throws: RuntimeError where this context is entered.
    CONTEXTVARS_EXPORT Context& operator=(const Context& other);
    CONTEXTVARS_EXPORT Context& operator=(Context&& other);
    /// Destroying an entered context tells the diagnostics hook and terminates.
    CONTEXTVARS_EXPORT ~Context();

    Context copy() const noexcept { return *this; }

    /// Enters this context, calls `f(args...)`, leaves. What f sets stays in this context, also
    /// when f throws.
    /// Returns, throws: what f does; RuntimeError where this context is entered, on this or
    /// another thread: then f is not called.
    /// Cost: one locked instruction, and one more where f sets. From: Python's Context.run().
    template <class F, class... Args>
    std::invoke_result_t<F, Args...> run(F&& f, Args&&... args) {
        const detail::entry entry(*this);
        return std::apply(std::forward<F>(f), std::forward_as_tuple(std::forward<Args>(args)...));
    }

    /// For people who write frameworks: enters, and returns a guard that leaves. Guards leave in
    /// reverse order on the thread that entered; anything else tells the diagnostics hook and
    /// terminates. Never hold one across a co_await.
    /// Throws: RuntimeError, as run().
    [[nodiscard("the guard leaves the context when it is destroyed, so it must be kept")]]
    detail::entry enter() & {
        return detail::entry(*this);
    }
    detail::entry enter() && = delete;
    detail::entry enter() const&& = delete;

    /// Returns: whether the variable is bound here. Defaults are not bindings.
    template <class T>
    bool contains(const ContextVar<T>& variable) const noexcept {
        return contains_key(variable.key());
    }

    /// Returns: the value, good until the variable is next set or reset in this context (for
    /// types stored inline: until anything is), or the context goes.
    /// Throws: KeyError where the variable is missing; RuntimeError where another thread runs it.
    template <class T>
    const T& operator[](const ContextVar<T>& variable) const {
        if (const detail::cell* cell = find(variable.key()))
            return *detail::value_in<T>(cell->value);
        throw_key_error(variable);
    }

    /// As [], but nullptr where the variable is missing.
    template <class T>
    const T* get(const ContextVar<T>& variable) const {
        const detail::cell* cell = find(variable.key());
        return cell != nullptr ? detail::value_in<T>(cell->value) : nullptr;
    }

    /// Returns: a copy of the value, else `otherwise`; also where another thread runs it.
    template <class T, class U>
    T get(const ContextVar<T>& variable, U&& otherwise) const {
        static_assert(std::is_copy_constructible_v<T>,
                      "ctx.get(variable, otherwise) returns a copy of the value; use "
                      "ctx.get(variable) for a T that cannot be copied");
        const detail::pinned_map bindings(*this);
        if (const detail::cell* cell = detail::find(*bindings.get(), variable.key()))
            return *detail::value_in<T>(cell->value);
        return static_cast<T>(std::forward<U>(otherwise));
    }

    /// Returns: the number of bindings. O(1).
    CONTEXTVARS_EXPORT std::size_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }

    /// Return: snapshots. O(size). Throw: std::bad_alloc.
    items_range items() const { return items_range(take_snapshot()); }
    keys_range keys() const { return keys_range(take_snapshot()); }
    values_range values() const { return values_range(take_snapshot()); }
    items_range::iterator begin() const { return items().begin(); }
    std::default_sentinel_t end() const noexcept { return {}; }

    /// Whether both bind the same variables to equal values: identical, or equal by == where
    /// enable_equality<T>. Throws: what == of a value does. From: Python's Context.__eq__.
    CONTEXTVARS_EXPORT friend bool operator==(const Context& a, const Context& b);

    /// `<Context at 0x… {user='…', …}>`.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, const Context& context);

private:
    using snapshot = detail::snapshot_access::snapshot;

    CONTEXTVARS_EXPORT const detail::cell* find(detail::key_type key) const;
    CONTEXTVARS_EXPORT bool contains_key(detail::key_type key) const noexcept;
    CONTEXTVARS_EXPORT std::shared_ptr<const snapshot> take_snapshot() const;
    [[noreturn]] CONTEXTVARS_EXPORT void throw_key_error(const detail::variable& variable) const;

    // The bindings, held with one reference; 0 stands for the empty map. The low bits mark it as
    // taken by a copier (for a handful of instructions). While the context is entered the bindings
    // stay what they were, so that other threads may copy them.
    mutable std::atomic<std::uintptr_t> bindings_{0};
    // idle: identity << 2, the identity 0 until a token needs one;
    // entered: the thread's number | 1; reserved for a suspended task: identity << 2 | 2.
    std::atomic<std::uint64_t> state_{0};

    friend struct detail::context_access;
};
static_assert(sizeof(Context) == 16);

/// Returns: a new context with the current one's bindings.
/// Cost: O(1). Up to 16 small values are cloned, without a locked instruction; else the bindings
/// are frozen and shared with one. From: Python's copy_context().
CONTEXTVARS_EXPORT Context copy_context() noexcept;

} // namespace contextvars::inline v0

#endif
