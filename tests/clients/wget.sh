#!/bin/sh
# GNU wget. Its calls are lines of standard input (calls.py).
case $1 in
plain) settings= ;;
longer) settings=--max-redirect=1000 ;;
esac
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
field() { sed -n "s/^  $1: //Ip" "$out/head" | tail -n 1 | tr -d '\r'; }
while read -r method url kind; do
  set --
  [ "$kind" != stream ] || set -- --header='Accept: text/event-stream'
  [ "$method" != POST ] || set -- "$@" --header='Content-Type: application/json' --post-data='{"n": 1}'
  : >"$out/body"
  if wget $settings "$@" --server-response -O "$out/body" "$url" 2>"$out/said"; then
    # The heads of all rounds: the last counts.
    awk '/^  HTTP\//{head = ""} /^  /{head = head $0 "\n"} END {printf "%s", head}' "$out/said" >"$out/head"
    printf '%s\t%s\t%s\t%s\t%s\n' "$(sed -n 's/^  HTTP[^ ]* \([0-9]*\).*/\1/p' "$out/head")" "$(field Content-Type)" "$(field X-Answer)" \
      "$(base64 -w0 "$out/body")" "$(sed -n 's/^--.*--  //p' "$out/said" | tail -n 1)"
  else
    printf 'error\t%s\n' "$(tail -n 1 "$out/said")"
  fi
done
