function(contextvars_core_properties target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
  target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${target} PUBLIC Threads::Threads)
  set_target_properties(${target} PROPERTIES
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON
    POSITION_INDEPENDENT_CODE ON) # an archive may go into a module
  # What is stored narrow is soon loaded narrow, and waits where stores were merged to a wide one.
  target_compile_options(${target} PRIVATE -fno-tree-slp-vectorize)
  if(CONTEXTVARS_INITIAL_EXEC)
    target_compile_options(${target} PRIVATE -ftls-model=initial-exec)
  else()
    target_compile_definitions(${target} PUBLIC CONTEXTVARS_SLOT_BY_CALL)
  endif()
  get_target_property(type ${target} TYPE)
  if(type STREQUAL SHARED_LIBRARY AND NOT APPLE)
    # Threads end in this library's code, so it must stay.
    target_link_options(${target} PRIVATE -Wl,-z,nodelete)
  endif()
endfunction()
