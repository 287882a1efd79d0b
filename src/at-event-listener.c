/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-event-listener-private.h"

/* How a listener hears.
 *
 * Each has a queue, and a source on its context that is ready while there is something in it. The
 * alternatives: an idle source per event (1 µs, and an allocation of 200 bytes, for each listener),
 * and one queue per context, where a slow listener's backlog stands in everybody's way and cannot
 * be bounded. A listener on a portal has no source: its next task is spawned when the last has
 * ended, so that its events stay in order though it is asynchronous.
 *
 * Removing happens at once for whoever looks under the lock, and a turn looks before each event. */

/* Events that a listener hears before others on its context have their turn. */
#define BATCH 64

typedef struct
{
  GSource          source;
  AtEventListener *listener;
} ListenerSource;

struct _AtEventListener
{
  AT_ATOMIC (int) ref_count;

  /*< constant >*/
  guint            id;
  char            *name;
  char            *target;
  AtListenFlags    flags;
  AtPortal        *portal;
  GMainContext    *context;
  AtListenFunc     func;
  AtListenTaskFunc task_func;
  gpointer         user_data;
  GDestroyNotify   destroy;

  GMutex lock;

  /*< protected by lock >*/
  GQueue     notes;
  GSource   *source;
  guint      limit; /* 0: none */
  AtOverflow overflow;
  guint      n_turns;    /* that run, nested ones included */
  gboolean   is_busy;    /* on a portal: a task is under way, or about to be */
  gboolean   is_removed;
  gboolean   is_over;    /* its data is destroyed, or about to be */
};

AtEventNote *
at_event_note_new (AtEventBus *bus,
                   const char *name,
                   GVariant *payload)
{
  AtEventNote *self = g_new0 (AtEventNote, 1);

  at_atomic_init (&self->ref_count, 1);
  self->bus = g_object_ref (bus);
  self->name = g_strdup (name);
  self->payload = payload != NULL ? g_variant_ref (payload) : NULL;

  return self;
}

AtEventNote *
at_event_note_ref (AtEventNote *self)
{
  at_atomic_fetch_add (&self->ref_count, 1, relaxed);

  return self;
}

void
at_event_note_unref (gpointer data)
{
  AtEventNote *self = data;

  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) > 1)
    return;

  g_clear_pointer (&self->payload, g_variant_unref);
  g_free (self->name);
  g_object_unref (self->bus);
  g_free (self);
}

AtEventListener *
at_event_listener_ref (AtEventListener *self)
{
  at_atomic_fetch_add (&self->ref_count, 1, relaxed);

  return self;
}

void
at_event_listener_unref (gpointer data)
{
  AtEventListener *self = data;

  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) > 1)
    return;

  g_assert (self->notes.length == 0);
  g_clear_object (&self->portal);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_free (self->name);
  g_free (self->target);
  g_free (self);
}

guint
at_event_listener_get_id (AtEventListener *self)
{
  return self->id;
}

const char *
at_event_listener_get_target (AtEventListener *self)
{
  return self->target;
}

gboolean
at_event_listener_matches (AtEventListener *self,
                           const char *name)
{
  return self->flags & AT_LISTEN_FLAGS_PREFIX ? g_str_has_prefix (name, self->name)
                                              : g_str_equal (name, self->name);
}

void
at_event_listener_set_limit (AtEventListener *self,
                             guint limit,
                             AtOverflow overflow)
{
  g_mutex_lock (&self->lock);
  self->limit = limit;
  self->overflow = overflow;
  g_mutex_unlock (&self->lock);
}

gboolean
at_event_listener_is_live (AtEventListener *self)
{
  gboolean is_live;

  g_mutex_lock (&self->lock);
  is_live = !self->is_removed;
  g_mutex_unlock (&self->lock);

  return is_live;
}

static void
free_notes (GQueue *notes)
{
  AtEventNote *note;

  while ((note = g_queue_pop_head (notes)) != NULL)
    at_event_note_unref (note);
}

/* With the lock. What has not been heard is taken out, to be freed after the lock. */
static void
remove_locked (AtEventListener *self,
               GQueue *notes)
{
  self->is_removed = TRUE;
  *notes = self->notes;
  g_queue_init (&self->notes);
}

