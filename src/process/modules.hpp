// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_PROCESS_MODULES_HPP
#define CONTEXTVARS_SRC_PROCESS_MODULES_HPP

#include <contextvars/detail/value.hpp>

namespace contextvars::inline v0::detail {

/// Keeps the modules loaded that hold the operations of a type and the functions of these
/// operations: a context may have values of the type long after the program has closed the plug-in
/// that made them. It is called when a variable is bound for the first time, without a lock of this
/// library: the loader has locks of its own, and inside them it runs constructors, which may bind
/// variables.
/// It does nothing for the executable and for this library, nor if the loader unloads nothing (in a
/// static executable, and with other C libraries than glibc). If it fails, the diagnostics hook is
/// told.
/// Throws: std::bad_alloc.
void keep_modules_loaded(const type_operations& operations);

} // namespace contextvars::inline v0::detail

#endif
