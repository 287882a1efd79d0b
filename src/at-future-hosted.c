/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-cancel-scope-private.h"
#include "at-future-struct-private.h"

/* Tasks that run on a thread of their host instead of a portal's.
 *
 * They differ from a portal's tasks in four ways. The scope exists, and counts as exposed, from the
 * start, since the host has to hear of a cancellation while the task is queued. The body returns
 * its task before it leaves, so the end is one straight line and no weak reference is needed. The
 * task has no source object: one that a kept result holds would keep the host, or a portal. And the
 * end may come from two sides, the thread and an abandonment, of which the first one wins.
 *
 * Rejected: a task of the host portal whose body hands over to a thread. It costs two more hops, it
 * waits for the portal's thread to be free, and a thread without a portal could start nothing. Also
 * a portal on each thread of the pool: a portal's own thread must not block, which is what these
 * threads are for, and which portal it will be is not known while the task is queued. */

AtFuture *
at_future_new_hosted (const AtFutureHostClass *klass,
                      gpointer host,
                      AtRuntime *runtime,
                      GCancellable *cancellable,
                      AtTaskFunc func,
                      gpointer user_data,
                      GDestroyNotify destroy)
{
  AtFuture *self = at_future_new (runtime, NULL, func, user_data, destroy);

  self->host_class = klass;
  self->host = host;
  if (runtime != NULL)
    {
      at_runtime_ref (runtime);
      self->holds_runtime = TRUE;
    }

  at_atomic_init (&self->scope, at_cancel_scope_new (cancellable));
  at_atomic_init (&self->word, AT_COMPLETION_EXPOSED);

  return self;
}

AtRuntime *
at_future_get_runtime (AtFuture *self)
{
  return self->runtime;
}

gpointer
at_future_get_host (AtFuture *self)
{
  return self->host;
}

AtThread *
at_future_get_runner (AtFuture *self)
{
  return self->runner;
}

static AtCancelScope *
get_scope (AtFuture *self)
{
  return at_atomic_load (&self->scope, relaxed);
}

static void
on_task_returned (GObject *source,
                  GAsyncResult *result,
                  gpointer user_data)
{
  AtFuture *self = user_data;

  self->was_returned = TRUE;
}

void
at_future_take_hosted (AtFuture *self)
{
  const char *name = at_atomic_load (&self->name, acquire);
  AtCancelScope *scope = get_scope (self);

  at_cancel_scope_set_owner (scope, self);
  self->task = g_task_new (NULL, G_CANCELLABLE (scope), on_task_returned, self);
  g_task_set_check_cancellable (self->task, FALSE);
  if (name != NULL)
    g_task_set_name (self->task, name);
}

/* Which thread runs it, or none; on that thread. */
static void
set_running (AtFuture *self,
             AtThread *runner)
{
  at_thread_lock_graph ();
  self->runner = runner;
  at_thread_unlock_graph ();

  at_thread_self ()->hosted = runner != NULL ? self : NULL;
}

static void
run_body (AtFuture *self,
          GMainContext *context)
{
  GTask *task = self->task;
  GError *error = NULL;

  if (at_cancel_scope_set_error_if_cancelled (get_scope (self), &error))
    {
      g_task_return_error (task, error);
      return;
    }

  set_running (self, at_thread_self ());
  /* Relaxed: only told to those who ask for the state. */
  at_atomic_fetch_or (&self->word, AT_COMPLETION_RUNNING, relaxed);
  self->func (task, self->user_data);
  set_running (self, NULL);

  /* A thread of the body's may have returned the task; that is on its way to this context. */
  while (!self->was_returned && g_main_context_iteration (context, FALSE))
    ;

  if (!self->was_returned)
    g_task_return_new_error (task, AT_ERROR, AT_ERROR_ABANDONED,
                             _ ("The body of worker task “%s” left without returning its GTask; "
                                "every path has to call one g_task_return function before"),
                             at_future_get_name (self) != NULL ? at_future_get_name (self)
                                                               : _ ("unnamed"));
}

/* TRUE, once: the caller is who ends it. */
static gboolean
settle (AtFuture *self)
{
  /* Acquire and release: whoever comes second leaves everything as the first one made it. */
  return !at_atomic_exchange (&self->is_settled, 1, acq_rel);
}

static void
finish (AtFuture *self,
        uint32_t outcome)
{
  if (at_completion_finish (&self->word, outcome) & AT_COMPLETION_OBSERVERS)
    at_future_run_observers (self, FALSE);
}

static void
destroy_data (AtFuture *self)
{
  if (self->destroy != NULL)
    self->destroy (g_steal_pointer (&self->user_data));
}

void
at_future_run_hosted (AtFuture *self,
                      GMainContext *context,
                      AtFunc before_done,
                      gpointer data)
{
  g_autoptr (GTask) task = self->task;
  gboolean is_mine;
  uint32_t outcome = 0;

  run_body (self, context);
  at_cancel_scope_set_owner (get_scope (self), NULL);
  destroy_data (self);
  self->task = NULL;

  is_mine = settle (self);
  if (is_mine && g_task_had_error (task))
    {
      g_task_propagate_pointer (task, &self->error);
      outcome = at_future_judge_error (self, get_scope (self));
    }
  else if (is_mine)
    {
      self->result = g_steal_pointer (&task);
    }
  /* What nobody gets is freed before the thread counts as free. */
  g_clear_object (&task);

  before_done (data);

  if (is_mine)
    finish (self, outcome);
}

/* FALSE: it was not cancelled after all. */
static gboolean
end_cancelled (AtFuture *self)
{
  if (!at_cancel_scope_set_error_if_cancelled (get_scope (self), &self->error))
    return FALSE;

  finish (self, AT_COMPLETION_CANCELLED);
  return TRUE;
}

void
at_future_abandon_hosted (AtFuture *self)
{
  if (g_cancellable_is_cancelled (G_CANCELLABLE (get_scope (self))) && settle (self))
    end_cancelled (self);
}

void
at_future_end_hosted (AtFuture *self,
                      GError *error)
{
  destroy_data (self);
  settle (self);

  if (error == NULL && end_cancelled (self))
    return;

  self->error = error;
  /* A refusal is not reported: whoever spawned can see it at once. */
  finish (self, AT_COMPLETION_FAILED | AT_COMPLETION_SEEN);
}
