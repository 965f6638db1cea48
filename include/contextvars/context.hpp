// SPDX-License-Identifier: MIT
//
// Context: a set of bindings to run code in. copy_context(): a new Context with the bindings of the
// current one. variable_ref, value_ref and binding: the elements of an iteration over a context. To
// carry a context into a callback or a thread, bind_context() and contextvars::thread are shorter.
//
//     idle       run, enter: entered              copy, read: any thread
//     entered    run, enter: RuntimeError         copy: any thread; read: see below
//
// The thread that runs an entered context reads it as it is at that moment. Other threads copy,
// count, compare and iterate over the bindings that it had when it was entered. On them, a function
// that would return a reference or pointer into the context throws RuntimeError.
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
#include <string_view>
#include <tuple>
#include <type_traits>
#include <typeinfo>
#include <utility>

namespace contextvars::inline v0 {

namespace detail {
struct context_access;
struct snapshot_access;

// Bits of Context::state_.
inline constexpr std::uint64_t entered = 1;
inline constexpr std::uint64_t reserved = 2;
inline constexpr std::uint64_t in_use = entered | reserved;

/// Ends a context that is destroyed while it is entered or reserved.
CONTEXTVARS_EXPORT void destroy_in_use(Context& context) noexcept;
} // namespace detail

/// A variable whose type is forgotten. Regular; good for ever, also when the variable is gone.
class variable_ref {
public:
    /// Returns: a number that no other variable has, nor will have when this one is gone.
    std::uint64_t identity() const noexcept { return key_; }
    /// Returns: the name; good for ever.
    CONTEXTVARS_EXPORT std::string_view name() const noexcept;
    /// Returns: whether the variable still exists.
    CONTEXTVARS_EXPORT bool exists() const noexcept;

    friend bool operator==(variable_ref, variable_ref) noexcept = default;
    /// Returns: whether it is `variable`. Cost: none.
    template <class T>
    friend bool operator==(variable_ref ref, const ContextVar<T>& variable) noexcept {
        return ref.is(variable);
    }
    /// Prints the variable as its own << does, but without its default; if it is gone, as
    /// destroyed.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, variable_ref variable);

private:
    explicit variable_ref(detail::key_type key) noexcept : key_(key) {}

    template <class T>
    bool is(const ContextVar<T>& variable) const noexcept {
        return key_ == variable.key();
    }

    detail::key_type key_;

    friend struct detail::snapshot_access;
};

/// A value whose type is forgotten. Good as long as the range from which it came.
class value_ref {
public:
    /// Returns: the type T of the ContextVar<T>. Cost: none.
    const std::type_info& type() const noexcept { return *operations_->type; }

    /// Returns: the value, or nullptr if it is not a T. Types are compared by name, so that modules
    /// agree.
    template <class T>
    const T* as() const noexcept {
        return detail::same_type(type(), typeid(T)) ? static_cast<const T*>(value_) : nullptr;
    }

    /// Prints the value by its own << if enable_printing<T> and the variable is not secret; else
    /// prints its type.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, value_ref value);

private:
    value_ref(const detail::type_operations* operations, const void* value, bool secret) noexcept
        : operations_(operations), value_(value), secret_(secret) {}

    const detail::type_operations* operations_;
    const void* value_;
    bool secret_;

    friend struct detail::snapshot_access;
};

/// A variable and its value in one context.
struct binding {
    variable_ref variable;
    value_ref value;
};

namespace detail {

/// The bindings of a context at one moment, kept alive. Implemented in src/current/context.cpp.
struct snapshot_access {
    struct snapshot;

    /// Returns: a snapshot with one reference. Throws: std::bad_alloc.
    CONTEXTVARS_EXPORT static const snapshot* take(const Context& context);
    CONTEXTVARS_EXPORT static void share(const snapshot& snapshot) noexcept;
    CONTEXTVARS_EXPORT static void drop(const snapshot& snapshot) noexcept;
    CONTEXTVARS_EXPORT static std::size_t size(const snapshot& snapshot) noexcept;
    CONTEXTVARS_EXPORT static binding at(const snapshot& snapshot, std::size_t index) noexcept;
    static variable_ref variable(key_type key) noexcept { return variable_ref(key); }
    static value_ref value(const type_operations* operations, const void* value,
                           bool secret) noexcept {
        return {operations, value, secret};
    }
};

/// Holds one reference to a snapshot, or none.
class shared_snapshot {
public:
    shared_snapshot() noexcept = default;
    explicit shared_snapshot(const Context& context) : snapshot_(snapshot_access::take(context)) {}
    shared_snapshot(const shared_snapshot& other) noexcept : snapshot_(other.snapshot_) {
        if (snapshot_ != nullptr)
            snapshot_access::share(*snapshot_);
    }
    shared_snapshot(shared_snapshot&& other) noexcept
        : snapshot_(std::exchange(other.snapshot_, nullptr)) {}
    shared_snapshot& operator=(shared_snapshot other) noexcept {
        std::swap(snapshot_, other.snapshot_);
        return *this;
    }
    ~shared_snapshot() {
        if (snapshot_ != nullptr)
            snapshot_access::drop(*snapshot_);
    }

