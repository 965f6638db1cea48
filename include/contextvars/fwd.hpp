// SPDX-License-Identifier: MIT
//
// The names of the core's types, for headers that need no more.
#ifndef CONTEXTVARS_FWD_HPP
#define CONTEXTVARS_FWD_HPP

namespace contextvars::inline v0 {

template <class T>
class ContextVar;
template <class T>
class Token;
template <class T>
class Scope;
template <class... T>
class Scopes;
template <class T>
struct Assignment;
class Context;
class Entered;
struct attributes;
struct binding;
class variable_ref;
class value_ref;
struct diagnostic;

} // namespace contextvars::inline v0

#endif