/* With the lock, on the listener's own context: TRUE, once, when its data is to be destroyed. */
static gboolean
claim_end_locked (AtEventListener *self)
{
  if (!self->is_removed || self->n_turns > 0 || self->is_busy || self->is_over)
    return FALSE;

  self->is_over = TRUE;
  return TRUE;
}

static void
destroy_data (AtEventListener *self)
{
  g_autoptr (GSource) source = NULL;

  if (self->destroy != NULL)
    self->destroy (self->user_data);

  g_mutex_lock (&self->lock);
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);

  if (source != NULL)
    g_source_destroy (source);
}

/* On a main context. */

/* The next event to hear, which begins a turn; NULL if there is none. */
static AtEventNote *
begin_turn (AtEventListener *self)
{
  GQueue rest = G_QUEUE_INIT;
  AtEventNote *note;

  g_mutex_lock (&self->lock);
  note = g_queue_pop_head (&self->notes);
  if (note != NULL)
    {
      self->n_turns++;
      if (self->flags & AT_LISTEN_FLAGS_ONCE)
        remove_locked (self, &rest);
    }
  g_mutex_unlock (&self->lock);

  free_notes (&rest);

  return note;
}

static gboolean
listener_source_dispatch (GSource *source,
                          GSourceFunc callback,
                          gpointer user_data)
{
  AtEventListener *self = at_event_listener_ref (((ListenerSource *) source)->listener);
  AtEventNote *note;
  gboolean ends;

  for (guint i = 0; i < BATCH && (note = begin_turn (self)) != NULL; i++)
    {
      self->func (note->bus, note->name, note->payload, self->user_data);
      at_event_note_unref (note);

      g_mutex_lock (&self->lock);
      self->n_turns--;
      g_mutex_unlock (&self->lock);
    }

  g_mutex_lock (&self->lock);
  ends = claim_end_locked (self);
  if (self->notes.length == 0)
    g_source_set_ready_time (source, -1);
  g_mutex_unlock (&self->lock);

  if (ends)
    destroy_data (self);
  at_event_listener_unref (self);

  return G_SOURCE_CONTINUE;
}

static void
listener_source_finalize (GSource *source)
{
  at_event_listener_unref (((ListenerSource *) source)->listener);
}

static GSourceFuncs listener_source_funcs = {
  .dispatch = listener_source_dispatch,
  .finalize = listener_source_finalize,
};

/* On a portal. */

typedef struct
{
  AtEventListener *listener;
  AtEventNote     *note;
  gboolean         has_run;
} Turn;

static void
turn_body (GTask *task,
           gpointer user_data)
{
  Turn *turn = user_data;
  AtEventListener *self = turn->listener;
  GQueue rest = G_QUEUE_INIT;
  gboolean is_live;

  turn->has_run = TRUE;

  g_mutex_lock (&self->lock);
  is_live = !self->is_removed;
  if (is_live && (self->flags & AT_LISTEN_FLAGS_ONCE))
    remove_locked (self, &rest);
  g_mutex_unlock (&self->lock);

  free_notes (&rest);
  if (is_live)
    self->task_func (task, turn->note->bus, turn->note->name, turn->note->payload, self->user_data);
  else
    g_task_return_value (task, NULL);
}

/* The task has ended, or was refused: then nothing of what follows would be taken either. */
static void
turn_free (gpointer data)
{
  Turn *turn = data;
  AtEventListener *self = turn->listener;
  GQueue notes = G_QUEUE_INIT;
  gboolean goes_on;
  gboolean ends;

  g_mutex_lock (&self->lock);
  if (!turn->has_run)
    remove_locked (self, &notes);
  goes_on = self->notes.length > 0;
  self->is_busy = goes_on;
  ends = claim_end_locked (self);
  g_mutex_unlock (&self->lock);

  free_notes (&notes);
  at_event_note_unref (turn->note);
  g_free (turn);

  if (goes_on)
    at_event_listener_start (self);
  if (ends)
    destroy_data (self);
  at_event_listener_unref (self);
}

static void
end_on_portal (gpointer data)
{
  AtEventListener *self = data;
  gboolean ends;

  g_mutex_lock (&self->lock);
  ends = claim_end_locked (self);
  g_mutex_unlock (&self->lock);

  if (ends)
    destroy_data (self);
}

