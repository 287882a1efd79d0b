/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-cancel-scope-private.h"
#include "at-portal-private.h"
#include "at-worker-private.h"

/* The way of a job.
 *
 *      NEW ──► QUEUED ──► ADMITTED ──► ENDED
 *       │         └─────► WITHDRAWN      ▲
 *       └────────────────────┴───────────┘
 *
 * Every queued job stands in the limiter's own queue: so jobs are admitted in order, among whatever
 * else borrows from that limiter, and a changed total counts at once. The alternative, one request
 * for the head of a queue of the pool's, lets others overtake.
 *
 * A token comes back before the future is done, after body and data are gone: whoever waits for
 * the one finds the other. A thread counts as idle before that, so that the next job of a caller
 * who waits finds it. */

static void
clear_stuck_locked (AtWorkerJob *self)
{
  self->core->n_stuck -= self->n_stuck;
  self->n_stuck = 0;
}

static void
leave_queue_locked (AtWorkerJob *self,
                    AtWorkerJobState state)
{
  self->state = state;
  clear_stuck_locked (self);
  g_clear_pointer (&self->request, at_waiter_unref);
}

static void
admit_locked (AtWorkerJob *self,
              AtWorkerErrand *errand)
{
  leave_queue_locked (self, AT_WORKER_JOB_ADMITTED);
  self->core->n_admitted++;
  at_worker_threads_provide (self->core, self, errand);
}

/* On whatever thread gave a token back. */
static void
on_token (gpointer data)
{
  AtWorkerJob *self = data;
  AtWorkerCore *core = self->core;
  AtWorkerErrand errand = { NULL, NULL };

  g_mutex_lock (&core->lock);
  admit_locked (self, &errand);
  g_mutex_unlock (&core->lock);

  at_worker_threads_run (&errand);
}

static void
unsettle_locked (AtWorkerJob *self,
                 AtWorkerErrand *errand)
{
  AtWorkerCore *core = self->core;

  g_queue_push_tail (&core->unsettled, g_object_ref (self->future));
  if (!core->has_settler)
    {
      core->has_settler = TRUE;
      at_worker_threads_provide (core, NULL, errand);
    }
}

static void
withdraw_locked (AtWorkerJob *self,
                 AtWorkerErrand *errand)
{
  /* If it has a token by now, it is admitted, and its thread finds out. */
  if (!at_capacity_limiter_withdraw (self->core->limiter, self->request))
    return;

  leave_queue_locked (self, AT_WORKER_JOB_WITHDRAWN);
  unsettle_locked (self, errand);
}

/* On the cancelling thread, which may be any: a thread of the pool does the rest. */
static void
on_cancelled (gpointer data)
{
  AtWorkerJob *self = data;
  AtWorkerCore *core = self->core;
  AtWorkerErrand errand = { NULL, NULL };

  g_mutex_lock (&core->lock);
  if (self->state == AT_WORKER_JOB_QUEUED)
    withdraw_locked (self, &errand);
  else if (self->state == AT_WORKER_JOB_ADMITTED && self->may_abandon)
    unsettle_locked (self, &errand);
  g_mutex_unlock (&core->lock);

  at_worker_threads_run (&errand);
}

static GError *
refusal (gpointer host)
{
  AtWorkerCore *core = ((AtWorkerJob *) host)->core;

  if (core->generation != at_thread_get_generation ())
    return g_error_new_literal (AT_ERROR, AT_ERROR_NOT_RUNNING,
                                _ ("The worker pool belongs to the parent of this forked process; "
                                   "create one after fork ()"));

  return g_error_new_literal (AT_ERROR, AT_ERROR_NOT_RUNNING,
                              _ ("The worker pool has been stopped and takes no more work; create "
                                 "another one"));
}

/* Deadlocks. */

