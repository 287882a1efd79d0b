// SPDX-License-Identifier: LGPL-2.1-or-later
// Asynchronous functions become the tests of a program that reports in the Test Anything Protocol.
import GLib from 'gi://GLib';
import System from 'system';

const cases = [];

/** Adds a test; the name is a sentence, as everywhere in the project. */
export function test(name, body) {
    cases.push({name, body});
}

export function assert(condition, message = 'assertion failed') {
    if (!condition)
        throw new Error(message);
}

export function assertEqual(actual, expected) {
    assert(actual === expected, `${actual} is not ${expected}`);
}

/** Expects an error, from a function or a promise, and gives it for a closer look. */
export async function assertFails(attempt, domain, code) {
    try {
        await attempt();
    } catch (error) {
        assert(error instanceof GLib.Error, `${error}`);
        assert(error.matches(domain, code), `${error} has code ${error.code}`);
        return error;
    }
    throw new Error(`no error; expected ${code}`);
}

/** Runs the tests one after the other on the main loop, and ends the program. */
export function main() {
    const loop = new GLib.MainLoop(null, false);
    let failed = 0;

    (async () => {
        print(`1..${cases.length}`);
        for (const [index, {name, body}] of cases.entries()) {
            try {
                await body();
                print(`ok ${index + 1} ${name}`);
            } catch (error) {
                failed++;
                print(`# ${error}\n${error.stack}`.trimEnd().replaceAll('\n', '\n#   '));
                print(`not ok ${index + 1} ${name}`);
            }
        }
        loop.quit();
    })();

    loop.run();
    System.exit(failed > 0 ? 1 : 0);
}
