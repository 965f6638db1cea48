// SPDX-License-Identifier: MIT
//
// The half with Boost.Asio; must not be compiled with CONTEXTVARS_ASIO_STANDALONE.
#include <contextvars/asio.hpp>

#include "coexistence/two_asios.hpp"

#include <boost/asio.hpp>

#include <chrono>
#include <exception>
#include <functional>

namespace net = boost::asio;

#include "coexistence/coroutine.ipp"

int two_asios::run_with_boost_asio(const std::function<void()>& between) {
    return run_coroutine(between, 1000);
}
