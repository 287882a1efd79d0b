/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-condition.h"
#include "at-lock-private.h"
#include "at-thread-private.h"

/**
 * AtCondition:
 *
 * Something about what a lock protects has changed: wait for that, with the lock given up.
 *
 * Wait in a loop that looks again, since others may have had the lock in between:
 *
 * ```c
 * at_lock_acquire (lock, NULL, NULL);
 * while (queue_is_empty (queue))
 *   at_condition_wait (not_empty, NULL, NULL);
 * item = queue_pop (queue);
 * at_lock_release (lock);
 * ```
 *
 * Waiters are woken in the order of waiting, and get the lock back in that order. A wake-up of a
 * waiter that is cancelled in that very moment goes to the next. Waking is allowed from any
 * thread, and without holding the lock.
 *
 * Thread-safe. A waiter keeps the condition and its lock alive.
 *
 * Since: 0.1
 */
struct _AtCondition
{
  GObject parent_instance;

  /*< fixed at construction >*/
  AtLock *lock;

  GMutex mutex;

  /*< protected by mutex >*/
  AtHandoverQueue waiters;
};

/* A wait is two waiters, one after the other. The first stands in the condition's queue and can be
 * cancelled; when it is settled, on whatever thread, it lets the second stand in the lock's queue,
 * which cannot. The blocked thread sleeps on the second, and so does not wake up just to find the
 * lock held; a task is answered by the second.
 *
 * The first owns a reference on the second in its payload. For a task, the second has one on the
 * first in return, until the answer; the first has let go of the second by then. */

enum
{
  PROP_0,
  PROP_LOCK,
  PROP_STATISTICS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtCondition, at_condition, G_TYPE_OBJECT)

static gboolean
at_condition_attempt (AtWaiter        *waiter,
                      AtHandoverQueue *woken)
{
  return FALSE;
}

static void
at_condition_settled (AtWaiter *waiter)
{
  AtWaiter *relock = g_steal_pointer (&waiter->payload);

  if (!at_waiter_enter (relock))
    at_waiter_tell (relock);

  at_waiter_unref (waiter);
}

static void
at_condition_answer (AtWaiter *relock)
{
  AtWaiter *waiter = relock->payload;
  GError *error = NULL;

  at_waiter_finish (waiter);

  if (at_handover_get_state (&waiter->handover) == AT_HANDOVER_GRANTED)
    {
      at_waiter_answer_unit (relock, g_object_unref);
    }
  else
    {
      at_waiter_set_cancelled_error (g_task_get_cancellable (relock->task), &error);
      g_task_return_error (relock->task, error);
    }
}

static const AtWaitClass condition_wait_class = {
  .operation = N_ ("Waiting for a condition"),
  .attempt = at_condition_attempt,
  .settled = at_condition_settled,
  .payload_destroy = (GDestroyNotify) at_waiter_unref,
};

static const AtWaitClass relock_wait_class = {
  .attempt = at_lock_attempt,
  .answer = at_condition_answer,
  .payload_destroy = (GDestroyNotify) at_waiter_unref,
};

static void
at_condition_finalize (GObject *object)
{
  AtCondition *self = AT_CONDITION (object);

  g_clear_object (&self->lock);
  g_mutex_clear (&self->mutex);

  G_OBJECT_CLASS (at_condition_parent_class)->finalize (object);
}

static void
at_condition_constructed (GObject *object)
{
  AtCondition *self = AT_CONDITION (object);

  G_OBJECT_CLASS (at_condition_parent_class)->constructed (object);

  if (self->lock == NULL)
    self->lock = at_lock_new ();
}

