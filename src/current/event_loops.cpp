// SPDX-License-Identifier: MIT
#include "current/event_loops.hpp"

#include "current/thread_state.hpp"
#include "process/locks.hpp"
#include "process/memory.hpp"
#include "process/report.hpp"
#include "variables/registry.hpp"

#include <contextvars/diagnostics.hpp>
#include <contextvars/ext/event_loop.hpp>

#include <unwind.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <new>
#include <span>
#include <string_view>

#if defined(__GLIBC__)
#include <dlfcn.h>
#include <link.h>
#pragma weak dladdr1 // a static executable has no loader
#endif

namespace contextvars::inline v0 {

namespace {

constinit std::atomic<bool> checks{false};
constinit ext::event_loop* loops = nullptr; // under diagnostics_lock

} // namespace

namespace ext {

event_loop::event_loop(runs_here_function runs_here, const char* advice) noexcept
    : runs_here_(runs_here), advice_(advice) {
    const detail::holding guard(detail::diagnostics_lock);
    next_ = loops;
    loops = this;
}

event_loop::~event_loop() {
    const detail::holding guard(detail::diagnostics_lock);
    for (event_loop** place = &loops; *place != nullptr; place = &(*place)->next_)
        if (*place == this) {
            *place = next_;
            return;
        }
}

const char* event_loop::advice_here() noexcept {
    const detail::holding guard(detail::diagnostics_lock);
    for (const event_loop* loop = loops; loop != nullptr; loop = loop->next_)
        if (loop->runs_here_())
            return loop->advice_;
    return nullptr;
}

} // namespace ext

namespace detail {

/// The guards that began in this thread's base context, inside an event loop, and have not ended
/// there. Of a coroutine that was destroyed elsewhere, one may be here that is no more.
class guards_in_base {
public:
    void add(const undo& undo) noexcept {
        remove(undo);
        if (count_ < guards_.size()) // further ones are not looked at
            guards_[count_++] = &undo;
    }
    /// Returns: whether others began later.
    bool remove(const undo& undo) noexcept {
        auto* const end = guards_.begin() + count_;
        auto* const found = std::find(guards_.begin(), end, &undo);
        if (found == end)
            return false;
        --count_;
        return std::move(found + 1, end, found) != found;
    }

private:
    std::array<const undo*, 127> guards_{};
    std::size_t count_ = 0;
};

namespace {

/// A bit of an identity that a checked base context has.
constexpr identity_type of_base = identity_type{1} << 63;

/// The places that were told, by a hash of each. If there are too many, no more are told.
constinit std::array<std::atomic<std::uintptr_t>, 1024> told{};

/// Returns: whether it was told before, or cannot be told.
bool was_told(std::uintptr_t place) noexcept {
    for (std::size_t i = 0; i != told.size(); ++i) {
        std::atomic<std::uintptr_t>& other = told[(place + i) % told.size()];
        std::uintptr_t found = 0;
        // Relaxed: the numbers are all that is there.
        if (other.compare_exchange_strong(found, place, std::memory_order_relaxed))
            return false;
        if (found == place)
            return true;
    }
    return true;
}

/// Writes texts one after another, as far as they fit.
class writer {
public:
    explicit writer(std::span<char> room) noexcept : room_(room) {}

