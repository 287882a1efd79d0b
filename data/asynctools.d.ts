/* SPDX-License-Identifier: LGPL-2.1-or-later */

/** What JSON can say, and so what travels between a page and its application. */
export type Json =
  | null
  | boolean
  | number
  | string
  | readonly Json[]
  | { readonly [name: string]: Json };

/**
 * What can be an argument: JSON, members that are undefined (they are left out), objects that know
 * their JSON (dates, addresses), and channels. Anything else is refused.
 */
export type Argument =
  | null
  | boolean
  | number
  | string
  | Channel<never>
  | { toJSON(key?: string): Argument }
  | readonly Argument[]
  | { readonly [name: string]: Argument | undefined };

/** Why a call or a channel failed: the GError of the application. */
export interface AtError extends Error {
  /** The domain, such as `at.ERROR` or `"g-io-error-quark"`. */
  readonly domain: string;
  /** The code, such as `at.ErrorCode.UNKNOWN_COMMAND`; its meaning depends on the domain. */
  readonly code: number;
}

export interface InvokeOptions {
  /**
   * Cancels the command. The call then rejects at once with an error whose name is `"AbortError"`
   * and whose cause is the signal's reason.
   */
  signal?: AbortSignal;
  /** Headers for the command. */
  headers?: HeadersInit;
}

/**
 * Brings messages from a command to the page, in order. Pass it as an argument, once.
 */
export interface Channel<Message = Json> {
  /** Whether it was passed to a command and neither side has closed it. */
  readonly open: boolean;
  /** Take no more messages; whoever sends gets to know. */
  close(): void;
  /** Keeps apart channels of different messages. */
  readonly __message?: (message: Message) => void;
}

export interface ChannelConstructor {
  /**
   * @param onmessage takes each message
   * @param onclose is called once when no more will come: with an error, or with null if all was
   *   sent or the page closed it
   */
  new <Message = Json>(
    onmessage: (message: Message) => void,
    onclose?: (error: AtError | null) => void,
  ): Channel<Message>;
}

export type ErrorName =
  | "NOT_RUNNING"
  | "WRONG_THREAD"
  | "WOULD_DEADLOCK"
  | "ABANDONED"
  | "NOT_DONE"
  | "NOT_STARTED"
  | "INVALID_RESULT"
  | "CLOSED"
  | "BROKEN"
  | "END_OF_STREAM"
  | "WOULD_BLOCK"
  | "UNKNOWN_COMMAND"
  | "INVALID_ARGUMENTS"
  | "MISSING_STATE"
  | "PERMISSION_DENIED"
  | "TOO_LARGE"
  | "LIMIT_EXCEEDED"
  | "NOT_ANSWERED"
  | "GONE";

export interface At {
  /**
   * Calls a command of the application.
   *
   * @returns what the command answered; rejects with an {@link AtError}
   */
  invoke<Result = Json>(command: string, args?: Argument, options?: InvokeOptions): Promise<Result>;
  /** Brings messages from a command to the page. */
  readonly Channel: ChannelConstructor;
  /** The domain of AsyncTools' own errors. */
  readonly ERROR: string;
  /** The codes of that domain. */
  readonly ErrorCode: Readonly<Record<ErrorName, number>>;
}

declare global {
  /** The application behind this page. It is there in allowed pages only, and in no frame. */
  const at: At;
}
