/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include <glib.h>

#include "at-version.h"

G_BEGIN_DECLS

/**
 * AT_ERROR:
 *
 * The error domain of AsyncTools. Its codes are [error@At.Error].
 *
 * Since: 0.1
 */
#define AT_ERROR (at_error_quark ())

/**
 * AtError:
 * @AT_ERROR_NOT_RUNNING: the portal was stopped, never started, or belongs to
 *   the parent of this forked process
 * @AT_ERROR_WRONG_THREAD: the call would wait on a thread that must not wait,
 *   or that would have to do the very work it waits for
 * @AT_ERROR_WOULD_DEADLOCK: every admitted worker waits for a queued one
 * @AT_ERROR_ABANDONED: the body dropped its task without returning it
 * @AT_ERROR_NOT_DONE: the result was asked for before the task has ended
 * @AT_ERROR_NOT_STARTED: the task ended without a started value
 * @AT_ERROR_INVALID_RESULT: the result was returned as another kind, or was
 *   taken already
 * @AT_ERROR_CLOSED: this end, or the group, was closed before
 * @AT_ERROR_BROKEN: nobody is left who could receive
 * @AT_ERROR_END_OF_STREAM: the stream is drained and nobody can send any more
 * @AT_ERROR_WOULD_BLOCK: it cannot be done without waiting
 * @AT_ERROR_UNKNOWN_COMMAND: no command of that name is registered
 * @AT_ERROR_INVALID_ARGUMENTS: the arguments do not fit
 * @AT_ERROR_MISSING_STATE: no state of that type is managed
 * @AT_ERROR_PERMISSION_DENIED: the policy does not allow it
 * @AT_ERROR_TOO_LARGE: the message is larger than allowed
 * @AT_ERROR_LIMIT_EXCEEDED: too many at once, or too fast
 * @AT_ERROR_NOT_ANSWERED: the handler dropped the invocation without an answer
 * @AT_ERROR_GONE: the caller went away before the answer
 *
 * Errors of AsyncTools. A plain cancellation is `G_IO_ERROR_CANCELLED`, a passed
 * deadline `G_IO_ERROR_TIMED_OUT`.
 *
 * Since: 0.1
 */
typedef enum
{
  AT_ERROR_NOT_RUNNING,
  AT_ERROR_WRONG_THREAD,
  AT_ERROR_WOULD_DEADLOCK,
  AT_ERROR_ABANDONED,
  AT_ERROR_NOT_DONE,
  AT_ERROR_NOT_STARTED,
  AT_ERROR_INVALID_RESULT,
  AT_ERROR_CLOSED,
  AT_ERROR_BROKEN,
  AT_ERROR_END_OF_STREAM,
  AT_ERROR_WOULD_BLOCK,
  AT_ERROR_UNKNOWN_COMMAND,
  AT_ERROR_INVALID_ARGUMENTS,
  AT_ERROR_MISSING_STATE,
  AT_ERROR_PERMISSION_DENIED,
  AT_ERROR_TOO_LARGE,
  AT_ERROR_LIMIT_EXCEEDED,
  AT_ERROR_NOT_ANSWERED,
  AT_ERROR_GONE,
} AtError;

AT_AVAILABLE_IN_ALL
GQuark at_error_quark (void) G_GNUC_CONST;

G_END_DECLS
