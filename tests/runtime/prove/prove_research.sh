#!/bin/sh
# The research agent survives a crash anywhere: prove_research.sh RESEARCH UPSTREAM. Its services take no keys, so what
# it has accepted is said; they are overloaded and break off now and then. Reports TAP.
set -u
dir=$(mktemp -d)
"$2" --data "$dir/data" --listen 127.0.0.1:0 --overload-rate 0.2 --cut-rate 0.1 >"$dir/log" 2>&1 </dev/null &
upstream=$!
trap 'kill $upstream 2>/dev/null; rm -rf "$dir"' EXIT
url=
while [ -z "$url" ]; do
  kill -0 $upstream || { cat "$dir/log"; exit 1; }
  url=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$dir/log")
  sleep 0.05
done
export ANTHROPIC_BASE_URL="$url" EXA_BASE_URL="$url" ANTHROPIC_API_KEY=simulated EXA_API_KEY=simulated
n=0
prove() { # NAME FLAG...
  n=$((n + 1))
  name=$1
  shift
  if "$research" --prove-repeatable 'search-*,learn-*,generate-*' --prove-timeout 200s "$@" \
    >"$dir/page" 2>"$dir/said"; then
    echo "ok $n - $name"
  else
    echo "not ok $n - $name"
    sed 's/^/# /' "$dir/page" "$dir/said"
  fi
  sed -n '1s/^/# /p' "$dir/page"
}
research=$1
echo 1..5
prove "questions" --prove 'GET /api/research/clarify?topic=Tides'
prove "a stream, with steps that fail on purpose" \
  --prove 'GET /api/research?topic=Tides&depth=2&breadth=2&failureRate=0.3' \
  -H 'Accept: text/event-stream' --prove-points 150 --record "$dir/calls.jsonl"
kill $upstream
prove "the same from a recording" --prove 'GET /api/research?topic=Tides&depth=2&breadth=2&failureRate=0.3' \
  --prove-points 50 \
  --replay "$dir/calls.jsonl"
# Each step is refused 26 times before it is answered. The pauses between, which nobody waits for here, are 0.25 s and
# more, then twice as much each time up to half a minute and more: ten minutes at the least.
cat >"$dir/outage.py" <<'END'
import json, sys
times, done = int(sys.argv[2]), set()
for line in open(sys.argv[1], encoding="utf-8"):
    call = json.loads(line)
    if "step" not in call:
        print(line, end="")
    elif call.get("status") == 200 and "error" not in call and call["path"] not in done:  # not one that was cut
        done.add(call["path"])
        refused = {**call, "status": 503, "responseHeaders": [], "body": "overloaded"}
        refused.pop("body64", None)
        for attempt in range(1, times + 1):
            print(json.dumps({**refused, "attempt": attempt}))
        print(json.dumps({**call, "attempt": times + 1}))
END
python3 "$dir/outage.py" "$dir/calls.jsonl" 26 >"$dir/outage.jsonl"
prove "services that are down for ten minutes before each step" \
  --prove 'GET /api/research?topic=Tides&depth=2&breadth=2&failureRate=0' \
  --prove-points 10 --replay "$dir/outage.jsonl"
python3 "$dir/outage.py" "$dir/calls.jsonl" 41 >"$dir/outage.jsonl"
"$research" --prove 'GET /api/research?topic=Tides&depth=2&breadth=2&failureRate=0' \
  --prove-points 1 --replay "$dir/outage.jsonl" \
  >"$dir/page" 2>"$dir/said"
if grep -q 'is to stop (exhausted): step "generate-queries" has used its retries (41 attempts)' "$dir/said"; then
  echo "ok 5 - a service that is down for longer stops the research"
else
  echo "not ok 5 - a service that is down for longer stops the research"
  sed 's/^/# /' "$dir/page" "$dir/said"
fi
