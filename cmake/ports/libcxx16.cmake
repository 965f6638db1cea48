set(version 16)
include(${CMAKE_CURRENT_LIST_DIR}/libcxx.cmake)
