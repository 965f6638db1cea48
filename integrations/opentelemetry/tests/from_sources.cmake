# For scripts/test-opentelemetry: OpenTelemetry's targets from its sources, of which only what tests use is built.
add_subdirectory(${CONTEXTVARS_OPENTELEMETRY_SOURCES} opentelemetry EXCLUDE_FROM_ALL)
foreach(name api=api trace=trace in_memory_span_exporter=exporter_in_memory ostream_span_exporter=exporter_ostream_span)
  string(REGEX MATCH "(.*)=(.*)" _ ${name})
  if(NOT TARGET opentelemetry-cpp::${CMAKE_MATCH_1}) # releases differ in which of these they make
    add_library(opentelemetry-cpp::${CMAKE_MATCH_1} ALIAS opentelemetry_${CMAKE_MATCH_2})
  endif()
endforeach()
