# SPDX-License-Identifier: LGPL-2.1-or-later
import gc
import threading
import weakref

import tap
from common import (IO_ERROR, At, Gio, GLib, Held, failing, iterate_until, portal, raises,
                    resident_kib, returning)


@tap.case("/portal/call/value-comes-back")
def _():
    with portal() as io:
        for value in (42, -1, 2.5, True, "naïve", None, ["a", "list"], {"a": "dict"}):
            assert io.call(None, returning(value)) == value


@tap.case("/portal/call/body-runs-on-the-portals-thread")
def _():
    with portal() as io:
        def body(task):
            assert io.is_owner()
            assert At.Portal.get_current() == io
            assert GLib.MainContext.get_thread_default() == io.get_context()
            assert task.get_source_object() == io
            task.return_value(str(threading.get_ident()))

        assert not io.is_owner()
        assert io.call(None, body) != str(threading.get_ident())


@tap.case("/portal/call/body-returns-later")
def _():
    with portal() as io:
        def body(task):
            def on_info(file, result):
                task.return_value(file.query_info_finish(result).get_file_type())

            Gio.File.new_for_path("/").query_info_async(
                "standard::type", Gio.FileQueryInfoFlags.NONE, 0, task.get_cancellable(), on_info)

        assert io.call(None, body) == Gio.FileType.DIRECTORY


@tap.case("/portal/call/data-reach-the-body")
def _():
    with portal() as io:
        assert io.call(None, lambda task, *data: task.return_value(data), 1, "two") == (1, "two")


@tap.case("/portal/call/error-keeps-domain-code-and-message")
def _():
    with portal() as io, raises(IO_ERROR, Gio.IOErrorEnum.NOT_FOUND) as caught:
        io.call(None, failing("the file is gone"))
    assert caught[0].message == "the file is gone"


@tap.case("/portal/call/raising-body-does-not-hang-the-caller")
def _():
    def body(task):
        raise ValueError("expected by the test")

    with portal() as io, raises(At.error_quark(), At.Error.ABANDONED):
        io.call(None, body)


@tap.case("/portal/call/dropped-task-does-not-hang-the-caller")
def _():
    with portal() as io:
        held = Held()
        future = io.spawn(None, held)
        held.take()
        gc.collect()
        future.wait(None)
        with raises(At.error_quark(), At.Error.ABANDONED):
            future.get_value()


@tap.case("/portal/call/own-thread-is-refused")
def _():
    with portal() as io:
        def body(task):
            with raises(At.error_quark(), At.Error.WRONG_THREAD):
                io.call(None, returning(1))
            task.return_value(True)

        assert io.call(None, body)


@tap.case("/portal/call/cycle-of-portals-is-refused")
def _():
    with portal("a") as a, portal("b") as b:
        def outer(task):
            def inner(inner_task):
                with raises(At.error_quark(), At.Error.WRONG_THREAD):
                    a.call(None, returning(1))
                inner_task.return_value(True)

            task.return_value(b.call(None, inner))

        assert a.call(None, outer)


@tap.case("/portal/call/cancellable-cancels-the-task")
def _():
    with portal() as io:
        cancellable = Gio.Cancellable()

        def body(task):
            cancellable.cancel()
            task.return_error_if_cancelled()

        with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED):
            io.call(cancellable, body)


@tap.case("/portal/call/values-do-not-leak")
def _():
    big = "x" * 50_000

    def started(task):
        At.task_started(task, big)
        task.return_value(big)

    with portal() as io:
        def round_trip():
            answers = []
            assert io.call(None, returning(big)) == big
            io.call_async(None, returning(big), (),
                          lambda _, result: answers.append(io.call_finish(result)))
            iterate_until(lambda: answers)
            future = io.spawn(None, started)
            assert future.wait_started(None) == big
            future.wait(None)
            assert future.get_value() == big
            answers.clear()
            future.wait_started_async(None, lambda future, result: answers.append(
                future.wait_started_finish(result)))
            iterate_until(lambda: answers)

        for _ in range(20):
            round_trip()
        before = resident_kib()
        for _ in range(500):
            round_trip()

        # One value of each round would be 25 MB.
        grown = resident_kib() - before
        assert grown < 10_000, f"{grown} KiB"


@tap.case("/portal/call-async/answers-on-the-callers-context")
def _():
    with portal() as io:
        answers = []

        def on_answer(source, result):
            assert source == io and not io.is_owner()
            answers.append(source.call_finish(result))

        for value in (7, None):
            io.call_async(None, returning(value), (), on_answer)
        iterate_until(lambda: len(answers) == 2)
        assert answers == [7, None]


@tap.case("/portal/call-async/error-comes-back")
def _():
    with portal() as io:
        answers = []
        io.call_async(None, failing(), (), lambda _, result: answers.append(result))
        iterate_until(lambda: answers)
        with raises(IO_ERROR, Gio.IOErrorEnum.NOT_FOUND):
            io.call_finish(answers[0])


