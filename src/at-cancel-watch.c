/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-cancel-scope-private.h"
#include "at-cancel-watch-private.h"

/* g_cancellable_connect () is not used: its disconnect waits for a running handler, on GLib 2.74
 * under one process-wide lock, and deadlocks inside a handler from GLib 2.82 on. A watch is
 * counted instead: whoever runs it keeps it, and the atomic state says who came first. */

static void
watch_unref (AtCancelWatch *self)
{
  /* Release: what this thread did with data comes before its end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) > 1)
    return;

  if (self->destroy != NULL)
    self->destroy (self->data);
  g_object_unref (self->cancellable);
  g_free (self);
}

void
at_cancel_watch_fire (AtCancelWatch *self)
{
  AtCancelWatchState armed = AT_CANCEL_WATCH_ARMED;

  /* Relaxed: the state orders nothing, data was published with the registration. */
  if (at_atomic_cas (&self->state, &armed, AT_CANCEL_WATCH_FIRED, relaxed, relaxed))
    self->func (self->data);
}

void
at_cancel_watch_release (AtCancelWatch *self)
{
  watch_unref (self);
}

static void
on_cancelled (GCancellable *cancellable,
              AtCancelWatch *self)
{
  at_cancel_watch_fire (self);
}

static void
on_disconnected (gpointer data,
                 GClosure *closure)
{
  watch_unref (data);
}

AtCancelWatch *
at_cancel_watch_new (GCancellable *cancellable,
                     AtCancelWatchFunc func,
                     gpointer data,
                     GDestroyNotify destroy)
{
  AtCancelWatch *self;

  if (cancellable == NULL)
    {
      if (destroy != NULL)
        destroy (data);
      return NULL;
    }

  self = g_new0 (AtCancelWatch, 1);
  at_atomic_init (&self->ref_count, 2);
  at_atomic_init (&self->state, AT_CANCEL_WATCH_ARMED);
  self->cancellable = g_object_ref (cancellable);
  self->func = func;
  self->data = data;
  self->destroy = destroy;

  if (AT_IS_CANCEL_SCOPE (cancellable))
    at_cancel_scope_add_watch (AT_CANCEL_SCOPE (cancellable), self);
  else
    self->handler = g_signal_connect_data (cancellable, "cancelled", G_CALLBACK (on_cancelled),
                                           self, on_disconnected, 0);

  /* Registered first, looked second: a cancellation in between is noticed by one or by both. */
  if (g_cancellable_is_cancelled (cancellable))
    at_cancel_watch_fire (self);

  return self;
}

void
at_cancel_watch_free (AtCancelWatch *self)
{
  AtCancelWatchState armed = AT_CANCEL_WATCH_ARMED;

  if (self == NULL)
    return;

  at_atomic_cas (&self->state, &armed, AT_CANCEL_WATCH_DEAD, relaxed, relaxed);

  if (AT_IS_CANCEL_SCOPE (self->cancellable))
    at_cancel_scope_remove_watch (AT_CANCEL_SCOPE (self->cancellable), self);
  else
    g_signal_handler_disconnect (self->cancellable, self->handler);

  watch_unref (self);
}
