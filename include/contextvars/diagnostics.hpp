// SPDX-License-Identifier: MIT
//
// The diagnostics hook. It is told of misuse if nothing can be thrown: in destructors, and while
// the library is loaded. dump_current() shows what this thread's contexts are.
#ifndef CONTEXTVARS_DIAGNOSTICS_HPP
#define CONTEXTVARS_DIAGNOSTICS_HPP

#include <contextvars/config.hpp>

#include <iosfwd>
#include <string_view>

namespace contextvars::inline v0 {

/// The kinds of misuse, and of failures that nothing else can report.
enum class diagnostic_kind {
    scope_not_restored,              ///< a scoped() guard ended inside another context than its own
    out_of_memory,                   ///< a scoped() guard had no memory to restore its variable
    context_destroyed_while_entered, ///< followed by std::terminate
    left_out_of_order,               ///< a context was not left last-in first-out, or was left on
                                     ///< another thread, or a coroutine was suspended inside it;
                                     ///< followed by std::terminate
    second_copy,                     ///< another copy of this library is in the process
    module_not_kept,                 ///< a plug-in whose types are bound could not be kept loaded
    set_in_event_loop,               ///< see check_event_loops
    scope_in_event_loop,             ///< see check_event_loops
    callback_has_ended, ///< a C library called a callback of as_callback that had ended;
                        ///< followed by std::terminate
};

/// One report. The views are good until the hook returns.
struct diagnostic {
    diagnostic_kind kind;
    std::string_view what;     ///< one sentence
    std::string_view variable; ///< the variable's name, or empty
    const void* context;       ///< the address of the Context; for a guard, that of the Context
                               ///< which is current instead; nullptr if there is no such object
    std::string_view where;    ///< the operation that noticed the misuse, or the module's path
};

/// Is called with each report; see set_diagnostics_hook().
using diagnostics_hook = void (*)(const diagnostic&) noexcept;

/// Installs the hook that is told of misuse from now on.
/// Returns: the hook that was installed before. As argument and as result, nullptr stands for the
/// default hook, which writes one line to standard error.
/// Threads: any; the hook may be called on any thread, and may call everything in this library.
CONTEXTVARS_EXPORT diagnostics_hook set_diagnostics_hook(diagnostics_hook hook) noexcept;

/// From now on, tells the hook of coroutines that carry no context although one was meant: of a
/// set() in the thread's own context inside an event loop that is known (Asio's, or see
/// ext/event_loop.hpp); and of a scoped() guard there that ends before a later one, or in another
/// context than its own. The hook is told of each place of the program once. The report's `where`
/// has the addresses of the callers, for addr2line.
/// If CONTEXTVARS_CHECK_EVENT_LOOPS is in the environment, and not 0, this is called while the
/// library is loaded.
/// Precondition: of the other threads, those to be checked have set no variable yet.
/// Cost: in the threads' own contexts, each set throws and catches an exception then.
/// Threads: any.
CONTEXTVARS_EXPORT void check_event_loops() noexcept;

/// Writes the contexts that are entered on this thread, one a line, the current one first and the
/// thread's own last, each with its bindings: `<Context at 0x…>: user='ann', depth=7`. Secret
/// values are not shown. If a << sets variables, the bindings of before are shown. If the context has
/// a suppress_flow() guard, the line says so.
/// Throws: std::bad_alloc, and any exception of the << of a value.
/// Cost: the next set in the current context clones its bindings.
CONTEXTVARS_EXPORT void dump_current(std::ostream& out);

} // namespace contextvars::inline v0

#endif
