/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-answer-private.h"
#include "at-cancel-scope-private.h"
#include "at-future-struct-private.h"

/* Waiting for the end of a task, and for its started value. */

void
at_future_join (AtFuture *self)
{
  at_thread_wait_word (&self->word, AT_COMPLETION_DONE, G_MAXINT64, NULL);
}

static void
on_wait_cancelled (gpointer data)
{
  AtFuture *self = data;

  at_completion_nudge (&self->word);
}

/* In a forked child nothing ends that the parent has begun. */
static gboolean
check_lives_here (AtFuture *self,
                  GError **error)
{
  if (G_LIKELY (self->generation == at_thread_get_generation ()))
    return TRUE;

  g_propagate_error (error, self->host_class != NULL ? self->host_class->refusal (self->host)
                                                     : at_runtime_refusal (self->runtime));
  return FALSE;
}

static gboolean
begin_wait (AtFuture *self,
            guint32 bits,
            const char *operation,
            gint64 end_time,
            GError **error)
{
  /* A portal's runtime lives until the task is done, no matter what was told before. */
  if (self->host_class == NULL)
    return at_thread_begin_wait_unless (&self->word, bits & ~(guint32) AT_COMPLETION_STARTED,
                                        self->runtime, operation, error);

  if (!at_thread_begin_wait_hosted (self, &self->word, bits, operation, error))
    return FALSE;
  if (self->host_class->begin_wait (self->host, end_time, operation, error))
    return TRUE;

  at_thread_end_wait ();
  return FALSE;
}

static void
end_wait (AtFuture *self)
{
  if (self->host_class != NULL)
    self->host_class->end_wait (self->host);
  at_thread_end_wait ();
}

static gboolean
wait_for_bits (AtFuture *self,
               guint32 bits,
               const char *operation,
               gint64 end_time,
               GCancellable *cancellable,
               GError **error)
{
  AtCancelWatch *watch;
  gboolean came;

  if (at_atomic_load (&self->word, acquire) & bits)
    return TRUE;
  if (!check_lives_here (self, error))
    return FALSE;
  if (at_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (!begin_wait (self, bits, operation, end_time, error))
    return FALSE;

  watch = at_cancel_watch_new (cancellable, on_wait_cancelled,
                               cancellable != NULL ? g_object_ref (self) : NULL,
                               cancellable != NULL ? g_object_unref : NULL);
  came = at_thread_wait_word (&self->word, bits, end_time, cancellable);
  at_cancel_watch_free (watch);
  end_wait (self);

  if (!came && !at_cancellable_set_error_if_cancelled (cancellable, error))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                         _ ("The task has not ended in time; it goes on"));

  return came;
}

/**
 * at_future_wait:
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * Waits until the task has really ended, whatever the outcome.
 *
 * Blocks; on the portal's own thread, and where the wait would close a cycle, it fails at once with
 * `AT_ERROR_WRONG_THREAD` unless the task has ended already.
 *
 * Returns: %TRUE once the task has ended; %FALSE with `AT_ERROR_WRONG_THREAD`, with
 *   `AT_ERROR_NOT_RUNNING` in a forked child, or the error of @cancellable, never the task's
 *
 * Since: 0.1
 */
gboolean
at_future_wait (AtFuture *self,
                GCancellable *cancellable,
                GError **error)
{
  return at_future_wait_until (self, G_MAXINT64, cancellable, error);
}

/**
 * at_future_wait_until:
 * @self: a future
 * @end_time: when to give up, in microseconds of [func@GLib.get_monotonic_time]; %G_MAXINT64 for
 *   never
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * [method@At.Future.wait] with an end. The task goes on after it.
 *
 * Returns: %TRUE once the task has ended; %FALSE with `G_IO_ERROR_TIMED_OUT`,
 *   `AT_ERROR_WRONG_THREAD` or the error of @cancellable
 *
 * Since: 0.1
 */
gboolean
at_future_wait_until (AtFuture *self,
                      gint64 end_time,
                      GCancellable *cancellable,
                      GError **error)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return wait_for_bits (self, AT_COMPLETION_DONE, "at_future_wait ()", end_time, cancellable,
                        error);
}

static void
on_news (AtFuture *self,
         gpointer data)
{
  AtAnswer *answer = data;
  g_autoptr (GTask) task = at_answer_claim (answer);

  if (task != NULL)
    g_task_return_boolean (task, TRUE);

  at_answer_unref (answer);
}

/* A wait that was stopped leaves nothing behind. */
static void
forget_news (gpointer source,
             AtAnswer *answer)
{
  if (at_future_remove_observer (source, on_news, answer))
    at_answer_unref (answer);
}

