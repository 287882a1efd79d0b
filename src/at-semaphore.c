/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-waiter-private.h"

/**
 * AtSemaphore:
 *
 * A number of units that threads and tasks take and give back.
 *
 * Whoever waits gets a unit in the order of asking: a release hands its unit to the first in the
 * queue, and nobody who comes in between can take it. A unit has no owner: it may be released by
 * somebody else than who acquired it, which makes a semaphore a counter of things that are ready.
 *
 * A waiter that is cancelled leaves the queue. If that happens in the very moment that a unit is
 * handed to it, either it has the unit and its wait succeeds, or the next in the queue has it. An
 * asynchronous acquisition whose result nobody asks for gives its unit back.
 *
 * Thread-safe. A waiter keeps the semaphore alive.
 *
 * Since: 0.1
 */
struct _AtSemaphore
{
  GObject parent_instance;

  /*< fixed at construction >*/
  guint max; /* 0: as many as fit */

  GMutex lock;

  /*< protected by lock >*/
  AtHandoverQueue waiters;
  guint           value;    /* free units; none as long as somebody waits */
  guint           borrowed; /* acquisitions without a release yet, not below 0 */
};

enum
{
  PROP_0,
  PROP_INITIAL,
  PROP_MAX,
  PROP_STATISTICS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtSemaphore, at_semaphore, G_TYPE_OBJECT)

static gboolean
at_semaphore_attempt (AtWaiter        *waiter,
                      AtHandoverQueue *woken)
{
  AtSemaphore *self = waiter->primitive;

  if (self->value == 0)
    return FALSE;

  self->value--;
  self->borrowed++;

  return TRUE;
}

static void
at_semaphore_give_back (gpointer data)
{
  g_autoptr (AtSemaphore) self = data;

  /* Fails only if somebody released more than was acquired, and then there is no unit to lose. */
  at_semaphore_release (self, NULL);
}

static void
at_semaphore_answer (AtWaiter *waiter)
{
  at_waiter_answer_unit (waiter, at_semaphore_give_back);
}

static const AtWaitClass semaphore_wait_class = {
  .operation = N_ ("Waiting for a semaphore"),
  .attempt = at_semaphore_attempt,
  .answer = at_semaphore_answer,
};

static AtWaiter *
at_semaphore_waiter_new (AtSemaphore *self)
{
  return at_waiter_new (&semaphore_wait_class, self, &self->lock, &self->waiters);
}

static void
at_semaphore_finalize (GObject *object)
{
  AtSemaphore *self = AT_SEMAPHORE (object);

  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_semaphore_parent_class)->finalize (object);
}

