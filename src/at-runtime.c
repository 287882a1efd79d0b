/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-cancel-scope-private.h"
#include "at-future-private.h"
#include "at-portal-private.h"
#include "at-runtime-private.h"

/* One persistent GSource drains the inbox in bounded batches.
 *
 * Rejected: a GSource per item, as g_main_context_invoke () makes (1.2 µs each, and every
 * iteration scans them all); a priority above the default, which would let a full inbox starve
 * I/O; running items outside of a dispatch, where a GTask cannot return inline.
 *
 * A GTask returns inline only in an iteration later than the one it was made in. So the tasks of a
 * batch are made in the source's prepare and check, where no source is current, and run from its
 * dispatch. The batch is kept in the runtime and not on the stack: a body that runs a nested main
 * loop drains on from where it stands.
 *
 * Lifetimes. The object holds the runtime; the thread, or the source of an adopted context, holds
 * it as well. An accepted task keeps the portal without a reference of its own: the last reference
 * on the portal, dropped before the end, is taken back (“pinned”) and dropped at the end for good.
 * A task that has ended, and whose future somebody still holds, keeps its GTask for the result and
 * with it GTask's reference on the portal; this one is put away (“parked”), since a future keeps
 * its portal only until it is done.
 *
 * Lock order: lock is a leaf; nothing foreign is called under it. */

/* A batch ends after so many items, of which so many are tasks, or after so long. */
#define BATCH_ITEMS 512
#define BATCH_TASKS 64
#define BATCH_USEC 2000

/* Iterations for what is ready when the last task has ended. */
#define FINAL_ITERATIONS 64

#define SPARE_SCOPES 64

#define POSTS_PER_CHUNK 64

typedef struct _PostChunk PostChunk;

typedef struct
{
  AtItem         item;
  AtFunc         func;
  gpointer       user_data;
  GDestroyNotify destroy;
  PostChunk     *chunk;
} Post;

/* Posts are made by one thread and freed by another, which is what malloc () is worst at. A thread
 * fills a chunk and forgets it; whoever is done with its last post frees it. */
struct _PostChunk
{
  AT_ATOMIC (guint) n_left;
  Post              posts[POSTS_PER_CHUNK];
};

typedef struct
{
  AtItem   item;
  AtFunc   func;
  gpointer user_data;
  AtWord   word;
} Invoke;

typedef struct
{
  AtFunc   func;
  gpointer data;
} Callback;

typedef struct
{
  GSource    source;
  AtRuntime *runtime;
} InboxSource;

struct _AtRuntime
{
  /*< any thread, atomic >*/
  AtInbox                inbox;
  AT_ATOMIC (int)        ref_count;
  AT_ATOMIC (int)        cancels_all;
  AT_ATOMIC (AtThread *) owner;
  AtWord                 ended_word;

  /*< constant >*/
  char         *name;
  GMainContext *context;
  GMainContext *creation_context; /* where failures that nobody saw are reported */
  GSource      *source;
  AtThread     *adopter;
  gboolean      has_own_thread;
  guint         generation;

  /*< the portal's thread only >*/
  AtItem    *first;       /* taken from the inbox, oldest first */
  AtItem    *last_ready;  /* up to here tasks are made; NULL: none */
  guint      depth;       /* of dispatches */
  guint      n_active;    /* tasks taken and not ended */
  GPtrArray *spare_scopes;

  /*< protected by lock >*/
  GMutex    lock;
  AtPortal *portal;       /* not referenced; NULL once it is finalized */
  AtFuture *first_task;   /* taken and not ended */
  GArray   *end_observers; /* of Callback */
  AtThread *last_owner;    /* of an adopted context, after the end */
  guint     n_late;        /* on their way to the thread: what refused calls brought */
  guint     n_parked;
  gboolean  is_disposed;   /* the portal lost its last reference once */
  gboolean  is_pinned;
  gboolean  has_ended;

  /*< protected by join_lock >*/
  GMutex   join_lock;
  GThread *thread;
};

static inline AtItem *
item_next (AtItem *item)
{
  return (AtItem *) at_plain_get (item->node.next);
}

static void
wake (AtRuntime *self)
{
  /* An item that a body pushes is seen before the next poll. */
  if (self->has_own_thread ? at_inbox_consumer_sleeps (&self->inbox)
                           : at_thread_self ()->current != self)
    g_main_context_wakeup (self->context);
}

