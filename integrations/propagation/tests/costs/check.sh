#!/usr/bin/env bash
# check.sh PROGRAM WORK [OPENTELEMETRY]: counts instructions. A request's operations have limits, which are
# the counts with g++ 12 and three of a hundred; and no parser takes more than 140 instructions for a byte of
# the input that takes it longest, or 3,000 in all, at any size. With OPENTELEMETRY, a program of the same
# operations by OpenTelemetry C++: to parse and write has to take three times as many there.
set -euo pipefail
program=$1 work=$2 other=${3:-}

rm -rf "$work"
mkdir -p "$work"
count() { # NAME PROGRAM ARGUMENTS…
    local name=$1
    shift
    valgrind --tool=callgrind --callgrind-out-file="$work/$name" --combine-dumps=yes "$@" \
        >"$work/$name.log" 2>&1 || { tail -n 20 "$work/$name.log"; exit 1; }
    awk '/^desc: Trigger: Client Request: / { operation = substr($0, 32) }
         /^summary: / { if (operation != "") print operation "\t" $2; operation = "" }' "$work/$name"
}

status=0
limits="$(dirname "$0")/limits.txt"
count operations "$program" >"$work/operations.txt"
join -t $'\t' -a 1 -a 2 -e none -o 0,1.2,2.2 <(sort "$work/operations.txt") <(sort "$limits") |
    awk -F'\t' '{ bad = $2 == "none" || $3 == "none" || $2 > $3; failed = failed || bad
                  printf "%-45s %9s (at most %s)%s\n", $1, $2, $3, (bad ? "  TOO MANY" : "") }
                END { exit failed }' || status=1
if [[ -n $other ]]; then
    count opentelemetry "$other" >"$work/opentelemetry.txt"
    join -t $'\t' <(sort "$work/opentelemetry.txt") <(sort "$work/operations.txt") |
        awk -F'\t' '{ printf "%-45s %9s by OpenTelemetry: %.1f times as many\n", $1, $2, $2 / $3; few = few || ($1 ~ /parse and write/ && $2 < 3 * $3) }
                    END { exit few || NR < 5 }' || { echo "fewer than three times as many"; status=1; }
fi
for size in 64 1024 4096 8192 16384 65536; do
    count "$size" "$program" "$size" |
        awk -F'\t' -v size=$size '
            { most = 140 * size + 3000
              if ($2 > most) { printf "%s of %d bytes: %d instructions, at most %d\n", $1, size, $2, most; bad = 1 }
              if ($2 > worst) { worst = $2; name = $1 } }
            END { printf "worst of %d inputs of %d bytes: %d instructions, %.1f a byte (%s)\n",
                      NR, size, worst, worst / size, name
                  if (NR < 100) { print "only " NR " inputs were counted"; bad = 1 }
                  exit bad }' || status=1
done
exit $status
