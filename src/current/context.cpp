// SPDX-License-Identifier: MIT
//
// How a Context is entered and left, read from any thread, and copied.
//
// A Context has two words. `state_` says whether it is idle, entered, or reserved for a task; one
// compare-and-swap on it decides which of two threads enters. `bindings_` holds its map with one
// reference. A copier must add a reference to a map that another thread may be about to replace. So
// the copier, and the thread that replaces, hold a lock for a handful of instructions (see
// locks.hpp). A copy takes two locked instructions; entering and leaving without a change takes
// one.
//
// While a context is entered, the map that it had stays in `bindings_`, frozen ("published"), so
// that other threads may copy it at any moment. The first set clones it, and leaving puts the clone
// in its place. The thread that runs the context finds its live map through its chain of frames.
//
// A context that is destroyed while it is entered leaves its map to the frame that entered it. The
// frame then refers to `destroyed_context` instead, and leaving the frame reports the misuse. A
// thread does this for its own frames. If another thread has entered the context, the context is
// only marked, by `destroyed_map`, in case its memory is still there when that thread leaves it.
#include "current/capture.hpp"
#include "current/print.hpp"
#include "current/thread_state.hpp"
#include "process/ends.hpp"
#include "process/locks.hpp"
#include "process/report.hpp"
#include "storage/map.hpp"
#include "variables/registry.hpp"

#include <contextvars/bind_context.hpp>
#include <contextvars/context.hpp>
#include <contextvars/ext/flow.hpp>

#include <atomic>
#include <ostream>
#include <sstream>
#include <vector>

namespace contextvars::inline v0 {

namespace detail {

namespace {

/// The map of a destroyed context. It is current nowhere.
constinit empty_map_storage destroyed_map{{0, 0, 1, 0, nullptr, map_writer::edition(0)},
                                          {no_key, {}}};

/// The same, if it was destroyed while the process ends: then leaving it is allowed.
constinit empty_map_storage ended_map{{0, 0, 1, 0, nullptr, map_writer::edition(0)}, {no_key, {}}};

/// Returns: a context that is destroyed, for frames whose own context is.
Context& destroyed_context() noexcept;

} // namespace

struct snapshot_access::snapshot {
    explicit snapshot(const Context& context) : map(context) {
        cells.reserve(binding_count(*map.get()));
        for_each(
            *map.get(),
            [](void* argument, const cell& cell) {
                static_cast<snapshot*>(argument)->cells.push_back(&cell);
                return true;
            },
            this);
    }

    mutable std::atomic<std::size_t> references{1};
    pinned_map map;
    std::vector<const cell*> cells;
};

/// The one place that touches a Context's two words.
struct context_access {
    /// For members during which nobody else may use the context, and for callers that hold its
    /// lock. Relaxed, since the lock orders the callers that have one. is_destroyed() and
    /// has_ended() compare the address and follow it nowhere.
    static map* bindings(const Context& context) noexcept {
        return context.bindings_.load(std::memory_order_relaxed);
    }
    static void set_bindings(Context& context, map* map) noexcept {
        context.bindings_.store(map, std::memory_order_relaxed);
    }

    static map* share_bindings(const Context& context) noexcept {
        const context_lock lock(context);
        return share(bindings(context));
    }

    static bool is_destroyed(const Context& context) noexcept {
        return bindings(context) == &destroyed_map.head || has_ended(context);
    }
    static bool has_ended(const Context& context) noexcept {
        return bindings(context) == &ended_map.head;
    }

    static std::uint64_t state(const Context& context) noexcept {
        // Acquire: a thread that sees that the context was left sees all that was done in it.
        return context.state_.load(std::memory_order_acquire);
    }
    static void set_state(Context& context, std::uint64_t state) noexcept {
        // Release: pairs with state(), and with the acquire of the thread that enters next.
        context.state_.store(state, std::memory_order_release);
    }

