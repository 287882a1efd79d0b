/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-park-private.h"
#include "at-thread-private.h"
#include "at-waiter-private.h"

void
at_waiter_init (AtWaiter          *waiter,
                const AtWaitClass *klass,
                gpointer           primitive,
                GMutex            *lock,
                AtHandoverQueue   *queue)
{
  memset (waiter, 0, sizeof *waiter);
  waiter->klass = klass;
  waiter->primitive = primitive;
  waiter->lock = lock;
  waiter->queue = queue;
  at_handover_init (&waiter->handover);
  g_atomic_ref_count_init (&waiter->ref_count);
}

AtWaiter *
at_waiter_new (const AtWaitClass *klass,
               gpointer           primitive,
               GMutex            *lock,
               AtHandoverQueue   *queue)
{
  AtWaiter *waiter = g_new (AtWaiter, 1);

  at_waiter_init (waiter, klass, primitive, lock, queue);

  return waiter;
}

AtWaiter *
at_waiter_ref (AtWaiter *waiter)
{
  g_atomic_ref_count_inc (&waiter->ref_count);

  return waiter;
}

void
at_waiter_unref (AtWaiter *waiter)
{
  if (g_atomic_ref_count_dec (&waiter->ref_count))
    g_free (waiter);
}

gboolean
at_waiter_try (AtWaiter *waiter)
{
  AtHandoverQueue woken;
  gboolean done;

  at_handover_queue_init (&woken);

  g_mutex_lock (waiter->lock);
  done = waiter->klass->attempt (waiter, &woken);
  g_mutex_unlock (waiter->lock);

  at_waiter_tell_all (&woken);

  return done;
}

static void
at_waiter_leave_queue (AtWaiter *waiter)
{
  if (waiter->queue == NULL)
    return;

  g_mutex_lock (waiter->lock);
  at_handover_remove (waiter->queue, &waiter->handover);
  g_mutex_unlock (waiter->lock);
}

/* On the cancelling thread. A blocked thread leaves the queue by itself: once it knows, nothing
 * but its own reference keeps the primitive alive. */
static void
at_waiter_cancelled (gpointer data)
{
  AtWaiter *waiter = data;

  if (at_handover_cancel (&waiter->handover) != AT_HANDOVER_CANCEL_WON)
    return;

  if (waiter->task == NULL && waiter->klass->settled == NULL)
    {
      at_unpark_all (&waiter->handover.state);
      return;
    }

  at_waiter_leave_queue (waiter);
  at_waiter_tell (waiter);
}

void
at_waiter_watch (AtWaiter     *waiter,
                 GCancellable *cancellable)
{
  if (cancellable != NULL)
    waiter->watch = at_cancel_watch_new (cancellable, at_waiter_cancelled, at_waiter_ref (waiter),
                                         (GDestroyNotify) at_waiter_unref);
}

gboolean
at_waiter_enter (AtWaiter *waiter)
{
  GMutex *lock = waiter->lock;
  AtHandoverQueue woken;
  gboolean queued = FALSE;

  at_handover_queue_init (&woken);

  /* From the moment that the lock is free again, whoever settles a queued waiter may drop it. */
  g_mutex_lock (lock);

  if (at_handover_get_state (&waiter->handover) != AT_HANDOVER_CANCELLED)
    {
      if (waiter->klass->attempt (waiter, &woken))
        at_handover_take (&waiter->handover);
      else
        queued = at_handover_enqueue (waiter->queue, &waiter->handover);
    }

  g_mutex_unlock (lock);

  at_waiter_tell_all (&woken);

  return queued;
}

gboolean
at_waiter_park (AtWaiter *waiter)
{
  uint32_t state;

  while ((state = at_handover_get_state (&waiter->handover)) < AT_HANDOVER_GRANTED)
    at_park (&waiter->handover.state, state, G_MAXINT64);

  return state == AT_HANDOVER_GRANTED;
}

void
at_waiter_finish (AtWaiter *waiter)
{
  gpointer payload = g_steal_pointer (&waiter->payload);

  at_cancel_watch_free (g_steal_pointer (&waiter->watch));

  if (payload != NULL && waiter->klass->payload_destroy != NULL)
    waiter->klass->payload_destroy (payload);
}

void
at_waiter_set_cancelled_error (GCancellable *cancellable,
                               GError      **error)
{
  /* Somebody may have reset a plain GCancellable since. */
  if (!at_cancellable_set_error_if_cancelled (cancellable, error))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, _ ("The wait was cancelled"));
}

