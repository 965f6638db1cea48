// SPDX-License-Identifier: MIT
//
// Which keys there are, and what they mean. Keys are given to variables when they are first bound.
#ifndef CONTEXTVARS_SRC_VARIABLES_REGISTRY_HPP
#define CONTEXTVARS_SRC_VARIABLES_REGISTRY_HPP

#include <contextvars/detail/variable.hpp>

#include <string_view>

namespace contextvars::inline v0::detail {

/// What is known of a key for ever, also when its variable is gone. A name that was returned stays good.
/// These take the registry's lock only if another thread has just assigned the key, or if the variable is
/// gone.
std::string_view name_of(key_type key) noexcept;
const type_operations& operations_of_key(key_type key) noexcept;
bool is_secret(key_type key) noexcept;

/// The address of the variable that has this key, or nullptr if it is gone.
const void* variable_of(key_type key) noexcept;

} // namespace contextvars::inline v0::detail

#endif
