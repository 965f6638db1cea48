# Installs the built library into a prefix, moves the prefix, and builds the project against it.
function(run)
  execute_process(COMMAND ${ARGV} RESULT_VARIABLE status OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "${ARGV}\n${output}")
  endif()
endfunction()

file(REMOVE_RECURSE ${WORK})
if(NOT WAY STREQUAL "add_subdirectory")
  run(${CMAKE_COMMAND} --install ${LIBRARY_BUILD} --config "${CONFIG}" --prefix ${WORK}/first_place)
  file(RENAME ${WORK}/first_place ${WORK}/prefix)
  file(GLOB_RECURSE pc ${WORK}/prefix/*.pc)
  get_filename_component(pc_dir ${pc} DIRECTORY)
  set(ENV{PKG_CONFIG_PATH} ${pc_dir})
  get_filename_component(libdir ${pc_dir} DIRECTORY)
  set(ENV{LD_LIBRARY_PATH} ${libdir})
endif()
run(${CMAKE_COMMAND} -S ${PROJECT} -B ${WORK}/build -DCMAKE_CXX_COMPILER=${COMPILER}
    "-DCMAKE_CXX_FLAGS=${FLAGS}" -DCMAKE_BUILD_TYPE=Release -DWAY=${WAY}
    -DLIBRARY_SOURCE=${LIBRARY_SOURCE} -DCMAKE_PREFIX_PATH=${WORK}/prefix)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure --no-tests=error)
