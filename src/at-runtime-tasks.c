/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-cancel-scope-private.h"
#include "at-runtime-struct-private.h"

/* What the runtime keeps for its tasks, on the portal's thread: the list of those that have not
 * ended, spare scopes, and references on the portal that were put away. */

#define SPARE_SCOPES 64

void
at_runtime_task_taken (AtRuntime *self,
                       AtFuture *future)
{
  AtFutureLinks *links = at_future_get_links (future);

  self->n_active++;

  g_mutex_lock (&self->lock);
  links->previous = NULL;
  links->next = self->first_task;
  if (links->next != NULL)
    at_future_get_links (links->next)->previous = future;
  self->first_task = future;
  g_mutex_unlock (&self->lock);
}

gboolean
at_runtime_cancels_all (AtRuntime *self)
{
  /* Relaxed: after at_runtime_task_taken (), see at_runtime_stop (). */
  return at_atomic_load (&self->cancels_all, relaxed) != 0;
}

gboolean
at_runtime_task_ended (AtRuntime *self,
                       AtFuture *future,
                       gboolean park)
{
  AtFutureLinks *links = at_future_get_links (future);

  self->n_active--;

  g_mutex_lock (&self->lock);
  if (links->previous != NULL)
    at_future_get_links (links->previous)->next = links->next;
  else
    self->first_task = links->next;
  if (links->next != NULL)
    at_future_get_links (links->next)->previous = links->previous;

  park = park && !self->is_disposed;
  if (park)
    self->n_parked++;
  g_mutex_unlock (&self->lock);

  if (park)
    g_object_unref (self->portal);

  return park;
}

void
at_runtime_unpark (AtRuntime *self,
                   GTask *task)
{
  AtCancelScope *scope = g_object_ref ((AtCancelScope *) g_task_get_cancellable (task));

  g_mutex_lock (&self->lock);
  if (!self->is_disposed)
    {
      self->n_parked--;
      g_object_ref (self->portal);
    }
  g_mutex_unlock (&self->lock);

  g_object_unref (task);

  /* The scope was the task's for as long as its result lay there. */
  if (at_cancel_scope_recycle (scope))
    {
      g_mutex_lock (&self->lock);
      if (!self->has_ended && self->returned_scopes->len < SPARE_SCOPES)
        {
          g_ptr_array_add (self->returned_scopes, g_steal_pointer (&scope));
          at_atomic_store (&self->has_returned_scopes, 1, relaxed);
        }
      g_mutex_unlock (&self->lock);
    }

  g_clear_object (&scope);
}

AtCancelScope *
at_runtime_take_scope (AtRuntime *self)
{
  /* Relaxed: a hint, the lock brings the rest. */
  if (self->spare_scopes->len == 0 && at_atomic_load (&self->has_returned_scopes, relaxed))
    {
      GPtrArray *empty = self->spare_scopes;

      g_mutex_lock (&self->lock);
      self->spare_scopes = self->returned_scopes;
      self->returned_scopes = empty;
      at_atomic_store (&self->has_returned_scopes, 0, relaxed);
      g_mutex_unlock (&self->lock);
    }

  if (self->spare_scopes->len > 0)
    return g_ptr_array_steal_index_fast (self->spare_scopes, self->spare_scopes->len - 1);

  return at_cancel_scope_new (NULL);
}

void
at_runtime_give_scope (AtRuntime *self,
                       AtCancelScope *scope)
{
  if (self->spare_scopes->len < SPARE_SCOPES && at_cancel_scope_recycle (scope))
    g_ptr_array_add (self->spare_scopes, scope);
  else
    g_object_unref (scope);
}
