# Does check.cmake fail where it must? Each source below breaks one rule of a pair.
file(REMOVE_RECURSE ${DIRECTORY})
file(MAKE_DIRECTORY ${DIRECTORY})

# expect_check(NAME RESULT TEXT): the check of a source NAME.cpp with TEXT ends with RESULT, "" for success.
function(expect_check name result text)
  file(WRITE ${DIRECTORY}/${name}.cpp "${text}")
  execute_process(
    COMMAND ${CMAKE_COMMAND} -DCOMPILER=${COMPILER} -DSOURCE=${DIRECTORY}/${name}.cpp
      -DINCLUDE=${DIRECTORY} -P ${CMAKE_CURRENT_LIST_DIR}/check.cmake
    RESULT_VARIABLE status ERROR_VARIABLE errors)
  string(REGEX REPLACE "[ \n]+" " " errors "${errors}")
  if(result STREQUAL "" AND NOT status EQUAL 0)
    message(FATAL_ERROR "${name} is a good pair, but: ${errors}")
  elseif(NOT result STREQUAL "" AND status EQUAL 0)
    message(FATAL_ERROR "${name} passes, but must not")
  elseif(NOT result STREQUAL "")
    string(FIND "${errors}" "${result}" at)
    if(at EQUAL -1)
      message(FATAL_ERROR "${name} does not fail with '${result}': ${errors}")
    endif()
  endif()
endfunction()

set(bad "#ifndef MUST_COMPILE\nstatic_assert(sizeof(int) == 1, \"too\" \" large\");\n#endif\n")
expect_check(good "" "// expect: too large\n${bad}")
expect_check(alternatives "" "// expect: too small | too large\n// expect: static assertion\n${bad}")
expect_check(compiles "compiles, but must not" "// expect: too large\n")
expect_check(twin "the twin that must compile does not" "// expect: too large\nerror\n${bad}")
expect_check(silent "the errors do not say 'too small'" "// expect: too small\n${bad}")
expect_check(half "the errors do not say 'too small'" "// expect: too large\n// expect: too small\n${bad}")
expect_check(nothing "no line says what is expected" "${bad}")
expect_check(own_words "'sizeof' are words of the source itself" "// expect: sizeof\n${bad}")
expect_check(own_alternative "'sizeof' are words of the source itself" "// expect: too large | sizeof\n${bad}")
expect_check(own_name "'own_name' are words of the source itself" "// expect: own_name\n${bad}")
