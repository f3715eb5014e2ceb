#!/bin/sh
# Runs the commands of a page: docs.sh BUILD SOURCE PAGE [PROGRAM]. The program that the page shows is built with what
# `meson install` puts in place, and serves; PROGRAM is one of the build instead, which the page's commands start.
set -eu
build=$1 source=$2 page=$2/docs/$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ $# -gt 3 ]; then
  mkdir "$work/page"
  cp "$build/$4" "$work/page"
  cd "$work/page"
  python3 "$source/tests/docs.py" "$page"
  exit
fi
meson install -C "$build" --no-rebuild --quiet --destdir "$work/root"
PKG_CONFIG_PATH=$(dirname "$(find "$work/root" -name stepwell.pc)")
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name libstepwell.so)")
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR="$work/root" LD_LIBRARY_PATH
name=$(sed -n 's/^<!-- \(.*\)\.c -->$/\1/p' "$page")
awk '/^<!-- .*\.c -->$/ {found = 1} found && /^```$/ {exit} started {print} found && /^```c$/ {started = 1}' \
  "$page" >"$work/$name.c"
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror $(pkg-config --cflags stepwell) "$work/$name.c" -o "$work/$name" -L"$LD_LIBRARY_PATH" \
  $(pkg-config --libs stepwell | sed "s|-L$work/root$work/root|-L$work/root|g")
python3 "$source/tests/docs.py" "$page" "$work/$name"
