#!/usr/bin/env bash
# check_installed.sh GDB CMAKE BUILD LIBRARY LIBDIR WORK: GDB loads the script by itself when it loads the
# installed library.
set -euo pipefail
gdb=$1 cmake=$2 build=$3 library=$4 libdir=$5 work=$6
prefix=$work/prefix
rm -rf "$prefix"
mkdir -p "$prefix/$libdir"
"$cmake" --install "$build" --prefix "$prefix" --component contextvars_gdb
cp "$library" "$prefix/$libdir"
# With the prefix /usr these two are GDB's own.
"$gdb" -nx -batch -iex "set auto-load scripts-directory $prefix/share/gdb/auto-load" -iex "set auto-load safe-path $prefix/share/gdb/auto-load" \
    -ex 'help contextvars' "$prefix/$libdir/$(basename "$library")" 2>&1 | grep 'shows the contexts that the selected thread has entered'
