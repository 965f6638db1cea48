set(version 19)
include(${CMAKE_CURRENT_LIST_DIR}/libcxx.cmake)
