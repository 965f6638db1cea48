// SPDX-License-Identifier: MIT
//
// Two copies of this library in a process are two slots: if one half of the program sets a
// variable, the other half does not see it. So each copy carries an ELF note. When a copy is
// loaded, it looks at the notes of all modules. That works with any visibility of symbols, and
// however the modules were loaded. A note tells where the state of its copy is.
//
// If the symbols of two copies are visible to the loader, it binds both copies to the first: then
// there is one slot, and nothing to report.
#include "process/report.hpp"

#if defined(__linux__)

#include <dlfcn.h>
#include <link.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>

namespace contextvars::inline v0::detail {

/// Of src/current. Here it is one of the exported functions, and is not called.
CONTEXTVARS_EXPORT std::uint64_t load_thread_number() noexcept;

enum class copy_state : std::uint32_t {
    not_loaded, ///< its constructor has not run yet
    in_use,     ///< it has a slot of its own
    replaced,   ///< its code uses the slot of another copy
    reported,   ///< as in_use, and the hook has been told that it is not the only one
};

/// The state of this copy. The note below refers to it by its name. Relaxed in all places: it is
/// used while a copy is loaded, and the loader runs the constructors of modules one after the other
/// under its own lock.
[[gnu::used, gnu::visibility("hidden")]] constinit std::atomic<copy_state>
    state_of_this_copy __asm__("contextvars_v0_copy_state"){copy_state::not_loaded};

} // namespace contextvars::inline v0::detail

// Name size 12, description size 4, type 1, name "contextvars", the distance to the state.
__asm__(".pushsection .note.contextvars,\"a\",%note\n"
        ".balign 4\n"
        ".long 12\n"
        ".long 4\n"
        ".long 1\n"
        ".string \"contextvars\"\n"
        ".long contextvars_v0_copy_state - .\n"
        ".popsection\n");

namespace contextvars::inline v0::detail {

namespace {

/// The state of the copy whose note is among these, or nullptr.
std::atomic<copy_state>* state_in_notes(std::byte* note, std::size_t size) noexcept {
    const std::byte* const end = note + size;
    const auto padded = [](std::uint32_t bytes) { return (bytes + 3U) & ~3U; };
    while (end - note >= 12) {
        std::uint32_t head[3];
        std::memcpy(head, note, sizeof head);
        std::byte* const name = note + 12;
        std::byte* const description = name + padded(head[0]);
        if (head[0] == 12 && head[1] == 4 && head[2] == 1 && end - description >= 4 &&
            std::memcmp(name, "contextvars", 12) == 0) {
            std::int32_t distance = 0;
            std::memcpy(&distance, description, sizeof distance);
            return distance != 0
                       ? reinterpret_cast<std::atomic<copy_state>*>(description + distance)
                       : nullptr;
        }
        note = description + padded(head[1]);
    }
    return nullptr;
}

/// Calls visit(state, name of the module) for every copy.
template <class Visit>
void for_each_copy(Visit visit) {
    dl_iterate_phdr(
        [](dl_phdr_info* info, std::size_t, void* argument) {
            for (int i = 0; i != info->dlpi_phnum; ++i) {
                const auto& segment = info->dlpi_phdr[i];
                if (segment.p_type != PT_NOTE || segment.p_align > 4)
                    continue;
                auto* const notes = reinterpret_cast<std::byte*>(info->dlpi_addr + segment.p_vaddr);
                if (auto* const state = state_in_notes(notes, segment.p_memsz)) {
                    (*static_cast<Visit*>(argument))(
                        *state, *info->dlpi_name != '\0' ? info->dlpi_name : "the executable");
                    break;
                }
            }
            return 0;
        },
        &visit);
}

/// Whether the exported functions that this copy's code calls are its own. The loader binds all of
/// them to one copy, so one stands for all.
bool uses_itself() noexcept {
    Dl_info of_function;
    Dl_info of_state;
    return dladdr(reinterpret_cast<void*>(&load_thread_number), &of_function) == 0 ||
           dladdr(&state_of_this_copy, &of_state) == 0 ||
           of_function.dli_fbase == of_state.dli_fbase;
}

} // namespace

void report_other_copies() noexcept {
    if (!uses_itself()) {
        state_of_this_copy.store(copy_state::replaced, std::memory_order_relaxed);
        return;
    }
    state_of_this_copy.store(copy_state::in_use, std::memory_order_relaxed);
    int in_use = 0;
    bool reported = false;
    std::string modules;
    for_each_copy([&](std::atomic<copy_state>& other, const char* module) {
        const copy_state state = other.load(std::memory_order_relaxed);
        if (state != copy_state::in_use && state != copy_state::reported)
            return;
        reported = reported || state == copy_state::reported;
        ++in_use;
        modules += modules.empty() ? "" : ", ";
        modules += module;
    });
    if (in_use < 2)
        return;
    for_each_copy([](std::atomic<copy_state>& state, const char*) {
        copy_state before = copy_state::in_use;
        state.compare_exchange_strong(before, copy_state::reported, std::memory_order_relaxed);
    });
    if (!reported)
        report({diagnostic_kind::second_copy,
                "a second copy of this library was loaded, so variables set through one are "
                "missing through the other; link the shared library everywhere",
                {},
                nullptr,
                modules});
}

} // namespace contextvars::inline v0::detail

#else

namespace contextvars::inline v0::detail {

void report_other_copies() noexcept {}

} // namespace contextvars::inline v0::detail

#endif
