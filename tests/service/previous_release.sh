#!/bin/sh
# A program of this version and one of 0.1.0 take turns with one data folder: previous_release.sh SOURCE NEW_PROGRAM,
# where NEW_PROGRAM is old_journal.c of this version. No run has a branch, which 0.1.0 would refuse.
set -eu
source=$1 new=$2
commit=1d8dfbf687591a62630da1e4e783373b876d8ed4 # 0.1.0
work=$(mktemp -d)
server=
trap 'kill -9 $server 2>/dev/null || true; rm -rf "$work"' EXIT
say() { n=$((${n:-0} + 1)); echo "ok $n - $1"; }
git -C "$source" cat-file -e "$commit" 2>/dev/null || { echo "1..0 # SKIP no history with 0.1.0 in it"; exit 0; }
echo "1..4"

mkdir "$work/0.1.0"
git -C "$source" archive "$commit" | tar -x -C "$work/0.1.0"
# In 0.1.0 the harness lies loose in tests/.
sed 's|"tests/harness/|"tests/|' "$source/tests/service/old_journal.c" >"$work/0.1.0/tests/old_journal.c"
(cd "$work/0.1.0" && meson setup build --buildtype=plain && ninja -C build runtime/libstepwell.a) \
  >"$work/build.log" 2>&1 || {
  sed 's/^/# /' "$work/build.log"; exit 1; }
cat >>"$work/0.1.0/tests/meson.build" <<END
executable('old_journal', 'old_journal.c', dependencies: [runtime_dep, curl_dep], include_directories: root_inc)
END
ninja -C "$work/0.1.0/build" tests/old_journal >"$work/build.log" 2>&1 || { sed 's/^/# /' "$work/build.log"; exit 1; }
old=$work/0.1.0/build/tests/old_journal
say "0.1.0 builds"

export WITHOUT_BRANCHES=1
check() { # PROGRAM WHAT: reads a copy of the folder, and goes on with its runs
  tar -C "$work" -czf "$work/folder.tar.gz" folder
  OLD_JOURNAL=$work/folder.tar.gz "$1" >"$work/check.log" 2>&1 || {
    sed 's/^/# /' "$work/check.log"
    echo "not ok - $2"
    exit 1
  }
  say "$2"
}

"$new" --make "$work/folder" >"$work/make.log" 2>&1 || { sed 's/^/# /' "$work/make.log"; exit 1; }
check "$old" "0.1.0 goes on with what this version left"

# 0.1.0 works in the folder itself, is killed, and this version takes it back.
touch "$work/gate"
GATE=$work/gate NOTES=$work/notes "$old" --serve --listen 127.0.0.1:0 --data "$work/folder/data" --loops 2 \
  --retain 3650d --log-level info >"$work/server.log" 2>&1 </dev/null &
server=$!
while ! grep -qs 'listening on' "$work/server.log"; do
  kill -0 $server || { sed 's/^/# /' "$work/server.log"; exit 1; }
  sleep 0.1
done
sleep 3
kill -9 $server
wait $server 2>/dev/null || true
server=
say "0.1.0 works in the folder and is killed"
check "$new" "this version goes on with what 0.1.0 left"
