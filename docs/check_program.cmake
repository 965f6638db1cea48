# cmake -DPAGE=… -DPROGRAM=… -P check_program.cmake: the page must show the marked part of the program.
file(READ ${PROGRAM} program)
string(REGEX REPLACE ".*// \\[program\\]\n(.*)// \\[/program\\].*" "\\1" program "${program}")
file(READ ${PAGE} page)
string(FIND "${page}" "```cpp\n${program}```" at)
if(at EQUAL -1)
  message(FATAL_ERROR "${PAGE} shows another program than ${PROGRAM}")
endif()
