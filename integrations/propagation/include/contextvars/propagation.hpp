// SPDX-License-Identifier: MIT
//
// One context from service to service, without a tracer: trace, state, baggage and deadline as
// context variables; extract(carrier) makes a context of a message's headers, inject(carrier)
// writes those of the next. What is covered, and how: docs/propagation.md.
//
// Further headers need a library each: <contextvars/propagation/beast.hpp> Boost.Beast,
// <contextvars/propagation/asio.hpp> the integration with Asio.
#ifndef CONTEXTVARS_PROPAGATION_HPP
#define CONTEXTVARS_PROPAGATION_HPP

#include <contextvars/propagation/baggage.hpp>
#include <contextvars/propagation/carrier.hpp>
#include <contextvars/propagation/deadline.hpp>
#include <contextvars/propagation/environment.hpp>
#include <contextvars/propagation/export_as.hpp>
#include <contextvars/propagation/fault.hpp>
#include <contextvars/propagation/stop_clock.hpp>
#include <contextvars/propagation/string_map.hpp>
#include <contextvars/propagation/trace_parent.hpp>
#include <contextvars/propagation/trace_state.hpp>
#include <contextvars/propagation/variables.hpp>

#endif
