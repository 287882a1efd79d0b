/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The page's side of AsyncTools. AtWebKitBridge puts its settings in place of ASYNCTOOLS_SETTINGS
 * and runs this at the start of each allowed document, before any script of the page.
 *
 * Requests go out as text, one line of head and then what the request needs:
 *
 *     TOKEN NONCE hello 0\n ADDRESS
 *     TOKEN NONCE invoke ID[ CHANNEL,CHANNEL…]\n COMMAND\n NAME: VALUE\n … \n ARGUMENTS
 *     TOKEN NONCE cancel ID\n
 *     TOKEN NONCE poll 0\n
 *     TOKEN NONCE close CHANNEL\n
 *
 * TOKEN shows that this script sends, NONCE which document does. Everything is text because a
 * structured message loses or changes much of what JavaScript has, and never answers for some of
 * it. Arguments come last and are not wrapped in anything, so that nothing is escaped twice. An
 * answer is JSON text; an error is a rejection whose message is {domain, code, message}.
 */
(function (settings) {
  "use strict";

  const { token, domain: ERROR, codes: ErrorCode, maxMessageSize } = settings;

  /* Taken now: libraries replace such things. */
  const { parse, stringify } = JSON;
  const handler = webkit.messageHandlers.asynctools;
  const post = handler.postMessage.bind(handler);
  const tagOf = Object.prototype.toString;

  let nonce = "";
  let entered = false;
  let lastId = 0;
  let polling = false;

  /** Calls that wait for their answer: id → how to fail it. */
  const calls = new Map();
  /** Open channels: id → the functions that take what arrives. */
  const channels = new Map();
  /** What stands behind a Channel: { id, state, onmessage, onclose }. */
  const insides = new WeakMap();

  /* Errors */

  function makeError(domain, code, message, cause) {
    const error = new Error(message, cause === undefined ? undefined : { cause });
    error.domain = domain;
    error.code = code;
    return error;
  }

  function invalid(message, cause) {
    return makeError(ERROR, ErrorCode.INVALID_ARGUMENTS, message, cause);
  }

  function gone() {
    return makeError(ERROR, ErrorCode.GONE, "The page was left before the answer");
  }

  function cancelled(reason) {
    const error = makeError(
      settings.ioDomain, settings.cancelled, "The call was cancelled", reason);
    error.name = "AbortError";
    return error;
  }

  function fromReply(failure) {
    try {
      const { domain, code, message } = parse(failure.message);
      return makeError(domain, code, message);
    } catch {
      return makeError(
        ERROR, ErrorCode.GONE, `The application does not answer: ${failure.message}`);
    }
  }

  /* Arguments */

  function describe(key) {
    return key === "" ? "The arguments" : `The member “${String(key)}” of the arguments`;
  }

  /* JSON.stringify () leaves out, or turns into {} or null, what JSON cannot say. This
   * refuses it. */
  function makeReplacer(passed) {
    return function replace(key, value) {
      switch (typeof value) {
      case "string":
      case "boolean":
        return value;

      case "number":
        if (!Number.isFinite(value))
          throw invalid(`${describe(key)} cannot be ${value}`);
        return value;

      case "undefined":
        /* A member that is undefined is one that is not there. */
        if (key === "" || Array.isArray(this))
          throw invalid(`${describe(key)} cannot be undefined`);
        return value;

      case "object": {
        if (value === null || Array.isArray(value))
          return value;
        const inside = insides.get(value);
        if (inside !== undefined) {
          if (inside.state !== "new")
            throw invalid(`${describe(key)} is a channel that was passed before`);
          passed.add(inside);
          inside.id ||= ++lastId;
          return { $channel: inside.id };
        }
        const tag = tagOf.call(value).slice(8, -1);
        if (tag !== "Object")
          throw invalid(`${describe(key)} cannot be of the type ${tag}`);
        return value;
      }

      default:
        throw invalid(`${describe(key)} cannot be a ${typeof value}`);
      }
    };
  }

  function encodeArguments(args, passed) {
    if (args === undefined)
      return "";
    try {
      return stringify(args, makeReplacer(passed));
    } catch (error) {
      throw error?.domain === ERROR ? error : invalid(String(error?.message ?? error), error);
    }
  }

  function encodeHeaders(headers) {
    let lines = "";
    try {
      for (const [name, value] of new Headers(headers))
        lines += `${name}: ${value}\n`;
    } catch (error) {
      throw invalid(`The headers: ${error.message}`, error);
    }
    return lines;
  }

  /* Requests */

  function send(op, id, rest = "") {
    return post(`${token} ${nonce} ${op} ${id}\n${rest}`);
  }

  /* For what has no answer that anybody waits for. */
  function notify(op, id, rest) {
    send(op, id, rest).catch(() => {});
  }

  async function request(op, id, rest) {
    let reply;
    try {
      reply = await send(op, id, rest);
    } catch (failure) {
      throw fromReply(failure);
    }
    /* WebKit resolves with undefined when the application lets go of the question. */
    if (typeof reply !== "string")
      throw gone();
    return parse(reply);
  }

  function invoke(command, args, options) {
    return new Promise((resolve, reject) => {
      if (typeof command !== "string" || command === "" || /[\x00-\x1f\x7f]/.test(command))
        throw invalid("A command's name is text without control characters");
      if (!entered)
        throw gone();

      const { signal, headers } = options ?? {};
      if (signal !== undefined && !(signal instanceof AbortSignal))
        throw invalid("The signal is not an AbortSignal");
      if (signal?.aborted)
        throw cancelled(signal.reason);

      const passed = new Set();
      const body = encodeArguments(args, passed);
      const rest = `${command}\n${headers === undefined ? "" : encodeHeaders(headers)}\n${body}`;
      if (rest.length > maxMessageSize)
        throw makeError(ERROR, ErrorCode.TOO_LARGE,
                        `The arguments of command “${command}” are larger than ` +
                        `${maxMessageSize} bytes`);

      const id = ++lastId;
      const settle = () => {
        calls.delete(id);
        signal?.removeEventListener("abort", abort);
      };
      const fail = error => {
        settle();
        reject(error);
        for (const inside of passed)
          close(inside, error);
      };
      const abort = () => {
        notify("cancel", id);
        fail(cancelled(signal.reason));
      };

      calls.set(id, fail);
      signal?.addEventListener("abort", abort);
      const opened = Array.from(passed, start);
      request("invoke", opened.length > 0 ? `${id} ${opened}` : id, rest)
        .then(resolve, fail).finally(settle);
      if (opened.length > 0)
        poll();
    });
  }

  /* Channels. One whose call fails ends with the call's error. */

  class Channel {
    constructor(onmessage, onclose) {
      if (typeof onmessage !== "function")
        throw new TypeError("A channel needs a function that takes its messages");
      if (onclose !== undefined && typeof onclose !== "function")
        throw new TypeError("What hears of a channel's end is a function");
      insides.set(this, { id: 0, state: "new", onmessage, onclose });
      Object.freeze(this);
    }

    /** Whether it was passed to a command and neither side has closed it. */
    get open() {
      return insides.get(this).state === "open";
    }

    /** Take no more; whoever sends gets to know. */
    close() {
      close(insides.get(this), null);
    }
  }

  function start(inside) {
    inside.state = "open";
    channels.set(inside.id, inside);
    return inside.id;
  }

  function close(inside, error) {
    if (inside.state === "open" && entered)
      notify("close", inside.id);
    end(inside, error);
  }

  function end(inside, error) {
    if (inside.state === "closed")
      return;
    inside.state = "closed";
    channels.delete(inside.id);
    call(inside.onclose, error);
  }

  /* A mistake in one function of the page does not keep others from their messages. */
  function call(func, argument) {
    try {
      func?.(argument);
    } catch (error) {
      reportError(error);
    }
  }

  function deliver([id, kind, payload]) {
    const inside = channels.get(id);
    if (inside === undefined)
      return;
    if (kind === "message")
      call(inside.onmessage, payload);
    else
      end(inside, payload && makeError(payload.domain, payload.code, payload.message));
  }

  /* From the first channel on, one question is always open, which the application answers with what
   * there is to deliver. That batches by itself, keeps the order, and since the next question is
   * asked when all was delivered, a slow page slows down who sends instead of filling memory. */
  async function poll() {
    if (polling)
      return;
    polling = true;
    const asked = nonce;
    try {
      while (nonce === asked)
        (await request("poll", 0)).forEach(deliver);
    } catch (error) {
      if (nonce === asked)
        Array.from(channels.values(), inside => end(inside, error));
    } finally {
      if (nonce === asked)
        polling = false;
    }
  }

  /* Documents */

  function enter() {
    nonce = Array.from(crypto.getRandomValues(new Uint8Array(16)),
                       byte => byte.toString(16).padStart(2, "0")).join("");
    entered = true;
    polling = false;
    notify("hello", 0, location.href);
  }

  /* The document ends here for the application, even if the page comes back from the cache. */
  function leave() {
    entered = false;
    nonce = "";
    for (const fail of Array.from(calls.values()))
      fail(gone());
    for (const inside of Array.from(channels.values()))
      end(inside, gone());
  }

  addEventListener("pagehide", leave);
  addEventListener("pageshow", event => {
    if (event.persisted)
      enter();
  });
  enter();

  Object.freeze(Channel.prototype);
  Object.freeze(Channel);
  Object.defineProperty(globalThis, "at", {
    value: Object.freeze({ invoke, Channel, ERROR, ErrorCode: Object.freeze(ErrorCode) }),
    enumerable: true,
  });
})(ASYNCTOOLS_SETTINGS);
