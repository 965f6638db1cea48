// SPDX-License-Identifier: MIT
//
// The four errors of misuse, named as in Python. Each message names the objects and the broken
// rule. What is ordinary has a twin that does not throw: try_get, try_reset, Context::get.
#ifndef CONTEXTVARS_ERRORS_HPP
#define CONTEXTVARS_ERRORS_HPP

#include <contextvars/config.hpp>

#include <stdexcept>

namespace contextvars::inline v0 {

/// get() of a variable that is missing in the current context and has no default.
class CONTEXTVARS_EXPORT LookupError : public std::out_of_range {
public:
    using std::out_of_range::out_of_range;
    ~LookupError() override;
};

/// ctx[variable] of a variable that is missing in that context; its default is not asked.
class CONTEXTVARS_EXPORT KeyError : public LookupError {
public:
    using LookupError::LookupError;
    ~KeyError() override;
};

/// A token of another variable, or of another context.
class CONTEXTVARS_EXPORT ValueError : public std::invalid_argument {
public:
    using std::invalid_argument::invalid_argument;
    ~ValueError() override;
};

/// A token used twice; a context entered while it is entered, on this thread or another.
class CONTEXTVARS_EXPORT RuntimeError : public std::runtime_error {
public:
    using std::runtime_error::runtime_error;
    ~RuntimeError() override;
};

} // namespace contextvars::inline v0

#endif
