# contextvars_example(NAME LIBRARIES…): a program of one file, which users may copy from.
function(contextvars_example name)
  add_executable(contextvars_example_${name} ${name}.cpp)
  target_link_libraries(contextvars_example_${name} PRIVATE ${ARGN})
  set_target_properties(contextvars_example_${name} PROPERTIES OUTPUT_NAME ${name})
  if(TARGET contextvars_strict)
    target_link_libraries(contextvars_example_${name} PRIVATE contextvars_strict)
  endif()
endfunction()

# contextvars_test_example(NAME [COMMAND…]): the test examples.NAME. Without a command, it runs the program, whose output
# must be the contents of NAME.expected.
function(contextvars_test_example name)
  set(command ${ARGN})
  if(NOT command)
    set(command ${CMAKE_COMMAND} -D PROGRAM=$<TARGET_FILE:contextvars_example_${name}>
      -D EXPECTED=${CMAKE_CURRENT_SOURCE_DIR}/${name}.expected -P ${PROJECT_SOURCE_DIR}/tests/examples/run_output.cmake)
  endif()
  add_test(NAME "examples.${name}" COMMAND ${command})
  set_tests_properties("examples.${name}" PROPERTIES LABELS examples TIMEOUT 120)
endfunction()
