/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-worker-private.h"

/* The threads of a pool.
 *
 * A thread that is told what to do is taken off the idle list first, under the lock, and woken
 * after it; it does nothing before it was woken, so whoever wakes it finds it alive. The last one
 * that became idle works first, and the others leave when their time is up.
 *
 * A thread has a main context, so that a GTask works on it as everywhere else, and runs its jobs
 * from a source of that: only inside of a dispatch does a GTask return without a source of its own.
 * Rejected: GThreadPool, which shares its unused threads with GTask's pool, and cannot tell a job
 * from a cancellation that has to be told while all threads are busy. */

typedef enum
{
  ERRAND_JOB,
  ERRAND_SETTLE,
  ERRAND_LEAVE,
} Errand;

typedef struct
{
  GSource         source;
  AtWorkerThread *thread;
} JobSource;

struct _AtWorkerThread
{
  AtWord word; /* done: there is an errand */

  /*< constant >*/
  AtWorkerCore *core;

  /*< protected by the core's lock while idle, then the thread's >*/
  AtWorkerThread *previous;
  AtWorkerThread *next;
  gboolean        is_idle;
  Errand          errand;
  AtWorkerJob    *job;

  /*< the thread's >*/
  GMainContext *context;
  AtWorkerJob  *running;
};

static _Thread_local AtWorkerCore *core_here;

AtWorkerCore *
at_worker_threads_get_core (void)
{
  return core_here;
}

static void
take_off_idle_locked (AtWorkerThread *self)
{
  if (self->previous != NULL)
    self->previous->next = self->next;
  else
    self->core->first_idle = self->next;
  if (self->next != NULL)
    self->next->previous = self->previous;

  self->previous = NULL;
  self->next = NULL;
  self->is_idle = FALSE;
}

static void
wake (AtWorkerThread *self)
{
  at_completion_finish (&self->word, 0);
}

void
at_worker_threads_provide (AtWorkerCore *core,
                           AtWorkerJob *job,
                           AtWorkerErrand *errand)
{
  AtWorkerThread *thread = core->first_idle;

  if (thread != NULL)
    {
      take_off_idle_locked (thread);
      errand->wake = thread;
    }
  else
    {
      thread = g_new0 (AtWorkerThread, 1);
      thread->core = at_worker_core_ref (core);
      core->n_threads++;
      errand->start = thread;
      errand->number = ++core->n_started;
    }

  thread->errand = job != NULL ? ERRAND_JOB : ERRAND_SETTLE;
  thread->job = job;
}

void
at_worker_threads_next (AtWorkerThread *self)
{
  AtWorkerCore *core = self->core;

  /* Relaxed: nobody else knows the thread before the lock is released. */
  at_atomic_store (&self->word, 0u, relaxed);

  if (core->unsettled.length > 0 && !core->has_settler)
    {
      core->has_settler = TRUE;
      self->errand = ERRAND_SETTLE;
      wake (self);
    }
  else if (core->ready.length > 0)
    {
      self->errand = ERRAND_JOB;
      self->job = g_queue_pop_head (&core->ready);
      wake (self);
    }
  else if (core->is_sealed && core->n_jobs == 0)
    {
      self->errand = ERRAND_LEAVE;
      wake (self);
    }
  else
    {
      self->next = core->first_idle;
      if (self->next != NULL)
        self->next->previous = self;
      core->first_idle = self;
      self->is_idle = TRUE;
    }
}

void
at_worker_threads_dismiss (AtWorkerCore *core)
{
  while (core->first_idle != NULL)
    {
      AtWorkerThread *thread = core->first_idle;

      take_off_idle_locked (thread);
      thread->errand = ERRAND_LEAVE;
      wake (thread);
    }
}

static void
settle_all (AtWorkerCore *core,
            AtWorkerThread *thread)
{
  AtFuture *future;

  g_mutex_lock (&core->lock);
  while ((future = g_queue_pop_head (&core->unsettled)) != NULL)
    {
      g_mutex_unlock (&core->lock);
      at_worker_job_settle (future);
      g_mutex_lock (&core->lock);
    }
  core->has_settler = FALSE;
  if (thread != NULL)
    at_worker_threads_next (thread);
  g_mutex_unlock (&core->lock);
}

static gboolean
spin (AtWorkerThread *self)
{
  gint64 until = at_thread_spin_begin ();
  gboolean done;

  if (until == 0)
    return FALSE;

  do
    done = (at_atomic_load (&self->word, acquire) & AT_COMPLETION_DONE) != 0;
  while (!done && at_thread_spin_on (until));

  at_thread_spin_end (done);
  return done;
}

