# An overlay port: it builds the sources that it lies in. Not run by the project's tests.
get_filename_component(SOURCE_PATH "${CMAKE_CURRENT_LIST_DIR}/../../.." ABSOLUTE)

# An Asio that happens to be on the machine is not looked for.
set(asio -DCONTEXTVARS_ASIO_INCLUDE_DIR=OFF)
if("asio" IN_LIST FEATURES)
  set(asio "-DCONTEXTVARS_ASIO_INCLUDE_DIR=${CURRENT_INSTALLED_DIR}/include")
endif()
vcpkg_cmake_configure(
  SOURCE_PATH "${SOURCE_PATH}"
  OPTIONS
    -DCONTEXTVARS_BUILD_TESTS=OFF
    -DCONTEXTVARS_BUILD_EXAMPLES=OFF
    -DCONTEXTVARS_BUILD_BENCHMARKS=OFF
    -DCONTEXTVARS_BUILD_PYTHON=OFF
    ${asio})
vcpkg_cmake_install()
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/contextvars)
vcpkg_fixup_pkgconfig()
file(REMOVE_RECURSE "${CURRENT_PACKAGES_DIR}/debug/include")
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE")
