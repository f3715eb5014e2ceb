#!/bin/sh
# Runs the commands of a page with what `meson install` puts in place: docs.sh BUILD SOURCE PAGE [--serve NAME | PROGRAM].
# They find the programs that the page shows (as C), the build folder as `build`, and a copy of PROGRAM of the build.
set -eu
build=$1 source=$2 page=$2/docs/$3
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/page"
cd "$work/page"
ln -s "$build" build
case ${4:-} in
'' | --serve) ;;
*) cp "build/$4" . ;;
esac
meson install -C "$build" --no-rebuild --quiet --destdir "$work/root"
PKG_CONFIG_PATH=$(dirname "$(find "$work/root" -name stepwell.pc)")
LD_LIBRARY_PATH=$(dirname "$(find "$work/root" -name libstepwell.so)")
LIBRARY_PATH=$LD_LIBRARY_PATH # pkg-config puts the root before -L once too often
export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR="$work/root" LD_LIBRARY_PATH LIBRARY_PATH
python3 "$source/tests/docs.py" "$page" "${5:-}"