    std::size_t size() const noexcept { return snapshot_access::size(*snapshot_); }
    binding at(std::size_t index) const noexcept { return snapshot_access::at(*snapshot_, index); }

private:
    const snapshot_access::snapshot* snapshot_ = nullptr;
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

/// The range that keys(), values() and items() return: a forward range over a snapshot, in no
/// particular order. It does not show later changes of the context. Copies share the snapshot;
/// iterators keep it alive.
/// Cost: begin() and each copy of an iterator count a reference; the rest as a vector's.
template <class Get>
class snapshot_range {
public:
    /// A forward iterator.
    class iterator {
    public:
        using iterator_concept = std::forward_iterator_tag;
        using iterator_category = std::input_iterator_tag;
        using value_type = typename Get::type;
        using difference_type = std::ptrdiff_t;
        using reference = value_type;
        using pointer = void;

        iterator() noexcept = default;
        value_type operator*() const noexcept { return Get::of(snapshot_.at(index_)); }
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
            return a.index_ == a.snapshot_.size();
        }

    private:
        iterator(detail::shared_snapshot bindings, std::size_t index) noexcept
            : snapshot_(std::move(bindings)), index_(index) {}

        detail::shared_snapshot snapshot_;
        std::size_t index_ = 0;

        friend class snapshot_range;
    };

    iterator begin() const noexcept { return {snapshot_, 0}; }
    iterator end() const noexcept { return {{}, size()}; }
    std::size_t size() const noexcept { return snapshot_.size(); }
    bool empty() const noexcept { return size() == 0; }

private:
    explicit snapshot_range(const Context& context) : snapshot_(context) {}

    detail::shared_snapshot snapshot_;

    friend class Context;
};

/// The type of items(): its elements are bindings.
using items_range = snapshot_range<detail::get_item>;
/// The type of keys(): its elements are variable_refs.
using keys_range = snapshot_range<detail::get_key>;
/// The type of values(): its elements are value_refs.
using values_range = snapshot_range<detail::get_value>;

/// A guard for authors of frameworks: it enters a context, and leaves it when the guard is
/// destroyed. Guards end in reverse order, on the thread that entered. If one does not, the
/// diagnostics hook is told and the program terminated, unless the process ends. Never hold a guard
/// across a co_await.
class [[nodiscard(
    "the guard leaves the context when it is destroyed, so it must be kept")]] Entered {
public:
    /// Enters the context.
    /// Precondition: the context outlives the guard.
    /// Throws: RuntimeError if the context is entered, on this or another thread.
    /// Cost: one locked instruction. From: PyContext_Enter.
    explicit Entered(Context& context);
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;
    /// Leaves the context.
    /// Cost: none if nothing was set; else as that of a copy.
    /// From: PyContext_Exit.
    ~Entered();

private:
    static detail::identity_type begin(Context& context);

    detail::frame frame_;
};

/// A regular value type. A copy is independent and has an identity of its own: tokens that were
/// made in the original are foreign to it. A move transfers the identity; a move *from* an entered
/// context copies.
/// Threads: several threads may call const members of one object at once, also while another thread
/// runs it. Any thread may call run and enter; if several do at once, all but one throw. All other
/// members: one thread at a time.
class Context final {
public:
    /// Makes an empty context. Cost: none.
    constexpr Context() noexcept = default;

    /// Copies the bindings: they are shared until one side changes them.
    /// Cost: O(1), two locked instructions.
    CONTEXTVARS_EXPORT Context(const Context& other) noexcept;
    /// Takes over bindings and identity, and leaves `other` empty. If `other` is entered, copies.
    /// Cost: no locked instruction if `other` is not entered.
    CONTEXTVARS_EXPORT Context(Context&& other) noexcept;
    /// Throws: RuntimeError if this context is entered.
    CONTEXTVARS_EXPORT Context& operator=(const Context& other);
    CONTEXTVARS_EXPORT Context& operator=(Context&& other);
    /// Destroying an entered context is misuse. The code that entered it keeps its bindings. When
    /// that entry is left, the diagnostics hook is told and the program terminates. If the process
    /// ends inside, the entry is never left, and nothing is reported.
    ~Context() {
        // Relaxed: nobody else may use an object that is being destroyed.
        if ((state_.load(std::memory_order_relaxed) & detail::in_use) != 0) [[unlikely]]
            detail::destroy_in_use(*this);
        else if (detail::map* bindings = bindings_.load(std::memory_order_relaxed);
                 bindings != detail::empty_map())
            detail::release_bindings(bindings);
    }

