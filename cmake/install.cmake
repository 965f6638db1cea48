include(CMakePackageConfigHelpers)

set(contextvars_package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/contextvars)

install(TARGETS contextvars EXPORT contextvarsTargets FILE_SET HEADERS)
install(EXPORT contextvarsTargets NAMESPACE contextvars:: DESTINATION ${contextvars_package_dir})
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
if(contextvars_type STREQUAL "SHARED_LIBRARY" AND UNIX AND NOT APPLE)
  install(CODE "
    get_filename_component(prefix \"\${CMAKE_INSTALL_PREFIX}\" ABSOLUTE)
    file(INSTALL \"${PROJECT_SOURCE_DIR}/debuggers/gdb/contextvars-gdb.py\"
      DESTINATION \"\${prefix}/${CMAKE_INSTALL_DATADIR}/gdb/auto-load\${prefix}/${CMAKE_INSTALL_LIBDIR}\"
      RENAME \"$<TARGET_FILE_NAME:contextvars>-gdb.py\")" COMPONENT contextvars_gdb)
endif()
