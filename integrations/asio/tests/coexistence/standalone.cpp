// SPDX-License-Identifier: MIT
//
// The half with standalone Asio.
#if !defined(CONTEXTVARS_ASIO_STANDALONE)
#define CONTEXTVARS_ASIO_STANDALONE
#endif
#include <contextvars/asio.hpp>

#include "coexistence/two_asios.hpp"

#include <asio.hpp>

#include <chrono>
#include <exception>
#include <functional>

namespace net = asio;

#include "coexistence/coroutine.ipp"

int two_asios::run_with_standalone_asio(const std::function<void()>& between) {
    return run_coroutine(between, 2000);
}
