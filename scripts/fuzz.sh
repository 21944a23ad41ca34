#!/bin/sh
# Runs every fuzz target for FUZZTIME. It fails when there is none.
set -eu
cd "$(dirname "$0")/.."

count=0
for file in $(grep -rl --include='*_test.go' '^func Fuzz' .); do
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9_]*\)(.*/\1/p' "$file"); do
		echo "== $(dirname "$file") $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZTIME:-10s}" "./$(dirname "$file")"
		count=$((count + 1))
	done
done
echo "$count targets"
[ "$count" -gt 0 ]
