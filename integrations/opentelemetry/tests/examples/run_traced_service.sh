#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run_traced_service.sh TRACED_SERVICE: many requests at the same time; then each must have one line of
# log and one tree of spans, GET → look up → parse and GET → add tax, with one trace id, its own.
set -euo pipefail
requests=40
work=$(mktemp -d)
server=
cleanup() {
    [ -z "$server" ] || kill -KILL "$server" 2>/dev/null || true
    rm -rf "$work"
}
trap cleanup EXIT
fail() {
    echo "FAILED: $*"
    tail -n 20 "$work/log" "$work/spans"
    exit 1
}

unset OTEL_EXPORTER_OTLP_ENDPOINT
"$1" 0 >"$work/spans" 2>"$work/log" &
server=$!
port=
for _ in $(seq 400); do
    port=$(sed -n 's/^listening on 127\.0\.0\.1:\([0-9][0-9]*\)$/\1/p' "$work/log")
    [ -z "$port" ] || break
    kill -0 "$server" 2>/dev/null || fail "the server ended before it listened"
    sleep 0.05
done
[ -n "$port" ] || fail "the server does not say that it listens"

curls=()
for i in $(seq "$requests"); do
    curl --silent --show-error --max-time 30 --noproxy '*' -o "$work/body$i" "http://127.0.0.1:$port/price/$i" &
    curls+=($!)
done
for i in $(seq "$requests"); do
    wait "${curls[i - 1]}" || fail "request $i was not answered"
    [ "$(cat "$work/body$i")" = "$i costs $((i * 120))" ] || fail "request $i got: $(cat "$work/body$i")"
done
kill -TERM "$server"
code=0
wait "$server" || code=$?
server=
[ "$code" -eq 0 ] || fail "the server ended with exit code $code"

awk -v requests="$requests" '
    function wrong(what) { print "WRONG: " what; bad = 1 }
    FNR == NR {
        if (match($0, /^\[[0-9a-f]+\] \/price\/[0-9]+: 200$/)) {
            lines++
            request = $2; sub(/:$/, "", request)
            trace_of["GET " request] = substr($1, 2, 32)
        } else if ($0 !~ /^listening on /)
            wrong("a line of the log: " $0)
        next
    }
    /^  name +: / { name = $0; sub(/^[^:]*: /, "", name) }
    /^  trace_id +: / { trace = $3 }
    /^  span_id +: / { span = $3 }
    /^  parent_span_id *: / {
        names[span] = name; traces[span] = trace; parents[span] = $NF == ":" ? "" : $NF
        spans++
    }
    END {
        for (span in names) {
            parent = parents[span] in names ? names[parents[span]] : "none"
            if (names[span] ~ /^GET /) {
                if (parents[span] !~ /^0*$/) wrong(names[span] " has a parent: " parents[span])
                if (trace_of[names[span]] != traces[span]) wrong("the log of " names[span] " has another trace")
                roots++
                continue
            }
            if (traces[parents[span]] != traces[span]) wrong(names[span] " is in another trace than its parent")
            if (names[span] == "parse" ? parent != "look up" : parent !~ /^GET /)
                wrong(names[span] " is in " parent)
            key = traces[span] " " names[span]
            if (seen[key]++) wrong(names[span] " is twice in one trace")
        }
        if (lines != requests || roots != requests || spans != 4 * requests)
            wrong(lines " lines of log, " roots " trees, " spans " spans")
        print requests " requests: each has one line of log and one tree of spans" (bad ? ": NO" : "")
        exit bad
    }' "$work/log" "$work/spans" || fail "the spans are not right"
