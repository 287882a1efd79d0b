/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-worker-private.h"

#define IDLE_TIME (10 * G_USEC_PER_SEC)

typedef struct
{
  AtFunc   func;
  gpointer data;
} Observer;

AtWorkerCore *
at_worker_core_new (AtCapacityLimiter *limiter)
{
  AtWorkerCore *self = g_new0 (AtWorkerCore, 1);

  at_atomic_init (&self->ref_count, 1);
  self->limiter = g_object_ref (limiter);
  self->generation = at_thread_get_generation ();
  self->observers = g_array_new (FALSE, FALSE, sizeof (Observer));
  self->idle_time = IDLE_TIME;
  g_mutex_init (&self->lock);
  g_queue_init (&self->ready);
  g_queue_init (&self->unsettled);

  return self;
}

AtWorkerCore *
at_worker_core_ref (AtWorkerCore *self)
{
  at_atomic_fetch_add (&self->ref_count, 1, relaxed);

  return self;
}

void
at_worker_core_unref (AtWorkerCore *self)
{
  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) > 1)
    return;

  g_slist_free_full (self->left, (GDestroyNotify) g_thread_unref);
  g_array_unref (self->observers);
  g_object_unref (self->limiter);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static gboolean
has_ended (AtWorkerCore *self)
{
  return (at_atomic_load (&self->ended_word, acquire) & AT_COMPLETION_DONE) != 0;
}

void
at_worker_core_unlock (AtWorkerCore *self)
{
  g_autoptr (GArray) observers = NULL;

  if (self->is_sealed && self->n_jobs == 0)
    at_worker_threads_dismiss (self);

  if (self->is_sealed && self->n_jobs == 0 && self->n_threads == 0 && !has_ended (self))
    {
      observers = g_array_ref (self->observers);
      at_completion_finish (&self->ended_word, 0);
    }
  g_mutex_unlock (&self->lock);

  for (guint i = 0; observers != NULL && i < observers->len; i++)
    {
      Observer *observer = &g_array_index (observers, Observer, i);

      observer->func (observer->data);
    }
}

void
at_worker_core_stop (AtWorkerCore *self,
                     gboolean cancel_remaining)
{
  g_autoptr (GPtrArray) futures = NULL;

  if (self->generation != at_thread_get_generation ())
    return;

  at_worker_core_ref (self);
  g_mutex_lock (&self->lock);
  self->is_sealed = TRUE;
  if (cancel_remaining)
    {
      futures = g_ptr_array_new_with_free_func (g_object_unref);
      for (AtWorkerJob *job = self->first_job; job != NULL; job = job->next)
        if (job->state < AT_WORKER_JOB_WITHDRAWN)
          g_ptr_array_add (futures, g_object_ref (job->future));
    }
  at_worker_core_unlock (self);

  for (guint i = 0; futures != NULL && i < futures->len; i++)
    at_future_cancel (g_ptr_array_index (futures, i));
  at_worker_core_unref (self);
}

gboolean
at_worker_core_add_observer (AtWorkerCore *self,
                             AtFunc func,
                             gpointer data)
{
  Observer observer = { func, data };
  gboolean added;

  g_mutex_lock (&self->lock);
  added = !has_ended (self);
  if (added)
    g_array_append_val (self->observers, observer);
  g_mutex_unlock (&self->lock);

  return added;
}

gboolean
at_worker_core_remove_observer (AtWorkerCore *self,
                                AtFunc func,
                                gpointer data)
{
  gboolean found = FALSE;

  g_mutex_lock (&self->lock);
  for (guint i = 0; !has_ended (self) && i < self->observers->len && !found; i++)
    {
      Observer *observer = &g_array_index (self->observers, Observer, i);

      found = observer->func == func && observer->data == data;
      if (found)
        g_array_remove_index (self->observers, i);
    }
  g_mutex_unlock (&self->lock);

  return found;
}

void
at_worker_core_join (AtWorkerCore *self)
{
  GSList *left;

  g_mutex_lock (&self->lock);
  left = g_steal_pointer (&self->left);
  g_mutex_unlock (&self->lock);

  g_slist_free_full (left, (GDestroyNotify) g_thread_join);
}
