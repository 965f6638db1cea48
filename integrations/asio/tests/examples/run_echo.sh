#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
#
# run_echo.sh ECHO_SERVER ECHO_CLIENTS: 200 clients talk to the server at the same time; then it is
# stopped while clients are connected.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=server.sh
. "$(dirname "$0")/server.sh"
clients=200

start_server "$1"
"$2" "$port" "$clients" >"$work/clients" 2>&1 || {
    grep -v ': right$' "$work/clients" || true
    fail "echo_clients ended with an error"
}
[ "$(grep -c ': right$' "$work/clients")" -eq "$clients" ] || fail "not every client has its line"
tail -n 1 "$work/clients" | grep -qx "$clients clients, $clients right, 0 wrong" ||
    fail "the last line is: $(tail -n 1 "$work/clients")"
tail -n 2 "$work/clients"

# One client that speaks for itself, with more than one line in a packet and a line without end.
exec 3<>"/dev/tcp/127.0.0.1/$port"
printf 'one\ntwo\n\n' >&3
said=$(timeout 20 cat <&3) || fail "no good bye after an empty line"
exec 3>&-
pattern=$'^one\ntwo\nGood bye, client @ 127\\.0\\.0\\.1:[0-9]+\r$'
[[ $said =~ $pattern ]] ||
    fail "the server said: $said"

# Stopped while two coroutines wait for their clients.
exec 4<>"/dev/tcp/127.0.0.1/$port" 5<>"/dev/tcp/127.0.0.1/$port"
printf 'hello\n' >&4
read -r -t 20 line <&4 || fail "no echo"
[ "$line" = hello ] || fail "the echo of hello is: $line"
stop_server TERM
[ "$(wc -l <"$work/log")" -eq 1 ] || fail "the server said more than where it listens"

start_server "$1"
stop_server INT
echo "stopped by SIGTERM and by SIGINT with exit code 0"
