#!/bin/sh
# script/bench goes on behind a part that fails, and says so: bench_parts.sh SOURCE. Reports TAP.
set -eu
cd "$1"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
fail() { echo "not ok $((n + 1)) - $1"; sed 's/^/# /' "$work/said"; exit 1; }
mkdir "$work/bench"
program() { # NAME TEXT: a bench that does what the shell is told
  printf '#!/bin/sh\n%s\n' "$2" >"$work/bench/$1"
  chmod +x "$work/bench/$1"
}
bench() { python3 bench/run.py "$work" --quick --only "$1" --json "$work/figures" >"$work/said" 2>&1; }

program json 'echo "the json bench is broken" >&2; exit 3'
program coro_switch 'echo "P1  a switch    ns=5.00   goal"'
if bench json,coro; then fail "a part that fails is the exit code's matter"; fi
grep -q '^!    json: .*the json bench is broken' "$work/said" || fail "the part is named, with what its program said"
grep -q '^not measured, see above: json$' "$work/said" || fail "the end names it again"
grep -q '^P1 .* ns=5.00' "$work/said" && grep -q '"a switch"' "$work/figures" || fail "the next part is measured"
ok "a part that fails ends no other"

bench coro || fail "parts that are measured end with 0"
ok "the exit code of what was measured"

if bench coro,nonsense; then fail "a part that is not there is refused"; fi
grep -q '^no part nonsense: there are coro, ' "$work/said" || fail "it says which there are"
if grep -q '^P1' "$work/said"; then fail "before any is measured"; fi
ok "a part that is not there is refused at once"
# What wrk says of a load without an answer: a median of 0 ms would look like the best of all.
program wrk 'echo "     50%    0.00us"; echo "     99%    0.00us"; echo "Requests/sec:      0.00"'
load='import sys; sys.path.insert(0, "bench"); import programs; programs.wrk("http://127.0.0.1:1/", 1, 1)'
if PATH="$work/bench:$PATH" python3 -c "$load" >"$work/said" 2>&1; then fail "no answer is no figure"; fi
grep -q 'nothing was answered within 1 s' "$work/said" || fail "it says so"
ok "a load without an answer is no figure"
echo "1..$n"
