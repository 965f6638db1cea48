// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_CURRENT_DUMP_HPP
#define CONTEXTVARS_SRC_CURRENT_DUMP_HPP

#include <contextvars/config.hpp>

#include <string>

namespace contextvars::inline v0::detail {

struct map;

/// Draws a map: its state (see docs/storage.md), each place of its table, its trie, its dead
/// bindings. For tests and debuggers; the library never calls it.
/// Precondition: nobody changes the map meanwhile.
/// Throws: std::bad_alloc, and any exception of printing a value.
CONTEXTVARS_EXPORT std::string dump(const map& map);

} // namespace contextvars::inline v0::detail

#endif
