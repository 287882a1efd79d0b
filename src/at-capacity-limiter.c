/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-capacity-limiter-private.h"

/**
 * AtCapacityLimiter:
 *
 * How much of something may be in use at once, with a number that can be changed meanwhile.
 *
 * A token is borrowed for a borrower, any object that stands for the one who uses it; each
 * borrower has one token at most, and gives back its own. Without a borrower (`NULL`) a token is
 * anonymous, and there may be many.
 *
 * Whoever waits gets a token in the order of asking. A smaller total takes no token from anybody:
 * it takes effect as tokens come back. A larger total wakes exactly as many as fit.
 *
 * A waiter that is cancelled leaves the queue. If that happens in the very moment that a token is
 * handed to it, either it has the token and its wait succeeds, or the next in the queue has it. An
 * asynchronous acquisition whose result nobody asks for gives its token back.
 *
 * After anyio's `CapacityLimiter`, where tokens are borrowed within one event loop.
 *
 * Thread-safe. A waiter keeps the limiter alive.
 *
 * Since: 0.1
 */
struct _AtCapacityLimiter
{
  GObject parent_instance;

  GMutex lock;

  /*< protected by lock >*/
  AtHandoverQueue waiters;   /* their payload: the borrower, referenced, or NULL */
  GHashTable     *borrowers; /* a set of GObject, referenced */
  guint           n_anonymous;
  guint           total;
};

/* The outcome of a wait, if not 0. */
#define HAS_ONE_ALREADY 1

typedef struct
{
  AtCapacityLimiter *limiter;
  GObject           *borrower;
} AtToken;

enum
{
  PROP_0,
  PROP_TOTAL,
  PROP_STATISTICS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtCapacityLimiter, at_capacity_limiter, G_TYPE_OBJECT)

static guint
at_capacity_limiter_count_locked (AtCapacityLimiter *self)
{
  return g_hash_table_size (self->borrowers) + self->n_anonymous;
}

static gboolean
at_capacity_limiter_has_one_locked (AtCapacityLimiter *self,
                                    GObject           *borrower)
{
  return borrower != NULL && g_hash_table_contains (self->borrowers, borrower);
}

static void
at_capacity_limiter_lend_locked (AtCapacityLimiter *self,
                                 GObject           *borrower)
{
  if (borrower != NULL)
    g_hash_table_add (self->borrowers, g_object_ref (borrower));
  else
    self->n_anonymous++;
}

static gboolean
at_capacity_limiter_attempt (AtWaiter        *waiter,
                             AtHandoverQueue *woken)
{
  AtCapacityLimiter *self = waiter->primitive;

  if (at_capacity_limiter_has_one_locked (self, waiter->payload))
    {
      waiter->outcome = HAS_ONE_ALREADY;
      return TRUE;
    }

  if (at_capacity_limiter_count_locked (self) >= self->total)
    return FALSE;

  at_capacity_limiter_lend_locked (self, waiter->payload);

  return TRUE;
}

static void
at_capacity_limiter_lend_to_waiters_locked (AtCapacityLimiter *self,
                                            AtHandoverQueue   *woken)
{
  AtHandover *handover;

  while (at_capacity_limiter_count_locked (self) < self->total &&
         (handover = at_handover_pop (&self->waiters)) != NULL)
    {
      AtWaiter *waiter = (AtWaiter *) handover;
      /* Once it is granted, its owner may drop its payload, and before that it cannot: also a
       * cancelled waiter passes this lock first. */
      GObject *borrower = waiter->payload != NULL ? g_object_ref (waiter->payload) : NULL;

      if (at_capacity_limiter_has_one_locked (self, borrower))
        waiter->outcome = HAS_ONE_ALREADY;

      if (at_handover_grant (handover))
        {
          at_handover_append (woken, handover);

          if (!at_capacity_limiter_has_one_locked (self, borrower))
            at_capacity_limiter_lend_locked (self, borrower);
        }

      g_clear_object (&borrower);
    }
}

static gboolean
at_capacity_limiter_set_outcome_error (int      outcome,
                                       GError **error)
{
  if (outcome != HAS_ONE_ALREADY)
    return FALSE;

  g_set_error_literal (error, AT_ERROR, AT_ERROR_LIMIT_EXCEEDED,
                       _ ("The borrower has a token of this limiter already; release it first, "
                         "or borrow for another object"));

  return TRUE;
}

static void
at_token_free (AtToken *token)
{
  g_object_unref (token->limiter);
  g_clear_object (&token->borrower);
  g_free (token);
}

static void
at_token_give_back (gpointer data)
{
  AtToken *token = data;

  at_capacity_limiter_release (token->limiter, token->borrower);
  at_token_free (token);
}

