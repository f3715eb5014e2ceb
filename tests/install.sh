#!/bin/sh
# Installs into an empty folder, then does what README says with nothing but pkg-config. docs.sh does so with the tutorial.
set -eu
build=$1 source=$2
work=$(mktemp -d)
pids=
cleanup() {
  # shellcheck disable=SC2086
  [ -z "$pids" ] || kill -9 $pids 2>/dev/null || true
  rm -rf "$work"
}
trap cleanup EXIT
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
listening() { # FILE: the address in a program's log, once it is there
  for _ in $(seq 600); do
    address=$(sed -n 's/.*listening on \(http:[^ ]*\).*/\1/p' "$1")
    [ -z "$address" ] || { echo "$address"; return; }
    sleep 0.05
  done
  cat "$1" >&2
  return 1
}
example() { # FILE NAME: the C program under its comment
  awk -v name="<!-- $2 -->" '$0 == name {found = 1} found && /^```$/ {exit} started {print} found && /^```c$/ {started = 1}' "$1"
}

meson install -C "$build" --no-rebuild --quiet --destdir "$work/root"
pc=$(dirname "$(find "$work/root" -name stepwell.pc)")
export PKG_CONFIG_PATH="$pc" PKG_CONFIG_SYSROOT_DIR="$work/root"
lib=$(dirname "$(find "$work/root" -name libstepwell.so)")
export LD_LIBRARY_PATH="$lib"
ok "installs a header, libraries and stepwell.pc"

cd "$work"
example "$source/README.md" apps/hello/hello.c >hello.c
cmp hello.c "$source/apps/hello/hello.c"
ok "README shows apps/hello/hello.c as it is"
flags=$(pkg-config --cflags stepwell) libs=$(pkg-config --libs stepwell | sed "s|-L$work/root$work/root|-L$work/root|g")
# shellcheck disable=SC2086
cc -Wall -Wextra -Werror $flags hello.c -o hello -L"$lib" $libs
./hello --listen 127.0.0.1:0 --data hello-data >hello.log 2>&1 </dev/null &
pids="$pids $!"
url=$(listening hello.log)
curl -sSfL "$url/hello/Ann" | grep -q '"greeting":"Hello, Ann!"'
ok "README's program builds with pkg-config alone and answers"

if command -v systemd-analyze >/dev/null; then
  mkdir units
  cp "$source/dist/stepwell.socket" units
  sed "s|^ExecStart=[^ ]*|ExecStart=/bin/true|" "$source/dist/stepwell.service" >units/stepwell.service
  systemd-analyze verify "$work/units/stepwell.service" "$work/units/stepwell.socket"
  ok "systemd accepts the unit files"
else
  ok "systemd accepts the unit files # SKIP there is no systemd-analyze"
fi
grep -ho '`sw_[a-z_]*`' "$source/docs/api.md" | tr -d '`' | sort -u >named
sed -n -e 's/^SW_API .*[ *]\(sw_[a-z_]*\)(.*/\1/p' -e 's/^typedef .*(\*\(sw_[a-z_]*\))(.*/\1/p' \
  -e 's/^typedef .* \(sw_[a-z_]*\);.*/\1/p' -e 's/^} \(sw_[a-z_]*\);.*/\1/p' "$source/runtime/stepwell.h" | sort -u >declared
comm -13 named declared >missing
[ ! -s missing ] || { echo "docs/api.md does not name:"; cat missing; exit 1; }
comm -23 named declared >unknown
[ ! -s unknown ] || { echo "docs/api.md names what stepwell.h does not have:"; cat unknown; exit 1; }
ok "docs/api.md names every function and type of stepwell.h, and no other"
echo "1..$n"