static void
at_condition_get_property (GObject    *object,
                           guint       prop_id,
                           GValue     *value,
                           GParamSpec *pspec)
{
  AtCondition *self = AT_CONDITION (object);

  switch (prop_id)
    {
    case PROP_LOCK:
      g_value_set_object (value, self->lock);
      break;

    case PROP_STATISTICS:
      g_value_take_boxed (value, at_condition_get_statistics (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_condition_set_property (GObject      *object,
                           guint         prop_id,
                           const GValue *value,
                           GParamSpec   *pspec)
{
  AtCondition *self = AT_CONDITION (object);

  switch (prop_id)
    {
    case PROP_LOCK:
      self->lock = g_value_dup_object (value);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_condition_class_init (AtConditionClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = at_condition_finalize;
  object_class->constructed = at_condition_constructed;
  object_class->get_property = at_condition_get_property;
  object_class->set_property = at_condition_set_property;

  /**
   * AtCondition:lock:
   *
   * The lock that protects what the condition is about. Without one, the condition makes its own.
   *
   * Since: 0.1
   */
  properties[PROP_LOCK] =
    g_param_spec_object ("lock", NULL, NULL, AT_TYPE_LOCK,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtCondition:statistics:
   *
   * Who waits for the condition, at this moment. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_STATISTICS] =
    g_param_spec_boxed ("statistics", NULL, NULL, AT_TYPE_STATISTICS,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_condition_init (AtCondition *self)
{
  g_mutex_init (&self->mutex);
  at_handover_queue_init (&self->waiters);
}

/**
 * at_condition_new:
 * @lock: (nullable): the lock that protects what the condition is about; `NULL`: one of its own
 *
 * Makes a condition. Several conditions may share one lock.
 *
 * Returns: (transfer full): the condition
 *
 * Since: 0.1
 */
AtCondition *
at_condition_new (AtLock *lock)
{
  g_return_val_if_fail (lock == NULL || AT_IS_LOCK (lock), NULL);

  return g_object_new (AT_TYPE_CONDITION, "lock", lock, NULL);
}

/**
 * at_condition_get_lock:
 * @self: a condition
 *
 * The lock to hold around [method@At.Condition.wait].
 *
 * Returns: (transfer none): the lock
 *
 * Since: 0.1
 */
AtLock *
at_condition_get_lock (AtCondition *self)
{
  g_return_val_if_fail (AT_IS_CONDITION (self), NULL);

  return self->lock;
}

/* Gives up the lock to wait for both; FALSE: it was cancelled before that, and the lock is held.
 * Consumes neither reference. */
static gboolean
at_condition_give_up_lock (AtCondition  *self,
                           AtWaiter     *waiter,
                           AtWaiter     *relock,
                           GCancellable *cancellable)
{
  g_autoptr (AtLock) lock = g_object_ref (self->lock);

  waiter->payload = at_waiter_ref (relock);

  at_waiter_watch (waiter, cancellable);

  if (!at_waiter_enter (at_waiter_ref (waiter)))
    {
      at_waiter_unref (waiter);
      at_waiter_finish (waiter);

      return FALSE;
    }

  /* Only now, when nobody can wake without reaching the waiter. */
  at_lock_release (lock);

  return TRUE;
}

/**
 * at_condition_wait:
 * @self: a condition whose lock is held
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @error: return location for an error
 *
 * Gives up the lock, blocks the calling thread until it is woken, and takes the lock back. The
 * thread needs neither a portal nor a main loop.
 *
 * Whatever the outcome, the lock is held afterwards, and so a cancellation may have to wait for
 * it. A cancellation fails with `G_IO_ERROR_CANCELLED`, or with `G_IO_ERROR_TIMED_OUT` if
 * @cancellable is an [class@At.CancelScope] whose deadline has passed. A portal's own thread must
 * not block: there it fails with `AT_ERROR_WRONG_THREAD`, use [method@At.Condition.wait_async].
 *
 * Returns: `TRUE` if it was woken
 *
 * Since: 0.1
 */
gboolean
at_condition_wait (AtCondition  *self,
                   GCancellable *cancellable,
                   GError      **error)
{
  g_autoptr (AtCondition) alive = NULL;
  g_autoptr (AtWaiter) waiter = NULL;
  g_autoptr (AtWaiter) relock = NULL;
  gboolean woken = FALSE;

  g_return_val_if_fail (AT_IS_CONDITION (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (at_lock_is_locked (self->lock), FALSE);

  if (at_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  if (!at_thread_may_block (_ (condition_wait_class.operation), error))
    return FALSE;

  alive = g_object_ref (self);
  waiter = at_waiter_new (&condition_wait_class, self, &self->mutex, &self->waiters);
  relock = at_lock_waiter_new (self->lock, &relock_wait_class);

  if (at_condition_give_up_lock (self, waiter, relock, cancellable))
    {
      at_waiter_park (relock);
      at_waiter_finish (waiter);
      woken = at_handover_get_state (&waiter->handover) == AT_HANDOVER_GRANTED;
    }

  if (!woken)
    at_waiter_set_cancelled_error (cancellable, error);

  return woken;
}

/**
 * at_condition_wait_async:
 * @self: a condition whose lock is held
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @callback: (nullable) (scope async): called when the lock is held again
 * @user_data: the data for @callback
 *
 * Gives up the lock, waits to be woken, and takes the lock back, without blocking.
 *
 * @callback runs on the thread-default main context of the caller, never inside this call, and
 * with the lock held, whatever the outcome.
 *
 * Since: 0.1
 */
void
at_condition_wait_async (AtCondition        *self,
                         GCancellable       *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer            user_data)
{
  g_autoptr (AtWaiter) waiter = NULL;
  g_autoptr (AtWaiter) relock = NULL;
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;

  g_return_if_fail (AT_IS_CONDITION (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));
  g_return_if_fail (at_lock_is_locked (self->lock));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, at_condition_wait_async);
  g_task_set_check_cancellable (task, FALSE);

  if (at_cancellable_set_error_if_cancelled (cancellable, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  waiter = at_waiter_new (&condition_wait_class, self, &self->mutex, &self->waiters);
  relock = at_lock_waiter_new (self->lock, &relock_wait_class);
  relock->task = g_object_ref (task);
  relock->payload = at_waiter_ref (waiter);

  if (!at_condition_give_up_lock (self, waiter, relock, cancellable))
    {
      at_waiter_finish (relock);
      g_clear_object (&relock->task);
      at_waiter_set_cancelled_error (cancellable, &error);
      g_task_return_error (task, error);
    }
}

/**
 * at_condition_wait_finish:
 * @self: a condition
 * @result: what the callback got
 * @error: return location for an error, as in [method@At.Condition.wait]
 *
 * Finishes [method@At.Condition.wait_async].
 *
 * Returns: `TRUE` if it was woken
 *
 * Since: 0.1
 */
gboolean
at_condition_wait_finish (AtCondition  *self,
                          GAsyncResult *result,
                          GError      **error)
{
  g_return_val_if_fail (AT_IS_CONDITION (self), FALSE);

  return at_waiter_finish_unit (self, result, at_condition_wait_async, error);
}

/**
 * at_condition_wake:
 * @self: a condition
 * @n: how many to wake
 *
 * Wakes those @n who have waited longest, or all if they are fewer; who waits later is not woken.
 *
 * Any thread may call this, inside any callback; it neither blocks nor calls back. Those who are
 * woken go on once they have the lock.
 *
 * Since: 0.1
 */
void
at_condition_wake (AtCondition *self,
                   guint        n)
{
  AtHandoverQueue woken;
  AtHandover *handover;

  g_return_if_fail (AT_IS_CONDITION (self));

  at_handover_queue_init (&woken);

  g_mutex_lock (&self->mutex);

  for (; n > 0 && (handover = at_handover_grant_first (&self->waiters)) != NULL; n--)
    at_handover_append (&woken, handover);

  g_mutex_unlock (&self->mutex);

  at_waiter_tell_all (&woken);
}

/**
 * at_condition_wake_all:
 * @self: a condition
 *
 * Wakes everybody who waits now, as [method@At.Condition.wake] does.
 *
 * Since: 0.1
 */
void
at_condition_wake_all (AtCondition *self)
{
  at_condition_wake (self, G_MAXUINT);
}

/**
 * at_condition_get_statistics:
 * @self: a condition
 *
 * Who waits for the condition, at this moment; those who were woken and wait for the lock are
 * with the lock.
 *
 * Returns: (transfer full): its `waiters`; the rest is 0
 *
 * Since: 0.1
 */
AtStatistics *
at_condition_get_statistics (AtCondition *self)
{
  AtStatistics *statistics;

  g_return_val_if_fail (AT_IS_CONDITION (self), NULL);

  statistics = g_new0 (AtStatistics, 1);

  g_mutex_lock (&self->mutex);
  statistics->waiters = self->waiters.length;
  g_mutex_unlock (&self->mutex);

  return statistics;
}
