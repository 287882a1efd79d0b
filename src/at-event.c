/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-waiter-private.h"

/**
 * AtEvent:
 *
 * Something that happens once, and that many wait for.
 *
 * Any thread may set the event, a GTK callback or a streaming thread as well as the body of a
 * task; whoever waits is woken, and whoever waits later does not wait at all. An event cannot be
 * cleared: make a new one for the next time.
 *
 * Thread-safe. A waiter keeps the event alive.
 *
 * Since: 0.1
 */
struct _AtEvent
{
  GObject parent_instance;

  GMutex lock;

  /*< protected by lock >*/
  AtHandoverQueue waiters;
  gboolean        is_set;
};

enum
{
  PROP_0,
  PROP_STATISTICS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtEvent, at_event, G_TYPE_OBJECT)

static gboolean
at_event_attempt (AtWaiter        *waiter,
                  AtHandoverQueue *woken)
{
  AtEvent *self = waiter->primitive;

  return self->is_set;
}

static void
at_event_answer (AtWaiter *waiter)
{
  at_waiter_answer_unit (waiter, g_object_unref);
}

static const AtWaitClass event_wait_class = {
  .operation = N_ ("Waiting for an event"),
  .attempt = at_event_attempt,
  .answer = at_event_answer,
};

static void
at_event_finalize (GObject *object)
{
  AtEvent *self = AT_EVENT (object);

  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_event_parent_class)->finalize (object);
}

static void
at_event_get_property (GObject    *object,
                       guint       prop_id,
                       GValue     *value,
                       GParamSpec *pspec)
{
  AtEvent *self = AT_EVENT (object);

  switch (prop_id)
    {
    case PROP_STATISTICS:
      g_value_take_boxed (value, at_event_get_statistics (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_event_class_init (AtEventClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = at_event_finalize;
  object_class->get_property = at_event_get_property;

  /**
   * AtEvent:statistics:
   *
   * Who waits for the event, at this moment. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_STATISTICS] =
    g_param_spec_boxed ("statistics", NULL, NULL, AT_TYPE_STATISTICS,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_event_init (AtEvent *self)
{
  g_mutex_init (&self->lock);
  at_handover_queue_init (&self->waiters);
}

/**
 * at_event_new:
 *
 * Makes an event that is not set.
 *
 * Returns: (transfer full): the event
 *
 * Since: 0.1
 */
AtEvent *
at_event_new (void)
{
  return g_object_new (AT_TYPE_EVENT, NULL);
}

/**
 * at_event_set:
 * @self: an event
 *
 * Sets the event and wakes everybody who waits for it. From the second time on nothing happens.
 *
 * Any thread may call this, inside any callback; it neither blocks nor calls back.
 *
 * Since: 0.1
 */
void
at_event_set (AtEvent *self)
{
  AtHandoverQueue woken;

  g_return_if_fail (AT_IS_EVENT (self));

  at_handover_queue_init (&woken);

  g_mutex_lock (&self->lock);
  self->is_set = TRUE;
  at_waiter_grant_all (&self->waiters, &woken);
  g_mutex_unlock (&self->lock);

  at_waiter_tell_all (&woken);
}

/**
 * at_event_is_set:
 * @self: an event
 *
 * Whether the event was set. What happened before [method@At.Event.set] is visible to a thread
 * that saw `TRUE` here.
 *
 * Returns: whether it was set
 *
 * Since: 0.1
 */
gboolean
at_event_is_set (AtEvent *self)
{
  gboolean is_set;

  g_return_val_if_fail (AT_IS_EVENT (self), FALSE);

  g_mutex_lock (&self->lock);
  is_set = self->is_set;
  g_mutex_unlock (&self->lock);

  return is_set;
}

static AtWaiter *
at_event_waiter_new (AtEvent *self)
{
  return at_waiter_new (&event_wait_class, self, &self->lock, &self->waiters);
}

/**
 * at_event_wait:
 * @self: an event
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @error: return location for an error
 *
 * Blocks the calling thread until the event is set. The thread needs neither a portal nor a main
 * loop.
 *
 * If it is set already this returns at once on every thread; on a portal's own thread, which must
 * not block, everything else fails with `AT_ERROR_WRONG_THREAD`: use
 * [method@At.Event.wait_async] there. A cancellation fails with `G_IO_ERROR_CANCELLED`, or with
 * `G_IO_ERROR_TIMED_OUT` if @cancellable is an [class@At.CancelScope] whose deadline has passed.
 *
 * Returns: `TRUE` if the event was set
 *
 * Since: 0.1
 */
gboolean
at_event_wait (AtEvent      *self,
               GCancellable *cancellable,
               GError      **error)
{
  g_autoptr (AtWaiter) waiter = NULL;

  g_return_val_if_fail (AT_IS_EVENT (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  waiter = at_event_waiter_new (self);

  return at_waiter_block (waiter, cancellable, error);
}

/**
 * at_event_wait_async:
 * @self: an event
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @callback: (nullable) (scope async): called when the event is set, or the wait was cancelled
 * @user_data: the data for @callback
 *
 * Waits until the event is set, without blocking.
 *
 * @callback runs on the thread-default main context of the caller, never inside this call.
 *
 * Since: 0.1
 */
void
at_event_wait_async (AtEvent            *self,
                     GCancellable       *cancellable,
                     GAsyncReadyCallback callback,
                     gpointer            user_data)
{
  g_return_if_fail (AT_IS_EVENT (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  at_waiter_begin (at_event_waiter_new (self), cancellable, callback, user_data,
                   at_event_wait_async);
}

/**
 * at_event_wait_finish:
 * @self: an event
 * @result: what the callback got
 * @error: return location for an error, as in [method@At.Event.wait]
 *
 * Finishes [method@At.Event.wait_async].
 *
 * Returns: `TRUE` if the event was set
 *
 * Since: 0.1
 */
gboolean
at_event_wait_finish (AtEvent      *self,
                      GAsyncResult *result,
                      GError      **error)
{
  g_return_val_if_fail (AT_IS_EVENT (self), FALSE);

  return at_waiter_finish_unit (self, result, at_event_wait_async, error);
}

/**
 * at_event_get_statistics:
 * @self: an event
 *
 * Who waits for the event, at this moment.
 *
 * Returns: (transfer full): its `waiters`; the rest is 0
 *
 * Since: 0.1
 */
AtStatistics *
at_event_get_statistics (AtEvent *self)
{
  AtStatistics *statistics;

  g_return_val_if_fail (AT_IS_EVENT (self), NULL);

  statistics = g_new0 (AtStatistics, 1);

  g_mutex_lock (&self->lock);
  statistics->waiters = self->waiters.length;
  g_mutex_unlock (&self->lock);

  return statistics;
}
