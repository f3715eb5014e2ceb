#!/bin/sh
# HTTPie. Its calls are lines of standard input (calls.py).
case $1 in
plain) settings= ;;
follow) settings=--follow ;;
longer) settings='--follow --max-redirects=1000' ;;
esac
out=$(mktemp -d)
trap 'rm -rf "$out"' EXIT
field() { sed -n "s/^$1: //Ip" "$out/head" | tr -d '\r'; }
while read -r method url kind; do
  set -- "$method" "$url"
  [ "$kind" != stream ] || set -- "$@" Accept:text/event-stream
  [ "$method" != POST ] || set -- "$@" n:=1
  : >"$out/answer"
  http --ignore-stdin --print=hb -o "$out/answer" $settings "$@" 2>"$out/said" </dev/null
  if grep -q '^HTTP/' "$out/answer"; then
    head_bytes=$(LC_ALL=C sed '/^\r*$/q' "$out/answer" | wc -c)
    head -c "$head_bytes" "$out/answer" >"$out/head"
    printf '%s\t%s\t%s\t%s\t\n' \
      "$(sed -n 's/^HTTP[^ ]* \([0-9]*\).*/\1/p' "$out/head")" "$(field Content-Type)" "$(field X-Answer)" \
      "$(tail -c +$((head_bytes + 1)) "$out/answer" | base64 -w0)"
  else
    printf 'error\t%s\n' "$(grep -v '^$' "$out/said" | head -n 1)"
  fi
done