    void add(std::string_view text) noexcept {
        const std::size_t size = std::min(text.size(), room_.size() - used_);
        std::memcpy(room_.data() + used_, text.data(), size);
        used_ += size;
    }
    /// Adds an address, as addr2line takes it: in its module, if that is known.
    void add_place(void* address) noexcept {
        std::uintptr_t offset = reinterpret_cast<std::uintptr_t>(address);
        std::string_view module;
#if defined(__GLIBC__)
        Dl_info info;
        void* found = nullptr;
        if (dladdr1 != nullptr && dladdr1(address, &info, &found, RTLD_DL_LINKMAP) != 0) {
            offset -= static_cast<const link_map*>(found)->l_addr;
            module = info.dli_fname;
            module.remove_prefix(module.rfind('/') + 1); // npos + 1 is 0
        }
#endif
        std::array<char, 24> text{};
        std::snprintf(text.data(), text.size(), "+%#jx", static_cast<std::uintmax_t>(offset));
        add(" ");
        add(module);
        add(text.data());
    }
    std::string_view text() const noexcept { return {room_.data(), used_}; }

private:
    std::span<char> room_;
    std::size_t used_ = 0;
};

/// Returns: the return address out of the library, from `caller`, which may lie in the library if
/// that is built without optimisation.
void* out_of_library(void* caller) noexcept {
    struct walk {
        void* caller;
        int left = 5;
        bool found = false;
        bool was_last = false;
    } walk{caller};
    _Unwind_Backtrace(
        [](_Unwind_Context* at, void* argument) {
            auto& self = *static_cast<struct walk*>(argument);
            auto* const address = reinterpret_cast<void*>(_Unwind_GetIP(at));
            if (address == nullptr) // of the outermost frame, on some threads
                return _URC_END_OF_STACK;
            self.found = self.found || address == self.caller;
            if (self.was_last) {
                self.caller = address;
                return _URC_END_OF_STACK;
            }
            if (!self.found)
                return _URC_NO_REASON;
            const void* const function =
                _Unwind_FindEnclosingFunction(static_cast<std::byte*>(address) - 1);
            self.was_last = function == reinterpret_cast<void*>(&bind_anyhow<false>) ||
                            function == reinterpret_cast<void*>(&unbind_anyhow);
            return --self.left == 0 ? _URC_END_OF_STACK : _URC_NO_REASON;
        },
        &walk);
    return walk.caller;
}

/// Adds `caller` and the callers of that. In programs that are not optimised, the first ones are in
/// this library.
void add_callers(writer& where, void* caller) noexcept {
    struct walk {
        writer& where;
        void* caller;
        int left = 8;
        bool found = false;
    } walk{where, caller};
    _Unwind_Backtrace(
        [](_Unwind_Context* at, void* argument) {
            auto& self = *static_cast<struct walk*>(argument);
            auto* const address = reinterpret_cast<void*>(_Unwind_GetIP(at));
            if (address == nullptr) // of the outermost frame, on some threads
                return _URC_END_OF_STACK;
            self.found = self.found || address == self.caller;
            // The instruction before the return address is in the line of the call.
            if (self.found)
                self.where.add_place(static_cast<std::byte*>(address) - 1);
            return self.found && --self.left == 0 ? _URC_END_OF_STACK : _URC_NO_REASON;
        },
        &walk);
    if (!walk.found)
        where.add_place(static_cast<std::byte*>(caller) - 1);
}

/// Tells the hook, if an event loop runs here and the place was not told before.
void report_here(diagnostic_kind kind, std::string_view what, std::string_view operation,
                 key_type key, void* caller) noexcept {
    const char* const advice = ext::event_loop::advice_here();
    if (advice == nullptr)
        return;
    caller = out_of_library(caller);
    if (was_told(reinterpret_cast<std::uintptr_t>(caller) ^ key << 16))
        return;
    std::array<char, 512> what_text;
    writer sentence(what_text);
    sentence.add(what);
    sentence.add(advice);
    std::array<char, 512> where_text;
    writer where(where_text);
    where.add(operation);
    where.add(", called at");
    add_callers(where, caller);
    report({kind, sentence.text(), name_of(key), nullptr, where.text()});
}

void report_guard(const undo& undo, void* caller) noexcept {
    report_here(
        diagnostic_kind::scope_in_event_loop,
        "a scoped() guard of a thread that runs an event loop ended while a later one lived, "
        "or in another context than its own, so it has restored a wrong value or none; ",
        "~Scope", undo.key, caller);
}

} // namespace

checked_base::checked_base() noexcept {
    frame& base = this_thread_state()->base;
    if (base.identity == 0)
        base.identity = new_identity() | of_base;
    set_top_frame(&base);
}

checked_base::~checked_base() {
    freeze(*current_map());
    set_top_frame(nullptr);
}

bool checks_event_loops() noexcept {
    // Relaxed: nothing was made ready for it.
    return checks.load(std::memory_order_relaxed);
}

void check_event_loops_if_asked() noexcept {
    const char* const asked = std::getenv("CONTEXTVARS_CHECK_EVENT_LOOPS");
    if (asked != nullptr && *asked != '\0' && std::string_view(asked) != "0")
        check_event_loops();
}

bool is_checked_base(identity_type context) noexcept {
    return top_frame() == nullptr && this_thread_state() != nullptr && context != 0 &&
           this_thread_state()->base.identity == context;
}

void was_set_in_base(key_type key, void* caller) noexcept {
    report_here(diagnostic_kind::set_in_event_loop,
                "a variable was set in the context of a thread that runs an event loop, where "
                "whatever runs next sees the value; ",
                "set", key, caller);
}

void guard_began_in_base(const undo& undo) noexcept {
    if (ext::event_loop::advice_here() == nullptr)
        return;
    guards_in_base*& guards = this_thread_state()->guards;
    if (guards == nullptr) {
        void* const memory = take_memory(sizeof(guards_in_base));
        if (memory == nullptr)
            return;
        guards = ::new (memory) guards_in_base;
    }
    guards->add(undo);
}

void was_reset_in_base(const undo& undo, void* caller) noexcept {
    guards_in_base* const guards = this_thread_state()->guards;
    if (guards != nullptr && guards->remove(undo))
        report_guard(undo, caller);
}

void guard_ended_elsewhere(const undo& undo, void* caller) noexcept {
    if ((undo.context & of_base) != 0 && top_frame() == nullptr)
        report_guard(undo, caller);
}

void forget_guards(guards_in_base* guards) noexcept { give_memory(guards); }

} // namespace detail

void check_event_loops() noexcept {
    using namespace detail;
    checks.store(true, std::memory_order_relaxed);
    if (this_thread_state() == nullptr)
        return;
    // Takes the base context out of this thread's chain.
    frame& base = this_thread_state()->base;
    if (top_frame() == &base) {
        freeze(*current_map());
        set_top_frame(nullptr);
        return;
    }
    for (frame* above = top_frame(); above != nullptr; above = above->previous)
        if (above->previous == &base) {
            freeze(*above->previous_map);
            above->previous = nullptr;
            return;
        }
}

} // namespace contextvars::inline v0
