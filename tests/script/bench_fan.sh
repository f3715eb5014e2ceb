#!/bin/sh
# script/bench fan measures what it is asked to, and refuses what it must not do: bench_fan.sh BUILD SOURCE. Reports
# TAP.
set -eu
build=$1
cd "$2"
work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
fail() { echo "not ok $((n + 1)) - $1"; sed 's/^/# /' "$work/said"; exit 1; }
fan() { python3 bench/fan.py "$build" --seconds 1 --pairs 1 "$@" >"$work/said" 2>&1; }
# A line of the table: the number of connections, fan-outs a second of both and their ratio, p50 and p99 of both,
# connections opened by both.
has_row() { grep -Eq "^ +$1( +[0-9]+\.[0-9]+){7}( +[0-9]+){2}\$" "$work/said"; }

command -v wrk >/dev/null || { echo "Bail out! wrk is missing: run script/setup e2e"; exit 1; }
fan --width 3 --latency-ms 5 --connections 2 --plot "$work/fan.svg" || fail "a fan-out is measured"
has_row 1 && has_row 2 || fail "each number of connections has its line"
grep -q 'raw curl p99' "$work/fan.svg" || fail "there is a plot of both"
ok "Stepwell and raw curl beside each other, with a plot"

for flags in "--tls" "--http2"; do
  # shellcheck disable=SC2086
  fan --width 8 --latency-ms 5 --connections 2 --hosts 4 $flags --plot "$work/fan.svg" || fail "a fan-out, $flags"
  has_row 1 && has_row 2 || fail "each number of connections has its line, $flags"
done
# Two wide fan-outs are 16 calls to four hosts: a session each, of both. (An abandoned fan-out may run beside them.)
grep -Eq '^ +2 .* 0 +4$' "$work/said" || fail "sessions are shared"
ok "hosts, TLS and HTTP/2, with the connections that were opened"

"$build/bench/delay_server" 1 >"$work/address" &
server=$!
while ! [ -s "$work/address" ]; do sleep 0.05; done
url=$(sed 's/.* //' "$work/address")/
fan --width 2 --connections 1 --url "$url" --plot "$work/own.svg" || fail "a service of one's own is measured"
has_row 1 && grep -qF "$url (a service of yours)" "$work/said" || fail "it is named"
ok "a service of one's own"

refused() { # MESSAGE FLAG...
  message=$1
  shift
  if fan "$@"; then fail "$*: refused"; fi
  grep -qF -- "$message" "$work/said" || fail "$*: says why"
}
refused 'from 1 to 1000 is needed, not "0"' --width 0
refused '10000 are the most' --width 101 --connections 100
refused '--url is http://HOST' --url ftp://127.0.0.1/
refused "is the service's own" --url "$url" --latency-ms 3
refused "are the URL's own" --url "$url" --hosts 2
refused 'if it is yours to load, say --remote' --url http://192.0.2.1/
kill "$server"
wait "$server" || true
server=
refused 'does not succeed' --url "$url" --connections 1
ok "what cannot be measured, and another machine, are refused with the reason"
echo "1..$n"