gboolean
at_waiter_block_unchecked (AtWaiter     *waiter,
                           GCancellable *cancellable,
                           GError      **error)
{
  gboolean granted;

  at_waiter_watch (waiter, cancellable);

  if (at_waiter_enter (at_waiter_ref (waiter)))
    {
      granted = at_waiter_park (waiter);

      if (!granted)
        {
          at_waiter_leave_queue (waiter);
          at_waiter_unref (waiter);
        }
    }
  else
    {
      granted = at_handover_get_state (&waiter->handover) == AT_HANDOVER_GRANTED;
      at_waiter_unref (waiter);
    }

  at_cancel_watch_free (g_steal_pointer (&waiter->watch));

  if (!granted)
    at_waiter_set_cancelled_error (cancellable, error);

  return granted;
}

gboolean
at_waiter_block (AtWaiter     *waiter,
                 GCancellable *cancellable,
                 GError      **error)
{
  G_GNUC_UNUSED g_autoptr (GObject) alive = g_object_ref (waiter->primitive);

  if (at_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  if (at_waiter_try (waiter))
    return TRUE;

  if (!at_thread_may_block (_ (waiter->klass->operation), error))
    return FALSE;

  return at_waiter_block_unchecked (waiter, cancellable, error);
}

void
at_waiter_begin (AtWaiter           *waiter,
                 GCancellable       *cancellable,
                 GAsyncReadyCallback callback,
                 gpointer            user_data,
                 gpointer            source_tag)
{
  GTask *task = g_task_new (waiter->primitive, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, source_tag);
  /* What was granted is delivered, in spite of a cancellation that came later. */
  g_task_set_check_cancellable (task, FALSE);
  waiter->task = task;

  if (at_cancellable_set_error_if_cancelled (cancellable, &error))
    {
      at_waiter_finish (waiter);
      g_task_return_error (task, error);
    }
  else if (at_waiter_try (waiter))
    {
      waiter->klass->answer (waiter);
      at_waiter_finish (waiter);
    }
  else
    {
      at_waiter_watch (waiter, cancellable);

      if (!at_waiter_enter (waiter))
        at_waiter_deliver (waiter);

      return;
    }

  g_clear_object (&waiter->task);
  at_waiter_unref (waiter);
}

void
at_waiter_answer (AtWaiter *waiter)
{
  GError *error = NULL;

  at_cancel_watch_free (g_steal_pointer (&waiter->watch));

  if (at_handover_get_state (&waiter->handover) == AT_HANDOVER_GRANTED)
    {
      waiter->klass->answer (waiter);
      at_waiter_finish (waiter);
    }
  else
    {
      at_waiter_finish (waiter);
      at_waiter_set_cancelled_error (g_task_get_cancellable (waiter->task), &error);
      g_task_return_error (waiter->task, error);
    }

  g_clear_object (&waiter->task);
  at_waiter_unref (waiter);
}

void
at_waiter_answer_unit (AtWaiter      *waiter,
                       GDestroyNotify give_back)
{
  g_task_return_pointer (waiter->task, g_object_ref (waiter->primitive), give_back);
}

gboolean
at_waiter_finish_unit (gpointer      primitive,
                       GAsyncResult *result,
                       gpointer      source_tag,
                       GError      **error)
{
  g_autoptr (GObject) owner = NULL;

  g_return_val_if_fail (g_task_is_valid (result, primitive), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, source_tag), FALSE);

  owner = g_task_propagate_pointer (G_TASK (result), error);

  return owner != NULL;
}

void
at_waiter_tell (AtWaiter *waiter)
{
  if (waiter->klass->settled != NULL)
    {
      waiter->klass->settled (waiter);
    }
  else if (waiter->task != NULL)
    {
      at_waiter_deliver (waiter);
    }
  else
    {
      at_unpark_all (&waiter->handover.state);
      at_waiter_unref (waiter);
    }
}

void
at_waiter_tell_all (AtHandoverQueue *woken)
{
  AtHandover *handover;

  while ((handover = at_handover_pop (woken)) != NULL)
    at_waiter_tell ((AtWaiter *) handover);
}

void
at_waiter_grant_all (AtHandoverQueue *queue,
                     AtHandoverQueue *woken)
{
  AtHandover *handover;

  while ((handover = at_handover_grant_first (queue)) != NULL)
    at_handover_append (woken, handover);
}
