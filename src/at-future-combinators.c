/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-cancel-scope-private.h"
#include "at-future-private.h"

/* A combination is a task of the given portal like any other: it can be cancelled, named, waited
 * for and refused. It returns when the last input has really ended. */

typedef enum
{
  COMBINE_ALL,
  COMBINE_ANY,
  COMBINE_RACE,
} CombineMode;

#define NO_INDEX G_MAXUINT

typedef struct
{
  AT_ATOMIC (int) ref_count;

  /*< constant >*/
  CombineMode mode;
  GPtrArray *futures;

  /*< the portal's thread >*/
  AtCancelWatch *watch;

  GMutex lock;

  /*< protected by lock >*/
  GTask *task; /* until it is returned */
  guint n_left;
  guint winner; /* whose end decided */
  guint first_failure;
} Combine;

typedef struct
{
  Combine *combine;
  guint index;
} Input;

static Combine *
combine_ref (Combine *self)
{
  at_atomic_fetch_add (&self->ref_count, 1, relaxed);

  return self;
}

static void
combine_unref (gpointer data)
{
  Combine *self = data;

  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) > 1)
    return;

  g_ptr_array_unref (self->futures);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* The body's data is destroyed on the portal's thread, after the task was returned. */
static void
combine_destroy (gpointer data)
{
  Combine *self = data;

  at_cancel_watch_free (g_steal_pointer (&self->watch));
  combine_unref (self);
}

static void
cancel_inputs (Combine *self,
               guint except)
{
  for (guint i = 0; i < self->futures->len; i++)
    if (i != except)
      at_future_cancel (g_ptr_array_index (self->futures, i));
}

static void
on_cancelled (gpointer data)
{
  cancel_inputs (data, NO_INDEX);
}

static GError *
dup_error (Combine *self,
           guint index)
{
  AtFuture *future = g_ptr_array_index (self->futures, index);

  at_future_mark_seen (future);

  return g_error_copy (at_future_peek_error (future));
}

static void
combine_return (Combine *self,
                GTask *task)
{
  g_auto (GValue) value = G_VALUE_INIT;
  gboolean failed = self->first_failure != NO_INDEX;

  if (self->mode == COMBINE_ALL && !failed)
    {
      g_value_init (&value, G_TYPE_BOOLEAN);
      g_value_set_boolean (&value, TRUE);
    }
  else if (self->mode != COMBINE_ALL && self->winner != NO_INDEX)
    {
      g_value_init (&value, G_TYPE_UINT);
      g_value_set_uint (&value, self->winner);
    }

  /* What failed on the way to a success is what “any” is for. */
  if (self->mode == COMBINE_ANY)
    for (guint i = 0; i < self->futures->len; i++)
      at_future_mark_seen (g_ptr_array_index (self->futures, i));

  if (G_IS_VALUE (&value))
    g_task_return_value (task, &value);
  else
    g_task_return_error (task, dup_error (self, self->first_failure));
}

static void
on_input_ended (AtFuture *future,
                gpointer data)
{
  Input *input = data;
  Combine *self = input->combine;
  guint index = input->index;
  gboolean failed = at_future_peek_error (future) != NULL;
  gboolean decides = FALSE;
  g_autoptr (GTask) task = NULL;

  g_free (input);

  g_mutex_lock (&self->lock);
  if (failed && self->first_failure == NO_INDEX)
    {
      self->first_failure = index;
      decides = self->mode == COMBINE_ALL;
    }
  if (self->winner == NO_INDEX &&
      (self->mode == COMBINE_RACE || (self->mode == COMBINE_ANY && !failed)))
    {
      self->winner = index;
      decides = TRUE;
    }
  if (--self->n_left == 0)
    task = g_steal_pointer (&self->task);
  g_mutex_unlock (&self->lock);

  if (decides)
    cancel_inputs (self, index);
  if (task != NULL)
    combine_return (self, task);

  combine_unref (self);
}

