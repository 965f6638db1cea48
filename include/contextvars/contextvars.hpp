// SPDX-License-Identifier: MIT
//
// Includes everything that needs nothing but the standard library. Integrations have headers of
// their own: <contextvars/asio.hpp> and others.
#ifndef CONTEXTVARS_CONTEXTVARS_HPP
#define CONTEXTVARS_CONTEXTVARS_HPP

#include <contextvars/as_callback.hpp>
#include <contextvars/bind_context.hpp>
#include <contextvars/config.hpp>
#include <contextvars/context.hpp>
#include <contextvars/context_var.hpp>
#include <contextvars/diagnostics.hpp>
#include <contextvars/diff.hpp>
#include <contextvars/errors.hpp>
#include <contextvars/scope.hpp>
#include <contextvars/suppress_flow.hpp>
#include <contextvars/thread.hpp>
#include <contextvars/token.hpp>
#include <contextvars/traits.hpp>

#endif
