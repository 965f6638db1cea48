#!/usr/bin/env bash
# check.sh COMPILER WORK: builds main.cpp with clang's standard library, and runs it.
set -euo pipefail
cd "$(dirname "$0")/../.."
work=$2
mkdir -p "$work"
scripts/single-header "$work/contextvars.hpp"
"$1" -stdlib=libc++ -std=c++20 -O1 -pthread -DCONTEXTVARS_IMPLEMENTATION "-I$work" tests/format/main.cpp -o "$work/main"
"$work/main"
