include(CMakePackageConfigHelpers)

set(contextvars_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/contextvars)

install(TARGETS contextvars EXPORT contextvarsTargets FILE_SET HEADERS)
# The shared library and the archive may be installed into one prefix, one after the other.
if(BUILD_SHARED_LIBS)
  set(contextvars_kind shared)
else()
  set(contextvars_kind static)
endif()
install(EXPORT contextvarsTargets FILE contextvars_${contextvars_kind}.cmake NAMESPACE contextvars::
  DESTINATION ${contextvars_package_dir})
configure_package_config_file(cmake/contextvarsConfig.cmake.in contextvarsConfig.cmake
  INSTALL_DESTINATION ${contextvars_package_dir})
# 0.x: a minor version may change the interface.
write_basic_package_version_file(contextvarsConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/contextvarsConfig.cmake
              ${PROJECT_BINARY_DIR}/contextvarsConfigVersion.cmake
        DESTINATION ${contextvars_package_dir})

# Relocatable: the prefix is found from where the .pc file lies.
file(RELATIVE_PATH contextvars_pc_prefix /${CMAKE_INSTALL_LIBDIR}/pkgconfig /)
set(contextvars_pc_cflags)
if(NOT CONTEXTVARS_INITIAL_EXEC)
  string(APPEND contextvars_pc_cflags " -DCONTEXTVARS_SLOT_BY_CALL")
endif()
set(contextvars_pc_libs)
if(NOT BUILD_SHARED_LIBS)
  set(contextvars_pc_libs " -pthread") # there is no shared library for which it would be private
endif()
configure_file(cmake/contextvars.pc.in contextvars.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/contextvars.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)

# The script for GDB, from where GDB loads it together with the library: in the folder for scripts, below
# the library's own path. The prefix is known when the files are installed.
get_target_property(contextvars_type contextvars TYPE)
if(contextvars_type STREQUAL "SHARED_LIBRARY" AND UNIX AND NOT APPLE
   AND EXISTS ${PROJECT_SOURCE_DIR}/debuggers/gdb/contextvars-gdb.py) # copies of the sources may lack it
  install(CODE "
    get_filename_component(prefix \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    if(NOT prefix MATCHES \"/_CPack_Packages/\") # from there, a package's files go nobody knows where
      file(INSTALL \"${PROJECT_SOURCE_DIR}/debuggers/gdb/contextvars-gdb.py\"
        DESTINATION \"\${prefix}/${CMAKE_INSTALL_DATADIR}/gdb/auto-load\${prefix}/${CMAKE_INSTALL_LIBDIR}\"
        RENAME \"$<TARGET_FILE_NAME:contextvars>-gdb.py\")
    endif()" COMPONENT contextvars_gdb)
endif()

# cpack -G TGZ and cpack -G DEB, in the folder of the build.
if(PROJECT_IS_TOP_LEVEL)
  set(CPACK_PACKAGE_NAME contextvars)
  set(CPACK_PACKAGE_VENDOR contextvars)
  set(CPACK_PACKAGE_CONTACT "the authors of contextvars <contextvars@localhost>")
  set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
  set(CPACK_DEBIAN_PACKAGE_NAME libcontextvars-dev)
  set(CPACK_DEBIAN_PACKAGE_SECTION libdevel)
  set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
  set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
  include(CPack)
endif()
