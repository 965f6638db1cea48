// SPDX-License-Identifier: MIT
//
// A client library with instrumentation, as OpenTelemetry tells authors of libraries to write it. It
// knows nothing of contextvars or of Asio.
#ifndef CONTEXTVARS_TESTS_OPENTELEMETRY_INSTRUMENTED_LIBRARY_HPP
#define CONTEXTVARS_TESTS_OPENTELEMETRY_INSTRUMENTED_LIBRARY_HPP

#include <cstdint>
#include <functional>

namespace instrumented_library {

/// Makes a span `query` with a span `parse` in it. The two say, as attributes, which parents they
/// expect: `expected`, and the other one.
void query(std::uint64_t expected);

/// Makes a span `subscribe`, and calls the function within it.
void subscribe(std::uint64_t expected, const std::function<void(std::uint64_t span)>& f);

} // namespace instrumented_library

#endif
