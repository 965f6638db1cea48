#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run_http.sh HTTP_SERVICE: many requests at the same time, each with an id and a user of its own;
# then every line of the service's log must carry the id and the user that belong together, and
# each request must have a line from each place that logs.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=server.sh
. "$(dirname "$0")/server.sh"
requests=40

get() { curl --silent --show-error --fail-with-body --max-time 30 --noproxy '*' "$@"; }

start_server "$1"
curls=()
for i in $(seq "$requests"); do
    get -H "X-Request-Id: id$i" -H "X-User: user$i" -o "$work/body$i" \
        "http://127.0.0.1:$port/slow" &
    curls+=($!)
done
late=0
for i in $(seq "$requests"); do
    wait "${curls[i - 1]}" || late=$((late + 1)) # 504 on a machine that is busy with other things
    [ "$(cat "$work/body$i")" = "the answer for user$i is 42" ] ||
        fail "request $i got: $(cat "$work/body$i")"
done

# Several requests on one connection: nothing is left of the one before.
get -H 'X-Request-Id: one' -H 'X-User: ann' "http://127.0.0.1:$port/hello" \
    --next --silent --noproxy '*' -w '%{num_connects}\n' "http://127.0.0.1:$port/hello" \
    >"$work/hello" || fail "no answer to /hello"
[ "$(cat "$work/hello")" = $'hello ann\nhello anonymous\n0' ] ||
    fail "/hello twice on one connection gave: $(cat "$work/hello")"
status=$(curl --silent --noproxy '*' -o "$work/missing" -w '%{http_code}' -H 'X-Request-Id: missing' \
    "http://127.0.0.1:$port/nothing/here")
[ "$status" = 404 ] || fail "a path that does not exist gave $status"

stop_server TERM

awk -v requests="$requests" '
    function wrong(what) { print "WRONG: " what ": " $0; bad = 1 }
    /^listening on / { next }
    !match($0, /\[id=[^ ]+ user=[^ ]+ until=[0-9:.]+\] /) { wrong("no request, user or deadline"); next }
    {
        split(substr($0, RSTART + 1, RLENGTH - 3), field, " ")
        id = substr(field[1], 4); user = substr(field[2], 6); until = substr(field[3], 7)
        message = substr($0, RSTART + RLENGTH)
        place = message; sub(/:.*/, "", place); if (place ~ /^GET /) place = "GET"
        lines++
    }
    id ~ /^id[0-9]+$/ {
        if ("id" substr(user, 5) != id) wrong("not the user of this request")
        seen[id, place]++
        if (place == "child") next # has a deadline of its own
        if (id in deadline && deadline[id] != until) wrong("not the deadline of this request")
        deadline[id] = until
    }
    id == "one" && user != "ann" { wrong("not the user of this request") }
    END {
        places = split("timer slow callback pool child GET", name, " ")
        for (i = 1; i <= requests; i++)
            for (k = 1; k <= places; k++)
                if (seen["id" i, name[k]] != 1) {
                    print "WRONG: request id" i " has " seen["id" i, name[k]] + 0 " lines from " name[k]
                    bad = 1
                }
        print lines " log lines, each with its own request, user and deadline" (bad ? ": NO" : "")
        exit bad
    }' "$work/log" || fail "the log is not right"
echo "$requests concurrent requests, $late answered after their deadline; stopped by SIGTERM with exit code 0"
