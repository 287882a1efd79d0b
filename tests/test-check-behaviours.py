#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Shows that tests/check-behaviours catches what it is for."""

import importlib.machinery
import importlib.util
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True
path = str(pathlib.Path(__file__).with_name("check-behaviours"))
loader = importlib.machinery.SourceFileLoader("check_behaviours", path)
checker = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_behaviours",
                                                                          loader))
loader.exec_module(checker)

LINE = "| {} | It works. | AtSomeThing | {} | {} | not yet | cannot: it has no such thing |\n"


def complaints(c="`/a/b`", python="not yet", files=(), n=checker.N_BEHAVIOURS):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        contents = {
            "tests/behaviours.md": "".join(LINE.format(i, c, python) for i in range(1, n + 1)),
            "tests/test-thing.c": 'g_test_add_func ("/a/b", test);',
            **dict(files),
        }
        for name, text in contents.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text, encoding="utf-8")
        return list(checker.check(root))


exists_in_c = {"src/at-some-thing.c": ""}
guide = {"docs/python.md": "Use [class@At.SomeThing]."}
override = {"introspection/python/gi/overrides/At.py": "class SomeThing(At.SomeThing):"}
other = {"introspection/python/gi/overrides/At.py": "class SomeThings:", "src/at-some.c": ""}

assert complaints() == []
assert complaints(c="`/a/b` `/a/b`", files=exists_in_c) == []
assert complaints(c="not yet", files=other) == []
for wrong in (complaints(c=""), complaints(c="/a/b"), complaints(c="`/a/c`"),
              complaints(c="cannot:"), complaints(c="later"),
              complaints(python="`/a/b`"), complaints(n=checker.N_BEHAVIOURS - 1),
              complaints(c="not yet", files=exists_in_c),
              complaints(files=guide), complaints(files=override)):
    assert wrong