gboolean
at_runtime_lives_here (AtRuntime *self)
{
  return self->generation == at_thread_get_generation ();
}

gboolean
at_runtime_push (AtRuntime *self,
                 AtItem    *item)
{
  if (G_UNLIKELY (!at_runtime_lives_here (self)))
    return FALSE;

  switch (at_inbox_push (&self->inbox, &item->node))
    {
    case AT_INBOX_REFUSED:
      return FALSE;
    case AT_INBOX_QUEUED_FIRST:
      wake (self);
      return TRUE;
    case AT_INBOX_QUEUED:
      return TRUE;
    default:
      g_assert_not_reached ();
    }
}

void
at_post_chunk_release (gpointer data,
                       guint    used)
{
  PostChunk *chunk = data;
  guint unused = POSTS_PER_CHUNK - used;

  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (chunk != NULL && unused > 0 &&
      at_atomic_fetch_sub (&chunk->n_left, unused, acq_rel) == unused)
    g_free (chunk);
}

static void
post_free (Post *post)
{
  PostChunk *chunk = post->chunk;

  if (at_atomic_fetch_sub (&chunk->n_left, 1, acq_rel) == 1)
    g_free (chunk);
}

gboolean
at_runtime_post (AtRuntime     *self,
                 AtFunc         func,
                 gpointer       user_data,
                 GDestroyNotify destroy)
{
  AtThread *thread = at_thread_self ();
  PostChunk *chunk = thread->post_chunk;
  Post *post;

  if (chunk == NULL || thread->post_chunk_used == POSTS_PER_CHUNK)
    {
      chunk = g_malloc (sizeof *chunk);
      at_atomic_init (&chunk->n_left, POSTS_PER_CHUNK);
      thread->post_chunk = chunk;
      thread->post_chunk_used = 0;
    }

  post = &chunk->posts[thread->post_chunk_used++];
  post->item.kind = AT_ITEM_POST;
  post->func = func;
  post->user_data = user_data;
  post->destroy = destroy;
  post->chunk = chunk;

  if (G_LIKELY (at_runtime_push (self, &post->item)))
    return TRUE;

  thread->post_chunk_used--;
  return FALSE;
}

gboolean
at_runtime_invoke (AtRuntime *self,
                   AtFunc     func,
                   gpointer   user_data)
{
  Invoke invoke;

  invoke.item.kind = AT_ITEM_INVOKE;
  invoke.func = func;
  invoke.user_data = user_data;
  at_atomic_init (&invoke.word, 0u);

  if (!at_runtime_push (self, &invoke.item))
    return FALSE;

  at_thread_wait_word (&invoke.word, AT_COMPLETION_DONE, G_MAXINT64, NULL);
  return TRUE;
}

static void
run_item (AtItem *item)
{
  switch (item->kind)
    {
    case AT_ITEM_POST:
      {
        Post *post = (Post *) item;

        post->func (post->user_data);
        if (post->destroy != NULL)
          post->destroy (post->user_data);
        post_free (post);
        break;
      }

    case AT_ITEM_INVOKE:
      {
        Invoke *invoke = (Invoke *) item;

        invoke->func (invoke->user_data);
        /* The last access: the caller's stack frame may be gone. */
        at_completion_finish (&invoke->word, 0);
        break;
      }

    case AT_ITEM_TASK:
      at_future_run (at_future_from_item (item));
      break;

    default:
      g_assert_not_reached ();
    }
}

/* The context of an adopted portal may be iterated without being thread-default. */
static gboolean
push_context (AtRuntime *self)
{
  GMainContext *current = g_main_context_get_thread_default ();

  if (current == NULL)
    current = g_main_context_default ();
  if (current == self->context)
    return FALSE;

  g_main_context_push_thread_default (self->context);
  return TRUE;
}

static void
pop_context (AtRuntime *self,
             gboolean   pushed)
{
  if (pushed)
    g_main_context_pop_thread_default (self->context);
}

/* Takes what has come in, and makes the tasks of the next batch. */
static void
make_batch (AtRuntime *self)
{
  guint n_tasks = 0;
  gboolean pushed;
  AtItem *item;

  if (self->first == NULL)
    self->first = (AtItem *) at_inbox_take (&self->inbox);

  pushed = push_context (self);

  item = self->first;
  for (guint n_items = 0; item != NULL && n_items < BATCH_ITEMS && n_tasks < BATCH_TASKS; n_items++)
    {
      if (item->kind == AT_ITEM_TASK)
        {
          at_future_take (at_future_from_item (item), self->portal);
          n_tasks++;
        }
      self->last_ready = item;
      item = item_next (item);
    }

  pop_context (self, pushed);
}

