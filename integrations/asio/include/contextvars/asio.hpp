// SPDX-License-Identifier: MIT
//
// Contexts that follow Boost.Asio, or standalone Asio (see asio/config.hpp): in coroutines, change
// the alias of the awaitable to contextvars::awaitable and start the first one with
// contextvars::co_spawn; for callbacks, bind_context. What is covered, and how: docs/asio.md.
#ifndef CONTEXTVARS_ASIO_HPP
#define CONTEXTVARS_ASIO_HPP

#include <contextvars/asio/awaitable.hpp>
#include <contextvars/asio/bind_context.hpp>
#include <contextvars/asio/co_spawn.hpp>
#include <contextvars/asio/config.hpp>
#include <contextvars/asio/context_executor.hpp>
#include <contextvars/asio/event_loop.hpp>
#include <contextvars/asio/to_thread.hpp>

#include <contextvars/contextvars.hpp>

#endif
