#!/bin/sh
# Runs a command as on a machine where Stepwell is not installed: clean.sh BUILD SOURCE COMMAND [ARGUMENT...]. It starts
# in a copy of the source, whose build folder is BUILD, and sees its own /usr/local and /etc: what script/install
# installs there is found as it is anywhere, and nobody else sees it.
set -eu
if [ "${1:-}" != --inside ]; then
  map=
  [ "$(id -u)" = 0 ] || map=--map-root-user
  work=$(mktemp -d)
  trap 'rm -rf --one-file-system "$work"' EXIT
  # shellcheck disable=SC2086
  unshare --mount $map "$0" --inside "$work" "$@"
  exit
fi
work=$2 build=$3 source=$4
shift 4
mount -t tmpfs -o mode=755 tmpfs "$work" # nothing of it outlives the namespace
cp -a /etc "$work" 2>/dev/null || true # a user may not read all of it
mount --bind "$work/etc" /etc
mount -t tmpfs -o mode=755 tmpfs /usr/local/lib
mount -t tmpfs -o mode=755 tmpfs /usr/local/include
ldconfig
if pkg-config --exists stepwell; then
  echo "Bail out! Stepwell is installed outside /usr/local" && exit 1
fi
mkdir "$work/clone"
cd "$work/clone"
tar -C "$source" -cf - --anchored --exclude='./build*' --exclude=./.git --exclude=./data \
  --no-anchored --exclude=node_modules . | tar -xof -
ln -s "$build" build
unset PKG_CONFIG_PATH LD_LIBRARY_PATH LIBRARY_PATH
"$@"
