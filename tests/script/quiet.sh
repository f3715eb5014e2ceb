#!/bin/sh
# What the scripts do in silence: a line with its time, and a file that an error names. quiet.sh SOURCE. Reports TAP.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export TMPDIR="$work/logs"
mkdir "$TMPDIR"
unset CI
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
quietly() { sh -euc '. script/quiet.sh; quietly "$@"' script "$@" 2>"$work/said"; }
# `set -e` does not see half of a list fail.
must() { "$@" || { echo "not ok $((n + 1)) - $*"; sed 's/^/# /' "$work/said"; exit 1; }; }
must_not() { if "$@"; then must false "$@"; fi; }
no_logs() { [ -z "$(ls "$TMPDIR")" ]; }

quietly "Doing it" sh -c 'echo much; echo more >&2'
must grep -qx 'Doing it \.\.\. [0-9]*\.[0-9] s' "$work/said"
must [ "$(wc -l <"$work/said")" = 1 ]
must no_logs
ok "what goes well is a line with its time, and leaves no file"

status=0
quietly "Doing it" sh -c 'seq 1000; exit 3' || status=$?
must [ $status = 1 ]
log=$(sed -n 's/.* its whole output is in //p' "$work/said")
seq 1000 | must cmp - "$log"
must grep -qx 1000 "$work/said" # its end is shown
must_not grep -qx 900 "$work/said"
must grep -q '^Doing it \.\.\. failed after ' "$work/said"
rm "$log"
ok "what fails is told, with its end and the file that has all of it"

export BESIDE=1
quietly "Doing it" sh -c "cp '$work/said' '$work/meanwhile'"
must_not [ -s "$work/meanwhile" ]
must grep -qx 'Doing it \.\.\. [0-9]*\.[0-9] s' "$work/said"
unset BESIDE
ok "what is done beside other things is told when it is done"

wanted() { sh -euc '. script/quiet.sh; wanted "$@"' script "$@"; }
mkdir "$work/build" "$work/build/meson-info"
echo '[{"name": "prefix", "value": "/usr/local"}, {"name": "research", "value": "auto"},
  {"name": "fuzz", "value": true}]' \
  >"$work/build/meson-info/intro-buildoptions.json"
must [ -z "$(wanted "$work/build" --prefix=/usr/local -Dfuzz=true -Dresearch=auto)" ]
must [ "$(wanted "$work/build" -Dresearch=enabled -Dfuzz=true --prefix=/opt)" = "-Dresearch=enabled
--prefix=/opt" ]
ok "a folder is set up again for options that it does not have"
echo "1..$n"
