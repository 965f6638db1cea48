// SPDX-License-Identifier: MIT
//
// The four errors of misuse. They are named as in Python. Each message names the objects and the
// broken rule. If a failure may be ordinary, there also is a function that does not throw: try_get,
// try_reset, Context::get.
#ifndef CONTEXTVARS_ERRORS_HPP
#define CONTEXTVARS_ERRORS_HPP

#include <contextvars/config.hpp>

#include <stdexcept>

namespace contextvars::inline v0 {

/// Thrown by get() if the variable is missing in the current context and has no default.
class CONTEXTVARS_EXPORT LookupError : public std::out_of_range {
public:
    using std::out_of_range::out_of_range;
    ~LookupError() override;
};

/// Thrown by ctx[variable] if the variable is missing in that context. Its default does not matter.
class CONTEXTVARS_EXPORT KeyError : public LookupError {
public:
    using LookupError::LookupError;
    ~KeyError() override;
};

/// Thrown for a token that was made by another variable, or in another context; and for a variable
/// whose capture_policy is none of the enumerators.
class CONTEXTVARS_EXPORT ValueError : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
    ~ValueError() override;
};

/// Thrown if a token is used twice, or if a context is entered while it is entered, on this thread
/// or another.
class CONTEXTVARS_EXPORT RuntimeError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
    ~RuntimeError() override;
};

} // namespace contextvars::inline v0

#endif
