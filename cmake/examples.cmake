# contextvars_example(NAME LIBRARIES…): a program of one file, which users may copy from.
function(contextvars_example name)
  add_executable(contextvars_example_${name} ${name}.cpp)
  target_link_libraries(contextvars_example_${name} PRIVATE ${ARGN})
  set_target_properties(contextvars_example_${name} PROPERTIES OUTPUT_NAME ${name})
  if(TARGET contextvars_strict)
    target_link_libraries(contextvars_example_${name} PRIVATE contextvars_strict)
  endif()
endfunction()