@tap.case("/portal/post/keeps-the-order")
def _():
    with portal() as io:
        seen = []
        for number in range(100):
            assert io.post(seen.append, number)
        assert io.invoke(lambda: seen.append("last"))
        assert seen == [*range(100), "last"]


@tap.case("/portal/spawn/never-runs-inside-the-call")
def _():
    with portal() as io:
        def body(task):
            ran = []
            inner = io.spawn(None, lambda task: (ran.append(1), task.return_value("inner")))
            assert not ran
            inner.wait_async(None, lambda inner, result: task.return_value(
                inner.wait_finish(result) and inner.get_value()))

        assert io.call(None, body) == "inner"


@tap.case("/portal/spawn/body-is-freed-when-the-task-has-ended")
def _():
    with portal() as io:
        held = Held()
        gone = weakref.ref(held)
        future = io.spawn(None, held)
        held.take().return_value(1)
        del held
        future.wait(None)
        assert gone() is None


@tap.case("/portal/spawn/from-a-signal-handler")
def _():
    with portal() as io:
        futures = []
        action = Gio.SimpleAction.new("go", None)
        action.connect("activate", lambda *_: futures.append(io.spawn(None, returning("gone"))))
        action.activate(None)
        futures[0].wait(None)
        assert futures[0].get_value() == "gone"


@tap.case("/portal/stop/later-calls-are-refused")
def _():
    with portal() as io:
        pass
    for refused in (lambda: io.call(None, returning(1)),
                    lambda: io.invoke(lambda: None),
                    lambda: io.post(lambda: None),
                    lambda: io.spawn(None, returning(1)).get_value()):
        with raises(At.error_quark(), At.Error.NOT_RUNNING):
            refused()


@tap.case("/portal/stop/accepted-work-completes")
def _():
    io = At.Portal.new("io")
    held = Held()
    future = io.spawn(None, held)
    io.stop(False)
    held.take().return_value("all the same")
    io.wait_stopped(None)
    assert future.get_value() == "all the same"


@tap.case("/portal/stop/cancels-where-asked")
def _():
    io = At.Portal.new("io")
    held = Held()
    future = io.spawn(None, held)
    task = held.take()
    io.stop(True)
    assert task.return_error_if_cancelled()
    del task
    io.wait_stopped(None)
    with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED):
        future.get_value()


@tap.case("/portal/stop/end-can-be-awaited")
def _():
    io = At.Portal.new("io")
    answers = []
    io.wait_stopped_async(None, lambda _, result: answers.append(io.wait_stopped_finish(result)))
    io.stop(False)
    iterate_until(lambda: answers)
    assert answers == [True]


@tap.case("/portal/adopted/runs-on-the-callers-loop")
def _():
    main = At.Portal.new_for_context(None)
    assert main.is_owner()
    future = main.spawn(None, lambda task: task.return_value(str(threading.get_ident())))
    assert not future.is_done()
    iterate_until(future.is_done)
    assert future.get_value() == str(threading.get_ident())

    answers = []
    main.stop(False)
    main.wait_stopped_async(None, lambda _, result: answers.append(result))
    iterate_until(lambda: answers)
    assert main.wait_stopped_finish(answers[0])


@tap.case("/portal/adopted/other-threads-reach-it")
def _():
    main = At.Portal.get_main()
    assert main == At.Portal.get_main()
    with portal() as io:
        future = io.spawn(None, lambda task: task.return_value(
            main.call(None, lambda inner: inner.return_value(str(threading.get_ident())))))
        answers = []
        future.wait_async(None, lambda *_: answers.append(future.get_value()))
        iterate_until(lambda: answers)
        assert answers == [str(threading.get_ident())]


@tap.case("/portal/unhandled-error/is-reported-once")
def _():
    with portal() as io:
        reports = []
        io.connect("unhandled-error", lambda _, error, name: reports.append((error, name)))
        future = io.spawn(None, failing("nobody looks"))
        future.set_name("doomed")
        future.wait(None)
        del future
        iterate_until(lambda: reports)
        error, name = reports[0]
        assert error.matches(IO_ERROR, Gio.IOErrorEnum.NOT_FOUND)
        assert (error.message, name) == ("nobody looks", "doomed")
        assert len(reports) == 1


@tap.case("/portal/last-reference/dropped-on-the-own-thread")
def _():
    io = At.Portal.new("io")
    gone = threading.Event()
    io.weak_ref(gone.set)
    box = [io]
    io.post(lambda: (box.clear(), gc.collect()))
    del io
    gone.wait()


@tap.case("/portal/construction/is-valid-without-arguments")
def _():
    io = At.Portal()
    assert io.get_name()
    assert io.call(None, returning(1)) == 1
    io.stop(False)
    io.wait_stopped(None)


tap.main()
