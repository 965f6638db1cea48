# clang of a `version` with its own standard library. Debian installs that of one clang only, so scripts/test-ports unpacks it.
set(root ${CMAKE_CURRENT_LIST_DIR}/../../build/libcxx${version}-library/usr/lib/llvm-${version})
set(CMAKE_CXX_COMPILER clang++-${version})
set(CMAKE_CXX_FLAGS_INIT "-nostdinc++ -isystem ${root}/include/c++/v1")
foreach(kind EXE SHARED MODULE)
  set(CMAKE_${kind}_LINKER_FLAGS_INIT "-stdlib=libc++ -L${root}/lib -Wl,-rpath,${root}/lib")
endforeach()
