# SPDX-License-Identifier: LGPL-2.1-or-later
import tap
from common import IO_ERROR, At, Gio, GLib, Held, iterate_until, portal, raises

NEVER = GLib.MAXINT64


def hear_of(scope):
    """Waits on the main loop until a scope is cancelled."""
    answers = []
    scope.wait_async(None, lambda scope, result: answers.append(scope.wait_finish(result)))
    iterate_until(lambda: answers)
    assert answers == [True]


@tap.case("/cancel-scope/deadline/is-timed-out")
def _():
    with portal() as io:
        scope = At.CancelScope.new(None)
        held = Held()
        future = io.spawn(scope, held)
        task = held.take()
        scope.set_timeout(1000)
        hear_of(scope)
        assert scope.get_timed_out()
        assert task.get_cancellable().get_timed_out()
        with raises(IO_ERROR, Gio.IOErrorEnum.TIMED_OUT):
            task.get_cancellable().set_error_if_cancelled()
        task.return_error_if_cancelled()
        del task
        future.wait(None)
        with raises(IO_ERROR, Gio.IOErrorEnum.TIMED_OUT):
            future.get_value()
        assert future.get_state() == At.FutureState.CANCELLED


@tap.case("/cancel-scope/deadline/hand-comes-first")
def _():
    scope = At.CancelScope.new(None)
    scope.set_deadline(GLib.get_monotonic_time() + 3600 * 1000000)
    scope.cancel_with_reason("changed my mind")
    scope.cancel_with_reason("too late")
    assert scope.get_reason() == "changed my mind" and not scope.get_timed_out()
    with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED) as caught:
        scope.set_error_if_cancelled()
    assert caught[0].message == "changed my mind"


@tap.case("/cancel-scope/deadline/nearest-through-unshielded-parents")
def _():
    now = GLib.get_monotonic_time()
    outer = At.CancelScope.new(None)
    inner = At.CancelScope.new(outer)
    assert inner.get_effective_deadline() == NEVER
    outer.set_deadline(now + 10**9)
    inner.set_deadline(now + 10**10)
    assert inner.get_effective_deadline() == now + 10**9
    inner.set_shield(True)
    assert inner.get_effective_deadline() == now + 10**10
    inner.set_deadline(-1)
    assert inner.get_effective_deadline() == NEVER
    inner.cancel()
    assert inner.get_effective_deadline() == GLib.MININT64
    assert not outer.is_cancelled()


@tap.case("/cancel-scope/parent/passes-its-reason-on")
def _():
    for parent in (At.CancelScope.new(None), Gio.Cancellable()):
        child = At.CancelScope.new(At.CancelScope.new(parent))
        if isinstance(parent, At.CancelScope):
            parent.cancel_with_reason("from above")
            assert child.get_reason() == "from above"
        else:
            parent.cancel()
            assert child.get_reason() is None
        assert child.is_cancelled()


@tap.case("/cancel-scope/shield/keeps-the-parent-out")
def _():
    parent = At.CancelScope.new(None)
    child = At.CancelScope.new_shielded(parent)
    assert child.get_parent() == parent and child.get_shield()
    parent.cancel()
    assert not child.is_cancelled()
    child.set_shield(False)
    assert child.is_cancelled()


@tap.case("/cancel-scope/wait-async/can-be-stopped")
def _():
    scope = At.CancelScope.new(None)
    cancellable = Gio.Cancellable()
    answers = []
    scope.wait_async(cancellable, lambda _, result: answers.append(result))
    cancellable.cancel()
    iterate_until(lambda: answers)
    with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED):
        scope.wait_finish(answers[0])
    assert not scope.is_cancelled()


@tap.case("/cancel-scope/gio/takes-it-as-a-cancellable")
def _():
    scope = At.CancelScope.new(None)
    scope.cancel()
    with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED):
        Gio.File.new_for_path("/").query_info("*", Gio.FileQueryInfoFlags.NONE, scope)


tap.main()
