#!/usr/bin/env bash
# check.sh PROGRAM WORK: counts the instructions of a hop, with either token, and fails above the limits.
# A limit is the count with g++ 12 and Boost 1.81, and three of a hundred.
set -euo pipefail
program=$1 work=$2
few=1000 many=3000

rm -rf "$work"
mkdir -p "$work"
count() { # HOPS TOKEN
    valgrind --tool=callgrind --callgrind-out-file="$work/$2.$1" "$program" "$1" "$2" >"$work/log" 2>&1 ||
        { cat "$work/log"; exit 1; }
    sed -n 's/^summary: //p' "$work/$2.$1"
}
status=0
for limit in use_awaitable:1014 deferred:654; do
    token=${limit%:*} most=${limit#*:}
    of_few=$(count $few "$token") of_many=$(count $many "$token")
    hop=$(((of_many - of_few) / (many - few)))
    echo "a hop by $token: $hop instructions (at most $most)"
    ((hop <= most)) || status=1
done
exit $status
