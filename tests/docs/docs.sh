#!/bin/sh
# Runs the commands of a page: docs.sh BUILD SOURCE PAGE [--serve NAME | PROGRAM]. They begin in a clone, on a machine
# where nothing of Stepwell is installed. With --serve or PROGRAM they begin in a folder with a copy of that program of
# the build, on a machine where script/install has been.
set -eu
if [ "$1" != --clean ]; then exec "$(dirname "$0")/../harness/clean.sh" "$1" "$2" "$0" --clean "$@"; fi
page=$PWD/$4
docs=$PWD/tests/docs/docs.py
if [ $# -gt 4 ]; then
  script/install
  mkdir ../page
  [ "$5" = --serve ] || cp "build/$5" ../page
  cd ../page
fi
python3 "$docs" "$page" "${6:-}"
