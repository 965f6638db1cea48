// SPDX-License-Identifier: MIT
//
// The choice of Asio: Boost.Asio, or with CONTEXTVARS_ASIO_STANDALONE defined the standalone one
// (the CMake target contextvars::asio defines it where it is configured so). A program may use both,
// in different translation units: what this integration declares lies in an inline namespace of
// its own for each, within which `net` names the Asio chosen.
#ifndef CONTEXTVARS_ASIO_CONFIG_HPP
#define CONTEXTVARS_ASIO_CONFIG_HPP

#include <contextvars/config.hpp>

#include <memory>
#include <utility>

#if defined(CONTEXTVARS_ASIO_STANDALONE)
#include <asio/async_result.hpp>
#include <asio/version.hpp>
#define CONTEXTVARS_ASIO_VERSION ASIO_VERSION
#define CONTEXTVARS_ASIO_NAMESPACE standalone_asio
#define CONTEXTVARS_ASIO ::asio
#define CONTEXTVARS_ASIO_HEADER(file) <asio/file>
#define CONTEXTVARS_ASIO_BEGIN namespace asio {
#define CONTEXTVARS_ASIO_END }
#else
#include <boost/asio/async_result.hpp>
#include <boost/asio/version.hpp>
#define CONTEXTVARS_ASIO_VERSION BOOST_ASIO_VERSION
#define CONTEXTVARS_ASIO_NAMESPACE boost_asio
#define CONTEXTVARS_ASIO ::boost::asio
#define CONTEXTVARS_ASIO_HEADER(file) <boost/asio/file>
#define CONTEXTVARS_ASIO_BEGIN                                                                     \
    namespace boost {                                                                              \
    namespace asio {
#define CONTEXTVARS_ASIO_END                                                                       \
    }                                                                                              \
    }
#endif

#if CONTEXTVARS_ASIO_VERSION < 101800
#error "contextvars needs Boost.Asio of Boost 1.74, Asio 1.18, or newer"
#endif

namespace contextvars::inline v0::inline CONTEXTVARS_ASIO_NAMESPACE {
namespace net = CONTEXTVARS_ASIO;
}

#endif
