/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-portal-private.h"
#include "at-runtime-struct-private.h"

/* How a portal stops, what it refuses then, and what it reports. */

typedef struct
{
  AtFunc func;
  gpointer data;
} EndObserver;

static void
run_end_observers (GArray *observers)
{
  if (observers == NULL)
    return;

  for (guint i = 0; i < observers->len; i++)
    {
      EndObserver *observer = &g_array_index (observers, EndObserver, i);

      observer->func (observer->data);
    }

  g_array_unref (observers);
}

static void
add_end_observer (GArray **observers,
                  AtFunc func,
                  gpointer data)
{
  EndObserver observer = { func, data };

  if (*observers == NULL)
    *observers = g_array_new (FALSE, FALSE, sizeof (EndObserver));
  g_array_append_val (*observers, observer);
}

/* The portal's thread, once, after the last accepted item. */
void
at_runtime_end (AtRuntime *self)
{
  GArray *observers;
  AtPortal *pinned = NULL;

  g_mutex_lock (&self->lock);
  while (self->has_own_thread && self->n_late > 0)
    {
      g_mutex_unlock (&self->lock);
      g_main_context_iteration (self->context, TRUE);
      g_mutex_lock (&self->lock);
    }
  self->has_ended = TRUE;
  if (!self->has_own_thread)
    self->last_owner = at_thread_ref (at_atomic_load (&self->owner, relaxed));
  observers = g_steal_pointer (&self->end_observers);
  if (self->is_pinned)
    {
      self->is_pinned = FALSE;
      pinned = self->portal;
    }
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&self->spare_scopes, g_ptr_array_unref);
  g_clear_pointer (&self->returned_scopes, g_ptr_array_unref);
  if (self->adopter != NULL)
    at_thread_remove_adopted (self->adopter, self);
  at_thread_change_owner (&self->owner, NULL);

  at_completion_finish (&self->ended_word, 0);
  run_end_observers (observers);

  /* The source holds the runtime, and this thread does while it is here. */
  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);

  if (pinned != NULL)
    g_object_unref (pinned);
}

AtPortal *
at_runtime_ref_portal (AtRuntime *self)
{
  AtPortal *portal = NULL;

  g_mutex_lock (&self->lock);
  if (self->portal != NULL && (!self->is_disposed || self->is_pinned))
    portal = g_object_ref (self->portal);
  g_mutex_unlock (&self->lock);

  return portal;
}

/* For whoever knows that somebody else holds the portal. */
AtPortal *
at_runtime_get_portal (AtRuntime *self)
{
  AtPortal *portal;

  g_mutex_lock (&self->lock);
  portal = self->is_disposed && !self->is_pinned ? NULL : self->portal;
  g_mutex_unlock (&self->lock);

  return portal;
}

GError *
at_runtime_refusal (AtRuntime *self)
{
  if (!at_runtime_lives_here (self))
    return g_error_new (AT_ERROR, AT_ERROR_NOT_RUNNING,
                        _ ("Portal “%s” belongs to the parent of this forked process; create one "
                           "after fork ()"),
                        self->name);

  return g_error_new (AT_ERROR, AT_ERROR_NOT_RUNNING,
                      _ ("Portal “%s” has been stopped and takes no more work; create another one"),
                      self->name);
}

typedef struct
{
  AtRuntime *runtime;
  gpointer user_data;
  GDestroyNotify destroy;
} Refused;

static gboolean
destroy_refused (gpointer data)
{
  Refused *refused = data;

  refused->destroy (refused->user_data);

  return G_SOURCE_REMOVE;
}

static void
refused_free (gpointer data)
{
  Refused *refused = data;

  g_mutex_lock (&refused->runtime->lock);
  refused->runtime->n_late--;
  g_mutex_unlock (&refused->runtime->lock);

  at_runtime_unref (refused->runtime);
  g_free (refused);
}

void
at_runtime_destroy_refused (AtRuntime *self,
                            gpointer user_data,
                            GDestroyNotify destroy)
{
  g_autoptr (GSource) source = NULL;

  if (destroy == NULL)
    return;

  if (at_runtime_lives_here (self) && !g_main_context_is_owner (self->context))
    {
      g_mutex_lock (&self->lock);

      if (!self->has_ended ||
          (self->last_owner != NULL && !at_atomic_load (&self->last_owner->exited, acquire)))
        {
          Refused *refused = g_new (Refused, 1);

          refused->runtime = at_runtime_ref (self);
          refused->user_data = user_data;
          refused->destroy = destroy;
          self->n_late++;

          source = g_idle_source_new ();
          g_source_set_priority (source, G_PRIORITY_DEFAULT);
          g_source_set_static_name (source, "AtPortal refusal");
          g_source_set_callback (source, destroy_refused, refused, refused_free);
        }

      /* Attached under the lock: the thread does not end while it is on its way. */
      if (source != NULL)
        g_source_attach (source, self->context);
      g_mutex_unlock (&self->lock);
    }

  if (source == NULL)
    destroy (user_data);
}

/* An adopted portal that nobody has given work to ends at once where it can, since its loop may
 * never run again. */
static void
end_if_idle (AtRuntime *self)
{
  if (self->has_own_thread || !at_runtime_is_owner (self) ||
      !g_main_context_acquire (self->context))
    return;

  if (at_runtime_is_finished (self) && self->source != NULL &&
      !g_source_is_destroyed (self->source))
    at_runtime_end (self);

  g_main_context_release (self->context);
}

