# shellcheck shell=sh
# Read by the other scripts (. script/quiet.sh): what they do in silence, and how they set up build folders.

# quietly TITLE COMMAND...: one line with the title and how long it took. All that COMMAND says goes into a file, which
# is named when it fails, and then the script ends. With BESIDE=1 in the environment other things are done meanwhile:
# the line is written at once, at the end.
quietly() {
  title="$1 ... "
  shift
  [ -n "${BESIDE:-}" ] || { printf '%s' "$title" >&2; title=''; }
  log=$(mktemp "${TMPDIR:-/tmp}/stepwell-XXXXXX.log")
  trap 'rm -f "$log"; exit 130' INT
  begun=$(date +%s%N)
  code=0
  "$@" >"$log" 2>&1 </dev/null || code=$?
  trap - INT
  tenths=$((($(date +%s%N) - begun) / 100000000))
  if [ $code = 0 ]; then
    echo "$title$((tenths / 10)).$((tenths % 10)) s" >&2
    rm -f "$log"
    return 0
  fi
  echo "${title}failed after $((tenths / 10)).$((tenths % 10)) s" >&2
  if [ "${CI:-}" = true ]; then cat "$log"; else tail -n 20 "$log"; fi >&2
  echo "${0##*/}: \"$*\" failed; its whole output is in $log" >&2
  exit 1
}

# wanted FOLDER OPTION...: those of the options of meson setup that the folder was not set up with.
wanted() {
  python3 - "$@" <<'END'
import json, sys
folder, options = sys.argv[1], sys.argv[2:]
with open(folder + "/meson-info/intro-buildoptions.json", encoding="utf-8") as file:
    known = {option["name"]: option["value"] for option in json.load(file)}
for option in options:
    name, _, value = option.removeprefix("--").removeprefix("-D").partition("=")
    has = known.get(name)
    text = " ".join(has) if isinstance(has, list) else str(has).lower() if isinstance(has, bool) else str(has)
    if text != value:
        print(option)
END
}

# configure FOLDER OPTION...: options as -Dname=value, or --name=value for meson's own.
configure() {
  if ! [ -f "$1/build.ninja" ]; then
    quietly "Setting up $1" meson setup "$@"
  elif [ $# -gt 1 ] && [ -n "$(wanted "$@")" ]; then
    quietly "Setting up $1 again" meson setup --reconfigure "$@"
  fi
}
