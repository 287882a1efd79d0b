/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-lock-private.h"

/**
 * AtLock:
 *
 * A lock that threads and tasks share.
 *
 * Whoever waits gets the lock in the order of asking: a release hands it to the first in the
 * queue, and nobody who comes in between can take it. The lock has no owner: it may be acquired
 * in one thread, or one task, and released in another; taking it twice waits for oneself.
 *
 * A waiter that is cancelled leaves the queue. If that happens in the very moment that the lock
 * is handed to it, either it has the lock and its wait succeeds, or the next in the queue has it.
 * An asynchronous acquisition whose result nobody asks for gives the lock back.
 *
 * Thread-safe. A waiter keeps the lock alive.
 *
 * Since: 0.1
 */
struct _AtLock
{
  GObject parent_instance;

  GMutex lock;

  /*< protected by lock >*/
  AtHandoverQueue waiters;
  gboolean        locked; /* stays TRUE while the lock goes from hand to hand */
};

enum
{
  PROP_0,
  PROP_STATISTICS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtLock, at_lock, G_TYPE_OBJECT)

gboolean
at_lock_attempt (AtWaiter        *waiter,
                 AtHandoverQueue *woken)
{
  AtLock *self = waiter->primitive;

  if (self->locked)
    return FALSE;

  self->locked = TRUE;

  return TRUE;
}

static void
at_lock_give_back (gpointer data)
{
  g_autoptr (AtLock) self = data;

  at_lock_release (self);
}

static void
at_lock_answer (AtWaiter *waiter)
{
  at_waiter_answer_unit (waiter, at_lock_give_back);
}

static const AtWaitClass lock_wait_class = {
  .operation = N_ ("Waiting for a lock"),
  .attempt = at_lock_attempt,
  .answer = at_lock_answer,
};

AtWaiter *
at_lock_waiter_new (AtLock            *self,
                    const AtWaitClass *klass)
{
  return at_waiter_new (klass, self, &self->lock, &self->waiters);
}

static void
at_lock_finalize (GObject *object)
{
  AtLock *self = AT_LOCK (object);

  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_lock_parent_class)->finalize (object);
}

