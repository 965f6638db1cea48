// SPDX-License-Identifier: MIT
//
// What the two halves of the program offer each other: one is compiled with Boost.Asio, the other
// with standalone Asio.
#ifndef CONTEXTVARS_TESTS_ASIO_COEXISTENCE_HPP
#define CONTEXTVARS_TESTS_ASIO_COEXISTENCE_HPP

#include <contextvars/contextvars.hpp>

#include <functional>

namespace two_asios {

inline contextvars::ContextVar<int> shared{"shared"};

/// Runs a coroutine on one Asio; between its steps, `between` runs within a plain call of it.
/// Returns: the number of steps at which the coroutine had its own bindings.
int run_with_boost_asio(const std::function<void()>& between);
int run_with_standalone_asio(const std::function<void()>& between);

inline constexpr int steps = 20;

} // namespace two_asios

#endif
