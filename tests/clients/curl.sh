#!/bin/sh
# curl. Its calls are lines of standard input (calls.py).
case $1 in
plain) settings= ;;
follow) settings=-L ;;
longer) settings='-L --max-redirs -1' ;;
esac
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
while read -r method url kind; do
  set --
  [ "$kind" != stream ] || set -- -H 'Accept: text/event-stream'
  [ "$method" != POST ] || set -- "$@" -H 'Content-Type: application/json' -d '{"n": 1}'
  : >"$out/body"
  # shellcheck disable=SC2086
  if said=$(curl -sS $settings "$@" -o "$out/body" \
    -w '%{http_code}\n%header{content-type}\n%header{x-answer}\n%{url_effective}' \
    "$url" 2>&1); then
    echo "$said" | {
      read -r status && IFS= read -r type && IFS= read -r answer && IFS= read -r at
      printf '%s\t%s\t%s\t%s\t%s\n' "$status" "$type" "$answer" "$(base64 -w0 "$out/body")" "$at"
    }
  else
    printf 'error\t%s\n' "$(echo "$said" | head -n 1)"
  fi
done
