# SPDX-License-Identifier: LGPL-2.1-or-later
import tap
from common import (IO_ERROR, At, Gio, GLib, Held, failing, iterate_until, portal, raises,
                    returning)

State = At.FutureState


@tap.case("/future/value/can-be-read-again")
def _():
    with portal() as io:
        future = io.spawn(None, returning("again"))
        future.wait(None)
        assert [future.get_value() for _ in range(3)] == ["again"] * 3


@tap.case("/future/value/none-is-a-value")
def _():
    with portal() as io:
        future = io.spawn(None, returning(None))
        future.wait(None)
        assert future.get_value() is None
        assert future.get_state() == State.SUCCEEDED


@tap.case("/future/value/before-the-end-is-not-done")
def _():
    with portal() as io:
        held = Held()
        future = io.spawn(None, held)
        task = held.take()
        assert not future.is_done() and future.get_state() == State.RUNNING
        with raises(At.error_quark(), At.Error.NOT_DONE):
            future.get_value()
        task.return_value(1)


@tap.case("/future/value/error-can-be-read-again")
def _():
    with portal() as io:
        future = io.spawn(None, failing("still"))
        future.wait(None)
        for _ in range(2):
            with raises(IO_ERROR, Gio.IOErrorEnum.NOT_FOUND) as caught:
                future.get_value()
            assert caught[0].message == "still"
        assert future.get_state() == State.FAILED


@tap.case("/future/wait/end-time-stops-the-wait-only")
def _():
    with portal() as io:
        held = Held()
        future = io.spawn(None, held)
        with raises(IO_ERROR, Gio.IOErrorEnum.TIMED_OUT):
            future.wait_until(GLib.get_monotonic_time(), None)
        held.take().return_value("later")
        assert future.wait(None) and future.get_value() == "later"


@tap.case("/future/wait/cancellable-stops-the-wait-only")
def _():
    with portal() as io:
        held = Held()
        cancellable = Gio.Cancellable()
        cancellable.cancel()
        future = io.spawn(None, held)
        with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED):
            future.wait(cancellable)
        assert not future.is_done()
        held.take().return_value("later")
        assert future.wait(None) and future.get_value() == "later"


@tap.case("/future/wait-async/answers-on-the-callers-context")
def _():
    with portal() as io:
        answers = []
        future = io.spawn(None, failing())
        future.wait_async(None, lambda future, result: answers.append(future.wait_finish(result)))
        iterate_until(lambda: answers)
        assert answers == [True]
        with raises(IO_ERROR, Gio.IOErrorEnum.NOT_FOUND):
            future.get_value()


@tap.case("/future/cancel/before-the-start-the-body-never-runs")
def _():
    with portal() as io:
        ran = []

        def body(task):
            future = io.spawn(None, lambda task: ran.append(1))
            assert future.cancel() and not future.cancel()
            future.wait_async(None, lambda *_: task.return_value(future.get_state()))

        assert io.call(None, body) == State.CANCELLED
        assert not ran


@tap.case("/future/cancel/running-body-hears-of-it")
def _():
    with portal() as io:
        held = Held()
        future = io.spawn(None, held)
        task = held.take()
        future.cancel()
        assert future.get_state() == State.CANCELLING
        assert task.get_cancellable().is_cancelled()
        assert task.return_error_if_cancelled()
        future.wait(None)
        assert future.get_state() == State.CANCELLED
        with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED):
            future.get_value()


@tap.case("/future/cancel/value-in-spite-of-it-is-delivered")
def _():
    with portal() as io:
        held = Held()
        future = io.spawn(None, held)
        task = held.take()
        future.cancel()
        task.return_value("in spite of it")
        del task
        future.wait(None)
        assert future.get_value() == "in spite of it"


@tap.case("/future/cancel/after-the-end-has-no-effect")
def _():
    with portal() as io:
        future = io.spawn(None, returning(1))
        future.wait(None)
        assert not future.cancel()
        assert future.get_value() == 1


@tap.case("/future/cancellable/is-the-tasks-scope")
def _():
    with portal() as io:
        held = Held()
        future = io.spawn(None, held)
        task = held.take()
        scope = future.get_cancellable()
        assert isinstance(scope, At.CancelScope) and scope == task.get_cancellable()
        scope.cancel_with_reason("enough")
        assert task.return_error_if_cancelled()
        future.wait(None)
        with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED) as caught:
            future.get_value()
        assert caught[0].message == "enough"


@tap.case("/future/started/value-reaches-the-starter")
def _():
    with portal() as io:
        for value in ("ready", 8080):
            held = Held()

            def body(task):
                At.task_started(task, value)
                held(task)

            future = io.spawn(None, body)
            assert future.wait_started(None) == value
            assert not future.is_done()
            held.take().return_value("ended")
            future.wait(None)
            assert future.get_value() == "ended"


@tap.case("/future/started/without-a-value-is-true")
def _():
    with portal() as io:
        future = io.spawn(None, lambda task: (At.task_started(task, None), task.return_value(1)))
        assert future.wait_started(None) is True


@tap.case("/future/started/failure-before-reaches-the-starter")
def _():
    with portal() as io:
        with raises(IO_ERROR, Gio.IOErrorEnum.NOT_FOUND):
            io.spawn(None, failing()).wait_started(None)
        with raises(At.error_quark(), At.Error.NOT_STARTED):
            io.spawn(None, returning(1)).wait_started(None)


@tap.case("/future/started/can-be-awaited")
def _():
    with portal() as io:
        answers = []
        future = io.spawn(None, lambda task: (At.task_started(task, "up"), task.return_value(1)))
        future.wait_started_async(
            None, lambda future, result: answers.append(future.wait_started_finish(result)))
        iterate_until(lambda: answers)
        assert answers == ["up"]


@tap.case("/future/all/succeeds-with-all")
def _():
    with portal() as io:
        for count in (0, 1, 5):
            futures = [io.spawn(None, returning(number)) for number in range(count)]
            both = At.Future.all(io, futures)
            both.wait(None)
            assert both.get_value() is True
            assert [future.get_value() for future in futures] == list(range(count))


@tap.case("/future/all/failure-cancels-the-rest")
def _():
    with portal() as io:
        held = Held()
        futures = [io.spawn(None, held), io.spawn(None, failing())]
        both = At.Future.all(io, futures)
        task = held.take()
        waiting = At.CancelScope.new(task.get_cancellable())
        answers = []
        waiting.wait_async(None, lambda *_: answers.append(task.return_error_if_cancelled()))
        iterate_until(lambda: answers)
        both.wait(None)
        with raises(IO_ERROR, Gio.IOErrorEnum.NOT_FOUND):
            both.get_value()
        assert futures[0].get_state() == State.CANCELLED


@tap.case("/future/race/index-of-the-first-end")
def _():
    with portal() as io:
        quick = [io.spawn(None, failing()), io.spawn(None, returning(1))]
        for future in quick:
            future.wait(None)
        race = At.Future.race(io, quick)
        first = At.Future.any(io, quick)
        race.wait(None)
        first.wait(None)
        assert race.get_value() == 0
        assert first.get_value() == 1


@tap.case("/future/race/of-nothing-fails")
def _():
    with portal() as io:
        for combine in (At.Future.race, At.Future.any):
            future = combine(io, [])
            future.wait(None)
            with raises(At.error_quark(), At.Error.INVALID_ARGUMENTS):
                future.get_value()


tap.main()
