# Whether the slot is read by initial-exec TLS, in a few instructions, or by an exported function.
# The former takes three words of the static TLS space that glibc keeps for libraries loaded late.
include(CheckCXXSourceCompiles)
check_cxx_source_compiles("
#include <cstddef>
#if !defined(__GLIBC__) || !defined(__ELF__)
#error
#endif
int main() {}" contextvars_has_glibc)
if(contextvars_has_glibc)
  set(contextvars_initial_exec_default ON)
else()
  set(contextvars_initial_exec_default OFF)
endif()
option(CONTEXTVARS_INITIAL_EXEC "Read the slot by initial-exec TLS (glibc)" ${contextvars_initial_exec_default})
