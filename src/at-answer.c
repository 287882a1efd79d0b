/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-answer-private.h"
#include "at-atomic-private.h"

struct _AtAnswer
{
  AT_ATOMIC (int) ref_count;
  AT_ATOMIC (GTask *) task; /* until it is claimed */

  /*< whoever holds the task >*/
  AtCancelWatch *own_watch;
  AtCancelWatch *other_watch;
  AtAnswerForgetFunc forget;
  gpointer source;
  GDestroyNotify destroy;
};

AtAnswer *
at_answer_ref (AtAnswer *self)
{
  at_atomic_fetch_add (&self->ref_count, 1, relaxed);

  return self;
}

void
at_answer_unref (gpointer data)
{
  AtAnswer *self = data;

  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) == 1)
    g_free (self);
}

/* The task is gone, and with it everybody who could claim it: no watch is of use any more. */
static void
task_gone (gpointer data)
{
  AtAnswer *self = data;

  at_cancel_watch_free (g_steal_pointer (&self->own_watch));
  at_cancel_watch_free (g_steal_pointer (&self->other_watch));
  if (self->forget != NULL)
    self->forget (self->source, self);
  if (self->destroy != NULL)
    self->destroy (self->source);
  at_answer_unref (self);
}

GTask *
at_answer_claim (AtAnswer *self)
{
  return at_atomic_exchange (&self->task, NULL, acq_rel);
}

static void
on_cancelled (gpointer data)
{
  g_autoptr (GTask) task = at_answer_claim (data);
  GError *error = NULL;

  if (task != NULL && at_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    g_task_return_error (task, error);
}

AtAnswer *
at_answer_new (GTask *task)
{
  AtAnswer *self = g_new0 (AtAnswer, 1);

  at_atomic_init (&self->ref_count, 1);
  at_atomic_init (&self->task, g_object_ref (task));
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, self, task_gone);

  self->own_watch = at_cancel_watch_new (g_task_get_cancellable (task), on_cancelled,
                                         at_answer_ref (self), at_answer_unref);

  return self;
}

void
at_answer_set_forget (AtAnswer *self,
                      AtAnswerForgetFunc func,
                      gpointer source,
                      GDestroyNotify destroy)
{
  self->forget = func;
  self->source = source;
  self->destroy = destroy;
}

void
at_answer_watch (AtAnswer *self,
                 GCancellable *cancellable,
                 AtCancelWatchFunc func)
{
  self->other_watch = at_cancel_watch_new (cancellable, func, at_answer_ref (self),
                                           at_answer_unref);
}
