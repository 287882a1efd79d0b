/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-runtime-struct-private.h"

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
 * it as well. A task holds the portal from its acceptance to its end, first by itself, then through
 * its GTask. Posts hold nothing, for speed: if the last reference on the portal is dropped while
 * some may be left, it is taken back (“pinned”) and dropped at the end for good. A task that has
 * ended, and whose future somebody still holds, keeps its GTask for the result and with it GTask's
 * reference on the portal; this one is put away (“parked”), since a future keeps its portal only
 * until it is done.
 *
 * Beside this file: at-runtime-items.c has posts and invokes, at-runtime-tasks.c the tasks' side,
 * at-runtime-end.c refusals, stopping and the end. */

/* A batch ends after so many items, of which so many are tasks, or after so long. */
#define BATCH_ITEMS 512
#define BATCH_TASKS 64
#define BATCH_USEC  2000

/* Iterations for what is ready when the last task has ended. */
#define FINAL_ITERATIONS 64

typedef struct
{
  GSource source;
  AtRuntime *runtime;
} InboxSource;

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
                 AtItem *item)
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
             gboolean pushed)
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
  /* A single item needs no clock. */
  gint64 end = self->first != self->last_ready ? g_get_monotonic_time () + BATCH_USEC : G_MAXINT64;
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

      if (item->kind == AT_ITEM_TASK)
        at_future_run (at_future_from_item (item));
      else
        at_runtime_run_item (self, item);

      if (!is_cheap && self->last_ready != NULL && g_get_monotonic_time () >= end)
        break;
    }

  at_runtime_forget_posts (self);
  self->depth--;
  thread->current = outer;
  pop_context (self, pushed);
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

  return at_runtime_is_finished (self);
}

static gboolean
inbox_source_prepare (GSource *source,
                      int *timeout)
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
inbox_source_dispatch (GSource *source,
                       GSourceFunc callback,
                       gpointer user_data)
{
  AtRuntime *self = at_runtime_ref (((InboxSource *) source)->runtime);
  gboolean is_last = FALSE;

  if (self->last_ready != NULL)
    {
      run_batch (self);
    }
  else if (!self->has_own_thread && at_runtime_is_finished (self))
    {
      is_last = TRUE;
      at_runtime_end (self);
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

/* To see what is ready. All that a context's own wake-up does is to end a sleep: if nothing else is
 * polled, the system call is spared. */
static int
poll_at_once (AtRuntime *self,
              GPollFD *fds,
              guint n_fds)
{
  if (n_fds == 1 && fds[0].fd == self->wakeup_fd)
    return 0;

  return g_poll (fds, n_fds, 0);
}

/* Before anybody else can add a source. */
static int
find_wakeup_fd (GMainContext *context)
{
  GPollFD fd = { -1, 0, 0 };
  int timeout;
  int n_fds;

  if (!g_main_context_acquire (context))
    return -1;

  n_fds = g_main_context_query (context, G_MAXINT, &timeout, &fd, 1);
  g_main_context_release (context);

  return n_fds == 1 ? fd.fd : -1;
}

/* The poll function of an own thread's context: tells producers whether they have to wake it, and
 * spins before it sleeps while calls come in quick succession. */
static int
runtime_poll (GPollFD *fds,
              guint n_fds,
              int timeout)
{
  AtRuntime *self = at_thread_self ()->own;
  gint64 until;
  int result;

  if (timeout == 0)
    return poll_at_once (self, fds, n_fds);

  until = at_thread_spin_begin ();
  if (until != 0)
    {
      gboolean has_items;

      do
        has_items = at_inbox_has_items (&self->inbox);
      while (!has_items && at_thread_spin_on (until));

      at_thread_spin_end (has_items);
      if (has_items)
        return poll_at_once (self, fds, n_fds);
    }

  if (!at_inbox_prepare_sleep (&self->inbox))
    return poll_at_once (self, fds, n_fds);

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

  while (!at_runtime_is_finished (self))
    g_main_context_iteration (self->context, TRUE);

  /* What is ready by now, answers to other callers for one, still gets its turn. */
  for (guint i = 0; i < FINAL_ITERATIONS && g_main_context_iteration (self->context, FALSE); i++)
    ;

  at_runtime_end (self);

  g_main_context_pop_thread_default (self->context);
  at_thread_self ()->own = NULL;
  at_runtime_unref (self);

  return NULL;
}

/* Linux keeps 15 bytes of a thread's name, and pthread_setname_np () refuses what is longer. */
static char *
dup_thread_name (const char *name)
{
  char *cut = g_strndup (name, 15);
  const char *end;

  g_utf8_validate (cut, -1, &end);
  cut[end - cut] = '\0';

  return cut;
}

AtRuntime *
at_runtime_new (AtPortal *portal,
                const char *name,
                GMainContext *context,
                GError **error)
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
  self->returned_scopes = g_ptr_array_new_with_free_func (g_object_unref);

  source = (InboxSource *) g_source_new (&inbox_source_funcs, sizeof *source);
  source->runtime = at_runtime_ref (self);
  self->source = &source->source;
  g_source_set_static_name (self->source, "AtPortal inbox");
  g_source_set_can_recurse (self->source, TRUE);

  if (self->has_own_thread)
    {
      /* The thread is its own owner before anybody can ask. */
      g_autofree char *thread_name = dup_thread_name (name);
      GError *local_error = NULL;

      self->wakeup_fd = find_wakeup_fd (self->context);
      g_main_context_set_poll_func (self->context, runtime_poll);
      g_source_attach (self->source, self->context);

      self->generation = at_thread_get_generation ();
      self->thread = g_thread_try_new (thread_name, runtime_thread, at_runtime_ref (self),
                                       &local_error);
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
      gboolean is_free;

      self->adopter = at_thread_ref (thread->adopts_for != NULL ? thread->adopts_for : thread);
      self->generation = at_thread_get_generation ();
      /* A loop that runs elsewhere by now tells in its next iteration whose it is. */
      is_free = thread->adopts_for != NULL || g_main_context_acquire (self->context);
      if (is_free)
        at_thread_change_owner (&self->owner, self->adopter);
      if (is_free && thread->adopts_for == NULL)
        g_main_context_release (self->context);
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
  g_clear_pointer (&self->returned_scopes, g_ptr_array_unref);
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
