// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_CURRENT_VALIDATE_HPP
#define CONTEXTVARS_SRC_CURRENT_VALIDATE_HPP

#include <contextvars/config.hpp>

namespace contextvars::inline v0::detail {

struct map;

/// Looks at a whole map. For tests; the library never calls it.
/// Precondition: nobody changes the map meanwhile.
/// Returns: the invariant of docs/storage.md that the map breaks, or nullptr.
CONTEXTVARS_EXPORT const char* broken_invariant(const map& map) noexcept;

} // namespace contextvars::inline v0::detail

#endif