static void
at_capacity_limiter_answer (AtWaiter *waiter)
{
  GError *error = NULL;
  AtToken *token;

  if (at_capacity_limiter_set_outcome_error (waiter->outcome, &error))
    {
      g_task_return_error (waiter->task, error);
      return;
    }

  token = g_new (AtToken, 1);
  token->limiter = g_object_ref (waiter->primitive);
  token->borrower = g_steal_pointer (&waiter->payload);

  g_task_return_pointer (waiter->task, token, at_token_give_back);
}

static const AtWaitClass limiter_wait_class = {
  .operation = N_ ("Waiting for a capacity limiter"),
  .attempt = at_capacity_limiter_attempt,
  .answer = at_capacity_limiter_answer,
  .payload_destroy = g_object_unref,
};

typedef struct
{
  AtWaiter waiter; /* first: it is freed as one */
  AtFunc   granted;
  gpointer data;
} AtCapacityRequest;

static void
at_capacity_request_settled (AtWaiter *waiter)
{
  AtCapacityRequest *self = (AtCapacityRequest *) waiter;

  self->granted (self->data);
  at_waiter_unref (waiter);
}

static const AtWaitClass request_wait_class = {
  .attempt = at_capacity_limiter_attempt,
  .settled = at_capacity_request_settled,
};

AtWaiter *
at_capacity_limiter_request (AtCapacityLimiter *self,
                             AtFunc granted,
                             gpointer data)
{
  AtCapacityRequest *request;

  if (at_capacity_limiter_try_acquire (self, NULL))
    return NULL;

  request = g_new (AtCapacityRequest, 1);
  at_waiter_init (&request->waiter, &request_wait_class, self, &self->lock, &self->waiters);
  request->granted = granted;
  request->data = data;

  if (at_waiter_enter (at_waiter_ref (&request->waiter)))
    return &request->waiter;

  /* One came back in the meantime. */
  at_waiter_unref (&request->waiter);
  at_waiter_unref (&request->waiter);
  return NULL;
}

gboolean
at_capacity_limiter_withdraw (AtCapacityLimiter *self,
                              AtWaiter *request)
{
  if (at_handover_cancel (&request->handover) != AT_HANDOVER_CANCEL_WON)
    return FALSE;

  g_mutex_lock (&self->lock);
  at_handover_remove (&self->waiters, &request->handover);
  g_mutex_unlock (&self->lock);
  at_waiter_unref (request);

  return TRUE;
}

static AtWaiter *
at_capacity_limiter_waiter_new (AtCapacityLimiter *self,
                                GObject           *borrower)
{
  AtWaiter *waiter = at_waiter_new (&limiter_wait_class, self, &self->lock, &self->waiters);

  waiter->payload = borrower != NULL ? g_object_ref (borrower) : NULL;

  return waiter;
}

static void
at_capacity_limiter_finalize (GObject *object)
{
  AtCapacityLimiter *self = AT_CAPACITY_LIMITER (object);

  g_clear_pointer (&self->borrowers, g_hash_table_unref);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_capacity_limiter_parent_class)->finalize (object);
}

