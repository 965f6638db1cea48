#!/usr/bin/env bash
# check.sh PROGRAM WORK: counts the instructions of each operation in costs.cpp at two sizes, eight times
# apart. An operation may take as much as its size times a logarithm: not more than ten times as many.
set -euo pipefail
program=$1 work=$2
few=32768 many=262144

rm -rf "$work"
mkdir -p "$work"
for size in $few $many; do
    valgrind --tool=callgrind --callgrind-out-file="$work/$size" --combine-dumps=yes \
        "$program" "$size" >"$work/$size.log" 2>&1 || { tail -n 20 "$work/$size.log"; exit 1; }
    # Each dump names its operation, and has a line of totals.
    awk '/^desc: Trigger: Client Request: / { operation = substr($0, 32) }
         /^summary: / { if (operation != "") print operation "\t" $2; operation = "" }' \
        "$work/$size" >"$work/$size.txt"
done

paste "$work/$few.txt" "$work/$many.txt" | awk -F'\t' -v few=$few -v many=$many '
    BEGIN { printf "%-45s %15s %15s %7s\n", "instructions at", few, many, "ratio" }
    $1 != $3 { print "operations differ: " $1 ", " $3; bad = 1 }
    { ratio = $4 / ($2 > 100 ? $2 : 100)
      printf "%-45s %15d %15d %7.2f%s\n", $1, $2, $4, ratio, (ratio > 10 ? "  TOO MANY" : "")
      bad = bad || ratio > 10 }
    END { if (NR < 40) { print "only " NR " operations were counted"; bad = 1 } exit bad }'
