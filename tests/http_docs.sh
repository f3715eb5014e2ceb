#!/bin/sh
# Builds the program of docs/http.md with what `meson install` puts in place, and runs the page's commands against it.
set -eu
build=$1 source=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
meson install -C "$build" --no-rebuild --quiet --destdir "$work/root"
PKG_CONFIG_PATH=$(dirname "$(find "$work/root" -name stepwell.pc)")
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name libstepwell.so)")
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR="$work/root" LD_LIBRARY_PATH
awk '$0 == "<!-- shop.c -->" {found = 1} found && /^```$/ {exit} started {print} found && /^```c$/ {started = 1}' \
  "$source/docs/http.md" >"$work/shop.c"
# shellcheck disable=SC2046
cc -Wall -Wextra -Werror $(pkg-config --cflags stepwell) "$work/shop.c" -o "$work/shop" -L"$LD_LIBRARY_PATH" \
  $(pkg-config --libs stepwell | sed "s|-L$work/root$work/root|-L$work/root|g")
python3 "$source/tests/http_docs.py" "$work/shop" "$source/docs/http.md"