static gboolean
begin_wait (gpointer host,
            gint64 end_time,
            const char *operation,
            GError **error)
{
  AtFuture *mine = at_thread_self ()->hosted;
  AtWorkerJob *self = mine != NULL ? at_future_get_host (mine) : NULL;
  AtWorkerJob *target = host;
  AtWorkerCore *core = target->core;
  gboolean is_stuck = FALSE;

  /* A wait with an end of its own is no deadlock. */
  if (self == NULL || self->core != core || end_time != G_MAXINT64)
    return TRUE;

  g_mutex_lock (&core->lock);
  if (target->state == AT_WORKER_JOB_QUEUED)
    {
      /* Others may borrow from the same limiter: then their tokens come back some day. */
      is_stuck = core->n_stuck + 1 == core->n_admitted &&
                 at_capacity_limiter_get_borrowed (core->limiter) == core->n_admitted;
      if (!is_stuck)
        {
          core->n_stuck++;
          target->n_stuck++;
          self->is_stuck = TRUE;
        }
    }
  g_mutex_unlock (&core->lock);

  if (is_stuck)
    g_set_error (error, AT_ERROR, AT_ERROR_WOULD_DEADLOCK,
                 _ ("%s would wait for a queued job of the same pool, as all its admitted workers "
                    "do; raise the limiter’s total, or use another pool for the inner jobs"),
                 operation);

  return !is_stuck;
}

static void
end_wait (gpointer host)
{
  AtFuture *mine = at_thread_self ()->hosted;
  AtWorkerJob *self = mine != NULL ? at_future_get_host (mine) : NULL;
  AtWorkerJob *target = host;

  /* Only this thread sets it. */
  if (self == NULL || !self->is_stuck)
    return;

  self->is_stuck = FALSE;

  g_mutex_lock (&target->core->lock);
  if (target->state == AT_WORKER_JOB_QUEUED)
    {
      target->n_stuck--;
      target->core->n_stuck--;
    }
  g_mutex_unlock (&target->core->lock);
}

/* The way in. */

static AtWorkerJob *
job_ref (AtWorkerJob *self)
{
  at_atomic_fetch_add (&self->ref_count, 1, relaxed);

  return self;
}

static void
job_unref (gpointer data)
{
  AtWorkerJob *self = data;

  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) > 1)
    return;

  at_worker_core_unref (self->core);
  g_free (self);
}

static const AtFutureHostClass job_host_class = {
  .refusal = refusal,
  .begin_wait = begin_wait,
  .end_wait = end_wait,
  .release = job_unref,
};

/* The portal of the spawning thread. A worker's own jobs work for the portal that it works for. */
static AtPortal *
find_portal (void)
{
  AtPortal *portal = at_worker_get_portal ();

  return portal != NULL ? portal : at_portal_get_current ();
}

static void
drop_future (AtWorkerJob *self)
{
  AtFuture *future = g_steal_pointer (&self->future);

  g_object_unref (future);
}

/* FALSE: refused. */
static gboolean
accept (AtWorkerJob *self,
        AtCancelScope *scope)
{
  AtWorkerCore *core = self->core;
  AtWorkerErrand errand = { NULL, NULL };

  /* Another process's threads may hold the lock for ever. */
  if (core->generation != at_thread_get_generation ())
    return FALSE;

  g_mutex_lock (&core->lock);
  if (core->is_sealed)
    {
      g_mutex_unlock (&core->lock);
      return FALSE;
    }

  self->next = core->first_job;
  if (self->next != NULL)
    self->next->previous = self;
  core->first_job = self;
  core->n_jobs++;

  /* on_token () waits for the lock. */
  self->request = at_capacity_limiter_request (core->limiter, on_token, self);
  if (self->request == NULL)
    {
      admit_locked (self, &errand);
    }
  else
    {
      self->state = AT_WORKER_JOB_QUEUED;
      if (g_cancellable_is_cancelled (G_CANCELLABLE (scope)))
        withdraw_locked (self, &errand);
    }
  g_mutex_unlock (&core->lock);

  at_worker_threads_run (&errand);
  return TRUE;
}

AtFuture *
at_worker_job_spawn (AtWorkerCore *core,
                     AtWorkerFlags flags,
                     GCancellable *cancellable,
                     AtTaskFunc func,
                     gpointer user_data,
                     GDestroyNotify destroy)
{
  AtWorkerJob *self = g_new0 (AtWorkerJob, 1);
  AtPortal *portal = find_portal ();
  AtCancelScope *scope;
  AtFuture *future;

  at_atomic_init (&self->ref_count, 1);
  self->core = at_worker_core_ref (core);
  self->may_abandon = (flags & AT_WORKER_FLAGS_ABANDON_ON_CANCEL) != 0;
  if (portal != NULL)
    self->portal = g_object_ref (portal);

  future = at_future_new_hosted (&job_host_class, job_ref (self),
                                 portal != NULL ? at_portal_get_runtime (portal) : NULL,
                                 cancellable, func, user_data, destroy);
  self->future = g_object_ref (future);
  scope = AT_CANCEL_SCOPE (at_future_get_cancellable (future));
  self->watch = at_cancel_watch_new (G_CANCELLABLE (scope), on_cancelled, job_ref (self),
                                     job_unref);

  if (!accept (self, scope))
    {
      at_future_end_hosted (future, refusal (self));
      at_cancel_watch_free (g_steal_pointer (&self->watch));
      g_clear_object (&self->portal);
      drop_future (self);
      job_unref (self);
    }

  return future;
}

