# CONTEXTVARS_TESTS: all, or a list of groups: `core`; `hop`, of it what is built again for each compiler;
# `programs`, of it what is built again for each machine; and the integrations, by the names of their folders.
set(CONTEXTVARS_TESTS all CACHE STRING "Which tests to build: all, or a list of core, hop, programs and integrations")
set(CONTEXTVARS_GOOGLETEST "" CACHE PATH "GoogleTest's sources, to build it for the tests; else it is looked for")

if(CONTEXTVARS_GOOGLETEST)
  add_library(contextvars_gtest STATIC EXCLUDE_FROM_ALL
    ${CONTEXTVARS_GOOGLETEST}/src/gtest-all.cc ${CONTEXTVARS_GOOGLETEST}/src/gtest_main.cc)
  target_compile_features(contextvars_gtest PUBLIC cxx_std_20)
  target_include_directories(contextvars_gtest SYSTEM PUBLIC ${CONTEXTVARS_GOOGLETEST}/include PRIVATE ${CONTEXTVARS_GOOGLETEST})
  target_link_libraries(contextvars_gtest PUBLIC Threads::Threads)
  add_library(GTest::gtest ALIAS contextvars_gtest)
  add_library(GTest::gtest_main ALIAS contextvars_gtest)
  set(GTest_FOUND TRUE)
else()
  find_package(GTest QUIET)
endif()
if(NOT GTest_FOUND AND CONTEXTVARS_TESTS STREQUAL "all")
  message(STATUS "contextvars: no tests: they need GoogleTest (libgtest-dev)")
  set(CONTEXTVARS_BUILD_TESTS OFF)
  return()
endif()
enable_testing()
include(GoogleTest)

# contextvars_test(NAME SOURCES… [LIBRARIES …] [LABEL …]): each GoogleTest case is a test.
function(contextvars_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "LABEL" "LIBRARIES")
  if(NOT arg_LABEL)
    set(arg_LABEL single)
  endif()
  add_executable(test_${name} ${arg_UNPARSED_ARGUMENTS})
  target_include_directories(test_${name} PRIVATE ${CMAKE_CURRENT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/tests ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(test_${name} PRIVATE
    contextvars::contextvars ${arg_LIBRARIES} GTest::gtest_main contextvars_dev)
  gtest_discover_tests(test_${name} TEST_PREFIX "${name}: " DISCOVERY_TIMEOUT 60
    PROPERTIES LABELS "${arg_LABEL}" TIMEOUT 600)
endfunction()

# contextvars_test_documentation(PAGES…): every test that these pages name must be one of the core's or
# of this folder's.
function(contextvars_test_documentation)
  list(TRANSFORM ARGN PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/ OUTPUT_VARIABLE pages)
  list(JOIN ARGN ", " name)
  add_test(NAME "tests named in ${name} exist" COMMAND ${CMAKE_COMMAND} "-DPAGES=${pages}"
    "-DFOLDERS=${PROJECT_SOURCE_DIR}/tests;${CMAKE_CURRENT_SOURCE_DIR}"
    -P ${PROJECT_SOURCE_DIR}/docs/check_tests.cmake)
endfunction()
