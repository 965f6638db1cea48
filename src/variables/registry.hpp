// SPDX-License-Identifier: MIT
//
// The keys that there are, and their meaning. A variable is given its key when it is first bound.
#ifndef CONTEXTVARS_SRC_VARIABLES_REGISTRY_HPP
#define CONTEXTVARS_SRC_VARIABLES_REGISTRY_HPP

#include <contextvars/detail/variable.hpp>

#include <string_view>

namespace contextvars::inline v0::detail {

/// The properties of a key. They are known for ever, also when the variable is gone. A name that
/// was returned stays good.
/// These functions take the registry's lock only if another thread has just assigned the key, or if
/// the variable is gone.
std::string_view name_of(key_type key) noexcept;
const type_operations& operations_of_key(key_type key) noexcept;
bool is_secret(key_type key) noexcept;

/// The address of the variable that has this key, or nullptr if it is gone.
const void* variable_of(key_type key) noexcept;

} // namespace contextvars::inline v0::detail

#endif
