// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_PROCESS_MODULES_HPP
#define CONTEXTVARS_SRC_PROCESS_MODULES_HPP

#include <contextvars/detail/value.hpp>

namespace contextvars::inline v0::detail {

/// Keeps the modules loaded that hold the operations of a type, and the code that they point to: a
/// context may have values of the type when the program has long closed the plug-in that made them.
/// Called when a variable is bound for the first time, without a lock of this library: the loader has
/// locks of its own, and runs constructors, which may bind variables, inside them.
/// Nothing is done for the executable, for this library, and if the loader unloads nothing (in a
/// static executable, and with other C libraries than glibc). Tells the diagnostics hook if it fails.
/// Throws: std::bad_alloc.
void keep_modules_loaded(const type_operations& operations);

} // namespace contextvars::inline v0::detail

#endif
