// SPDX-License-Identifier: MIT
//
// The destructors of the errors. They are defined once, so that the type information of the errors
// is, too. Then a module that is loaded with RTLD_LOCAL catches errors that another throws.
#include <contextvars/errors.hpp>

namespace contextvars::inline v0 {

LookupError::~LookupError() = default;
KeyError::~KeyError() = default;
ValueError::~ValueError() = default;
RuntimeError::~RuntimeError() = default;

} // namespace contextvars::inline v0