void
at_runtime_stop (AtRuntime *self,
                 gboolean cancel_remaining)
{
  g_autoptr (GPtrArray) tasks = NULL;
  gboolean is_first;

  if (!at_runtime_lives_here (self))
    return;

  at_runtime_ref (self);
  is_first = at_inbox_seal (&self->inbox);

  if (cancel_remaining)
    {
      tasks = g_ptr_array_new_with_free_func (g_object_unref);

      /* Relaxed: the lock orders it. A task that is missing in the list takes the lock after this
       * and looks after that. */
      at_atomic_store (&self->cancels_all, 1, relaxed);

      g_mutex_lock (&self->lock);
      for (AtFuture *task = self->first_task; task != NULL; task = at_future_get_links (task)->next)
        g_ptr_array_add (tasks, g_object_ref (task));
      g_mutex_unlock (&self->lock);

      for (guint i = 0; i < tasks->len; i++)
        at_future_cancel (g_ptr_array_index (tasks, i));
    }

  if (is_first)
    {
      end_if_idle (self);
      g_main_context_wakeup (self->context);
    }

  at_runtime_unref (self);
}

/* Tasks hold the portal, so only functions that were posted can be left. FALSE also if that cannot
 * be told from this thread. */
static gboolean
is_idle (AtRuntime *self)
{
  if (self->has_own_thread)
    return at_inbox_consumer_sleeps (&self->inbox) && !at_inbox_has_items (&self->inbox);

  return at_runtime_is_owner (self) && self->depth == 0 && self->first == NULL &&
         !at_inbox_has_items (&self->inbox);
}

void
at_runtime_portal_disposed (AtRuntime *self)
{
  gboolean is_revived = FALSE;

  if (!at_runtime_lives_here (self))
    return;

  at_thread_begin_revival ();

  g_mutex_lock (&self->lock);
  if (!self->is_disposed)
    {
      /* From here on a parked task holds the portal for real, as an empty shell. */
      self->is_disposed = TRUE;
      for (guint i = 0; i < self->n_parked; i++)
        g_object_ref (self->portal);
      is_revived = self->n_parked > 0;
    }
  if (!self->has_ended && !self->is_pinned && !is_idle (self))
    {
      self->is_pinned = TRUE;
      g_object_ref (self->portal);
      is_revived = TRUE;
    }
  if (is_revived)
    at_thread_keep_revived (self->portal);
  g_mutex_unlock (&self->lock);

  at_runtime_stop (self, FALSE);

  at_thread_end_revival ();
}

void
at_runtime_portal_finalized (AtRuntime *self)
{
  if (!at_runtime_lives_here (self))
    return;

  g_mutex_lock (&self->lock);
  self->portal = NULL;
  g_mutex_unlock (&self->lock);
}

gboolean
at_runtime_has_ended (AtRuntime *self)
{
  return (at_atomic_load (&self->ended_word, acquire) & AT_COMPLETION_DONE) != 0;
}

gboolean
at_runtime_is_sealed (AtRuntime *self)
{
  return at_inbox_is_sealed (&self->inbox);
}

void
at_runtime_interrupt_wait (AtRuntime *self)
{
  at_completion_nudge (&self->ended_word);
}

AtWord *
at_runtime_get_ended_word (AtRuntime *self)
{
  return &self->ended_word;
}

void
at_runtime_join (AtRuntime *self)
{
  g_mutex_lock (&self->join_lock);
  if (self->thread != NULL && self->thread != g_thread_self ())
    g_thread_join (g_steal_pointer (&self->thread));
  g_mutex_unlock (&self->join_lock);
}

gboolean
at_runtime_add_end_observer (AtRuntime *self,
                             AtFunc func,
                             gpointer data)
{
  gboolean added;

  g_mutex_lock (&self->lock);
  added = !self->has_ended;
  if (added)
    add_end_observer (&self->end_observers, func, data);
  g_mutex_unlock (&self->lock);

  return added;
}

gboolean
at_runtime_remove_end_observer (AtRuntime *self,
                                AtFunc func,
                                gpointer data)
{
  gboolean found = FALSE;

  g_mutex_lock (&self->lock);
  for (guint i = 0; self->end_observers != NULL && i < self->end_observers->len && !found; i++)
    {
      EndObserver *observer = &g_array_index (self->end_observers, EndObserver, i);

      found = observer->func == func && observer->data == data;
      if (found)
        g_array_remove_index (self->end_observers, i);
    }
  g_mutex_unlock (&self->lock);

  return found;
}

typedef struct
{
  GWeakRef portal; /* a main context that nobody iterates must not keep a portal */
  char *task_name;
  GError *error;
} Report;

static gboolean
emit_report (gpointer data)
{
  Report *report = data;
  g_autoptr (AtPortal) portal = g_weak_ref_get (&report->portal);

  if (portal != NULL)
    at_portal_emit_unhandled (portal, report->error, report->task_name);

  return G_SOURCE_REMOVE;
}

static void
report_free (gpointer data)
{
  Report *report = data;

  g_weak_ref_clear (&report->portal);
  g_free (report->task_name);
  g_error_free (report->error);
  g_free (report);
}

void
at_runtime_report (AtRuntime *self,
                   const char *task_name,
                   const GError *error)
{
  g_autoptr (AtPortal) portal = NULL;
  g_autoptr (GSource) source = NULL;
  Report *report;

  g_message ("Task “%s” of portal “%s” failed, and nobody looked: %s",
             task_name != NULL ? task_name : _ ("unnamed"), self->name, error->message);

  portal = at_runtime_ref_portal (self);
  if (portal == NULL)
    return;

  report = g_new (Report, 1);
  g_weak_ref_init (&report->portal, portal);
  report->task_name = g_strdup (task_name);
  report->error = g_error_copy (error);

  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "AtPortal::unhandled-error");
  g_source_set_callback (source, emit_report, report, report_free);
  g_source_attach (source, self->creation_context);
}
