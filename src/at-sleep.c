/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-timer-private.h"
#include "at-waiter-private.h"

/* A sleep is a waiter that stands in no queue: the process-wide heap of deadlines grants it. It
 * costs no GSource before its end, so 100 000 of them do not slow the loop down. */
typedef struct
{
  AtWaiter waiter; /* first: freed as one */
  AtTimer  timer;
} AtSleep;

static AtSleep *
at_sleep_from_timer (AtTimer *timer)
{
  return (AtSleep *) G_STRUCT_MEMBER_P (timer, -G_STRUCT_OFFSET (AtSleep, timer));
}

static gboolean
at_sleep_timer_ref (AtTimer *timer)
{
  at_waiter_ref (&at_sleep_from_timer (timer)->waiter);

  return TRUE;
}

static void
at_sleep_timer_fire (AtTimer *timer)
{
  AtWaiter *waiter = &at_sleep_from_timer (timer)->waiter;

  if (at_handover_grant (&waiter->handover))
    at_waiter_deliver (waiter);

  at_waiter_unref (waiter);
}

static void
at_sleep_cancelled (AtWaiter *waiter)
{
  AtSleep *self = (AtSleep *) waiter;

  at_timer_clear (&self->timer);
  at_waiter_deliver (waiter);
}

static void
at_sleep_answer (AtWaiter *waiter)
{
  g_task_return_boolean (waiter->task, TRUE);
}

static const AtWaitClass sleep_wait_class = {
  .answer = at_sleep_answer,
  .settled = at_sleep_cancelled,
};

/**
 * at_sleep_async:
 * @usec: how long to sleep, in microseconds; 0 or less: not at all
 * @cancellable: (nullable): wakes up with an error when it is cancelled
 * @callback: (nullable) (scope async): called when the time is over, or the sleep was cancelled
 * @user_data: the data for @callback
 *
 * Sleeps without blocking.
 *
 * @callback runs on the thread-default main context of the caller, never inside this call, and so
 * on the portal's thread if a task's body sleeps. Pass the task's cancellable there: a sleeping
 * task is then cancelled at once. Sleeping does not need a portal, and it is no load for the main
 * loop, however many sleep.
 *
 * Since: 0.1
 */
void
at_sleep_async (gint64              usec,
                GCancellable       *cancellable,
                GAsyncReadyCallback callback,
                gpointer            user_data)
{
  g_autoptr (GTask) task = NULL;
  AtSleep *self;
  AtWaiter *waiter;
  gint64 now;

  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (NULL, cancellable, callback, user_data);
  g_task_set_source_tag (task, at_sleep_async);
  g_task_set_check_cancellable (task, FALSE);

  if (usec <= 0)
    {
      GError *error = NULL;

      if (at_cancellable_set_error_if_cancelled (cancellable, &error))
        g_task_return_error (task, error);
      else
        g_task_return_boolean (task, TRUE);

      return;
    }

  now = g_get_monotonic_time ();

  self = g_new (AtSleep, 1);
  waiter = &self->waiter;
  at_waiter_init (waiter, &sleep_wait_class, NULL, NULL, NULL);
  waiter->task = g_steal_pointer (&task);
  at_timer_init (&self->timer, at_sleep_timer_ref, at_sleep_timer_fire);

  at_waiter_watch (waiter, cancellable);

  /* From now on the first reference belongs to whoever settles it. */
  at_waiter_ref (waiter);

  if (at_handover_step (&waiter->handover, AT_HANDOVER_NEW, AT_HANDOVER_WAITING))
    {
      at_timer_set (&self->timer, usec < G_MAXINT64 - now ? now + usec : G_MAXINT64);

      /* Cancelled before there was a timer to clear. */
      if (at_handover_get_state (&waiter->handover) == AT_HANDOVER_CANCELLED)
        at_timer_clear (&self->timer);
    }
  else
    {
      at_waiter_deliver (waiter);
    }

  at_waiter_unref (waiter);
}

/**
 * at_sleep_finish:
 * @result: what the callback got
 * @error: return location for an error
 *
 * Finishes [func@At.sleep_async].
 *
 * Fails with `G_IO_ERROR_CANCELLED` if the sleep was cancelled, or with `G_IO_ERROR_TIMED_OUT` if
 * its cancellable is an [class@At.CancelScope] whose deadline has passed.
 *
 * Returns: `TRUE` if the time is over
 *
 * Since: 0.1
 */
gboolean
at_sleep_finish (GAsyncResult *result,
                 GError      **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_sleep_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