static void
run_batch (AtRuntime *self)
{
  AtThread *thread = at_thread_self ();
  AtRuntime *outer = thread->current;
  gboolean pushed = push_context (self);
  gint64 end = g_get_monotonic_time () + BATCH_USEC;
  guint n_run = 0;

  thread->current = self;
  self->depth++;

  while (self->last_ready != NULL)
    {
      AtItem *item = self->first;
      gboolean is_cheap = item->kind == AT_ITEM_POST && (++n_run & 15) != 0;

      self->first = item_next (item);
      if (self->last_ready == item)
        self->last_ready = NULL;

      run_item (item);

      if (!is_cheap && g_get_monotonic_time () >= end)
        break;
    }

  self->depth--;
  thread->current = outer;
  pop_context (self, pushed);
}

static gboolean
is_finished (AtRuntime *self)
{
  /* Sealed first: what was accepted before is visible after. */
  return at_inbox_is_sealed (&self->inbox) && self->n_active == 0 && self->depth == 0 &&
         self->first == NULL && !at_inbox_has_items (&self->inbox);
}

static void
run_callbacks (GArray *callbacks)
{
  if (callbacks == NULL)
    return;

  for (guint i = 0; i < callbacks->len; i++)
    {
      Callback *callback = &g_array_index (callbacks, Callback, i);

      callback->func (callback->data);
    }

  g_array_unref (callbacks);
}

static void
add_callback (GArray **callbacks,
              AtFunc   func,
              gpointer data)
{
  Callback callback = { func, data };

  if (*callbacks == NULL)
    *callbacks = g_array_new (FALSE, FALSE, sizeof (Callback));
  g_array_append_val (*callbacks, callback);
}

/* The portal's thread, once, after the last accepted item. */
static void
end (AtRuntime *self)
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
  if (self->adopter != NULL)
    at_thread_remove_adopted (self->adopter, self);
  at_thread_change_owner (&self->owner, NULL);

  at_completion_finish (&self->ended_word, 0);
  run_callbacks (observers);

  /* The source holds the runtime, and this thread does while it is here. */
  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);

  if (pinned != NULL)
    g_object_unref (pinned);
}

static void
note_thread (AtRuntime *self)
{
  AtThread *thread = at_thread_self ();

  if (G_UNLIKELY (at_atomic_load (&self->owner, relaxed) != thread))
    at_thread_change_owner (&self->owner, thread);
}

static gboolean
inbox_source_is_ready (AtRuntime *self)
{
  if (G_UNLIKELY (!at_runtime_lives_here (self)))
    return FALSE;

  note_thread (self);

  if (self->last_ready != NULL)
    return TRUE;

  if (self->first != NULL || at_inbox_has_items (&self->inbox))
    {
      make_batch (self);
      return TRUE;
    }

  return is_finished (self);
}

static gboolean
inbox_source_prepare (GSource *source,
                      int     *timeout)
{
  *timeout = -1;

  return inbox_source_is_ready (((InboxSource *) source)->runtime);
}

static gboolean
inbox_source_check (GSource *source)
{
  return inbox_source_is_ready (((InboxSource *) source)->runtime);
}

static gboolean
inbox_source_dispatch (GSource    *source,
                       GSourceFunc callback,
                       gpointer    user_data)
{
  AtRuntime *self = at_runtime_ref (((InboxSource *) source)->runtime);
  gboolean is_last = FALSE;

  if (self->last_ready != NULL)
    {
      run_batch (self);
    }
  else if (!self->has_own_thread && is_finished (self))
    {
      is_last = TRUE;
      end (self);
    }

  at_runtime_unref (self);

  return is_last ? G_SOURCE_REMOVE : G_SOURCE_CONTINUE;
}

static void
inbox_source_finalize (GSource *source)
{
  at_runtime_unref (((InboxSource *) source)->runtime);
}

static GSourceFuncs inbox_source_funcs = {
  .prepare = inbox_source_prepare,
  .check = inbox_source_check,
  .dispatch = inbox_source_dispatch,
  .finalize = inbox_source_finalize,
};

