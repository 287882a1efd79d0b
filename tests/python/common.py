# SPDX-License-Identifier: LGPL-2.1-or-later
"""What the tests share: portals that end with their test, errors that are expected, waiting."""

import contextlib
import sys
import threading

import gi

gi.require_version("At", "1")
from gi.repository import At, Gio, GLib  # noqa: E402

GLib.log_set_always_fatal(GLib.LogLevelFlags.LEVEL_CRITICAL)

IO_ERROR = Gio.io_error_quark()


def _print_and_forget(kind, error, traceback):
    """The interpreter keeps the last traceback, so also the task of a body that raised."""
    sys.__excepthook__(kind, error, traceback)
    sys.last_type = sys.last_value = sys.last_traceback = sys.last_exc = None


sys.excepthook = _print_and_forget


@contextlib.contextmanager
def portal(name="io"):
    """A portal with a thread of its own, which has ended when the block is left."""
    self = At.Portal.new(name)
    try:
        yield self
    finally:
        self.stop(True)
        self.wait_stopped(None)


@contextlib.contextmanager
def raises(domain, code):
    """Expects an error, and gives it for a closer look."""
    caught = []
    try:
        yield caught
    except GLib.Error as error:
        caught.append(error)
        assert error.matches(domain, code), f"{error.domain} {error.code}: {error.message}"
    else:
        raise AssertionError(f"no error; expected {code}")


def iterate_until(condition, context=None):
    """Iterates a main context, the default one unless given, until something has happened."""
    context = context or GLib.MainContext.default()
    while not condition():
        context.iteration(True)


class Held:
    """A body that keeps its task, to be returned by whoever wants to."""

    def __init__(self):
        self.task = None
        self.began = threading.Event()

    def __call__(self, task):
        self.task = task
        self.began.set()

    def take(self):
        """Waits until the body has run, and hands its task over."""
        self.began.wait()
        task, self.task = self.task, None
        return task


def returning(value):
    """A body that returns a value."""
    return lambda task: task.return_value(value)


def failing(message="gone"):
    """A body that fails."""
    return lambda task: task.return_error(
        GLib.Error.new_literal(IO_ERROR, message, Gio.IOErrorEnum.NOT_FOUND))


def resident_kib():
    """How much memory the process has in use."""
    with open("/proc/self/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
