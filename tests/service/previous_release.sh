#!/bin/sh
# A program of this version and one of 0.1.0 take turns with a data folder: previous_release.sh SOURCE NEW NEWER, where
# NEW is old_journal.c of this version, and NEWER is newer.c. No run of the first folder has a branch, which 0.1.0 would
# refuse. In the second folder runs have used what 0.1.0 does not know: it leaves them alone, and serves others.
set -eu
source=$1 new=$2 newer=$3
commit=1d8dfbf687591a62630da1e4e783373b876d8ed4 # 0.1.0
work=$(mktemp -d)
server=
trap 'kill -9 $server 2>/dev/null || true; rm -rf "$work"' EXIT
say() { n=$((${n:-0} + 1)); echo "ok $n - $1"; }
git -C "$source" cat-file -e "$commit" 2>/dev/null || { echo "1..0 # SKIP no history with 0.1.0 in it"; exit 0; }
echo "1..8"

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

fail() { # WHAT: with the server's log
  sed 's/^/# /' "$work/server.log"
  echo "not ok - $1"
  exit 1
}
serve() { # PROGRAM FOLDER FLAGS...: begins to serve at $url
  program=$1 data=$2
  shift 2
  : >"$work/server.log" # the parent looks into it before the child has begun it anew
  GATE=$work/gate NOTES=$work/notes "$program" --listen 127.0.0.1:0 --data "$data" --loops 2 --retain 3650d \
    --log-level info "$@" >"$work/server.log" 2>&1 </dev/null &
  server=$!
  while ! grep -qs 'listening on' "$work/server.log"; do
    kill -0 $server || fail "$program serves"
    sleep 0.1
  done
  url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$work/server.log" | head -n 1)
  admin=$(sed -n 's/.*the admin API is at \(http:[^ ]*\).*/\1/p' "$work/server.log" | head -n 1)
}
die() { # the server is killed
  kill -9 $server
  wait $server 2>/dev/null || true
  server=
}

# 0.1.0 works in the folder itself, is killed, and this version takes it back.
touch "$work/gate"
cat >"$work/old" <<END
#!/bin/sh
exec "$old" --serve "\$@"
END
chmod +x "$work/old"
serve "$work/old" "$work/folder/data"
sleep 3
die
say "0.1.0 works in the folder and is killed"
check "$new" "this version goes on with what 0.1.0 left"

# ---- What 0.1.0 does not know ----

kinds="wait ask call select send"
: >"$work/notes"
serve "$newer" "$work/newer" --admin-listen 127.0.0.1:0 --dev
begin() { # PATH: the path of the run's output URL
  curl -sS -o "$work/answer" -H 'Prefer: respond-async' "$url$1"
  sed -n 's/.*"outputUrl":"\(http:\/\/[^/]*\)\{0,1\}\([^"]*\)".*/\2/p' "$work/answer"
}
runs() { # how many runs wait for a signal
  curl -sS "$admin/_sw/runs?state=running,sleeping&limit=100" | grep -o '"runId":"[^"]*"' | cut -d'"' -f4
}
waits() { curl -sS "$admin/_sw/runs/$1" | grep -q '"why":{"text":"[^"]*\(signal end\|child\)'; }
for kind in $kinds; do begin "/newer/$kind" >"$work/output-$kind"; done
until [ "$(curl -sS "$admin/_sw/schedules" | grep -c lastRun)" = 1 ]; do sleep 0.1; done
until [ "$(runs | wc -l)" = 7 ] && for run in $(runs); do waits $run || break; done && waits $run; do sleep 0.1; done
begin /plain >"$work/output-plain"
sleep 0.5
die
say "runs of this version wait for signals, ask, call, select, send, and begin by a schedule"

serve "$work/old" "$work/newer"
curl -sS -L --max-time 60 "$url$(cat "$work/output-plain")" >"$work/answer" || fail "0.1.0 serves"
[ "$(cat "$work/answer")" = 7 ] || fail "0.1.0 goes on with a run that knows nothing new"
curl -sS "$url/ended?word=x" | grep -q '"pi":3.25' || fail "0.1.0 serves others"
! grep -q newer "$work/notes" || fail "0.1.0 executes what it does not know"
[ "$(grep -c plain "$work/notes")" = 1 ] || fail "a step is done once"
die
say "0.1.0 leaves them alone and serves the others"

serve "$newer" "$work/newer" --admin-listen 127.0.0.1:0 --dev
until [ "$(runs | wc -l)" = 7 ] && for run in $(runs); do waits $run || break; done && waits $run; do sleep 0.1; done
say "they are all there for this version"
for run in $(runs); do curl -sS -o "$work/answer" -d '"over"' "$admin/_sw/runs/$run/signals/end"; done
for kind in $kinds; do
  curl -sS -L --max-time 60 "$url$(cat "$work/output-$kind")" >"$work/answer" || fail "$kind answers"
  grep -q '"over"' "$work/answer" || fail "$kind goes on: $(cat "$work/answer")"
done
die
say "and go on to their ends"
