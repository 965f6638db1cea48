// SPDX-License-Identifier: MIT
#ifndef CONTEXTVARS_SRC_CURRENT_VALIDATE_HPP
#define CONTEXTVARS_SRC_CURRENT_VALIDATE_HPP

#include <contextvars/config.hpp>

namespace contextvars::inline v0::detail {

struct map;

/// Looks at a whole map. Returns: the invariant of docs/storage.md that it breaks, or nullptr. For tests;
/// the library never calls it. Precondition: nobody changes the map meanwhile.
CONTEXTVARS_EXPORT const char* broken_invariant(const map& map) noexcept;

} // namespace contextvars::inline v0::detail

#endif
