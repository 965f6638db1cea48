#!/usr/bin/env bash
# check.sh GDB PROGRAM SCRIPT WORK: what GDB says of a process and of its core file.
set -euo pipefail
gdb=$1 program=$2 script=$3 work=$4
mkdir -p "$work"
cd "$work"
rm -f core.subject

questions=(
    -ex 'echo == contexts\n' -ex 'contextvars'
    -ex 'frame function main'
    -ex 'echo == flow\n' -ex 'contextvars flow flow' -ex 'contextvars flow &flow' -ex 'print flow'
    -ex 'echo == running\n' -ex 'contextvars flow running' -ex 'print running'
    -ex 'echo == coroutine\n' -ex 'contextvars coroutine suspended.handle'
    -ex 'echo == printers\n' -ex 'print user' -ex 'print depth' -ex 'print context' -ex 'print token'
    -ex 'echo == misuse\n' -ex 'contextvars nonsense'
    -ex 'echo == other\n' -ex 'thread 2' -ex 'contextvars'
)
ask() {
    "$gdb" -nx -batch -ex 'set debuginfod enabled off' -ex 'set width 0' -ex 'set print thread-events off' \
        -ex "source $script" "$@" 2>&1
}
status=0
expect() { # FILE WHAT: a line, or a part of one
    grep -qF -- "$2" "$1" || { echo "$1: not there: $2"; status=1; }
}
check() {
    # 100 variables, of which the trie has most
    local many
    many=$(grep -o 'many = 10[0-9][0-9]' "$1" | sort -u | wc -l)
    ((many == 100)) || { echo "$1: $many of 100 variables"; status=1; }
    expect "$1" 'gone (destroyed) = 42'
    expect "$1" 'user = "ann"'
    expect "$1" 'depth = 7'
    expect "$1" 'place = {x = 1, y = 2, z = 3}'
    expect "$1" 'password = <std::string>'
    expect "$1" "this thread's base context: user = \"base\""
    (($(grep -cF 'suspended: user = "flow"' "$1") == 3)) || { echo "$1: the flow"; status=1; }
    expect "$1" 'suspended: user = "coroutine"'
    # the flow that runs, and the context below it
    (($(grep -A1 '^running on thread 1: user = "runs"$' "$1" | grep -cF "this thread's base context: user = \"base\"") == 1)) ||
        { echo "$1: the flow that runs"; status=1; }
    expect "$1" '<flow, running on thread 1: user = "runs">'
    expect "$1" '<ContextVar "user" of std::string>' # missing in the current context
    expect "$1" '<ContextVar "depth" of int>'
    expect "$1" 'as it was when it was entered: no bindings>'
    expect "$1" '<Token of "user", used, old value "base">'
    expect "$1" 'usage: contextvars'
    expect "$1" "this thread's base context: user = \"on the other thread\""
    if grep -nE 'hunter2|Python Exception|Traceback' "$1"; then status=1; fi
}

ask -ex 'break stop_here' -ex run "${questions[@]}" -ex 'generate-core-file core.subject' -ex kill "$program" >process.txt
check process.txt
if [[ -f core.subject ]]; then
    ask "${questions[@]}" "$program" core.subject >core.txt
    check core.txt
else
    echo "no core file was written"
    status=1
fi
((status == 0)) || tail -n 50 process.txt core.txt
rm -f core.subject
exit $status
