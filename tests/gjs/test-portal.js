// SPDX-License-Identifier: LGPL-2.1-or-later
// JS runs on its own thread only, so its portal adopts the thread's context.
import At from 'gi://At?version=1';
import GLib from 'gi://GLib';
import Gio from 'gi://Gio';
import System from 'system';

import {assert, assertEqual, assertFails, main, test} from './tap.js';

Gio._promisify(At.CancelScope.prototype, 'wait_async');
Gio._promisify(At.Future.prototype, 'wait_async');
Gio._promisify(At.Future.prototype, 'wait_started_async');
Gio._promisify(At.Portal.prototype, 'call_async');
Gio._promisify(At.Portal.prototype, 'wait_stopped_async');
Gio._promisify(Gio.File.prototype, 'query_info_async');

const portal = At.Portal.new_for_context(null);

const returning = value => task => task.return_value(value);
const failing = message => task =>
    task.return_error(new GLib.Error(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND, message));

/** A body that keeps its task, and a promise of it. */
function hold() {
    let body;
    const task = new Promise(resolve => (body = resolve));

    return {body, task};
}

function residentKib() {
    const [, status] = GLib.file_get_contents('/proc/self/status');

    return Number(/VmRSS:\s*(\d+)/.exec(new TextDecoder().decode(status))[1]);
}

test('/portal/call-async/value-comes-back', async () => {
    for (const value of [42, -1, 2.5, true, 'naïve', null])
        assertEqual(await portal.call_async(null, returning(value)), value);
});

test('/portal/call-async/error-keeps-domain-code-and-message', async () => {
    const error = await assertFails(() => portal.call_async(null, failing('the file is gone')),
        Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND);
    assertEqual(error.message, 'the file is gone');
});

test('/portal/call-async/values-do-not-leak', async () => {
    const big = 'x'.repeat(50000);
    const roundTrip = async () => {
        assertEqual(await portal.call_async(null, returning(big)), big);
        const future = portal.spawn(null, task => {
            At.task_started(task, big);
            task.return_value(big);
        });
        assertEqual(await future.wait_started_async(null), big);
        await future.wait_async(null);
        assertEqual(future.get_value(), big);
    };
    const grow = async () => {
        System.gc();
        const before = residentKib();
        for (let i = 0; i < 500; i++) {
            await roundTrip();
            if (i % 50 === 0)
                System.gc();
        }
        System.gc();
        return residentKib() - before;
    };

    await grow();
    // One value of each round would be 25 MB.
    const grown = await grow();
    assert(grown < 10000, `${grown} KiB`);
});

test('/portal/call/own-thread-is-refused', async () => {
    await assertFails(() => portal.call(null, returning(1)), At.Error, At.Error.WRONG_THREAD);
});

test('/portal/spawn/never-runs-inside-the-call', async () => {
    let ran = false;
    const future = portal.spawn(null, task => {
        ran = true;
        assertEqual(task.get_source_object(), portal);
        assertEqual(At.Portal.get_current(), portal);
        task.return_value('ran');
    });
    assert(!ran);
    await future.wait_async(null);
    assertEqual(future.get_value(), 'ran');
    assertEqual(future.get_state(), At.FutureState.SUCCEEDED);
});

test('/portal/spawn/asynchronous-body', async () => {
    const future = portal.spawn(null, async task => {
        const info = await Gio.File.new_for_path('/').query_info_async('standard::type',
            Gio.FileQueryInfoFlags.NONE, 0, task.get_cancellable());
        task.return_value(info.get_file_type());
    });
    await future.wait_async(null);
    assertEqual(future.get_value(), Gio.FileType.DIRECTORY);
});

test('/portal/post/keeps-the-order', async () => {
    const seen = [];
    for (let i = 0; i < 100; i++)
        portal.post(() => seen.push(i));
    await portal.call_async(null, returning(null));
    assertEqual(`${seen}`, `${[...Array(100).keys()]}`);
});

test('/future/value/before-the-end-is-not-done', async () => {
    const {body, task} = hold();
    const future = portal.spawn(null, body);
    await assertFails(() => future.get_value(), At.Error, At.Error.NOT_DONE);
    (await task).return_value('again');
    await future.wait_async(null);
    assertEqual(future.get_value(), 'again');
    assertEqual(future.get_value(), 'again');
});

test('/future/cancel/before-the-start-the-body-never-runs', async () => {
    let ran = false;
    const future = portal.spawn(null, () => (ran = true));
    assert(future.cancel());
    assert(!future.cancel());
    await future.wait_async(null);
    assertEqual(future.get_state(), At.FutureState.CANCELLED);
    await assertFails(() => future.get_value(), Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED);
    assert(!ran);
});

test('/future/cancel/running-body-hears-of-it', async () => {
    const {body, task} = hold();
    const future = portal.spawn(null, body);
    const running = await task;
    future.cancel();
    assert(running.get_cancellable().is_cancelled());
    assert(running.return_error_if_cancelled());
    await future.wait_async(null);
    assertEqual(future.get_state(), At.FutureState.CANCELLED);
});

test('/future/cancel/value-in-spite-of-it-is-delivered', async () => {
    const {body, task} = hold();
    const future = portal.spawn(null, body);
    const running = await task;
    future.cancel();
    running.return_value('in spite of it');
    await future.wait_async(null);
    assertEqual(future.get_value(), 'in spite of it');
});

