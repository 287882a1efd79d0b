# shellcheck shell=sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the other tools share. To be sourced: . "$(dirname "$0")/lib.sh"

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
# What takes long to make and does not depend on this tree outlives it.
# shellcheck disable=SC2034
cache=${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/asynctools
cd "$root" || exit 1

say () { printf '%s\n' "$*" >&2; }
die () { say "${0##*/}: $*"; exit 1; }

# Runs a command as root, without ever asking for a password.
as_root () {
  if [ "$(id -u)" -eq 0 ]; then
    "$@"
  else
    sudo -n "$@"
  fi
}

# The packages of the groups given, one a line.
packages () {
  for group in "$@"; do
    sed -n "s/^$group  *//p" tools/packages
  done
}

# Another python3 may stand first on PATH, one that cannot import gi; meson's and
# the scanner's scripts must all see the distribution's.
prefer_python_with_gi () {
  for python in python3 /usr/bin/python3 /usr/local/bin/python3; do
    if command -v "$python" >/dev/null && "$python" -c 'import gi' 2>/dev/null; then
      PATH=$(dirname "$(command -v "$python")"):$PATH
      export PATH
      return
    fi
  done
  die 'no python3 here can import gi; install PyGObject (Debian: python3-gi)'
}

# Configures a build folder, unless it is one already.
configure () {
  folder=$1
  shift
  if [ ! -f "$folder/build.ninja" ]; then
    rm -rf "$folder"
    report=$(meson setup "$folder" "$@" 2>&1) || { say "$report"; return 1; }
  fi
}

# The same, and builds all of it.
build () {
  configure "$@" && ninja -C "$1" >&2
}

# What a program leaves running for a moment may write there still.
discard () {
  tries=0
  until rm -rf "$1" 2>/dev/null || [ "$tries" -gt 50 ]; do
    tries=$((tries + 1))
    sleep 0.1
  done
}

# Runs a command with a virtual display, a session bus and user folders of its own,
# so that it neither sees nor disturbs whoever is logged in.
headless () {
  scratch=$(mktemp -d)
  mkdir -m 700 "$scratch/run" "$scratch/config" "$scratch/data" "$scratch/cache"
  Xvfb -displayfd 3 -screen 0 1280x1024x24 -nolisten tcp -noreset \
    3>"$scratch/display" >"$scratch/log" 2>&1 &
  servers=$!
  dbus-daemon --config-file="$root/tools/session-bus.conf" --nofork --print-address=3 \
    3>"$scratch/bus" >>"$scratch/log" 2>&1 &
  servers="$servers $!"
  # shellcheck disable=SC2086
  trap 'kill $servers 2>/dev/null; discard "$scratch"' EXIT
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM

  tries=0
  until [ -s "$scratch/display" ] && [ -s "$scratch/bus" ]; do
    tries=$((tries + 1))
    # shellcheck disable=SC2086
    if [ "$tries" -gt 300 ] || ! kill -0 $servers 2>/dev/null; then
      cat "$scratch/log" >&2
      die 'the virtual display and the session bus did not start'
    fi
    sleep 0.1
  done

  result=0
  env -u WAYLAND_DISPLAY -u LANGUAGE \
    DISPLAY=":$(cat "$scratch/display")" LC_ALL=C.UTF-8 \
    DBUS_SESSION_BUS_ADDRESS="$(cat "$scratch/bus")" \
    GDK_BACKEND=x11 GSK_RENDERER=cairo LIBGL_ALWAYS_SOFTWARE=1 \
    GTK_A11Y=none GSETTINGS_BACKEND=memory GIO_USE_VFS=local \
    XDG_RUNTIME_DIR="$scratch/run" XDG_CONFIG_HOME="$scratch/config" \
    XDG_DATA_HOME="$scratch/data" XDG_CACHE_HOME="$scratch/cache" \
    "$@" || result=$?

  # shellcheck disable=SC2086
  kill $servers 2>/dev/null || true
  wait
  discard "$scratch"
  trap - EXIT HUP INT TERM
  return "$result"
}
