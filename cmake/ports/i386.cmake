# 32 bits, by Debian's cross compiler. The machine itself runs the programs, with this loader.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR i686)
set(CMAKE_CXX_COMPILER i686-linux-gnu-g++-12)
set(root /usr/i686-linux-gnu/lib)
set(CMAKE_CROSSCOMPILING_EMULATOR ${root}/ld-linux.so.2 --library-path ${root})