    /// As the copy constructor. From: Python's Context.copy().
    Context copy() const noexcept { return *this; }

    /// Enters this context, calls `f(args...)`, and leaves. Values that f sets stay in this
    /// context, also if f throws.
    /// Returns, throws: as f. Throws RuntimeError if this context is entered, on this or another
    /// thread: then f is not called.
    /// Cost: one locked instruction, and one more if f sets.
    /// From: Python's Context.run().
    template <class F, class... Args>
    std::invoke_result_t<F, Args...> run(F&& f, Args&&... args) & {
        const Entered entered(*this);
        return std::apply(std::forward<F>(f), std::forward_as_tuple(std::forward<Args>(args)...));
    }
    /// The same for a temporary, as in `copy_context().run(f)`.
    /// Precondition: no other thread uses the context meanwhile.
    /// Cost: no locked instruction.
    template <class F, class... Args>
    std::invoke_result_t<F, Args...> run(F&& f, Args&&... args) && {
        const detail::sole_entry entry(*this);
        return std::apply(std::forward<F>(f), std::forward_as_tuple(std::forward<Args>(args)...));
    }

    /// Enters this context.
    /// Returns: a guard that leaves it.
    /// Throws: RuntimeError, as run().
    Entered enter() & { return Entered(*this); }
    Entered enter() && = delete;
    Entered enter() const&& = delete;

    /// Returns: whether the variable is bound here. Defaults are not bindings.
    template <class T>
    bool contains(const ContextVar<T>& variable) const noexcept {
        return contains_key(variable.key());
    }

    /// Returns: the value. It is good until the variable is next set or reset in this context (for
    /// types that are stored inline: until any variable is), or until the context goes.
    /// Throws: KeyError if the variable is missing; RuntimeError if another thread runs the
    /// context.
    template <class T>
    const T& operator[](const ContextVar<T>& variable) const CONTEXTVARS_LIFETIMEBOUND {
        if (const detail::cell* cell = find(variable.key()))
            return *detail::value_in<T>(cell->value);
        throw_key_error(variable);
    }

    /// As [], but returns nullptr if the variable is missing.
    template <class T>
    const T* get(const ContextVar<T>& variable) const CONTEXTVARS_LIFETIMEBOUND {
        const detail::cell* cell = find(variable.key());
        return cell != nullptr ? detail::value_in<T>(cell->value) : nullptr;
    }

    /// Returns: a copy of the value, else `otherwise`; also if another thread runs the context.
    template <class T>
    T get(const ContextVar<T>& variable, std::type_identity_t<T> otherwise) const {
        static_assert(std::is_copy_constructible_v<T>,
                      "ctx.get(variable, otherwise) returns a copy of the value; use "
                      "ctx.get(variable) for a T that cannot be copied");
        const detail::pinned_map bindings(*this);
        if (const detail::cell* cell = detail::find(*bindings.get(), variable.key()))
            return *detail::value_in<T>(cell->value);
        return otherwise;
    }
    template <class T>
    T get(const ContextVar<T>&, detail::needs_a_static_cast_to<T> auto otherwise) const = delete;

    /// Returns: a copy in which each variable of `assignments` (`ctx.with(user.to("ann"), …)`) has
    /// the value that is given there. This context stays as it is. If one variable is named twice,
    /// the last value holds.
    /// Throws: as set().
    /// Cost: as copy(), and a set for each assignment.
    template <class... T>
    [[nodiscard("with() changes nothing but the copy that it returns")]]
    Context with(Assignment<T>... assignments) const {
        Context changed(*this);
        {
            const detail::sole_entry entered(changed);
            (assignments.variable.emplace(std::move(assignments.value)), ...);
        }
        return changed;
    }

    /// Returns: the number of bindings. Cost: O(1).
    CONTEXTVARS_EXPORT std::size_t size() const noexcept;
    bool empty() const noexcept { return size() == 0; }

    /// Returns: a range over the bindings of now, in no particular order. Its elements are binding,
    /// variable_ref and value_ref.
    /// Throws: std::bad_alloc.
    /// Cost: O(size), two allocations.
    /// From: Python's Context.items().
    items_range items() const { return items_range(*this); }
    keys_range keys() const { return keys_range(*this); }
    values_range values() const { return values_range(*this); }
    /// As items(), for `for (auto&& [variable, value] : context)`.
    /// From: Python's iter(context), which yields the variables alone.
    items_range::iterator begin() const { return items().begin(); }
    std::default_sentinel_t end() const noexcept { return {}; }

