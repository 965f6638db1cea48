# What the project asks of its own code.
add_library(contextvars_dev INTERFACE)
target_compile_options(contextvars_dev INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion
  $<$<BOOL:${CONTEXTVARS_WERROR}>:-Werror>)