    /// idle -> `next`. Returns: the identity the context has.
    static identity_type leave_idle(Context& context, std::uint64_t next) {
        // Relaxed: the exchange below compares it again. So is the exchange that fails.
        std::uint64_t before = context.state_.load(std::memory_order_relaxed);
        do {
            if ((before & in_use) != 0)
                throw_entered(context, before);
            // Acquire: pairs with the release of the thread that left it last.
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

    /// Calls read(map). The thread that runs the context needs no lock.
    template <class Read>
    static auto read(const Context& context, const Read& read) {
        if (map* live = live_map(context))
            return read(*live);
        const context_lock lock(context);
        return read(*bindings(context));
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
        // Relaxed: nobody else may use a context that is moved from or to.
        to.bindings_.store(from.bindings_.exchange(empty_map(), std::memory_order_relaxed),
                           std::memory_order_relaxed);
        to.state_.store(from.state_.exchange(0, std::memory_order_relaxed),
                        std::memory_order_relaxed);
    }
};

namespace {

/// Puts into a context the map that it had last on this thread, and gives it the state of a context
/// that was left. Then drops the map that it had before. Destructors of values in that map may
/// enter the context again.
void leave(const frame& frame, map* last, std::uint64_t state) noexcept {
    auto& context = const_cast<Context&>(*frame.context);
    if (context_access::is_destroyed(context) ||
        context_access::state(context) != thread_number() + entered) {
        // Static destructors run, on this thread or on another. Their order does not matter then.
        if (context_access::has_ended(context) || process_ends())
            return;
        report_destroyed(frame);
    }
    map* before = empty_map();
    if (last != frame.published) {
        freeze(*last);
        const context_lock lock(context);
        before = context_access::bindings(context);
        context_access::set_bindings(context, last);
    }
    context_access::set_state(context, state);
    pinned_map::adopt(before);
}

Context& destroyed_context() noexcept {
    // Never destroyed itself, so that no order of static destructors matters.
    alignas(Context) static std::byte storage[sizeof(Context)];
    static Context& context = *[] {
        auto* const made = ::new (static_cast<void*>(storage)) Context;
        context_access::set_bindings(*made, &destroyed_map.head);
        return made;
    }();
    return context;
}

/// Puts the destroyed context in the place of the one that the frame has entered. The address of
/// the latter is kept in the place of a map, with a mark, since a map may come to lie at that
/// address.
void orphan(frame& frame) noexcept {
    frame.published = reinterpret_cast<map*>(reinterpret_cast<std::uintptr_t>(frame.context) + 1);
    frame.context = &destroyed_context();
}

[[noreturn]] void report_out_of_order(const frame& frame, const char* where) noexcept {
    report_fatal({diagnostic_kind::left_out_of_order,
                  "a context was left, or a coroutine suspended, that is not the one entered last "
                  "on this thread; leave contexts in the reverse order, on the thread that entered "
                  "them, and hold no Entered across a co_await",
                  {},
                  frame.context,
                  where});
}

/// Takes a frame out of this thread's chain, if it is in the chain but not its top: the frame above
/// goes on without it.
/// it.
void unlink(const frame& frame) noexcept {
    for (auto* above = top_frame(); above != nullptr; above = above->previous)
        if (above->previous == &frame) {
            above->previous = frame.previous;
            above->previous_map = frame.previous_map;
            return;
        }
}

} // namespace

void report_left_out_of_order(const frame& frame) noexcept { report_out_of_order(frame, "leave"); }

const Context* context_of(const frame& frame) noexcept {
    if (frame.context != &destroyed_context())
        return frame.context;
    return reinterpret_cast<const Context*>(reinterpret_cast<std::uintptr_t>(frame.published) - 1);
}

void leave_out_of_order(const frame& frame) noexcept {
    if (!process_ends())
        report_out_of_order(frame, "~Entered");
    unlink(frame);
}

void report_destroyed(const frame& frame) noexcept {
    report_fatal(
        {diagnostic_kind::context_destroyed_while_entered,
         "a context was destroyed while it was entered; it must outlive run(), the guard of "
         "enter(), and a task that runs in it",
         {},
         context_of(frame),
         "leave"});
}

void destroy_in_use(Context& context) noexcept {
    const std::uint64_t state = context_access::state(context);
    map* const published = context_access::bindings(context);
    context_access::set_bindings(context, process_ends() ? &ended_map.head : &destroyed_map.head);
    if ((state & reserved) != 0) { // for a task that is suspended
        orphan(*reinterpret_cast<frame*>(static_cast<std::uintptr_t>(state & ~in_use)));
        pinned_map::adopt(published);
        return;
    }
    map* live = current_map();
    for (frame* frame = top_frame(); frame != nullptr; frame = frame->previous) {
        if (frame->context == &context) {
            const bool shown = frame->published != nullptr; // else there is no map but the live one
            orphan(*frame);
            if (shown && live != published)
                pinned_map::adopt(published);
            return;
        }
        live = frame->previous_map;
    }
    // Another thread has entered it, of this process or of one that forked this one. It has the
    // map.
}

identity_type begin_contended(Context& context) {
    return context_access::leave_idle(context, thread_number() + entered);
}

void end_changed(const frame& frame, map* last) noexcept { leave(frame, last, frame.identity); }

pinned_map::pinned_map(const Context& context) noexcept {
    if (map* live = context_access::live_map(context))
        map_ = detail::share(live);
    else
        map_ = context_access::share_bindings(context);
}

pinned_map pinned_map::copy_of(const Context& context) noexcept {
    pinned_map all(context);
    return is_captured_whole(*all.map_) ? std::move(all)
                                        : pinned_map(copy_captured_or_none(*all.map_));
}

const snapshot_access::snapshot* snapshot_access::take(const Context& context) {
    return new const snapshot(context);
}

void snapshot_access::share(const snapshot& snapshot) noexcept {
    // Relaxed: a thread that adds a reference holds one.
    snapshot.references.fetch_add(1, std::memory_order_relaxed);
}

void snapshot_access::drop(const snapshot& snapshot) noexcept {
    // Release: all that other threads read comes before the destruction. Acquire: the last one sees
    // that.
    if (snapshot.references.fetch_sub(1, std::memory_order_acq_rel) == 1)
        delete &snapshot;
}

std::size_t snapshot_access::size(const snapshot& snapshot) noexcept {
    return snapshot.cells.size();
}

binding snapshot_access::at(const snapshot& snapshot, std::size_t index) noexcept {
    const cell& cell = *snapshot.cells[index];
    const type_operations& operations = operations_of_key(cell.key);
    return {variable(cell.key),
            value(&operations, value_in(cell.value, operations), is_secret(cell.key))};
}

} // namespace detail

using detail::context_access;

Context::Context(const Context& other) noexcept {
    context_access::set_bindings(*this, detail::pinned_map::copy_of(other).take());
}

Context::Context(Context&& other) noexcept {
    if ((context_access::state(other) & detail::in_use) != 0)
        context_access::set_bindings(*this, detail::pinned_map::copy_of(other).take());
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
    detail::map* before = context_access::bindings(*this);
    context_access::move_from(*this, moved);
    detail::pinned_map::adopt(before);
    return *this;
}

std::size_t Context::size() const noexcept {
    return context_access::read(*this, [](const detail::map& map) { return binding_count(map); });
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

void Context::throw_key_error(const detail::variable& variable) const {
    std::ostringstream message;
    detail::print(message, variable, nullptr);
    message << " is missing in <Context at ";
    detail::print_address(message, this);
    message << '>';
    throw KeyError(message.str());
}

std::ostream& operator<<(std::ostream& out, const Context& context) {
    out << "<Context at ";
    detail::print_address(out, &context);
    if (detail::printing_value::is_going_on()) // a context within a context, however deep
        return out << '>';
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
            stream << std::exchange(separator, ", ");
            detail::print_binding(stream, cell);
            return true;
        },
        &list);
    return out << "}>";
}

namespace ext {

flow::flow(Context& context) : flow(snapshot()) {
    frame_.identity = context_access::leave_idle(context, state_of_reserved());
    frame_.context = &context;
}

std::uint64_t flow::state_of_reserved() const noexcept {
    return reinterpret_cast<std::uintptr_t>(&frame_) + detail::reserved;
}

void flow::take_reservation(flow& other) noexcept {
    other.frame_.context = nullptr;
    auto& context = const_cast<Context&>(*frame_.context);
    if (!context_access::is_destroyed(context))
        context_access::set_state(context, state_of_reserved());
}

void flow::end() noexcept {
    if (running()) {
        if (detail::top_frame() == &frame_) {
            suspend();
        } else if (detail::process_ends()) {
            detail::unlink(frame_);
            keep(detail::empty_map());
            return;
        } else {
            detail::report_out_of_order(frame_, "~flow");
        }
    }
    if (frame_.context == nullptr)
        return;
    auto& context = const_cast<Context&>(*frame_.context);
    if (!context_access::is_destroyed(context))
        context_access::set_state(context, frame_.identity);
}

void flow::resume_reserved() noexcept {
    auto& context = const_cast<Context&>(*frame_.context);
    if (context_access::is_destroyed(context))
        detail::report_destroyed(frame_);
    context_access::set_state(context, detail::thread_number() + detail::entered);
    frame_.published = context_access::bindings(context);
    detail::push(frame_, frame_.published);
}

void flow::suspend_reserved(detail::map* last) noexcept {
    keep(detail::empty_map());
    detail::leave(frame_, last, state_of_reserved());
}

snapshot flow::copy_reserved() const noexcept {
    if (context_access::is_destroyed(*frame_.context))
        return {};
    // A copy of the context that somebody else makes is not suppressed, but one of the flow is.
    const detail::pinned_map all(*frame_.context);
    return detail::suppressions(*all.get()) != 0 ? snapshot() : snapshot(*frame_.context);
}

void suspension::suspend_reserved(flow& flow, detail::map* last) noexcept {
    // Destructors of values that end now may set, in this scope's frame. Nobody gets these
    // bindings. So the map below is frozen, else they would be set in it.
    detail::freeze(*frame_.previous_map);
    detail::set_current_map(frame_.published = frame_.previous_map);
    flow.suspend_reserved(last);
    detail::map* const set = detail::current_map();
    detail::map* const below = std::exchange(frame_.published, nullptr);
    detail::set_current_map(detail::snapshot_map::take(flow.copy_reserved()));
    if (set != below)
        detail::pinned_map::adopt(set);
}

} // namespace ext
} // namespace contextvars::inline v0
