# x86_64 with musl and libc++, as in Alpine, by the compiler of the Python package ziglang. Its programs are static.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR x86_64)
set(CMAKE_CXX_COMPILER ${CMAKE_CURRENT_LIST_DIR}/../../build/tools/bin/zig-c++)
set(CMAKE_CXX_COMPILER_TARGET x86_64-linux-musl)
set(CMAKE_EXE_LINKER_FLAGS_INIT -static)
# The compiler makes its standard library anew for each kind of program, so CMake's checks link none.
set(CMAKE_TRY_COMPILE_TARGET_TYPE STATIC_LIBRARY)
