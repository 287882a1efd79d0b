# SPDX-License-Identifier: LGPL-2.1-or-later
"""Functions become the tests of a program that reports in the Test Anything Protocol."""

import sys
import traceback

_cases = []


def case(name):
    """Decorates a test; the name is a sentence, as everywhere in the project."""
    def add(function):
        _cases.append((name, function))
        return function
    return add


def main():
    """Runs the tests, or those whose names begin with an argument."""
    cases = [one for one in _cases
             if len(sys.argv) == 1 or one[0].startswith(tuple(sys.argv[1:]))]
    failed = 0

    print(f"1..{len(cases)}", flush=True)
    for number, (name, function) in enumerate(cases, 1):
        try:
            function()
            print(f"ok {number} {name}", flush=True)
        except Exception:
            failed += 1
            for line in traceback.format_exc().splitlines():
                print("#", line)
            print(f"not ok {number} {name}", flush=True)

    sys.exit(failed > 0)
