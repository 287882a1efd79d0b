#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Runs the demonstration unattended, and has sha256sum check what it prints.
#
#   test-demo.sh PROGRAM
set -eu

[ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || { echo 'needs a display'; exit 77; }

program=$(realpath "$1")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

fail () { echo "$*"; cat "$scratch/said"; exit 1; }

# In: a folder and options. Out: status, $scratch/sums and $scratch/said.
demo () {
  status=0
  timeout 60 "$program" --unattended "$@" >"$scratch/sums" 2>"$scratch/said" || status=$?
}

# A tree with all that a name may hold. A link that leads upwards, a link to nowhere and a pipe are
# no files; what a version control system keeps is left out.
tree=$scratch/tree
mkdir -p "$tree/empty folder" "$tree/one/two/three" "$tree/one/.git"
printf 'hidden' >"$tree/one/.git/config"
: >"$tree/empty file"
: >"$tree/-n"
printf 'line break' >"$tree/$(printf 'a\nb')"
printf 'carriage return' >"$tree/$(printf 'a\rb')"
printf 'backslash' >"$tree/a\\b"
printf 'percent' >"$tree/100%41"
printf 'not UTF-8' >"$tree/$(printf 'caf\351')"
printf 'UTF-8' >"$tree/one/$(printf 'caf\303\251')"
printf 'markup' >"$tree/one/<b>&amp;"
ln -s .. "$tree/one/two/up"
ln -s nowhere "$tree/one/link"
mkfifo "$tree/one/pipe"
number=0
while [ "$number" -lt 300 ]; do
  echo "$number" >"$tree/one/two/three/$number"
  number=$((number + 1))
done
head -c 9000000 /dev/zero >"$tree/one/large"

demo --exclude=.git --screenshot="$scratch/picture.png" "$tree"
[ "$status" -eq 0 ] || fail "a readable folder ended with status $status"
sha256sum --check --quiet --strict "$scratch/sums" || fail 'a checksum is wrong'
find "$tree" -name .git -prune -o -type f -exec sha256sum {} + | LC_ALL=C sort >"$scratch/expected"
LC_ALL=C sort "$scratch/sums" | diff "$scratch/expected" - || fail 'not the files of the folder'
[ "$(head -c 4 "$scratch/picture.png" | tail -c 3)" = PNG ] || fail 'no picture was saved'

# Names are printed as the folder was typed.
cd "$scratch"
demo tree/one/
[ "$status" -eq 0 ] || fail "a relative folder ended with status $status"
sha256sum --check --quiet --strict sums || fail 'a relative name is wrong'
grep -q '  tree/one/large$' sums || fail 'the folder is not in front of the name'

# A path that is too long cannot be opened, not even by the administrator.
mkdir deep
(
  cd deep
  echo reachable >file
  name=$(printf '%0200d' 0)
  level=0
  while [ "$level" -lt 25 ]; do
    mkdir "$name"
    cd -P "$name"
    level=$((level + 1))
  done
)
demo deep
[ "$status" -ne 0 ] || fail 'a folder that could not be read whole ended well'
grep -q 'asynctools-demo: deep/000.*too long' said || fail 'what could not be read is not named'
sha256sum --check --quiet --strict sums || fail 'what could be read is not printed'

demo missing
[ "$status" -ne 0 ] || fail 'a missing folder ended well'
grep -q 'missing.*No such file' said || fail 'nothing was said of the missing folder'
[ ! -s sums ] || fail 'a missing folder has checksums'
