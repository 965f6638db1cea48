# For scripts/test-opentelemetry: OpenTelemetry's targets from its sources, of which only what tests use is built.
add_subdirectory(${CONTEXTVARS_OPENTELEMETRY_SOURCES} opentelemetry EXCLUDE_FROM_ALL)
add_library(opentelemetry-cpp::api ALIAS opentelemetry_api)
add_library(opentelemetry-cpp::trace ALIAS opentelemetry_trace)
add_library(opentelemetry-cpp::in_memory_span_exporter ALIAS opentelemetry_exporter_in_memory)
add_library(opentelemetry-cpp::ostream_span_exporter ALIAS opentelemetry_exporter_ostream_span)