/* FALSE: nothing came, and it is on no list any more. */
static gboolean
wait_for_errand (AtWorkerThread *self)
{
  AtWorkerCore *core = self->core;
  gint64 idle_time;
  gboolean is_over;

  if (spin (self))
    return TRUE;

  g_mutex_lock (&core->lock);
  idle_time = core->idle_time;
  g_mutex_unlock (&core->lock);

  if (at_thread_wait_word (&self->word, AT_COMPLETION_DONE, g_get_monotonic_time () + idle_time,
                           NULL))
    return TRUE;

  g_mutex_lock (&core->lock);
  is_over = self->is_idle;
  if (is_over)
    {
      take_off_idle_locked (self);
      core->n_threads--;
    }
  at_worker_core_unlock (core);

  if (is_over)
    return FALSE;

  /* Somebody is about to wake it. */
  at_thread_wait_word (&self->word, AT_COMPLETION_DONE, G_MAXINT64, NULL);
  return TRUE;
}

/* The task is made outside of a dispatch, see at_future_take_hosted (). */
static gboolean
job_source_prepare (GSource *source,
                    int *timeout)
{
  AtWorkerThread *thread = ((JobSource *) source)->thread;

  *timeout = -1;
  if (thread->running == NULL)
    return FALSE;

  at_future_take_hosted (thread->running->future);
  return TRUE;
}

static gboolean
job_source_dispatch (GSource *source,
                     GSourceFunc callback,
                     gpointer user_data)
{
  AtWorkerThread *thread = ((JobSource *) source)->thread;

  at_worker_job_run (g_steal_pointer (&thread->running), thread->context, thread);

  return G_SOURCE_CONTINUE;
}

static GSourceFuncs job_source_funcs = {
  .prepare = job_source_prepare,
  .dispatch = job_source_dispatch,
};

static void
run_job (AtWorkerThread *self)
{
  self->running = g_steal_pointer (&self->job);
  g_main_context_iteration (self->context, FALSE);
}

static gpointer
worker_thread (gpointer data)
{
  AtWorkerThread *self = data;
  AtWorkerCore *core = self->core;
  GSource *source = g_source_new (&job_source_funcs, sizeof (JobSource));
  gboolean is_leaving = FALSE;

  core_here = core;
  self->context = g_main_context_new ();
  g_main_context_push_thread_default (self->context);

  ((JobSource *) source)->thread = self;
  g_source_set_static_name (source, "AtWorkerPool job");
  /* Nothing else is polled for: what a body leaves on the context stays there. */
  g_source_set_priority (source, G_PRIORITY_HIGH);
  g_source_attach (source, self->context);

  while (!is_leaving && wait_for_errand (self))
    {
      switch (self->errand)
        {
        case ERRAND_JOB:
          run_job (self);
          break;
        case ERRAND_SETTLE:
          settle_all (core, self);
          break;
        case ERRAND_LEAVE:
          is_leaving = TRUE;
          break;
        default:
          g_assert_not_reached ();
        }
    }

  g_source_destroy (source);
  g_source_unref (source);
  g_main_context_pop_thread_default (self->context);
  g_main_context_unref (self->context);
  core_here = NULL;
  g_free (self);

  if (is_leaving)
    {
      g_mutex_lock (&core->lock);
      core->left = g_slist_prepend (core->left, g_thread_ref (g_thread_self ()));
      core->n_threads--;
      at_worker_core_unlock (core);
    }
  at_worker_core_unref (core);

  return NULL;
}

/* Without threads nobody will ever run what is ready. */
static void
start_failed (AtWorkerThread *self,
              const GError *error)
{
  AtWorkerCore *core = self->core;
  GQueue ready = G_QUEUE_INIT;
  AtWorkerJob *job;

  g_mutex_lock (&core->lock);
  core->n_threads--;
  if (self->errand == ERRAND_JOB)
    g_queue_push_tail (&core->ready, self->job);
  if (core->n_threads == 0)
    {
      ready = core->ready;
      g_queue_init (&core->ready);
    }
  at_worker_core_unlock (core);

  /* Better on a foreign thread than never. */
  if (self->errand == ERRAND_SETTLE)
    settle_all (core, NULL);

  while ((job = g_queue_pop_head (&ready)) != NULL)
    at_worker_job_fail (job, g_error_new (AT_ERROR, AT_ERROR_NOT_RUNNING,
                                          _ ("No thread can be started for a worker: %s"),
                                          error->message));

  g_free (self);
  at_worker_core_unref (core);
}

void
at_worker_threads_run (AtWorkerErrand *errand)
{
  g_autoptr (GError) error = NULL;
  char name[16];
  GThread *thread;

  if (errand->wake != NULL)
    wake (errand->wake);
  if (errand->start == NULL)
    return;

  at_completion_finish (&errand->start->word, 0);
  g_snprintf (name, sizeof name, "at-worker-%u", errand->number);
  thread = g_thread_try_new (name, worker_thread, errand->start, &error);
  if (thread != NULL)
    g_thread_unref (thread);
  else
    start_failed (errand->start, error);
}
