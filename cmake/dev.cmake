# What the project asks of its own code: contextvars_dev of all of it, contextvars_strict of what is
# not a test (tests shadow and convert on purpose more often than by mistake).
add_library(contextvars_dev INTERFACE)
target_compile_options(contextvars_dev INTERFACE
  -Wall -Wextra -Wpedantic
  $<$<BOOL:${CONTEXTVARS_WERROR}>:-Werror>)
add_library(contextvars_strict INTERFACE)
target_compile_options(contextvars_strict INTERFACE -Wshadow -Wconversion)
target_link_libraries(contextvars_strict INTERFACE contextvars_dev)
