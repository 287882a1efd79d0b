# SPDX-License-Identifier: LGPL-2.1-or-later
import threading

import tap
from common import (IO_ERROR, At, Gio, GLib, failing, iterate_until, portal, raises, resident_kib,
                    returning)

AT_ERROR = At.error_quark()


def in_thread(function, *args):
    """A thread without a main loop, which has begun when this returns."""
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


def wait_for_waiters(primitive, n):
    while primitive.props.statistics.waiters != n:
        threading.Event().wait(0.001)


def wait_for(event):
    """A body that waits for an event, or until it is cancelled."""
    def body(task):
        def on_event(source, result):
            try:
                task.return_value(source.wait_finish(result))
            except GLib.Error as error:
                task.return_error(error)

        event.wait_async(task.get_cancellable(), on_event)
    return body


@tap.case("/task-group/waits-for-every-child-and-their-siblings")
def _():
    with portal() as io:
        group = At.TaskGroup.new(io, None)
        event = At.Event.new()
        ran = []

        def spawn_sibling(task):
            group.spawn(lambda sibling: (ran.append("sibling"), sibling.return_value(None)))
            task.return_value(None)

        waits = group.spawn(wait_for(event))
        group.spawn(spawn_sibling)
        thread = in_thread(event.set)
        assert group.wait(None)
        thread.join()
        assert ran == ["sibling"] and waits.get_value() is True


@tap.case("/task-group/one-failure-cancels-the-others")
def _():
    with portal() as io:
        group = At.TaskGroup.new(io, None)
        other = group.spawn(wait_for(At.Event.new()))
        group.spawn(failing("the file is gone"))
        with raises(IO_ERROR, Gio.IOErrorEnum.NOT_FOUND):
            group.wait(None)
        assert [error.message for error in group.get_errors()] == ["the file is gone"]
        assert other.get_state() == At.FutureState.CANCELLED


@tap.case("/task-group/cancelling-is-no-error")
def _():
    with portal() as io:
        group = At.TaskGroup.new(io, None)
        child = group.spawn(wait_for(At.Event.new()))
        group.cancel("enough")
        assert group.wait(None)
        with raises(IO_ERROR, Gio.IOErrorEnum.CANCELLED) as caught:
            child.get_value()
        assert "enough" in caught[0].message


@tap.case("/task-group/spawning-into-a-closed-one-is-a-failed-future")
def _():
    with portal() as io:
        group = At.TaskGroup.new(io, None)
        assert group.wait(None)
        with raises(AT_ERROR, At.Error.CLOSED):
            group.spawn(returning(1)).get_value()


@tap.case("/event/set-wakes-threads-and-loops")
def _():
    event = At.Event.new()
    got = []
    threads = [in_thread(lambda: got.append(event.wait(None))) for _ in range(2)]
    event.wait_async(None, lambda source, result: got.append(source.wait_finish(result)))
    wait_for_waiters(event, 3)
    in_thread(event.set).join()
    for thread in threads:
        thread.join()
    iterate_until(lambda: len(got) == 3)
    assert got == [True] * 3 and event.wait(None)


@tap.case("/lock/is-handed-over")
def _():
    lock = At.Lock.new()
    assert lock.acquire(None)
    thread = in_thread(lock.acquire, None)
    wait_for_waiters(lock, 1)
    lock.release()
    assert not lock.try_acquire()
    thread.join()
    lock.release()
    assert not lock.is_locked()


@tap.case("/semaphore/releasing-too-often-is-an-error")
def _():
    semaphore = At.Semaphore.new(0, 1)
    thread = in_thread(semaphore.acquire, None)
    wait_for_waiters(semaphore, 1)
    assert semaphore.release()
    thread.join()
    assert semaphore.release()
    with raises(AT_ERROR, At.Error.LIMIT_EXCEEDED):
        semaphore.release()


@tap.case("/condition/wait-gives-up-the-lock-and-takes-it-back")
def _():
    condition = At.Condition.new(None)
    lock = condition.get_lock()
    cancellable = Gio.Cancellable()
    outcome = []

    def wait():
        lock.acquire(None)
        try:
            outcome.append(condition.wait(cancellable))
        except GLib.Error as error:
            outcome.append(error.code)
        assert lock.is_locked()
        lock.release()

    for end in (lambda: condition.wake(1), cancellable.cancel):
        thread = in_thread(wait)
        wait_for_waiters(condition, 1)
        assert lock.try_acquire()
        end()
        wait_for_waiters(lock, 1)
        lock.release()
        thread.join()
    assert outcome == [True, Gio.IOErrorEnum.CANCELLED]


@tap.case("/capacity-limiter/one-token-a-borrower")
def _():
    limiter = At.CapacityLimiter.new(2)
    borrower = At.Event.new()
    assert limiter.acquire(borrower, None) and limiter.try_acquire(None)
    with raises(AT_ERROR, At.Error.LIMIT_EXCEEDED):
        limiter.acquire(borrower, None)
    limiter.set_total(1)
    assert limiter.get_borrowed() == 2
    thread = in_thread(limiter.acquire, None, None)
    wait_for_waiters(limiter, 1)
    limiter.set_total(3)
    thread.join()
    assert limiter.props.statistics.borrowed == 3


@tap.case("/stream/values-arrive-in-order")
def _():
    send, receive = At.stream_new(2)
    values = ["text", 42, 2.5, None, ["a", "list"]]

    def send_all():
        for value in values:
            send.send(value, None)
        send.close()

    thread = in_thread(send_all)
    assert [receive.receive(None) for _ in values] == values
    with raises(AT_ERROR, At.Error.END_OF_STREAM):
        receive.receive(None)
    thread.join()


@tap.case("/stream/ends-and-clones")
def _():
    send, receive = At.stream_new(0)
    clone = send.clone()
    with raises(AT_ERROR, At.Error.WOULD_BLOCK):
        send.try_send(1)
    send.close()
    with raises(AT_ERROR, At.Error.CLOSED):
        send.send(1, None)
    got = []
    receive.receive_async(None, lambda source, result: got.append(source.receive_finish(result)))
    assert clone.try_send("rendezvous")
    iterate_until(lambda: got)
    assert got == ["rendezvous"]
    receive.close()
    with raises(AT_ERROR, At.Error.BROKEN):
        clone.send(1, None)


@tap.case("/stream/values-do-not-leak")
def _():
    big = "x" * 50000
    send, receive = At.stream_new(1)

    def grow():
        before = resident_kib()
        for _ in range(1000):
            send.send(big, None)
            assert receive.receive(None) == big
        return resident_kib() - before

    grow()
    assert grow() < 20000


tap.main()
