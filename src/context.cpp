// SPDX-License-Identifier: MIT
//
// Context: entering and leaving, reading from any thread, copying.
//
// A Context has two words. `state_` says whether it is idle, entered, or reserved for a task; one
// compare-and-swap on it decides which of two threads enters. `bindings_` holds its map with one
// reference. Copying must add a reference to a map that another thread may be about to replace, so
// the copier first marks the word as taken (a compare-and-swap), adds its reference and unmarks it;
// a second copier, or a leaver, that finds it taken waits those few instructions. So a copy costs
// two locked instructions, and entering and leaving without a change one.
//
// While a context is entered, the map it had stays in `bindings_`, frozen ("published"), so that
// other threads may copy it at any moment; the first set clones it, and leaving puts the clone in
// its place. The thread that runs the context finds its live map through its chain of frames.
#include "map.hpp"
#include "print.hpp"
#include "registry.hpp"
#include "report.hpp"
#include "thread_state.hpp"

#include <contextvars/bind_context.hpp>
#include <contextvars/context.hpp>
#include <contextvars/ext/flow.hpp>

#include <pthread.h>

#include <sstream>
#include <thread>
#include <vector>

namespace contextvars::inline v0 {

namespace detail {

namespace {

constinit std::atomic<std::uintptr_t> taken_in_this_process{1};

[[gnu::constructor]] void survive_fork() {
    pthread_atfork(nullptr, nullptr,
                   [] { taken_in_this_process.store(taken_in_this_process.load() % 15 + 1); });
}

} // namespace

struct snapshot_access::snapshot {
    explicit snapshot(const Context& context) : map(context) {
        cells.reserve(map.get()->size);
        for_each(
            *map.get(),
            [](void* argument, const cell& cell) {
                static_cast<snapshot*>(argument)->cells.push_back(&cell);
                return true;
            },
            this);
    }

    pinned_map map;
    std::vector<const cell*> cells;
};

/// The one place that touches a Context's two words.
struct context_access {
    static map* take_bindings(const Context& context) noexcept {
        // Relaxed: changes only in a child process that has one thread yet.
        const std::uintptr_t mine = taken_in_this_process.load(std::memory_order_relaxed);
        map* bindings = context.bindings_.load(std::memory_order_relaxed);
        for (;;) {
            map* const unmarked = without_mark(bindings);
            if (reinterpret_cast<std::uintptr_t>(bindings) ==
                reinterpret_cast<std::uintptr_t>(unmarked) + mine) {
                std::this_thread::yield();
                bindings = context.bindings_.load(std::memory_order_relaxed);
            } else if (context.bindings_.compare_exchange_weak(
                           bindings,
                           reinterpret_cast<map*>(reinterpret_cast<std::uintptr_t>(unmarked) +
                                                  mine),
                           // Acquire: pairs with the release in put_bindings.
                           std::memory_order_acquire, std::memory_order_relaxed)) {
                return unmarked;
            }
        }
    }
    static void put_bindings(const Context& context, map* map) noexcept {
        context.bindings_.store(map, std::memory_order_release);
    }

    /// For members during which nobody else may use the context.
    static map* bindings_of_mine(const Context& context) noexcept {
        return without_mark(context.bindings_.load(std::memory_order_relaxed));
    }

    /// What the context published, as the thread that runs it sees it: only copiers, who put back
    /// what they took, may be at it.
    static map* published(const Context& context) noexcept {
        return without_mark(context.bindings_.load(std::memory_order_acquire));
    }

    static map* share_bindings(const Context& context) noexcept {
        map* bindings = take_bindings(context);
        share(bindings);
        put_bindings(context, bindings);
        return bindings;
    }

    static std::uint64_t state(const Context& context) noexcept {
        // Acquire: who sees the context left sees what was done in it.
        return context.state_.load(std::memory_order_acquire);
    }
    static void set_state(Context& context, std::uint64_t state) noexcept {
        context.state_.store(state, std::memory_order_release);
    }

    /// idle -> `next`. Returns: the identity the context has.
    static identity_type leave_idle(Context& context, std::uint64_t next) {
        std::uint64_t before = context.state_.load(std::memory_order_relaxed);
        do {
            if ((before & in_use) != 0)
                throw_entered(context, before);
            // Acquire: pairs with the release of who left it last.
        } while (!context.state_.compare_exchange_weak(before, next, std::memory_order_acquire,
                                                       std::memory_order_relaxed));
        return before;
    }

