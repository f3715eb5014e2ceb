#!/bin/sh
# What script/install and `meson install` put where: install.sh BUILD SOURCE. The commands of README and the tutorial
# are run by docs.sh.
set -eu
if [ "$1" != --clean ]; then exec "$(dirname "$0")/../harness/clean.sh" "$1" "$2" "$0" --clean "$@"; fi
work=$(dirname "$PWD")
n=0
ok() { n=$((n + 1)); echo "ok $n - $1"; }
example() { # FILE NAME: the C program under its comment
  awk -v name="<!-- $2 -->" \
    '$0 == name {found = 1} found && /^```$/ {exit} started {print} found && /^```c$/ {started = 1}' "$1"
}

# What programs need, by the means that they have: pkg-config, the compiler and the loader.
builds_and_starts() { # FOLDER of the library
  rm -f hello
  # shellcheck disable=SC2046
  cc -Wall -Wextra -Werror apps/hello/hello.c -o hello $(pkg-config --cflags --libs stepwell)
  ldd hello | grep -q "=> $1/libstepwell.so"
  ./hello --version | grep -q '^hello (stepwell '
}
script/install 2>said
libdir=$(dirname "$(find /usr/local/lib -name libstepwell.so)")
builds_and_starts "$libdir"
ok "script/install: pkg-config and the loader find the library"
find /usr/local/lib /usr/local/include -mindepth 1 -delete
ldconfig
meson install -C build --no-rebuild --quiet
builds_and_starts "$libdir"
ok "so they do after meson install alone"

find /usr/local/lib /usr/local/include -mindepth 1 -delete
ldconfig
cp /etc/ld.so.cache cache
DESTDIR=$work/package meson install -C build --no-rebuild --quiet
cmp cache /etc/ld.so.cache
[ -z "$(find /usr/local/lib -name 'libstepwell*')" ]
[ -e "$work/package$libdir/libstepwell.so" ]
ok "with DESTDIR nothing outside it changes"

# A folder of its own, as on a machine without dpkg-dev, where meson would choose lib64.
rm build
mkdir bin
printf '#!/bin/sh\nexit 1\n' >bin/dpkg-architecture
chmod +x bin/dpkg-architecture
PATH=$PWD/bin:$PATH script/install --prefix="$work/own" --buildtype=plain 2>said
export PKG_CONFIG_PATH="$work/own/lib/pkgconfig"
grep -q "export PKG_CONFIG_PATH=$PKG_CONFIG_PATH\$" said
builds_and_starts "$work/own/lib"
unset PKG_CONFIG_PATH
ok "below another prefix programs find the library by what pkg-config says"

# libstepwell.a in the program, the system's libraries beside it.
export PKG_CONFIG_PATH="$work/own/lib/pkgconfig"
# shellcheck disable=SC2046
cc apps/hello/hello.c -o hello $(pkg-config --static --cflags --libs stepwell | sed 's/-lstepwell/-l:libstepwell.a/')
unset PKG_CONFIG_PATH
if ldd hello | grep -E 'libstepwell|not found'; then exit 1; fi
./hello --prove 'GET /hello/Ann' | grep -q 'same answer 5'
ok "pkg-config --static has all that libstepwell.a needs"

command -v cmake >/dev/null || { echo "Bail out! cmake is missing: run script/setup e2e"; exit 1; }
mkdir cmake
cat >cmake/CMakeLists.txt <<'EOF'
cmake_minimum_required(VERSION 3.18)
project(user C CXX)
find_package(stepwell ${WANTED} REQUIRED)
add_executable(hello ../apps/hello/hello.c)
target_link_libraries(hello stepwell::stepwell)
add_executable(alone ../apps/hello/hello.c)
target_link_libraries(alone stepwell::static)
add_executable(trip ../examples/trip.cpp)
target_link_libraries(trip stepwell::stepwell)
set_target_properties(trip PROPERTIES CXX_STANDARD 17)
EOF
cmake_in() { cmake -S cmake -B "$1" -DCMAKE_PREFIX_PATH="$work/own" -DWANTED="$2" -DCMAKE_C_FLAGS=-Werror >said 2>&1; }
cmake_in made 0.2 || { cat said; exit 1; }
cmake --build made >said 2>&1 || { cat said; exit 1; }
ldd made/hello | grep -q "=> $work/own/lib/libstepwell.so"
if ldd made/alone | grep -E 'libstepwell|not found'; then exit 1; fi
for program in hello alone; do "made/$program" --prove 'GET /hello/Ann' | grep -q 'same answer 5'; done
made/trip --version | grep -q '^trip (stepwell '
ok "find_package(stepwell) builds programs in C and C++, with either library"
if cmake_in newer 0.9 || ! grep -q 'version: 0.2' said; then cat said; exit 1; fi
if cmake_in other 1.0; then exit 1; fi
cmake_in older 0.1
ok "find_package takes programs for this version and earlier ones"
sed -i 's/project(user C CXX)/project(user NONE)/' cmake/CMakeLists.txt
if cmake_in none 0.2 || ! grep -q 'neither C nor C++ is enabled' said; then cat said; exit 1; fi
sed -i 's/project(user NONE)/project(user CXX)/; /hello\.c\|hello stepwell\|alone stepwell/d' cmake/CMakeLists.txt
cmake_in cxx 0.2 && cmake --build cxx >said 2>&1 && cxx/trip --version | grep -q '^trip (stepwell ' || {
  cat said
  exit 1
}
ok "find_package in a project of C++ alone, and without languages says what to change"

# There are no npm packages in this copy of the source.
if [ -e build/apps/research/research ]; then exit 1; fi
grep -q 'apps/research is left out' build/meson-logs/meson-log.txt
grep -q 'the console is left out' build/meson-logs/meson-log.txt
for page in apps/research/page:page console:console; do
  if python3 script/bundle.py "${page%:*}" header.h name page.c page.d 2>said; then exit 1; fi
  grep -q "run script/setup ${page#*:}\$" said
  if [ -e page.c ]; then exit 1; fi
done
ok "without the npm packages of their pages agent and console are left out, and said to be; nothing makes half a page"

example README.md apps/hello/hello.c | cmp - apps/hello/hello.c
ok "README shows apps/hello/hello.c as it is"

command -v systemd-analyze >/dev/null || { echo "Bail out! systemd-analyze is missing: run script/setup e2e"; exit 1; }
mkdir units
cp dist/stepwell.socket units
sed "s|^ExecStart=[^ ]*|ExecStart=/bin/true|" dist/stepwell.service >units/stepwell.service
systemd-analyze verify "$PWD/units/stepwell.service" "$PWD/units/stepwell.socket"
ok "systemd accepts the unit files"

grep -ho '`sw_[a-z_]*`' docs/api.md | tr -d '`' | sort -u >named
sed -n -e 's/^SW_API .*[ *]\(sw_[a-z_]*\)(.*/\1/p' -e 's/^typedef .*(\*\(sw_[a-z_]*\))(.*/\1/p' \
  -e 's/^typedef .* \(sw_[a-z_]*\);.*/\1/p' -e 's/^} \(sw_[a-z_]*\);.*/\1/p' \
  -e 's/^#define \(sw_[a-z_]*\)(.*/\1/p' runtime/stepwell.h | sort -u >declared
comm -13 named declared >missing
[ ! -s missing ] || { echo "docs/api.md does not name:"; cat missing; exit 1; }
comm -23 named declared >unknown
[ ! -s unknown ] || { echo "docs/api.md names what stepwell.h does not have:"; cat unknown; exit 1; }
ok "docs/api.md names every function and type of stepwell.h, and no other"
echo "1..$n"