/* The poll function of an own thread's context: tells producers whether they have to wake it, and
 * spins before it sleeps while calls come in quick succession. */
static int
runtime_poll (GPollFD *fds,
              guint    n_fds,
              int      timeout)
{
  AtRuntime *self = at_thread_self ()->own;
  gint64 until;
  int result;

  if (timeout == 0)
    return g_poll (fds, n_fds, 0);

  until = at_thread_spin_begin ();
  if (until != 0)
    {
      gboolean has_items;

      do
        has_items = at_inbox_has_items (&self->inbox);
      while (!has_items && at_thread_spin_on (until));

      at_thread_spin_end (has_items);
      if (has_items)
        return g_poll (fds, n_fds, 0);
    }

  if (!at_inbox_prepare_sleep (&self->inbox))
    return g_poll (fds, n_fds, 0);

  result = g_poll (fds, n_fds, timeout);
  at_inbox_end_sleep (&self->inbox);

  return result;
}

static gpointer
runtime_thread (gpointer data)
{
  AtRuntime *self = data;

  g_main_context_push_thread_default (self->context);
  at_thread_self ()->own = self;

  while (!is_finished (self))
    g_main_context_iteration (self->context, TRUE);

  /* What is ready by now, answers to other callers for one, still gets its turn. */
  for (guint i = 0; i < FINAL_ITERATIONS && g_main_context_iteration (self->context, FALSE); i++)
    ;

  end (self);

  g_main_context_pop_thread_default (self->context);
  at_thread_self ()->own = NULL;
  at_runtime_unref (self);

  return NULL;
}

AtRuntime *
at_runtime_new (AtPortal     *portal,
                const char   *name,
                GMainContext *context,
                GError      **error)
{
  AtRuntime *self = g_new0 (AtRuntime, 1);
  AtThread *thread = at_thread_self ();
  InboxSource *source;

  at_inbox_init (&self->inbox);
  at_atomic_init (&self->ref_count, 1);
  g_mutex_init (&self->lock);
  g_mutex_init (&self->join_lock);
  self->portal = portal;
  self->name = g_strdup (name);
  self->context = context != NULL ? g_main_context_ref (context) : g_main_context_new ();
  self->creation_context = thread->adopts_for == NULL ? g_main_context_ref_thread_default ()
                                                      : g_main_context_ref (self->context);
  self->has_own_thread = context == NULL;
  self->spare_scopes = g_ptr_array_new_with_free_func (g_object_unref);

  source = (InboxSource *) g_source_new (&inbox_source_funcs, sizeof *source);
  source->runtime = at_runtime_ref (self);
  self->source = &source->source;
  g_source_set_static_name (self->source, "AtPortal inbox");
  g_source_set_can_recurse (self->source, TRUE);

  if (self->has_own_thread)
    {
      /* The thread is its own owner before anybody can ask. */
      GError *local_error = NULL;

      g_main_context_set_poll_func (self->context, runtime_poll);
      g_source_attach (self->source, self->context);

      self->generation = at_thread_get_generation ();
      self->thread = g_thread_try_new (name, runtime_thread, at_runtime_ref (self), &local_error);
      if (self->thread == NULL)
        {
          g_set_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING,
                       _ ("The thread of portal “%s” cannot be started: %s"), name,
                       local_error->message);
          g_error_free (local_error);
          at_runtime_unref (self);
          at_inbox_seal (&self->inbox);
          g_source_destroy (self->source);
          g_clear_pointer (&self->source, g_source_unref);
          self->has_ended = TRUE;
          at_completion_finish (&self->ended_word, 0);
        }
    }
  else
    {
      self->adopter = at_thread_ref (thread->adopts_for != NULL ? thread->adopts_for : thread);
      self->generation = at_thread_get_generation ();
      at_thread_change_owner (&self->owner, self->adopter);
      at_thread_add_adopted (self->adopter, self);
      g_source_attach (self->source, self->context);
    }

  return self;
}

AtRuntime *
at_runtime_ref (AtRuntime *self)
{
  at_atomic_fetch_add (&self->ref_count, 1, relaxed);

  return self;
}