/* The end. */

static void
job_ended (AtWorkerJob *self)
{
  AtWorkerCore *core = self->core;

  at_cancel_watch_free (g_steal_pointer (&self->watch));
  g_clear_object (&self->portal);

  g_mutex_lock (&core->lock);
  if (self->previous != NULL)
    self->previous->next = self->next;
  else
    core->first_job = self->next;
  if (self->next != NULL)
    self->next->previous = self->previous;
  core->n_jobs--;
  at_worker_core_unlock (core);

  job_unref (self);
}

typedef struct
{
  AtWorkerJob    *job;
  AtWorkerThread *thread;
} Run;

/* All that is left is to tell. */
static void
before_done (gpointer data)
{
  Run *run = data;
  AtWorkerJob *self = run->job;
  AtWorkerCore *core = self->core;

  g_clear_object (&self->portal);

  g_mutex_lock (&core->lock);
  self->state = AT_WORKER_JOB_ENDED;
  core->n_admitted--;
  at_worker_threads_next (run->thread);
  g_mutex_unlock (&core->lock);

  at_capacity_limiter_release (core->limiter, NULL);
}

void
at_worker_job_run (AtWorkerJob *self,
                   GMainContext *context,
                   AtWorkerThread *thread)
{
  Run run = { self, thread };

  at_future_run_hosted (self->future, context, before_done, &run);
  drop_future (self);
  job_ended (self);
}

void
at_worker_job_settle (AtFuture *future)
{
  AtWorkerJob *self = at_future_get_host (future);
  gboolean is_withdrawn;

  g_mutex_lock (&self->core->lock);
  is_withdrawn = self->state == AT_WORKER_JOB_WITHDRAWN;
  g_mutex_unlock (&self->core->lock);

  if (is_withdrawn)
    {
      g_clear_object (&self->portal);
      at_future_end_hosted (future, NULL);
      drop_future (self);
      job_ended (self);
    }
  else
    {
      at_future_abandon_hosted (future);
    }

  g_object_unref (future);
}

void
at_worker_job_fail (AtWorkerJob *self,
                    GError *error)
{
  AtWorkerCore *core = self->core;

  g_clear_object (&self->portal);

  g_mutex_lock (&core->lock);
  self->state = AT_WORKER_JOB_ENDED;
  core->n_admitted--;
  g_mutex_unlock (&core->lock);

  at_capacity_limiter_release (core->limiter, NULL);
  at_future_end_hosted (self->future, error);
  drop_future (self);
  job_ended (self);
}

/* What a body may ask. */

/**
 * at_worker_check_cancelled:
 * @error: return location for an error
 *
 * Asks, inside of a function that runs on a worker, whether to go on.
 *
 * Long computations should ask from time to time, and return their task with the error. Elsewhere
 * than on a worker there is nothing to cancel.
 *
 * Returns: %TRUE to go on; %FALSE after a cancellation, with `G_IO_ERROR_CANCELLED` or
 *   `G_IO_ERROR_TIMED_OUT`
 *
 * Since: 0.1
 */
gboolean
at_worker_check_cancelled (GError **error)
{
  AtFuture *future = at_thread_self ()->hosted;

  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return future == NULL ||
         !at_cancellable_set_error_if_cancelled (at_future_get_cancellable (future), error);
}

/**
 * at_worker_get_portal:
 *
 * Gets, inside of a function that runs on a worker, the portal that it works for: the one that was
 * current where the function was spawned.
 *
 * A worker may block, and so may call back: [method@At.Portal.call] without a cancellable, on this
 * portal, runs under the worker's scope and thus under that of the task which spawned it.
 *
 * Returns: (transfer none) (nullable): the portal, as long as the function runs; %NULL if there was
 *   none, and elsewhere than on a worker
 *
 * Since: 0.1
 */
AtPortal *
at_worker_get_portal (void)
{
  AtFuture *future = at_thread_self ()->hosted;
  AtWorkerJob *self = future != NULL ? at_future_get_host (future) : NULL;

  return self != NULL ? self->portal : NULL;
}