static void
post_end (AtEventListener *self)
{
  if (!at_portal_post (self->portal, end_on_portal, at_event_listener_ref (self),
                       at_event_listener_unref, NULL))
    end_on_portal (self);
}

/* By who has made it busy. */
void
at_event_listener_start (AtEventListener *self)
{
  g_autoptr (AtFuture) future = NULL;
  AtEventNote *note;
  Turn *turn;

  g_mutex_lock (&self->lock);
  note = g_queue_pop_head (&self->notes);
  if (note == NULL)
    self->is_busy = FALSE;
  g_mutex_unlock (&self->lock);

  /* Removed in the meantime. */
  if (note == NULL)
    {
      post_end (self);
      return;
    }

  turn = g_new0 (Turn, 1);
  turn->listener = at_event_listener_ref (self);
  turn->note = note;
  future = at_portal_spawn (self->portal, NULL, turn_body, turn, turn_free);
}

AtEventListener *
at_event_listener_new (guint id,
                       const AtEventListenerOptions *options)
{
  AtEventListener *self = g_new0 (AtEventListener, 1);

  at_atomic_init (&self->ref_count, 1);
  g_mutex_init (&self->lock);
  g_queue_init (&self->notes);
  self->id = id;
  self->name = g_strdup (options->name);
  self->target = g_strdup (options->target);
  self->flags = options->flags;
  self->func = options->func;
  self->task_func = options->task_func;
  self->user_data = options->user_data;
  self->destroy = options->destroy;

  if (options->portal != NULL)
    {
      self->portal = g_object_ref (options->portal);
      self->context = g_main_context_ref (at_portal_get_context (options->portal));
    }
  else
    {
      self->context = g_main_context_ref_thread_default ();
      self->source = g_source_new (&listener_source_funcs, sizeof (ListenerSource));
      ((ListenerSource *) self->source)->listener = at_event_listener_ref (self);
      g_source_set_static_name (self->source, "AtEventBus listener");
      /* A listener that runs a nested main loop goes on to hear. */
      g_source_set_can_recurse (self->source, TRUE);
      g_source_attach (self->source, self->context);
    }

  return self;
}

gboolean
at_event_listener_push (AtEventListener *self,
                        AtEventNote *note)
{
  AtEventNote *dropped = NULL;
  gboolean starts = FALSE;

  g_mutex_lock (&self->lock);
  if (self->is_removed || (self->limit > 0 && self->notes.length >= self->limit &&
                           self->overflow == AT_OVERFLOW_DROP_NEWEST))
    {
      g_mutex_unlock (&self->lock);
      return FALSE;
    }

  if (self->limit > 0 && self->notes.length >= self->limit)
    dropped = g_queue_pop_head (&self->notes);
  g_queue_push_tail (&self->notes, at_event_note_ref (note));

  if (self->portal != NULL)
    {
      starts = !self->is_busy;
      self->is_busy = TRUE;
    }
  else if (self->notes.length == 1)
    {
      g_source_set_ready_time (self->source, 0);
    }
  g_mutex_unlock (&self->lock);

  if (dropped != NULL)
    at_event_note_unref (dropped);

  return starts;
}

gboolean
at_event_listener_remove (AtEventListener *self)
{
  GMainContext *current = g_main_context_get_thread_default ();
  GQueue notes = G_QUEUE_INIT;
  gboolean is_first;
  gboolean ends = FALSE;
  gboolean is_here;

  if (current == NULL)
    current = g_main_context_default ();
  is_here = self->portal != NULL ? at_portal_is_owner (self->portal) : current == self->context;

  g_mutex_lock (&self->lock);
  is_first = !self->is_removed;
  if (is_first)
    remove_locked (self, &notes);
  if (is_here)
    ends = claim_end_locked (self);
  else if (self->source != NULL)
    g_source_set_ready_time (self->source, 0);
  g_mutex_unlock (&self->lock);

  free_notes (&notes);
  if (ends)
    destroy_data (self);
  else if (is_first && !is_here && self->portal != NULL)
    post_end (self);

  return is_first;
}
