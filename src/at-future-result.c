/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-future-struct-private.h"
#include "at-runtime-private.h"

/* What a task has left. GTask does not tell which kind was returned, so it is kept until somebody
 * asks for one. */

void
at_value_free (gpointer value)
{
  g_boxed_free (G_TYPE_VALUE, value);
}

const GValue *
at_value_lend (GValue *value)
{
  AtThread *thread = at_thread_self ();

  if (thread->lent != NULL)
    at_value_free (g_steal_pointer (&thread->lent));

  thread->lent = value;
  /* Language bindings cannot show a value without a type. */
  return value != NULL && G_IS_VALUE (value) ? value : NULL;
}

static GTask *
take_result (AtFuture *self,
             gboolean *is_parked)
{
  GMutex *lock = at_future_lock (self);
  GTask *task = g_steal_pointer (&self->result);

  *is_parked = self->is_parked;
  if (task != NULL)
    self->is_parked = FALSE;
  g_mutex_unlock (lock);

  return task;
}

static void
release_result (AtFuture *self,
                GTask *task,
                gboolean is_parked)
{
  if (is_parked)
    at_runtime_unpark (self->runtime, task);
  else
    g_object_unref (task);
}

void
at_future_drop_result (AtFuture *self)
{
  gboolean is_parked;
  GTask *task = take_result (self, &is_parked);

  if (task != NULL)
    release_result (self, task, is_parked);
}

gboolean
at_future_check_success (AtFuture *self,
                         GError **error)
{
  if (!at_future_is_done (self))
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_NOT_DONE,
                           _ ("The task has not ended; wait for its future first"));
      return FALSE;
    }

  if (self->runtime == NULL && self->host_class == NULL)
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_NOT_RUNNING,
                           _ ("This future belongs to no task; get one from at_portal_spawn ()"));
      return FALSE;
    }

  if (self->error == NULL)
    return TRUE;

  at_future_mark_seen (self);
  g_propagate_error (error, g_error_copy (self->error));
  return FALSE;
}

static void
set_invalid_result (GError **error)
{
  g_set_error_literal (error, AT_ERROR, AT_ERROR_INVALID_RESULT,
                       _ ("The result was returned as another kind, or was taken before; "
                          "g_task_return_value () goes with at_future_get_value (), pointers, "
                          "integers and booleans with their own pair, once"));
}

/**
 * at_future_get_value:
 * @self: a future
 * @error: return location for an error
 *
 * Gets the result of a task whose body used [method@Gio.Task.return_value]; as often as you like.
 *
 * Returns: (transfer none): the value, as long as the future lives; %NULL with the task's error,
 *   with `AT_ERROR_NOT_DONE` before the end, or with `AT_ERROR_INVALID_RESULT` if the body returned
 *   something else
 *
 * Since: 0.1
 */
const GValue *
at_future_get_value (AtFuture *self,
                     GError **error)
{
  const GValue *value = NULL;
  GTask *emptied = NULL;
  gboolean is_parked = FALSE;
  GMutex *lock;

  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!at_future_check_success (self, error))
    return NULL;

  lock = at_future_lock (self);
  if (self->result != NULL && g_task_propagate_value (self->result, &self->value, NULL))
    {
      self->has_value = TRUE;
      emptied = g_steal_pointer (&self->result);
      is_parked = self->is_parked;
      self->is_parked = FALSE;
    }
  if (self->has_value)
    value = &self->value;
  g_mutex_unlock (lock);

  if (emptied != NULL)
    release_result (self, emptied, is_parked);

  if (value == NULL)
    set_invalid_result (error);

  return value;
}

GValue *
at_future_steal_value (AtFuture *self,
                       GError **error)
{
  GValue *value = NULL;
  gboolean is_parked;
  GTask *task;

  if (!at_future_check_success (self, error))
    return NULL;

  task = take_result (self, &is_parked);
  if (task != NULL)
    {
      value = g_new0 (GValue, 1);
      if (!g_task_propagate_value (task, value, NULL))
        g_clear_pointer (&value, g_free);
      release_result (self, task, is_parked);
    }

  if (value == NULL)
    set_invalid_result (error);

  return value;
}

/**
 * at_future_propagate_pointer: (skip)
 * @self: a future
 * @error: return location for an error
 *
 * Takes the result of a task whose body used [method@Gio.Task.return_pointer]; once.
 *
 * Returns: (transfer full): the pointer; %NULL with the task's error, `AT_ERROR_NOT_DONE`, or
 *   `AT_ERROR_INVALID_RESULT` if it was taken before
 *
 * Since: 0.1
 */
gpointer
at_future_propagate_pointer (AtFuture *self,
                             GError **error)
{
  gpointer pointer;
  gboolean is_parked;
  GTask *task;

  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!at_future_check_success (self, error))
    return NULL;

  task = take_result (self, &is_parked);
  if (task == NULL)
    {
      set_invalid_result (error);
      return NULL;
    }

  pointer = g_task_propagate_pointer (task, error);
  release_result (self, task, is_parked);

  return pointer;
}

/**
 * at_future_propagate_int: (skip)
 * @self: a future
 * @error: return location for an error
 *
 * Takes the result of a task whose body used [method@Gio.Task.return_int]; once.
 *
 * Returns: the integer; -1 with the task's error, `AT_ERROR_NOT_DONE`, or `AT_ERROR_INVALID_RESULT`
 *   if it was taken before
 *
 * Since: 0.1
 */
gssize
at_future_propagate_int (AtFuture *self,
                         GError **error)
{
  gssize result;
  gboolean is_parked;
  GTask *task;

  g_return_val_if_fail (AT_IS_FUTURE (self), -1);
  g_return_val_if_fail (error == NULL || *error == NULL, -1);

  if (!at_future_check_success (self, error))
    return -1;

  task = take_result (self, &is_parked);
  if (task == NULL)
    {
      set_invalid_result (error);
      return -1;
    }

  result = g_task_propagate_int (task, error);
  release_result (self, task, is_parked);

  return result;
}

/**
 * at_future_propagate_boolean: (skip)
 * @self: a future
 * @error: return location for an error
 *
 * Takes the result of a task whose body used [method@Gio.Task.return_boolean]; once.
 *
 * Returns: the boolean; %FALSE with the task's error, `AT_ERROR_NOT_DONE`, or
 *   `AT_ERROR_INVALID_RESULT` if it was taken before
 *
 * Since: 0.1
 */
gboolean
at_future_propagate_boolean (AtFuture *self,
                             GError **error)
{
  gboolean result;
  gboolean is_parked;
  GTask *task;

  g_return_val_if_fail (AT_IS_FUTURE (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!at_future_check_success (self, error))
    return FALSE;

  task = take_result (self, &is_parked);
  if (task == NULL)
    {
      set_invalid_result (error);
      return FALSE;
    }

  result = g_task_propagate_boolean (task, error);
  release_result (self, task, is_parked);

  return result;
}
