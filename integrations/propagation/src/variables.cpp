// SPDX-License-Identifier: MIT
#include <contextvars/propagation/variables.hpp>

namespace contextvars::inline v0::propagation {

constinit const ContextVar<trace_parent> current_trace{"trace", trace_parent{}};
// Not constinit: g++ 12 makes no constant of a std::string in another object.
const ContextVar<trace_state> current_state{"trace_state", trace_state{}};
// Secret: what clients send is not for logs that print a context.
const ContextVar<baggage> current_baggage{"baggage", baggage{}, attributes{.secret = true}};
constinit const ContextVar<deadline> current_deadline{"deadline", deadline{}};

} // namespace contextvars::inline v0::propagation