static void
wait_async (AtFuture *self,
            gboolean wants_start,
            gpointer tag,
            GCancellable *cancellable,
            GAsyncReadyCallback callback,
            gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;
  AtAnswer *answer;

  (g_task_set_source_tag) (task, tag);
  if (!at_future_is_done (self) && !check_lives_here (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  answer = at_answer_new (task);
  at_answer_set_forget (answer, forget_news, g_object_ref (self), g_object_unref);
  at_future_observe (self, on_news, at_answer_ref (answer), wants_start);
}

/**
 * at_future_wait_async:
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * Waits without blocking until the task has really ended. Allowed on every thread.
 *
 * Since: 0.1
 */
void
at_future_wait_async (AtFuture *self,
                      GCancellable *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer user_data)
{
  g_return_if_fail (AT_IS_FUTURE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  wait_async (self, FALSE, at_future_wait_async, cancellable, callback, user_data);
}

/**
 * at_future_wait_finish:
 * @self: a future
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Future.wait_async].
 *
 * Returns: %TRUE once the task has ended; %FALSE with the error of the cancellable, never the
 *   task's
 *
 * Since: 0.1
 */
gboolean
at_future_wait_finish (AtFuture *self,
                       GAsyncResult *result,
                       GError **error)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_future_wait_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* Started values. */

static GValue *
dup_started (AtFuture *self,
             GError **error)
{
  GValue *value = NULL;

  if (at_atomic_load (&self->word, acquire) & AT_COMPLETION_STARTED)
    {
      /* Constant from STARTED on. */
      value = g_new0 (GValue, 1);
      g_value_init (value, G_VALUE_TYPE (&self->extra->started));
      g_value_copy (&self->extra->started, value);
    }
  else if (at_future_check_success (self, error))
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_NOT_STARTED,
                           _ ("The task has ended without a started value; its body has to call "
                              "at_task_started () before it returns"));
    }

  return value;
}

/**
 * at_future_wait_started:
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * Waits until the body has called [func@At.task_started], and gets the value that it gave.
 *
 * Blocks; on the portal's own thread, and where the wait would close a cycle, it fails at once with
 * `AT_ERROR_WRONG_THREAD` unless the value is there already.
 *
 * The idea comes from trio's
 * [`nursery.start`](https://trio.readthedocs.io/en/stable/reference-core.html#trio.Nursery.start).
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`; %NULL
 *   with the task's error if it failed before, with `AT_ERROR_NOT_STARTED` if it ended without a
 *   started value, with `AT_ERROR_WRONG_THREAD`, or with the error of @cancellable
 *
 * Since: 0.1
 */
GValue *
at_future_wait_started (AtFuture *self,
                        GCancellable *cancellable,
                        GError **error)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!wait_for_bits (self, AT_COMPLETION_STARTED | AT_COMPLETION_DONE,
                      "at_future_wait_started ()", G_MAXINT64, cancellable, error))
    return NULL;

  return dup_started (self, error);
}

/**
 * at_future_wait_started_borrowed: (rename-to at_future_wait_started)
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * [method@At.Future.wait_started] for language bindings: the value stays the library's.
 *
 * Returns: (transfer none): the value, valid until the calling thread's next such call
 *
 * Since: 0.1
 */
const GValue *
at_future_wait_started_borrowed (AtFuture *self,
                                 GCancellable *cancellable,
                                 GError **error)
{
  return at_value_lend (at_future_wait_started (self, cancellable, error));
}

/**
 * at_future_wait_started_async:
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * Waits without blocking until the body has called [func@At.task_started]. Allowed on every thread.
 *
 * Since: 0.1
 */
void
at_future_wait_started_async (AtFuture *self,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_return_if_fail (AT_IS_FUTURE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  wait_async (self, TRUE, at_future_wait_started_async, cancellable, callback, user_data);
}

/**
 * at_future_wait_started_finish:
 * @self: a future
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Future.wait_started_async].
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`; %NULL
 *   with an error, as [method@At.Future.wait_started]
 *
 * Since: 0.1
 */
GValue *
at_future_wait_started_finish (AtFuture *self,
                               GAsyncResult *result,
                               GError **error)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_future_wait_started_async), NULL);

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return NULL;

  return dup_started (self, error);
}

/**
 * at_future_wait_started_finish_borrowed: (rename-to at_future_wait_started_finish)
 * @self: a future
 * @result: what the callback was given
 * @error: return location for an error
 *
 * [method@At.Future.wait_started_finish] for language bindings: the value stays the library's.
 *
 * Returns: (transfer none): the value, valid until the calling thread's next such call
 *
 * Since: 0.1
 */
const GValue *
at_future_wait_started_finish_borrowed (AtFuture *self,
                                        GAsyncResult *result,
                                        GError **error)
{
  return at_value_lend (at_future_wait_started_finish (self, result, error));
}

/**
 * at_task_started:
 * @task: the task of a body
 * @value: (nullable): what to tell the starter, %NULL for the boolean %TRUE
 *
 * Tells whoever waits with [method@At.Future.wait_started] that the task is ready: a server
 * listens, a file is open.
 *
 * To be called at most once, before the task is returned, on any thread. @value is copied.
 *
 * Since: 0.1
 */
void
at_task_started (GTask *task,
                 const GValue *value)
{
  GCancellable *scope;
  AtFuture *self;
  GMutex *lock;
  uint32_t old;

  g_return_if_fail (G_IS_TASK (task));
  g_return_if_fail (value == NULL || G_IS_VALUE (value));

  scope = g_task_get_cancellable (task);
  self = AT_IS_CANCEL_SCOPE (scope) ? at_cancel_scope_get_owner (AT_CANCEL_SCOPE (scope)) : NULL;
  if (self == NULL)
    {
      g_critical ("at_task_started () is for the task of a portal's body, before it has ended");
      return;
    }

  lock = at_future_lock (self);
  if (at_atomic_load (&self->word, relaxed) & AT_COMPLETION_STARTED)
    {
      g_mutex_unlock (lock);
      g_critical ("at_task_started () was called twice on one task; the first value stays");
      return;
    }

  at_future_ensure_extra (self);
  if (value != NULL)
    {
      g_value_init (&self->extra->started, G_VALUE_TYPE (value));
      g_value_copy (value, &self->extra->started);
    }
  else
    {
      g_value_init (&self->extra->started, G_TYPE_BOOLEAN);
      g_value_set_boolean (&self->extra->started, TRUE);
    }
  old = at_completion_start (&self->word);
  g_mutex_unlock (lock);

  if (old & AT_COMPLETION_OBSERVERS)
    at_future_run_observers (self, TRUE);
}
