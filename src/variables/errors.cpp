// SPDX-License-Identifier: MIT
//
// The errors' destructors, defined once so that their type information is, too: a module loaded with
// RTLD_LOCAL catches what another throws.
#include <contextvars/errors.hpp>

namespace contextvars::inline v0 {

LookupError::~LookupError() = default;
KeyError::~KeyError() = default;
ValueError::~ValueError() = default;
RuntimeError::~RuntimeError() = default;

} // namespace contextvars::inline v0