test('/future/wait-async/can-be-stopped', async () => {
    const {body, task} = hold();
    const cancellable = new Gio.Cancellable();
    const future = portal.spawn(null, body);
    const waiting = future.wait_async(cancellable);
    cancellable.cancel();
    await assertFails(() => waiting, Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED);
    assert(!future.is_done());
    (await task).return_value(1);
    assert(await future.wait_async(null));
});

test('/future/started/value-reaches-the-starter', async () => {
    let running;
    const future = portal.spawn(null, task => {
        At.task_started(task, 'ready');
        running = task;
    });
    assertEqual(await future.wait_started_async(null), 'ready');
    assert(!future.is_done());
    running.return_value('ended');
    await future.wait_async(null);
    assertEqual(future.get_value(), 'ended');
});

test('/future/all/succeeds-with-all', async () => {
    for (const count of [0, 1, 5]) {
        const futures = [...Array(count).keys()].map(i => portal.spawn(null, returning(i)));
        const all = At.Future.all(portal, futures);
        await all.wait_async(null);
        assertEqual(all.get_value(), true);
        futures.forEach((future, i) => assertEqual(future.get_value(), i));
    }
});

test('/future/race/index-of-the-first-end', async () => {
    const loser = portal.spawn(null, async task => {
        await task.get_cancellable().wait_async(null);
        task.return_error_if_cancelled();
    });
    const race = At.Future.race(portal, [loser, portal.spawn(null, returning(1))]);
    await race.wait_async(null);
    assertEqual(race.get_value(), 1);
    assertEqual(loser.get_state(), At.FutureState.CANCELLED);
    const none = At.Future.any(portal, []);
    await none.wait_async(null);
    await assertFails(() => none.get_value(), At.Error, At.Error.INVALID_ARGUMENTS);
});

test('/future/all/can-be-awaited-on-a-portal-with-a-thread-of-its-own', async () => {
    const io = At.Portal.new('io');
    const all = At.Future.all(io, [portal.spawn(null, returning(1))]);
    await all.wait_async(null);
    assertEqual(all.get_value(), true);
    io.stop(false);
    assert(await io.wait_stopped_async(null));
});

test('/cancel-scope/deadline/is-timed-out', async () => {
    const scope = At.CancelScope.new(null);
    const {body, task} = hold();
    const future = portal.spawn(scope, body);
    const running = await task;
    scope.set_timeout(1000);
    assert(await scope.wait_async(null));
    assert(scope.get_timed_out());
    await assertFails(() => scope.set_error_if_cancelled(), Gio.IOErrorEnum,
        Gio.IOErrorEnum.TIMED_OUT);
    running.return_error_if_cancelled();
    await future.wait_async(null);
    await assertFails(() => future.get_value(), Gio.IOErrorEnum, Gio.IOErrorEnum.TIMED_OUT);
    assertEqual(future.get_state(), At.FutureState.CANCELLED);
});

test('/cancel-scope/reason/is-inherited-through-the-tree-and-kept-out-by-a-shield', async () => {
    const parent = At.CancelScope.new(null);
    const child = At.CancelScope.new(parent);
    const shielded = At.CancelScope.new_shielded(parent);
    parent.cancel_with_reason('enough');
    assertEqual(child.get_reason(), 'enough');
    assert(!shielded.is_cancelled());
    const error = await assertFails(() => child.set_error_if_cancelled(), Gio.IOErrorEnum,
        Gio.IOErrorEnum.CANCELLED);
    assertEqual(error.message, 'enough');
});

test('/portal/unhandled-error/is-reported', async () => {
    const report = new Promise(resolve => {
        const id = portal.connect('unhandled-error', (_, error, name) => {
            portal.disconnect(id);
            resolve({error, name});
        });
    });

    // No variable may keep the future.
    await (() => {
        const future = portal.spawn(null, failing('nobody looks'));
        future.set_name('doomed');
        return future.wait_async(null);
    })();
    const collecting = setInterval(System.gc, 1);
    const {error, name} = await report;
    clearInterval(collecting);
    assert(error.matches(Gio.IOErrorEnum, Gio.IOErrorEnum.NOT_FOUND));
    assertEqual(error.message, 'nobody looks');
    assertEqual(name, 'doomed');
});

test('/portal/stop/accepted-work-completes-and-later-calls-are-refused', async () => {
    const own = At.Portal.new_for_context(null);
    const {body, task} = hold();
    const future = own.spawn(null, body);
    own.stop(false);
    const refused = own.spawn(null, returning(1));
    assert(refused.is_done());
    await assertFails(() => refused.get_value(), At.Error, At.Error.NOT_RUNNING);
    await assertFails(() => own.post(() => {}), At.Error, At.Error.NOT_RUNNING);
    (await task).return_value('all the same');
    assert(await own.wait_stopped_async(null));
    assertEqual(future.get_value(), 'all the same');
});

test('/portal/stop/cancels-where-asked', async () => {
    const own = At.Portal.new_for_context(null);
    const {body, task} = hold();
    const future = own.spawn(null, body);
    const running = await task;
    own.stop(true);
    assert(running.return_error_if_cancelled());
    assert(await own.wait_stopped_async(null));
    await assertFails(() => future.get_value(), Gio.IOErrorEnum, Gio.IOErrorEnum.CANCELLED);
});

main();
