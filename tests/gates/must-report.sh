#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Fails unless the gate that runs this, $AT_GATE, reports each fault that is its own.
#
#   must-report.sh FAULTS-PROGRAM
set -u
program=$1
number=0

# expect FAULT TEXT [WRAPPER…]
expect () {
  number=$((number + 1))
  fault=$1 text=$2
  shift 2
  report=$("$@" "$program" "$fault" 2>&1)
  status=$?
  if [ "$status" -ne 0 ] && printf '%s' "$report" | grep -q -e "$text"; then
    echo "ok $number /gates/$AT_GATE/$fault-is-reported"
  else
    echo "not ok $number /gates/$AT_GATE/$fault-is-reported"
    printf 'exit status %s\n%s\n' "$status" "$report" | sed 's/^/# /'
  fi
}

case ${AT_GATE:-none} in
  address)
    expect leak 'LeakSanitizer: detected memory leaks'
    expect use-after-free 'AddressSanitizer: heap-use-after-free'
    expect undefined-shift 'shift exponent 32 is too large'
    ;;
  thread)
    expect race 'ThreadSanitizer: data race'
    ;;
  valgrind)
    set -- valgrind --quiet --error-exitcode=99 --leak-check=full --errors-for-leak-kinds=definite
    expect leak 'definitely lost' "$@"
    expect use-after-free 'Invalid read' "$@"
    expect uninitialised 'depends on uninitialised' "$@"
    ;;
  *)
    echo "Bail out! No gate is called ${AT_GATE:-}; use tools/test --sanitize or --valgrind"
    exit 1
    ;;
esac
echo "1..$number"