    /// The map that the context has on this thread if this thread runs it, else nullptr.
    static map* live_map(const Context& context) noexcept {
        if ((state(context) & entered) == 0)
            return nullptr;
        map* live = current_map();
        for (const frame* frame = top_frame(); frame != nullptr; frame = frame->previous) {
            if (frame->context == &context)
                return live;
            live = frame->previous_map;
        }
        return nullptr;
    }

    /// The map to read: without a lock on the thread that runs it.
    template <class Read>
    static auto read(const Context& context, const Read& read) {
        if (map* live = live_map(context))
            return read(*live);
        struct guard {
            const Context& context;
            map* bindings = take_bindings(context);
            ~guard() { put_bindings(context, bindings); }
        } const taken{context};
        return read(*taken.bindings);
    }

    static void require_not_entered(const Context& context, const char* what) {
        if ((state(context) & in_use) == 0)
            return;
        std::ostringstream message;
        message << "cannot " << what << ": <Context at ";
        print_address(message, &context);
        message << "> is entered";
        throw RuntimeError(message.str());
    }

    [[noreturn]] static void throw_entered(const Context& context, std::uint64_t state) {
        std::ostringstream message;
        message << "cannot enter context: <Context at ";
        print_address(message, &context);
        message << "> is already entered";
        if ((state & entered) == 0)
            message << " (it is reserved for a task)";
        else if (state == thread_number() + entered)
            message << " by this thread";
        else
            message << " by thread " << state - entered;
        throw RuntimeError(message.str());
    }

