#!/bin/sh
# tests/coro/coro.c with AArch64's own way to switch, in an emulator: coro_aarch64.sh SOURCE.
set -eu
cd "$1"
for tool in aarch64-linux-gnu-gcc qemu-aarch64; do
  command -v $tool >/dev/null || { echo "Bail out! $tool is missing: run script/setup e2e"; exit 1; }
done
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
aarch64-linux-gnu-gcc -static -std=gnu17 -O2 -Wall -Wextra -Werror -D_GNU_SOURCE -fstack-clash-protection \
  -DSTACK_CLASH_PROTECTION -pthread -I. coro/coro.c coro/overflow.c \
  coro/sched.c coro/stack.c coro/context_aarch64.c tests/coro/coro.c -o "$work/coro" -lm
qemu-aarch64 "$work/coro"