static void
combine_body (GTask *task,
              gpointer data)
{
  g_auto (GValue) value = G_VALUE_INIT;
  Combine *self = data;
  guint n_futures = self->futures->len;

  if (n_futures == 0 && self->mode == COMBINE_ALL)
    {
      g_value_init (&value, G_TYPE_BOOLEAN);
      g_value_set_boolean (&value, TRUE);
      g_task_return_value (task, &value);
      return;
    }

  if (n_futures == 0)
    {
      g_task_return_new_error (task, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS,
                               _ ("None of no futures can come first; give at least one"));
      return;
    }

  self->task = g_object_ref (task);
  self->n_left = n_futures;
  self->watch = at_cancel_watch_new (g_task_get_cancellable (task), on_cancelled,
                                     combine_ref (self), combine_unref);

  for (guint i = 0; i < n_futures; i++)
    {
      Input *input = g_new (Input, 1);

      input->combine = combine_ref (self);
      input->index = i;
      at_future_add_observer (g_ptr_array_index (self->futures, i), on_input_ended, input);
    }
}

static AtFuture *
combine (AtPortal *portal,
         AtFuture **futures,
         gsize n_futures,
         CombineMode mode,
         const char *name)
{
  Combine *self;
  AtFuture *future;

  g_return_val_if_fail (AT_IS_PORTAL (portal), NULL);
  g_return_val_if_fail (futures != NULL || n_futures == 0, NULL);
  g_return_val_if_fail (n_futures < NO_INDEX, NULL);

  self = g_new0 (Combine, 1);
  at_atomic_init (&self->ref_count, 1);
  g_mutex_init (&self->lock);
  self->mode = mode;
  self->winner = NO_INDEX;
  self->first_failure = NO_INDEX;
  self->futures = g_ptr_array_new_full ((guint) n_futures, g_object_unref);
  for (gsize i = 0; i < n_futures; i++)
    g_ptr_array_add (self->futures, g_object_ref (futures[i]));

  future = at_portal_spawn (portal, NULL, combine_body, self, combine_destroy);
  at_future_set_name (future, name);

  return future;
}

/**
 * at_future_all:
 * @portal: where the combination runs
 * @futures: (array length=n_futures) (transfer none): the futures
 * @n_futures: how many
 *
 * Waits for all futures.
 *
 * The result is the boolean %TRUE once all have succeeded; read the inputs for their results. The
 * first failure cancels the others, and is the combination's error once all have really ended.
 * Cancelling the combination cancels every input. Of no futures, all have succeeded.
 *
 * Returns: (transfer full): a future
 *
 * Since: 0.1
 */
AtFuture *
at_future_all (AtPortal *portal,
               AtFuture **futures,
               gsize n_futures)
{
  return combine (portal, futures, n_futures, COMBINE_ALL, "at_future_all");
}

/**
 * at_future_any:
 * @portal: where the combination runs
 * @futures: (array length=n_futures) (transfer none): the futures
 * @n_futures: how many
 *
 * Waits for the first success.
 *
 * The result is the index of the first future that succeeded, a %G_TYPE_UINT; the others are
 * cancelled, and awaited. If all fail, the error is that of the first failure. Of no futures, none
 * can succeed: `AT_ERROR_INVALID_ARGUMENTS`.
 *
 * Returns: (transfer full): a future
 *
 * Since: 0.1
 */
AtFuture *
at_future_any (AtPortal *portal,
               AtFuture **futures,
               gsize n_futures)
{
  return combine (portal, futures, n_futures, COMBINE_ANY, "at_future_any");
}

/**
 * at_future_race:
 * @portal: where the combination runs
 * @futures: (array length=n_futures) (transfer none): the futures
 * @n_futures: how many
 *
 * Waits for the first end, whatever the outcome.
 *
 * The result is the index of the first future that ended, a %G_TYPE_UINT; the others are cancelled,
 * and awaited. Of no futures, none can end: `AT_ERROR_INVALID_ARGUMENTS`.
 *
 * Returns: (transfer full): a future
 *
 * Since: 0.1
 */
AtFuture *
at_future_race (AtPortal *portal,
                AtFuture **futures,
                gsize n_futures)
{
  return combine (portal, futures, n_futures, COMBINE_RACE, "at_future_race");
}