    static void move_from(Context& to, Context& from) noexcept {
        to.bindings_.store(from.bindings_.exchange(empty_map(), std::memory_order_relaxed),
                           std::memory_order_relaxed);
        to.state_.store(from.state_.exchange(0, std::memory_order_relaxed),
                        std::memory_order_relaxed);
    }
};

namespace {

/// Puts the map that a context had last on this thread into it, and gives it the state of a context
/// that was left; then drops the map it had before, whose values' destructors may enter it again.
void leave(Context& context, map* last, map* published, std::uint64_t state) noexcept {
    map* before = empty_map();
    if (last != published) {
        freeze(*last);
        before = context_access::take_bindings(context);
        context_access::put_bindings(context, last);
    }
    context_access::set_state(context, state);
    release_bindings(before);
}

} // namespace

void report_left_out_of_order(const frame& frame) noexcept {
    report_fatal({diagnostic_kind::left_out_of_order,
                  "a context was left, or a coroutine suspended, that is not the one entered last "
                  "on this thread",
                  {},
                  frame.context,
                  "leave"});
}

identity_type begin_contended(Context& context) {
    return context_access::leave_idle(context, thread_number() + entered);
}

void end_changed(Context& context, map* last, identity_type identity) noexcept {
    leave(context, last, nullptr, identity);
}

pinned_map::pinned_map(const Context& context) noexcept {
    if (map* live = context_access::live_map(context))
        map_ = detail::share(live);
    else
        map_ = context_access::share_bindings(context);
}

std::size_t snapshot_access::size(const snapshot& snapshot) noexcept {
    return snapshot.cells.size();
}

binding snapshot_access::at(const snapshot& snapshot, std::size_t index) noexcept {
    const cell& cell = *snapshot.cells[index];
    const type_operations& operations = operations_of_key(cell.key);
    return {variable(cell.key), value(&operations, value_in(cell.value, operations))};
}

} // namespace detail

using detail::context_access;

Context::Context(const Context& other) noexcept {
    context_access::put_bindings(*this, detail::pinned_map(other).take());
}

Context::Context(Context&& other) noexcept {
    if ((context_access::state(other) & detail::in_use) != 0)
        context_access::put_bindings(*this, detail::pinned_map(other).take());
    else
        context_access::move_from(*this, other);
}

Context& Context::operator=(const Context& other) {
    if (this != &other)
        *this = Context(other);
    return *this;
}

Context& Context::operator=(Context&& other) {
    context_access::require_not_entered(*this, "assign to a context");
    if (this == &other)
        return *this;
    Context moved(std::move(other));
    detail::map* before = context_access::bindings_of_mine(*this);
    context_access::move_from(*this, moved);
    detail::release_bindings(before);
    return *this;
}

void Context::report_destroyed() const noexcept {
    detail::report_fatal({diagnostic_kind::context_destroyed_while_entered,
                          "a context was destroyed while it is entered",
                          {},
                          this,
                          "~Context"});
}

std::size_t Context::size() const noexcept {
    return context_access::read(*this, [](const detail::map& map) { return map.size; });
}

bool Context::contains_key(detail::key_type key) const noexcept {
    return context_access::read(
        *this, [key](const detail::map& map) { return detail::find(map, key) != nullptr; });
}

const detail::cell* Context::find(detail::key_type key) const {
    if ((context_access::state(*this) & detail::entered) != 0 &&
        context_access::live_map(*this) == nullptr) {
        std::ostringstream message;
        message << "cannot refer to a value in a context: <Context at ";
        detail::print_address(message, this);
        message << "> is entered by another thread; copy it, or give a default";
        throw RuntimeError(message.str());
    }
    return context_access::read(*this,
                                [key](const detail::map& map) { return detail::find(map, key); });
}

std::shared_ptr<const Context::snapshot> Context::take_snapshot() const {
    return std::make_shared<const snapshot>(*this);
}

void Context::throw_key_error(const detail::variable& variable) const {
    std::ostringstream message;
    detail::print(message, variable, nullptr);
    message << " is missing in <Context at ";
    detail::print_address(message, this);
    message << '>';
    throw KeyError(message.str());
}

bool operator==(const Context& a, const Context& b) {
    const detail::pinned_map of_a(a);
    const detail::pinned_map of_b(b);
    if (of_a.get() == of_b.get())
        return true;
    if (of_a.get()->size != of_b.get()->size)
        return false;
    return detail::for_each(
        *of_a.get(),
        [](void* argument, const detail::cell& in_a) {
            const auto* in_b =
                detail::find_any(*static_cast<const detail::map*>(argument), in_a.key);
            if (in_b == nullptr)
                return false;
            const detail::type_operations& operations = detail::operations_of_key(in_a.key);
            const void* value_a = detail::value_in(in_a.value, operations);
            const void* value_b = detail::value_in(in_b->value, operations);
            // Identical: one node, or for values that have no place of their own, the same bits.
            if (operations.in_node ? value_a == value_b
                                   : std::memcmp(value_a, value_b, operations.size()) == 0)
                return true;
            return operations.equal != nullptr && operations.equal(value_a, value_b);
        },
        of_b.get());
}

std::ostream& operator<<(std::ostream& out, const Context& context) {
    out << "<Context at ";
    detail::print_address(out, &context);
    out << " {";
    struct list {
        std::ostream& out;
        const char* separator;
    } list{out, ""};
    const detail::pinned_map bindings(context);
    detail::for_each(
        *bindings.get(),
        [](void* argument, const detail::cell& cell) {
            auto& [stream, separator] = *static_cast<struct list*>(argument);
            stream << std::exchange(separator, ", ") << detail::name_of(cell.key);
            if (detail::variable_of(cell.key) == nullptr)
                stream << " (destroyed)";
            stream << '=';
            const detail::type_operations& operations = detail::operations_of_key(cell.key);
            detail::print_in_list(stream, operations, detail::value_in(cell.value, operations));
            return true;
        },
        &list);
    return out << "}>";
}

namespace ext {

flow::flow(Context& context) : flow(snapshot()) {
    frame_.identity = context_access::leave_idle(context, detail::reserved);
    frame_.context = &context;
    reserved_ = &context;
}

void flow::end() noexcept {
    if (running())
        detail::report_fatal({diagnostic_kind::context_destroyed_while_entered,
                              "a flow was destroyed while it runs",
                              {},
                              reserved_,
                              "~flow"});
    context_access::set_state(*reserved_, frame_.identity);
}

void flow::resume_reserved() noexcept {
    context_access::set_state(*reserved_, detail::thread_number() + detail::entered);
    frame_.published = context_access::published(*reserved_);
    detail::push(frame_, frame_.published);
}

void flow::suspend_reserved(detail::map* last) noexcept {
    detail::leave(*reserved_, last, frame_.published, detail::reserved);
}

snapshot flow::copy_reserved() const noexcept { return snapshot(*reserved_); }

detail::map* flow::reads_instead_of(detail::map* other) const noexcept {
    detail::map* const held = map_.get();
    if (held == other)
        return other;
    if (!detail::has_edition(*held))
        detail::give_edition(*held);
    return copy().take();
}

void suspension::suspend_reserved(flow& flow, detail::map* last) noexcept {
    // Values that end now may set, in this scope's frame: what they set is nobody's.
    detail::set_current_map(frame_.published = frame_.previous_map);
    flow.suspend_reserved(last);
    detail::map* const set = detail::current_map();
    detail::map* const below = std::exchange(frame_.published, nullptr);
    detail::set_current_map(flow.copy_reserved().take());
    if (set != below)
        snapshot::adopt(set);
}

} // namespace ext
} // namespace contextvars::inline v0