static void
at_capacity_limiter_get_property (GObject    *object,
                                  guint       prop_id,
                                  GValue     *value,
                                  GParamSpec *pspec)
{
  AtCapacityLimiter *self = AT_CAPACITY_LIMITER (object);

  switch (prop_id)
    {
    case PROP_TOTAL:
      g_value_set_uint (value, at_capacity_limiter_get_total (self));
      break;

    case PROP_STATISTICS:
      g_value_take_boxed (value, at_capacity_limiter_get_statistics (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_capacity_limiter_set_property (GObject      *object,
                                  guint         prop_id,
                                  const GValue *value,
                                  GParamSpec   *pspec)
{
  AtCapacityLimiter *self = AT_CAPACITY_LIMITER (object);

  switch (prop_id)
    {
    case PROP_TOTAL:
      at_capacity_limiter_set_total (self, g_value_get_uint (value));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_capacity_limiter_class_init (AtCapacityLimiterClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = at_capacity_limiter_finalize;
  object_class->get_property = at_capacity_limiter_get_property;
  object_class->set_property = at_capacity_limiter_set_property;

  /**
   * AtCapacityLimiter:total:
   *
   * How many tokens may be borrowed at once. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_TOTAL] =
    g_param_spec_uint ("total", NULL, NULL, 0, G_MAXUINT, 1,
                       G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_EXPLICIT_NOTIFY |
                         G_PARAM_STATIC_STRINGS);

  /**
   * AtCapacityLimiter:statistics:
   *
   * How many tokens are borrowed and free, and who waits for one, at this moment. Changes are not
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
at_capacity_limiter_init (AtCapacityLimiter *self)
{
  g_mutex_init (&self->lock);
  at_handover_queue_init (&self->waiters);
  self->borrowers = g_hash_table_new_full (NULL, NULL, g_object_unref, NULL);
}

/**
 * at_capacity_limiter_new:
 * @total: how many tokens may be borrowed at once; 0: none until it is changed
 *
 * Makes a limiter.
 *
 * Returns: (transfer full): the limiter
 *
 * Since: 0.1
 */
AtCapacityLimiter *
at_capacity_limiter_new (guint total)
{
  return g_object_new (AT_TYPE_CAPACITY_LIMITER, "total", total, NULL);
}

/**
 * at_capacity_limiter_acquire:
 * @self: a limiter
 * @borrower: (nullable): who borrows; `NULL`: anonymous
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @error: return location for an error
 *
 * Borrows a token, and blocks the calling thread until there is one. The thread needs neither a
 * portal nor a main loop. The limiter keeps @borrower alive as long as it has the token.
 *
 * A free token is borrowed at once on every thread; on a portal's own thread, which must not
 * block, having to wait fails with `AT_ERROR_WRONG_THREAD`: use
 * [method@At.CapacityLimiter.acquire_async] there. A borrower that has a token when its turn comes
 * gets `AT_ERROR_LIMIT_EXCEEDED`. A cancellation fails with `G_IO_ERROR_CANCELLED`, or with
 * `G_IO_ERROR_TIMED_OUT` if @cancellable is an [class@At.CancelScope] whose deadline has passed.
 *
 * Returns: `TRUE` if @borrower has a token now
 *
 * Since: 0.1
 */
gboolean
at_capacity_limiter_acquire (AtCapacityLimiter *self,
                             GObject           *borrower,
                             GCancellable      *cancellable,
                             GError           **error)
{
  g_autoptr (AtWaiter) waiter = NULL;
  gboolean granted;

  g_return_val_if_fail (AT_IS_CAPACITY_LIMITER (self), FALSE);
  g_return_val_if_fail (borrower == NULL || G_IS_OBJECT (borrower), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  waiter = at_capacity_limiter_waiter_new (self, borrower);

  granted = at_waiter_block (waiter, cancellable, error) &&
            !at_capacity_limiter_set_outcome_error (waiter->outcome, error);

  at_waiter_finish (waiter);

  return granted;
}

/**
 * at_capacity_limiter_acquire_async:
 * @self: a limiter
 * @borrower: (nullable): who borrows; `NULL`: anonymous
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @callback: (nullable) (scope async): called when a token was borrowed, or the wait cancelled
 * @user_data: the data for @callback
 *
 * Borrows a token as soon as there is one, without blocking.
 *
 * @callback runs on the thread-default main context of the caller, never inside this call, and
 * finds out with [method@At.CapacityLimiter.acquire_finish]; if nobody calls that, the token is
 * given back.
 *
 * Since: 0.1
 */
void
at_capacity_limiter_acquire_async (AtCapacityLimiter  *self,
                                   GObject            *borrower,
                                   GCancellable       *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer            user_data)
{
  g_return_if_fail (AT_IS_CAPACITY_LIMITER (self));
  g_return_if_fail (borrower == NULL || G_IS_OBJECT (borrower));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  at_waiter_begin (at_capacity_limiter_waiter_new (self, borrower), cancellable, callback,
                   user_data, at_capacity_limiter_acquire_async);
}

/**
 * at_capacity_limiter_acquire_finish:
 * @self: a limiter
 * @result: what the callback got
 * @error: return location for an error, as in [method@At.CapacityLimiter.acquire]
 *
 * Finishes [method@At.CapacityLimiter.acquire_async].
 *
 * Returns: `TRUE` if the borrower has a token now
 *
 * Since: 0.1
 */
gboolean
at_capacity_limiter_acquire_finish (AtCapacityLimiter *self,
                                    GAsyncResult      *result,
                                    GError           **error)
{
  AtToken *token;

  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_capacity_limiter_acquire_async),
                        FALSE);

  token = g_task_propagate_pointer (G_TASK (result), error);
  if (token == NULL)
    return FALSE;

  at_token_free (token);

  return TRUE;
}

/**
 * at_capacity_limiter_try_acquire:
 * @self: a limiter
 * @borrower: (nullable): who borrows; `NULL`: anonymous
 *
 * Borrows a token if one is free and @borrower has none. It never overtakes a waiter: a token
 * that was handed to one is not free, even if the waiter did not run since.
 *
 * Returns: `TRUE` if @borrower has one more token now
 *
 * Since: 0.1
 */
gboolean
at_capacity_limiter_try_acquire (AtCapacityLimiter *self,
                                 GObject           *borrower)
{
  AtWaiter waiter;

  g_return_val_if_fail (AT_IS_CAPACITY_LIMITER (self), FALSE);
  g_return_val_if_fail (borrower == NULL || G_IS_OBJECT (borrower), FALSE);

  at_waiter_init (&waiter, &limiter_wait_class, self, &self->lock, &self->waiters);
  waiter.payload = borrower;

  return at_waiter_try (&waiter) && waiter.outcome != HAS_ONE_ALREADY;
}

/**
 * at_capacity_limiter_release:
 * @self: a limiter
 * @borrower: (nullable): who has a token; `NULL`: anonymous
 *
 * Gives a token back, and so to the first who waits for one, unless the total was made smaller.
 *
 * Any thread may call this, inside any callback; it neither blocks nor calls back. Releasing for
 * a borrower that has no token is a programmer's mistake: a critical, and nothing happens.
 *
 * Since: 0.1
 */
void
at_capacity_limiter_release (AtCapacityLimiter *self,
                             GObject           *borrower)
{
  g_autoptr (GObject) released = NULL;
  AtHandoverQueue woken;
  gboolean had_one;

  g_return_if_fail (AT_IS_CAPACITY_LIMITER (self));
  g_return_if_fail (borrower == NULL || G_IS_OBJECT (borrower));

  at_handover_queue_init (&woken);

  g_mutex_lock (&self->lock);

  if (borrower != NULL)
    {
      /* Dropped after the lock: it may be the last reference. */
      had_one = g_hash_table_steal_extended (self->borrowers, borrower, (gpointer *) &released,
                                             NULL);
    }
  else
    {
      had_one = self->n_anonymous > 0;
      self->n_anonymous -= MIN (self->n_anonymous, 1);
    }

  at_capacity_limiter_lend_to_waiters_locked (self, &woken);

  g_mutex_unlock (&self->lock);

  at_waiter_tell_all (&woken);

  if (!had_one)
    g_critical ("A token was released for a borrower that has none; release once for each "
                "acquisition, for the same object");
}

/**
 * at_capacity_limiter_set_total:
 * @self: a limiter
 * @total: how many tokens may be borrowed at once; 0: none until it is changed
 *
 * Changes how many tokens there are. More wake as many waiters as fit; fewer take none away.
 *
 * Since: 0.1
 */
void
at_capacity_limiter_set_total (AtCapacityLimiter *self,
                               guint              total)
{
  AtHandoverQueue woken;

  g_return_if_fail (AT_IS_CAPACITY_LIMITER (self));

  at_handover_queue_init (&woken);

  g_mutex_lock (&self->lock);
  self->total = total;
  at_capacity_limiter_lend_to_waiters_locked (self, &woken);
  g_mutex_unlock (&self->lock);

  at_waiter_tell_all (&woken);
}

/**
 * at_capacity_limiter_get_total:
 * @self: a limiter
 *
 * How many tokens may be borrowed at once.
 *
 * Returns: the total
 *
 * Since: 0.1
 */
guint
at_capacity_limiter_get_total (AtCapacityLimiter *self)
{
  guint total;

  g_return_val_if_fail (AT_IS_CAPACITY_LIMITER (self), 0);

  g_mutex_lock (&self->lock);
  total = self->total;
  g_mutex_unlock (&self->lock);

  return total;
}

/**
 * at_capacity_limiter_get_borrowed:
 * @self: a limiter
 *
 * How many tokens are borrowed; that may have changed when you know it, and may be more than the
 * total after that was made smaller.
 *
 * Returns: the number of borrowed tokens
 *
 * Since: 0.1
 */
guint
at_capacity_limiter_get_borrowed (AtCapacityLimiter *self)
{
  guint borrowed;

  g_return_val_if_fail (AT_IS_CAPACITY_LIMITER (self), 0);

  g_mutex_lock (&self->lock);
  borrowed = at_capacity_limiter_count_locked (self);
  g_mutex_unlock (&self->lock);

  return borrowed;
}

/**
 * at_capacity_limiter_get_statistics:
 * @self: a limiter
 *
 * How many tokens are borrowed and free, and who waits for one, at this moment.
 *
 * Returns: (transfer full): its `waiters`, `borrowed`, `available` and `total`; the rest is 0
 *
 * Since: 0.1
 */
AtStatistics *
at_capacity_limiter_get_statistics (AtCapacityLimiter *self)
{
  AtStatistics *statistics;

  g_return_val_if_fail (AT_IS_CAPACITY_LIMITER (self), NULL);

  statistics = g_new0 (AtStatistics, 1);

  g_mutex_lock (&self->lock);
  statistics->waiters = self->waiters.length;
  statistics->borrowed = at_capacity_limiter_count_locked (self);
  statistics->total = self->total;
  g_mutex_unlock (&self->lock);

  statistics->available = statistics->total - MIN (statistics->total, statistics->borrowed);

  return statistics;
}
