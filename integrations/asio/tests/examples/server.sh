# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# Sourced by run_echo.sh and run_http.sh: starts a server on a free port, and stops it.

work=$(mktemp -d)
server=

cleanup() {
    if [ -n "$server" ]; then
        kill -KILL "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT

fail() {
    echo "FAILED: $*"
    if [ -s "$work/log" ]; then
        echo "--- the server's output ends with:"
        tail -n 40 "$work/log"
    fi
    exit 1
}

# start_server PROGRAM: sets $server and $port. Its output goes to $work/log.
start_server() {
    : >"$work/log"
    "$1" 0 >"$work/log" 2>&1 &
    server=$!
    port=
    for _ in $(seq 400); do
        port=$(sed -n 's/^listening on 127\.0\.0\.1:\([0-9][0-9]*\)$/\1/p' "$work/log")
        if [ -n "$port" ]; then
            return
        fi
        kill -0 "$server" 2>/dev/null || fail "the server ended before it listened"
        sleep 0.05
    done
    fail "the server does not say that it listens"
}

# stop_server SIGNAL: the server must end, by itself, with exit code 0.
stop_server() {
    kill "-$1" "$server"
    for _ in $(seq 400); do
        if ! kill -0 "$server" 2>/dev/null; then
            break
        fi
        sleep 0.05
    done
    if kill -0 "$server" 2>/dev/null; then
        fail "the server did not end with SIG$1"
    fi
    code=0
    wait "$server" || code=$?
    server=
    [ "$code" -eq 0 ] || fail "the server ended with exit code $code"
}
