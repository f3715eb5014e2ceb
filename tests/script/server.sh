#!/bin/sh
# script/server as a newcomer uses it: one command, an address, an answer; SIGTERM ends it and what it started.
set -eu
source=$1
work=$(mktemp -d)
server=
cleanup() {
  [ -z "$server" ] || kill "$server" 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT

unset ANTHROPIC_API_KEY OPENAI_API_KEY OPENAI_BASE_URL EXA_API_KEY ANTHROPIC_BASE_URL EXA_BASE_URL
: >"$work/log" # the shell in the background makes it later than it is read
"$source/script/server" --listen 127.0.0.1:0 --data "$work/data" >"$work/log" 2>&1 </dev/null &
server=$!
url=
while [ -z "$url" ]; do
  kill -0 "$server" || { cat "$work/log" >&2; exit 1; }
  url=$(sed -n 's/.*research.* listening on \(http:[^ ]*\).*/\1/p' "$work/log")
  sleep 0.1
done
simulator=$(sed -n 's/.*simulator at \(http:[^;]*\);.*/\1/p' "$work/log")
[ -n "$simulator" ]
echo "ok 1 - says that it uses the simulator, and the agent's address"
curl -sSf "$url/" | grep -q '<title>'
tag=$(curl -sSI "$url/app.js" | tr -d '\r' | sed -n 's/^etag: //Ip')
[ -n "$tag" ]
[ "$(curl -sS -o /dev/null -w '%{http_code}' -H "If-None-Match: $tag" "$url/app.js")" = 304 ]
curl -sSf -o "$work/app.js" -w '%{content_type}' "$url/app.js" | grep -q '^text/javascript'
[ -s "$work/app.js" ]
if grep -q '^import ' "$work/app.js"; then exit 1; fi # one script, nothing left to fetch
echo "ok 2 - the page is there, in the program"
curl -sSfL "$url/api/research?topic=Tides&depth=1&breadth=1" | grep -q '"success":true'
echo "ok 3 - a question is answered"
kill "$server"
status=0
wait "$server" || status=$?
[ "$status" = 0 ] || { echo "ended with $status" >&2; cat "$work/log" >&2; exit 1; }
server=
if curl -s -o /dev/null "$url/" || curl -s -o /dev/null "$simulator/"; then exit 1; fi
echo "ok 4 - SIGTERM ends the agent and the simulator"

# What installs and builds in a clone is as slow here as with a bad network: Ctrl-C ends both.
clone=$work/clone
mkdir -p "$clone/apps/research/page" "$clone/console" "$work/slow"
cp -r "$source/script" "$clone"
for page in apps/research/page console; do cp "$source/$page/package-lock.json" "$clone/$page"; done
for name in npm meson; do
  printf '#!/bin/sh\necho $$ >"%s/%s.pid"\nexec sleep 600\n' "$work" $name >"$work/slow/$name"
  chmod +x "$work/slow/$name"
done
# A shell's jobs in the background do not hear SIGINT: Python starts it as a terminal does, in a group of its own.
PATH="$work/slow:$PATH" python3 - "$clone/script/server" "$work" <<'END'
import os, signal, subprocess, sys, time
server, work = sys.argv[1:]
shell = subprocess.Popen([server], start_new_session=True, stdin=subprocess.DEVNULL,
                         preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
pids = [f"{work}/npm.pid", f"{work}/meson.pid"]
while not all(os.path.exists(pid) and os.path.getsize(pid) for pid in pids):
    assert shell.poll() is None, "it has ended before"
    time.sleep(0.05)
npm, meson = [int(open(pid, encoding="ascii").read()) for pid in pids]
def goes_on(pid): # what has ended may wait for a parent that takes no notice
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
os.killpg(shell.pid, signal.SIGINT)
try:
    status = shell.wait(60)
    assert status != 0, "it ended as if nothing were"
    assert not goes_on(npm), "npm goes on"
    end = time.monotonic() + 60
    while goes_on(meson):
        assert time.monotonic() < end, "meson goes on"
        time.sleep(0.05)
finally:
    for end in (lambda: os.killpg(shell.pid, signal.SIGKILL),
                lambda: goes_on(meson) and os.kill(meson, signal.SIGKILL)):
        try:
            end()
        except ProcessLookupError:
            pass
END
echo "ok 5 - Ctrl-C while it installs and builds ends both"
echo "1..5"
