# Installs the built library into a prefix, if none is given, moves the prefix, and builds the project against it;
# or builds the project with the library's sources.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGV}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
if(WAY STREQUAL "FetchContent")
  # An archive with one folder in it, as those of releases.
  file(MAKE_DIRECTORY ${WORK})
  file(GLOB folders ${LIBRARY_SOURCE}/integrations/*/CMakeLists.txt)
  list(TRANSFORM folders REPLACE "/CMakeLists.txt$" "")
  file(COPY ${LIBRARY_SOURCE}/CMakeLists.txt ${LIBRARY_SOURCE}/cmake ${LIBRARY_SOURCE}/include ${LIBRARY_SOURCE}/src
    DESTINATION ${WORK}/contextvars)
  file(COPY ${folders} DESTINATION ${WORK}/contextvars/integrations)
  run(${CMAKE_COMMAND} -E chdir ${WORK} ${CMAKE_COMMAND} -E tar czf contextvars.tar.gz contextvars)
  file(REMOVE_RECURSE ${WORK}/contextvars)
elseif(NOT WAY STREQUAL "add_subdirectory")
  if(NOT PREFIX)
    set(PREFIX ${WORK}/prefix)
    run(${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --config "${CONFIG}" --prefix ${WORK}/first_place)
    file(RENAME ${WORK}/first_place ${PREFIX})
  endif()
  file(GLOB_RECURSE pc ${PREFIX}/contextvars.pc)
  get_filename_component(pc_dir ${pc} DIRECTORY)
  set(ENV{PKG_CONFIG_PATH} ${pc_dir})
  get_filename_component(libdir ${pc_dir} DIRECTORY)
  set(ENV{LD_LIBRARY_PATH} ${libdir})
endif()
run(${CMAKE_COMMAND} -S ${PROJECT} -B ${WORK}/build -DCMAKE_CXX_COMPILER=${COMPILER}
    "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Release -DWAY=${WAY}
    -DLIBRARY_SOURCE=${LIBRARY_SOURCE} -DARCHIVE=${WORK}/contextvars.tar.gz -DCMAKE_PREFIX_PATH=${PREFIX})
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure --no-tests=error)