void
at_runtime_unref (AtRuntime *self)
{
  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) > 1)
    return;

  /* Somebody may just be looking at it for a cycle of waits. */
  at_thread_lock_graph ();
  at_thread_unlock_graph ();

  g_assert (self->first == NULL && self->n_active == 0);

  g_clear_pointer (&self->adopter, at_thread_unref);
  g_clear_pointer (&self->last_owner, at_thread_unref);
  g_clear_pointer (&self->thread, g_thread_unref);
  g_clear_pointer (&self->spare_scopes, g_ptr_array_unref);
  g_clear_pointer (&self->end_observers, g_array_unref);
  g_main_context_unref (self->creation_context);
  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->join_lock);
  g_free (self->name);
  g_free (self);
}

const char *
at_runtime_get_name (AtRuntime *self)
{
  return self->name;
}

GMainContext *
at_runtime_get_context (AtRuntime *self)
{
  return self->context;
}

AtThread *
at_runtime_get_owner (AtRuntime *self)
{
  return at_atomic_load (&self->owner, acquire);
}

gboolean
at_runtime_is_owner (AtRuntime *self)
{
  return at_atomic_load (&self->owner, acquire) == at_thread_self ();
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
  AtRuntime     *runtime;
  gpointer       user_data;
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
at_runtime_destroy_refused (AtRuntime     *self,
                            gpointer       user_data,
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

  if (is_finished (self) && self->source != NULL && !g_source_is_destroyed (self->source))
    end (self);

  g_main_context_release (self->context);
}

void
at_runtime_stop (AtRuntime *self,
                 gboolean   cancel_remaining)
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

      /* Sequentially consistent against task_taken (): a task that is missing in the list sees it. */
      at_atomic_store (&self->cancels_all, 1, seq_cst);

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

void
at_runtime_portal_disposed (AtRuntime *self)
{
  if (!at_runtime_lives_here (self))
    return;

  g_mutex_lock (&self->lock);
  if (!self->is_disposed)
    {
      /* From here on a parked task holds the portal for real, as an empty shell. */
      self->is_disposed = TRUE;
      for (guint i = 0; i < self->n_parked; i++)
        g_object_ref (self->portal);
    }
  if (!self->has_ended && !self->is_pinned)
    {
      self->is_pinned = TRUE;
      g_object_ref (self->portal);
    }
  g_mutex_unlock (&self->lock);

  at_runtime_stop (self, FALSE);
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
                             AtFunc     func,
                             gpointer   data)
{
  gboolean added;

  g_mutex_lock (&self->lock);
  added = !self->has_ended;
  if (added)
    add_callback (&self->end_observers, func, data);
  g_mutex_unlock (&self->lock);

  return added;
}

gboolean
at_runtime_remove_end_observer (AtRuntime *self,
                                AtFunc     func,
                                gpointer   data)
{
  gboolean found = FALSE;

  g_mutex_lock (&self->lock);
  for (guint i = 0; self->end_observers != NULL && i < self->end_observers->len && !found; i++)
    {
      Callback *callback = &g_array_index (self->end_observers, Callback, i);

      found = callback->func == func && callback->data == data;
      if (found)
        g_array_remove_index (self->end_observers, i);
    }
  g_mutex_unlock (&self->lock);

  return found;
}

void
at_runtime_task_taken (AtRuntime *self,
                       AtFuture  *future)
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
  return at_atomic_load (&self->cancels_all, seq_cst) != 0;
}

gboolean
at_runtime_task_ended (AtRuntime *self,
                       AtFuture  *future,
                       gboolean   park)
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
                   GTask     *task)
{
  g_mutex_lock (&self->lock);
  if (!self->is_disposed)
    {
      self->n_parked--;
      g_object_ref (self->portal);
    }
  g_mutex_unlock (&self->lock);

  g_object_unref (task);
}

AtCancelScope *
at_runtime_take_scope (AtRuntime *self)
{
  if (self->spare_scopes->len > 0)
    return g_ptr_array_steal_index_fast (self->spare_scopes, self->spare_scopes->len - 1);

  return at_cancel_scope_new (NULL);
}

void
at_runtime_give_scope (AtRuntime     *self,
                       AtCancelScope *scope)
{
  if (self->spare_scopes->len < SPARE_SCOPES && at_cancel_scope_recycle (scope))
    g_ptr_array_add (self->spare_scopes, scope);
  else
    g_object_unref (scope);
}

typedef struct
{
  GWeakRef  portal; /* a main context that nobody iterates must not keep a portal */
  char     *task_name;
  GError   *error;
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
at_runtime_report (AtRuntime    *self,
                   const char   *task_name,
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
