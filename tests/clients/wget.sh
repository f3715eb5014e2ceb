#!/bin/sh
# GNU wget. Its calls are lines of standard input (calls.py).
case $1 in
plain) settings= ;;
longer) settings=--max-redirect=1000 ;;
failing) settings=--content-on-error ;;
esac
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
field() { sed -n "s/^  $1: //Ip" "$out/head" | tail -n 1 | tr -d '\r'; }
while read -r method url kind; do
  set --
  [ "$kind" != stream ] || set -- --header='Accept: text/event-stream'
  [ "$method" != POST ] || set -- "$@" --header='Content-Type: application/json' --post-data='{"n": 1}'
  : >"$out/body"
  code=0
  wget $settings "$@" --server-response -O "$out/body" "$url" 2>"$out/said" || code=$?
  # The heads of all rounds: the last counts.
  awk '/^  HTTP\//{head = ""} /^  /{head = head $0 "\n"} END {printf "%s", head}' "$out/said" >"$out/head"
  status=$(sed -n 's/^  HTTP[^ ]* \([0-9]*\).*/\1/p' "$out/head")
  if [ $code = 0 ] || { [ $code = 8 ] && [ "${status:-0}" -ge 400 ]; }; then # 8: the server answered so
    printf '%s\t%s\t%s\t%s\t%s\n' "$status" "$(field Content-Type)" "$(field X-Answer)" \
      "$(base64 -w0 "$out/body")" "$(sed -n 's/^--.*--  //p' "$out/said" | tail -n 1)"
  else
    printf 'error\t%s\n' "$(grep . "$out/said" | tail -n 1)"
  fi
done