    /// Returns: whether both bind the same variables to equal values. Values are equal if they are
    /// identical, or by == if enable_equality<T>.
    /// Throws: std::bad_alloc; any exception of == of a value; RuntimeError if contexts inside
    /// other values, which are compared by the == of those values, are nested more than 100 deep.
    /// Cost: O(n log n) for n bindings, including those of all contexts within.
    /// From: Python's Context.__eq__.
    CONTEXTVARS_EXPORT friend bool operator==(const Context& a, const Context& b);

    /// Prints `<Context at 0x… {user='…', …}>`. A context that is a value of another one, or is in
    /// such a value, prints as `<Context at 0x…>`.
    CONTEXTVARS_EXPORT friend std::ostream& operator<<(std::ostream& out, const Context& context);

private:
    explicit Context(detail::pinned_map bindings) noexcept : bindings_(bindings.take()) {}

    CONTEXTVARS_EXPORT const detail::cell* find(detail::key_type key) const;
    CONTEXTVARS_EXPORT bool contains_key(detail::key_type key) const noexcept;
    [[noreturn]] CONTEXTVARS_EXPORT void throw_key_error(const detail::variable& variable) const;

    // The bindings, held with one reference. They do not change while the context is entered, so
    // that other threads may copy them.
    std::atomic<detail::map*> bindings_{detail::empty_map()};
    // If idle: the context's identity, 0 until a token needs one. If entered: the thread's number
    // plus 1. If reserved for a suspended task: the address of the task's frame plus 2; the frame
    // has the identity.
    std::atomic<std::uint64_t> state_{0};

    friend class Entered;
    friend class detail::sole_entry;
    friend struct detail::context_access;
    friend Context copy_context() noexcept;
};
static_assert(sizeof(Context) == 16);

/// Returns: a new context with the current one's bindings.
/// Cost: O(1). Up to 16 small values are cloned, without a locked instruction. Else the bindings
/// are frozen and shared, with one locked instruction.
/// From: Python's copy_context().
[[nodiscard("copy_context() changes nothing")]]
inline Context copy_context() noexcept {
    return Context(detail::pinned_map::of_current());
}

namespace detail {

/// The rare cases: two threads enter a context at once; a context was changed, or destroyed, while
/// it was entered.
[[nodiscard]] CONTEXTVARS_EXPORT identity_type begin_contended(Context& context);
CONTEXTVARS_EXPORT void end_changed(const frame& frame, map* last) noexcept;
[[noreturn]] CONTEXTVARS_EXPORT void report_destroyed(const frame& frame) noexcept;

inline sole_entry::sole_entry(Context& context) {
    frame_.context = &context;
    // Relaxed, here and below: only this thread uses the context.
    frame_.identity = context.state_.load(std::memory_order_relaxed);
    frame_.published = nullptr;
    if ((frame_.identity & in_use) != 0) [[unlikely]]
        frame_.identity = begin_contended(context);
    context.state_.store(thread_number() + entered, std::memory_order_relaxed);
    push(frame_, context.bindings_.load(std::memory_order_relaxed));
}

inline sole_entry::~sole_entry() {
    map* last = pop(frame_);
    if (frame_.published != nullptr) [[unlikely]]
        report_destroyed(frame_);
    freeze(*last);
    auto& context = const_cast<Context&>(*frame_.context);
    context.bindings_.store(last, std::memory_order_relaxed);
    context.state_.store(frame_.identity, std::memory_order_relaxed);
}

} // namespace detail

/// Returns: the identity of the context, which is now entered.
inline detail::identity_type Entered::begin(Context& context) {
    // The state of an idle context.
    detail::identity_type identity =
        context.state_.load(std::memory_order_relaxed) & ~detail::in_use;
    // Acquire: pairs with the release of the thread that left it last.
    if (!context.state_.compare_exchange_strong(identity, detail::thread_number() + detail::entered,
                                                std::memory_order_acquire,
                                                std::memory_order_relaxed)) [[unlikely]]
        return detail::begin_contended(context);
    return identity;
}

inline Entered::Entered(Context& context) {
    frame_.context = &context;
    frame_.identity = begin(context);
    // Relaxed: the bindings change only while the context is entered; begin() has synchronised.
    frame_.published = context.bindings_.load(std::memory_order_relaxed);
    detail::push(frame_, frame_.published);
}

inline Entered::~Entered() {
    if (detail::top_frame() != &frame_) [[unlikely]] {
        detail::leave_out_of_order(frame_);
        return;
    }
    detail::map* const last = detail::pop(frame_);
    auto& context = const_cast<Context&>(*frame_.context);
    // Relaxed: this thread has these bindings, or has set others; or the context was destroyed.
    if (last != context.bindings_.load(std::memory_order_relaxed)) [[unlikely]]
        detail::end_changed(frame_, last);
    else
        // Release: the thread that enters it next sees all that was done in it.
        context.state_.store(frame_.identity, std::memory_order_release);
}

} // namespace contextvars::inline v0

#endif
