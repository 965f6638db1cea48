// SPDX-License-Identifier: MIT
//
// The hook that is told of misuse where nothing can be thrown: in destructors and while loading.
#ifndef CONTEXTVARS_DIAGNOSTICS_HPP
#define CONTEXTVARS_DIAGNOSTICS_HPP

#include <contextvars/config.hpp>

#include <string_view>

namespace contextvars::inline v0 {

enum class diagnostic_kind {
    scope_not_restored,              ///< a scoped() guard died where its context is not current
    out_of_memory,                   ///< a scoped() guard could not restore for want of memory
    context_destroyed_while_entered, ///< followed by std::terminate
    left_out_of_order,               ///< a context left not last-in first-out, or on another
                                     ///< thread, or suspended with; followed by std::terminate
    second_copy,                     ///< another copy of this library is in the process
    module_not_kept,                 ///< a plug-in whose types are bound could not be kept loaded
};

/// What happened. The views are good until the hook returns.
struct diagnostic {
    diagnostic_kind kind;
    std::string_view what;     ///< one sentence
    std::string_view variable; ///< the variable's name, or empty
    const void* context;       ///< the address of the Context; of a guard, that of the one which is
                               ///< current instead; nullptr where it is no object of the program
    std::string_view where;    ///< the operation that noticed it, or the module's path
};

using diagnostics_hook = void (*)(const diagnostic&) noexcept;

/// Installs what is told of misuse from now on.
/// Returns: the hook before. nullptr, given or returned, stands for the default: one line on
/// standard error.
/// Threads: any; the hook may be called on any thread, and may call everything in this library.
CONTEXTVARS_EXPORT diagnostics_hook set_diagnostics_hook(diagnostics_hook hook) noexcept;

} // namespace contextvars::inline v0

#endif
