#!/bin/sh
# supervise.sh ERRORS COMMAND [ARG]...
#
# Runs COMMAND with its standard error appended to the file ERRORS, and exits as it exits. Each line
# on standard input names a signal to send to it. When standard input closes, because whoever started
# this script has gone, COMMAND is killed: nothing a test starts outlives the test.
errors=$1
shift
# the shell itself has nothing to say, not even that a command was killed
exec 3<&0 2>/dev/null
"$@" </dev/null 3<&- 2>>"$errors" &
child=$!
(
    while read -r signal; do kill -s "$signal" "$child"; done
    kill -s KILL "$child"
) <&3 >/dev/null 2>&1 &
watcher=$!
exec 3<&-
wait "$child"
status=$?
kill "$watcher" 2>/dev/null
exit "$status"
