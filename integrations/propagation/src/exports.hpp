// SPDX-License-Identifier: MIT
//
// The list of the variables that leave the process.
#ifndef CONTEXTVARS_PROPAGATION_EXPORTS_HPP
#define CONTEXTVARS_PROPAGATION_EXPORTS_HPP

#include <contextvars/propagation/export_as.hpp>

#include <memory>
#include <vector>

namespace contextvars::inline v0::propagation::detail {

using export_list = std::vector<std::shared_ptr<const exported>>;

/// Returns: the list of now, which does not change any more; nullptr if it is empty.
std::shared_ptr<const export_list> exports() noexcept;

} // namespace contextvars::inline v0::propagation::detail

#endif
