#!/bin/sh
# Whether the simulation finds mistakes: each of those in coro/seeded_bug.h has to break a promise within the schedules
# that CI runs. Prints which promise, and at which seed. Not part of CI: it takes some minutes.
#
#     tests/simulation/bugs.sh [BUILD-FOLDER]
set -eu
cd "$(dirname "$0")/../.."
build=${1:-build-bugs}
[ -f "$build/build.ninja" ] || meson setup "$build" -Dseeded_bugs=true -Dtable_coverage=true > /dev/null
ninja -C "$build" tests/simulation > /dev/null
found=0 missed=0
while read -r number what; do
  said=$("$build/tests/simulation" --bug "$number" 2> /dev/null |
    sed -n 's/^# seed \([0-9]*\) broke a promise: /\1 /p' | head -n 1)
  if [ -n "$said" ]; then found=$((found + 1)); else missed=$((missed + 1)); fi
  printf '%-3s %-78s %s\n' "$number" "$what" "${said:-NOT FOUND}" | cut -c 1-180
done << LIST
$("$build/tests/simulation" --bugs)
LIST
echo "$found found, $missed not found"
[ "$missed" -eq 0 ]