static void
at_lock_get_property (GObject    *object,
                      guint       prop_id,
                      GValue     *value,
                      GParamSpec *pspec)
{
  AtLock *self = AT_LOCK (object);

  switch (prop_id)
    {
    case PROP_STATISTICS:
      g_value_take_boxed (value, at_lock_get_statistics (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_lock_class_init (AtLockClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = at_lock_finalize;
  object_class->get_property = at_lock_get_property;

  /**
   * AtLock:statistics:
   *
   * Who holds the lock and who waits for it, at this moment. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_STATISTICS] =
    g_param_spec_boxed ("statistics", NULL, NULL, AT_TYPE_STATISTICS,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_lock_init (AtLock *self)
{
  g_mutex_init (&self->lock);
  at_handover_queue_init (&self->waiters);
}

/**
 * at_lock_new:
 *
 * Makes a lock that nobody holds.
 *
 * Returns: (transfer full): the lock
 *
 * Since: 0.1
 */
AtLock *
at_lock_new (void)
{
  return g_object_new (AT_TYPE_LOCK, NULL);
}

/**
 * at_lock_acquire:
 * @self: a lock
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @error: return location for an error
 *
 * Takes the lock, and blocks the calling thread until it can. The thread needs neither a portal
 * nor a main loop.
 *
 * A free lock is taken at once on every thread; on a portal's own thread, which must not block,
 * a lock that is held fails with `AT_ERROR_WRONG_THREAD`: use [method@At.Lock.acquire_async]
 * there. A cancellation fails with `G_IO_ERROR_CANCELLED`, or with `G_IO_ERROR_TIMED_OUT` if
 * @cancellable is an [class@At.CancelScope] whose deadline has passed; the lock is not held then.
 *
 * Returns: `TRUE` if the caller holds the lock now
 *
 * Since: 0.1
 */
gboolean
at_lock_acquire (AtLock       *self,
                 GCancellable *cancellable,
                 GError      **error)
{
  g_autoptr (AtWaiter) waiter = NULL;

  g_return_val_if_fail (AT_IS_LOCK (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  waiter = at_lock_waiter_new (self, &lock_wait_class);

  return at_waiter_block (waiter, cancellable, error);
}

/**
 * at_lock_acquire_async:
 * @self: a lock
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @callback: (nullable) (scope async): called when the lock was acquired, or the wait cancelled
 * @user_data: the data for @callback
 *
 * Takes the lock as soon as it can, without blocking.
 *
 * @callback runs on the thread-default main context of the caller, never inside this call, and
 * finds out with [method@At.Lock.acquire_finish]; if nobody calls that, the lock is given back.
 *
 * Since: 0.1
 */
void
at_lock_acquire_async (AtLock             *self,
                       GCancellable       *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer            user_data)
{
  g_return_if_fail (AT_IS_LOCK (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  at_waiter_begin (at_lock_waiter_new (self, &lock_wait_class), cancellable, callback, user_data,
                   at_lock_acquire_async);
}

/**
 * at_lock_acquire_finish:
 * @self: a lock
 * @result: what the callback got
 * @error: return location for an error, as in [method@At.Lock.acquire]
 *
 * Finishes [method@At.Lock.acquire_async].
 *
 * Returns: `TRUE` if the caller holds the lock now
 *
 * Since: 0.1
 */
gboolean
at_lock_acquire_finish (AtLock       *self,
                        GAsyncResult *result,
                        GError      **error)
{
  g_return_val_if_fail (AT_IS_LOCK (self), FALSE);

  return at_waiter_finish_unit (self, result, at_lock_acquire_async, error);
}

/**
 * at_lock_try_acquire:
 * @self: a lock
 *
 * Takes the lock if it is free. It never overtakes a waiter: a lock that was handed to one is
 * not free, even if the waiter did not run since.
 *
 * Returns: `TRUE` if the caller holds the lock now
 *
 * Since: 0.1
 */
gboolean
at_lock_try_acquire (AtLock *self)
{
  AtWaiter waiter;

  g_return_val_if_fail (AT_IS_LOCK (self), FALSE);

  at_waiter_init (&waiter, &lock_wait_class, self, &self->lock, &self->waiters);

  return at_waiter_try (&waiter);
}

/**
 * at_lock_release:
 * @self: a lock that is held
 *
 * Gives the lock to the first who waits for it, or leaves it free.
 *
 * Any thread may call this, inside any callback; it neither blocks nor calls back. Releasing a
 * lock that nobody holds is a programmer's mistake: a critical, and nothing happens.
 *
 * Since: 0.1
 */
void
at_lock_release (AtLock *self)
{
  AtHandover *next = NULL;
  gboolean locked;

  g_return_if_fail (AT_IS_LOCK (self));

  g_mutex_lock (&self->lock);

  locked = self->locked;
  if (locked)
    {
      next = at_handover_grant_first (&self->waiters);
      self->locked = next != NULL;
    }

  g_mutex_unlock (&self->lock);

  if (next != NULL)
    at_waiter_tell ((AtWaiter *) next);
  else if (!locked)
    g_critical ("A lock was released that nobody holds; release once for each acquisition");
}

/**
 * at_lock_is_locked:
 * @self: a lock
 *
 * Whether somebody holds the lock; that may have changed when you know it.
 *
 * Returns: whether it is held
 *
 * Since: 0.1
 */
gboolean
at_lock_is_locked (AtLock *self)
{
  gboolean locked;

  g_return_val_if_fail (AT_IS_LOCK (self), FALSE);

  g_mutex_lock (&self->lock);
  locked = self->locked;
  g_mutex_unlock (&self->lock);

  return locked;
}

/**
 * at_lock_get_statistics:
 * @self: a lock
 *
 * Who holds the lock and who waits for it, at this moment.
 *
 * Returns: (transfer full): its `waiters`, `borrowed`, `available` and `total`; the rest is 0
 *
 * Since: 0.1
 */
AtStatistics *
at_lock_get_statistics (AtLock *self)
{
  AtStatistics *statistics;

  g_return_val_if_fail (AT_IS_LOCK (self), NULL);

  statistics = g_new0 (AtStatistics, 1);
  statistics->total = 1;

  g_mutex_lock (&self->lock);
  statistics->waiters = self->waiters.length;
  statistics->borrowed = self->locked ? 1 : 0;
  g_mutex_unlock (&self->lock);

  statistics->available = statistics->total - statistics->borrowed;

  return statistics;
}
