# What docs/integrating.md tells authors of integrations. Nothing here knows one by its name.

# contextvars_integration(TARGET): a library with the file set HEADERS, which CMake finds as
# contextvars::… in the build and when installed, as a component of its own that can be deleted again.
function(contextvars_integration target)
  get_target_property(name ${target} EXPORT_NAME)
  add_library(contextvars::${name} ALIAS ${target})
  set_property(GLOBAL APPEND PROPERTY CONTEXTVARS_INTEGRATIONS ${target})
  if(CONTEXTVARS_INSTALL)
    install(TARGETS ${target} EXPORT ${target} COMPONENT ${target} FILE_SET HEADERS COMPONENT ${target})
    install(EXPORT ${target} FILE ${name}.cmake NAMESPACE contextvars:: COMPONENT ${target}
      DESTINATION ${contextvars_package_dir}/integrations)
  endif()
endfunction()

# In the order of their names. One builds its tests where CONTEXTVARS_TESTS asks for them.
function(contextvars_add_integrations)
  file(GLOB lists CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/integrations/*/CMakeLists.txt)
  set(wanted ${CONTEXTVARS_BUILD_TESTS})
  add_custom_target(contextvars_integrations) # without their tests and examples
  foreach(list IN LISTS lists)
    get_filename_component(folder ${list} DIRECTORY)
    get_filename_component(name ${folder} NAME)
    set(CONTEXTVARS_BUILD_TESTS OFF)
    if(wanted AND ("all" IN_LIST CONTEXTVARS_TESTS OR name IN_LIST CONTEXTVARS_TESTS))
      set(CONTEXTVARS_BUILD_TESTS ON)
    endif()
    add_subdirectory(${folder})
    get_property(targets DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
    if(targets)
      add_dependencies(contextvars_integrations ${targets})
    endif()
  endforeach()
endfunction()
contextvars_add_integrations()
