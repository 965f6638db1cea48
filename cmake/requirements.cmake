# What the library needs and cannot do without, in one sentence each.
if(CMAKE_SYSTEM_NAME STREQUAL "Windows")
  message(FATAL_ERROR "contextvars needs POSIX threads, so it does not run on Windows")
endif()
if(NOT CMAKE_CXX_COMPILER_ID MATCHES "^(GNU|Clang|AppleClang)$"
   OR (CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 12)
   OR (CMAKE_CXX_COMPILER_ID STREQUAL "Clang" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14))
  message(FATAL_ERROR
    "contextvars needs g++ 12, clang 14, or a newer one: set CMAKE_CXX_COMPILER, which is ${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION}")
endif()
