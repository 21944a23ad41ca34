#!/bin/sh
# Runs the tests, and shows of what they say: each package as it ends, how many cuts and kills the long loops made,
# and all of it when something failed. The whole is in bin/test.log.
set -u
cd "$(dirname "$0")/.."
mkdir -p bin

(
	go test -v -timeout 30m "$@" ./... 2>&1 # the long loops of one package take minutes, on a slow machine many
	echo $? >bin/test.status
) | tee bin/test.log | grep --line-buffered -E '^(ok|FAIL)|^ +--- FAIL|^--- FAIL|[0-9]+ cuts of the recovery|killed [0-9]+ times'

status=$(cat bin/test.status)
if [ "$status" != 0 ]; then
	echo "== what failed said:"
	grep -vE '^(=== |PASS|ok|\?)|^ *--- PASS' bin/test.log
fi
exit "$status"
