#!/bin/sh
# The research agent survives a crash anywhere: prove_research.sh RESEARCH UPSTREAM. Its services take no keys, so what it has
# accepted is said; they are overloaded and break off now and then. Reports TAP.
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
  if "$research" --prove-repeatable 'search-*,learn-*,generate-*' --prove-timeout 200s "$@" >"$dir/page" 2>"$dir/said"; then
    echo "ok $n - $name"
  else
    echo "not ok $n - $name"
    sed 's/^/# /' "$dir/page" "$dir/said"
  fi
  sed -n '1s/^/# /p' "$dir/page"
}
research=$1
echo 1..3
prove "questions" --prove 'GET /api/research/clarify?topic=Tides'
prove "a stream, with steps that fail on purpose" --prove 'GET /api/research?topic=Tides&depth=2&breadth=2&failureRate=0.3' \
  -H 'Accept: text/event-stream' --prove-points 150 --record "$dir/calls.jsonl"
kill $upstream
prove "the same from a recording" --prove 'GET /api/research?topic=Tides&depth=2&breadth=2&failureRate=0.3' --prove-points 50 \
  --replay "$dir/calls.jsonl"