static void
at_semaphore_get_property (GObject    *object,
                           guint       prop_id,
                           GValue     *value,
                           GParamSpec *pspec)
{
  AtSemaphore *self = AT_SEMAPHORE (object);

  switch (prop_id)
    {
    case PROP_MAX:
      g_value_set_uint (value, self->max);
      break;

    case PROP_STATISTICS:
      g_value_take_boxed (value, at_semaphore_get_statistics (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_semaphore_set_property (GObject      *object,
                           guint         prop_id,
                           const GValue *value,
                           GParamSpec   *pspec)
{
  AtSemaphore *self = AT_SEMAPHORE (object);

  switch (prop_id)
    {
    case PROP_INITIAL:
      self->value = g_value_get_uint (value);
      break;

    case PROP_MAX:
      self->max = g_value_get_uint (value);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_semaphore_class_init (AtSemaphoreClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = at_semaphore_finalize;
  object_class->get_property = at_semaphore_get_property;
  object_class->set_property = at_semaphore_set_property;

  /**
   * AtSemaphore:initial:
   *
   * How many units are free at first.
   *
   * Since: 0.1
   */
  properties[PROP_INITIAL] =
    g_param_spec_uint ("initial", NULL, NULL, 0, G_MAXUINT, 0,
                       G_PARAM_WRITABLE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtSemaphore:max:
   *
   * How many units may be free at most; 0: as many as fit.
   *
   * Since: 0.1
   */
  properties[PROP_MAX] =
    g_param_spec_uint ("max", NULL, NULL, 0, G_MAXUINT, 0,
                       G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtSemaphore:statistics:
   *
   * How many units are taken and free, and who waits for one, at this moment. Changes are not
   * notified.
   *
   * Since: 0.1
   */
  properties[PROP_STATISTICS] =
    g_param_spec_boxed ("statistics", NULL, NULL, AT_TYPE_STATISTICS,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_semaphore_init (AtSemaphore *self)
{
  g_mutex_init (&self->lock);
  at_handover_queue_init (&self->waiters);
}

/**
 * at_semaphore_new:
 * @initial: how many units are free at first
 * @max: how many units may be free at most; 0: as many as fit
 *
 * Makes a semaphore. With @max the same as @initial, giving back more than was taken is noticed.
 *
 * Returns: (transfer full): the semaphore
 *
 * Since: 0.1
 */
AtSemaphore *
at_semaphore_new (guint initial,
                  guint max)
{
  g_return_val_if_fail (max == 0 || initial <= max, NULL);

  return g_object_new (AT_TYPE_SEMAPHORE, "initial", initial, "max", max, NULL);
}

/**
 * at_semaphore_acquire:
 * @self: a semaphore
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @error: return location for an error
 *
 * Takes a unit, and blocks the calling thread until there is one. The thread needs neither a
 * portal nor a main loop.
 *
 * A free unit is taken at once on every thread; on a portal's own thread, which must not block,
 * having to wait fails with `AT_ERROR_WRONG_THREAD`: use [method@At.Semaphore.acquire_async]
 * there. A cancellation fails with `G_IO_ERROR_CANCELLED`, or with `G_IO_ERROR_TIMED_OUT` if
 * @cancellable is an [class@At.CancelScope] whose deadline has passed; no unit is taken then.
 *
 * Returns: `TRUE` if the caller has a unit now
 *
 * Since: 0.1
 */
gboolean
at_semaphore_acquire (AtSemaphore  *self,
                      GCancellable *cancellable,
                      GError      **error)
{
  g_autoptr (AtWaiter) waiter = NULL;

  g_return_val_if_fail (AT_IS_SEMAPHORE (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  waiter = at_semaphore_waiter_new (self);

  return at_waiter_block (waiter, cancellable, error);
}

/**
 * at_semaphore_acquire_async:
 * @self: a semaphore
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @callback: (nullable) (scope async): called when a unit was acquired, or the wait cancelled
 * @user_data: the data for @callback
 *
 * Takes a unit as soon as there is one, without blocking.
 *
 * @callback runs on the thread-default main context of the caller, never inside this call, and
 * finds out with [method@At.Semaphore.acquire_finish]; if nobody calls that, the unit is given
 * back.
 *
 * Since: 0.1
 */
void
at_semaphore_acquire_async (AtSemaphore        *self,
                            GCancellable       *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer            user_data)
{
  g_return_if_fail (AT_IS_SEMAPHORE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  at_waiter_begin (at_semaphore_waiter_new (self), cancellable, callback, user_data,
                   at_semaphore_acquire_async);
}

/**
 * at_semaphore_acquire_finish:
 * @self: a semaphore
 * @result: what the callback got
 * @error: return location for an error, as in [method@At.Semaphore.acquire]
 *
 * Finishes [method@At.Semaphore.acquire_async].
 *
 * Returns: `TRUE` if the caller has a unit now
 *
 * Since: 0.1
 */
gboolean
at_semaphore_acquire_finish (AtSemaphore  *self,
                             GAsyncResult *result,
                             GError      **error)
{
  g_return_val_if_fail (AT_IS_SEMAPHORE (self), FALSE);

  return at_waiter_finish_unit (self, result, at_semaphore_acquire_async, error);
}

/**
 * at_semaphore_try_acquire:
 * @self: a semaphore
 *
 * Takes a unit if one is free. It never overtakes a waiter: a unit that was handed to one is not
 * free, even if the waiter did not run since.
 *
 * Returns: `TRUE` if the caller has a unit now
 *
 * Since: 0.1
 */
gboolean
at_semaphore_try_acquire (AtSemaphore *self)
{
  AtWaiter waiter;

  g_return_val_if_fail (AT_IS_SEMAPHORE (self), FALSE);

  at_waiter_init (&waiter, &semaphore_wait_class, self, &self->lock, &self->waiters);

  return at_waiter_try (&waiter);
}

/**
 * at_semaphore_release:
 * @self: a semaphore
 * @error: return location for an error
 *
 * Gives a unit to the first who waits for one, or adds it to the free ones.
 *
 * Any thread may call this, inside any callback; it neither blocks nor calls back. If as many
 * units are free as there may be, it was released too often: nothing happens, and it fails with
 * `AT_ERROR_LIMIT_EXCEEDED`.
 *
 * Returns: `TRUE` if the unit was given back
 *
 * Since: 0.1
 */
gboolean
at_semaphore_release (AtSemaphore *self,
                      GError     **error)
{
  AtHandover *next;
  gboolean released = TRUE;

  g_return_val_if_fail (AT_IS_SEMAPHORE (self), FALSE);

  g_mutex_lock (&self->lock);

  next = at_handover_grant_first (&self->waiters);
  if (next == NULL)
    {
      released = self->value < (self->max != 0 ? self->max : G_MAXUINT);

      if (released)
        {
          self->value++;
          self->borrowed -= MIN (self->borrowed, 1);
        }
    }

  g_mutex_unlock (&self->lock);

  if (next != NULL)
    at_waiter_tell ((AtWaiter *) next);
  else if (!released)
    g_set_error_literal (error, AT_ERROR, AT_ERROR_LIMIT_EXCEEDED,
                         _ ("The semaphore was released too often; release once for each "
                           "acquisition"));

  return released;
}

/**
 * at_semaphore_get_value:
 * @self: a semaphore
 *
 * How many units are free; that may have changed when you know it.
 *
 * Returns: the number of free units
 *
 * Since: 0.1
 */
guint
at_semaphore_get_value (AtSemaphore *self)
{
  guint value;

  g_return_val_if_fail (AT_IS_SEMAPHORE (self), 0);

  g_mutex_lock (&self->lock);
  value = self->value;
  g_mutex_unlock (&self->lock);

  return value;
}

/**
 * at_semaphore_get_statistics:
 * @self: a semaphore
 *
 * How many units are taken and free, and who waits for one, at this moment.
 *
 * Returns: (transfer full): its `waiters`, `borrowed`, `available` and `total`; the rest is 0
 *
 * Since: 0.1
 */
AtStatistics *
at_semaphore_get_statistics (AtSemaphore *self)
{
  AtStatistics *statistics;

  g_return_val_if_fail (AT_IS_SEMAPHORE (self), NULL);

  statistics = g_new0 (AtStatistics, 1);
  statistics->total = self->max;

  g_mutex_lock (&self->lock);
  statistics->waiters = self->waiters.length;
  statistics->borrowed = self->borrowed;
  statistics->available = self->value;
  g_mutex_unlock (&self->lock);

  return statistics;
}
