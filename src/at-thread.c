/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-cancel-scope-private.h"
#include "at-completion-private.h"
#include "at-future-private.h"
#include "at-runtime-private.h"
#include "at-thread-private.h"
#include "at-timer-private.h"

#include <pthread.h>
#include <sched.h>

/* Who waits for whom.
 *
 * Only a thread that owns a portal, or runs the task of a worker, can be part of a cycle, since
 * only for such a thread can others wait by name; and only waits of such threads are entered here.
 * Everybody else's waits take no lock.
 *
 * Lock order: graph_lock, then the scopes' tree, then the timer heap. */
static GMutex graph_lock;

static AT_ATOMIC (guint) generation;
static AT_ATOMIC (AtThread *) main_thread;

static void thread_exited (gpointer data);

static GPrivate thread_private = G_PRIVATE_INIT (thread_exited);
static _Thread_local AtThread *thread_self;

static void
before_fork (void)
{
  g_mutex_lock (&graph_lock);
  at_cancel_scope_lock_tree ();
  at_timer_lock ();
}

static void
after_fork (gboolean in_child)
{
  at_timer_unlock (in_child);
  at_cancel_scope_unlock_tree ();
  g_mutex_unlock (&graph_lock);
}

static void
after_fork_in_parent (void)
{
  after_fork (FALSE);
}

static void
after_fork_in_child (void)
{
  at_atomic_fetch_add (&generation, 1, relaxed);
  after_fork (TRUE);
}

static void
watch_forks (void)
{
  static gsize once;

  if (g_once_init_enter (&once))
    {
      pthread_atfork (before_fork, after_fork_in_parent, after_fork_in_child);
      g_once_init_leave (&once, 1);
    }
}

guint
at_thread_get_generation (void)
{
  return at_atomic_load (&generation, relaxed);
}

static AtThread *
thread_new (gboolean is_main)
{
  AtThread *thread = g_new0 (AtThread, 1);

  at_atomic_init (&thread->ref_count, 1);
  thread->is_main = is_main;

  return thread;
}

/* The record of main () may be made by another thread, which then wants to reach GTK. */
AtThread *
at_thread_main (void)
{
  AtThread *thread = at_atomic_load (&main_thread, acquire);
  AtThread *made;

  if (thread != NULL)
    return thread;

  made = thread_new (TRUE);
  if (at_atomic_cas (&main_thread, &thread, made, acq_rel, acquire))
    return made;

  at_thread_unref (made);
  return thread;
}

AtThread *
at_thread_self (void)
{
  if (G_LIKELY (thread_self != NULL))
    return thread_self;

  watch_forks ();

  thread_self = getpid () == gettid () ? at_thread_ref (at_thread_main ()) : thread_new (FALSE);
  g_private_set (&thread_private, thread_self);

  return thread_self;
}

AtThread *
at_thread_ref (AtThread *thread)
{
  at_atomic_fetch_add (&thread->ref_count, 1, relaxed);

  return thread;
}

void
at_thread_unref (AtThread *thread)
{
  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&thread->ref_count, 1, acq_rel) > 1)
    return;

  g_slist_free (thread->adopted);
  g_free (thread);
}

static void
thread_exited (gpointer data)
{
  AtThread *thread = data;

  at_thread_drop_revived ();
  thread_self = NULL;
  at_atomic_store (&thread->exited, 1, release);
  at_post_chunk_release (g_steal_pointer (&thread->post_chunk), thread->post_chunk_used);
  if (thread->lent != NULL)
    g_boxed_free (G_TYPE_VALUE, g_steal_pointer (&thread->lent));
  at_thread_unref (thread);
}

void
at_thread_drop_revived (void)
{
  AtThread *self = at_thread_self ();

  if (G_LIKELY (self->revived == NULL) || self->n_reviving > 0)
    return;

  g_slist_free_full (g_steal_pointer (&self->revived), g_object_unref);
}

static gboolean
drop_revived (gpointer unused)
{
  at_thread_drop_revived ();

  return G_SOURCE_REMOVE;
}

void
at_thread_begin_revival (void)
{
  at_thread_self ()->n_reviving++;
}

void
at_thread_keep_revived (gpointer object)
{
  AtThread *self = at_thread_self ();
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->revived = g_slist_prepend (self->revived, g_object_ref (object));

  /* A thread that runs a loop may never enter the library again. */
  if (g_main_context_is_owner (context))
    {
      g_autoptr (GSource) source = g_idle_source_new ();

      g_source_set_static_name (source, "AtThread revived");
      g_source_set_callback (source, drop_revived, NULL, NULL);
      g_source_attach (source, context);
    }
}

void
at_thread_end_revival (void)
{
  at_thread_self ()->n_reviving--;
}

void
at_thread_lock_graph (void)
{
  g_mutex_lock (&graph_lock);
}

void
at_thread_unlock_graph (void)
{
  g_mutex_unlock (&graph_lock);
}

void
at_thread_change_owner (AT_ATOMIC (AtThread *) *owner,
                        AtThread *thread)
{
  AtThread *old;

  g_mutex_lock (&graph_lock);
  old = at_atomic_exchange (owner, thread != NULL ? at_thread_ref (thread) : NULL, acq_rel);
  if (thread != NULL)
    at_atomic_fetch_add (&thread->n_owned, 1, relaxed);
  if (old != NULL)
    at_atomic_fetch_sub (&old->n_owned, 1, relaxed);
  g_mutex_unlock (&graph_lock);

  if (old != NULL)
    at_thread_unref (old);
}

void
at_thread_add_adopted (AtThread *thread,
                       AtRuntime *runtime)
{
  g_mutex_lock (&graph_lock);
  thread->adopted = g_slist_prepend (thread->adopted, runtime);
  g_mutex_unlock (&graph_lock);
}

void
at_thread_remove_adopted (AtThread *thread,
                          AtRuntime *runtime)
{
  g_mutex_lock (&graph_lock);
  thread->adopted = g_slist_remove (thread->adopted, runtime);
  g_mutex_unlock (&graph_lock);
}

AtPortal *
at_thread_get_adopted (void)
{
  AtThread *self = at_thread_self ();
  AtPortal *portal = NULL;

  g_mutex_lock (&graph_lock);
  for (GSList *link = self->adopted; link != NULL && portal == NULL; link = link->next)
    portal = at_runtime_get_portal (link->data);
  g_mutex_unlock (&graph_lock);

  return portal;
}

gboolean
at_thread_may_block (const char *operation,
                     GError **error)
{
  if (at_atomic_load (&at_thread_self ()->n_owned, relaxed) == 0)
    return TRUE;

  g_set_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD,
               _ ("%s would block a portal’s own thread, and with it everything that could end the "
                  "wait; use the asynchronous variant there"),
               operation);
  return FALSE;
}

/* With graph_lock held. */
static gboolean
leads_to (AtThread *thread,
          AtThread *self)
{
  /* The owner of an adopted context may change at any moment; a bound keeps that harmless. */
  for (guint steps = 0; thread != NULL && steps < 10000; steps++)
    {
      if (thread == self)
        return TRUE;

      if (thread->waits_for != NULL)
        thread = at_runtime_get_owner (thread->waits_for);
      else if (thread->waits_for_hosted != NULL)
        thread = at_future_get_runner (thread->waits_for_hosted);
      else
        thread = NULL;
    }

  return FALSE;
}

/* Only these can be part of a cycle: portals' own threads, the main thread, and workers. */
static gboolean
is_on_graph (AtThread *self)
{
  return at_atomic_load (&self->n_owned, relaxed) > 0 || self->is_main || self->hosted != NULL;
}

gboolean
at_thread_begin_wait_unless (AtWord *word,
                             guint32 bits,
                             AtRuntime *target,
                             const char *operation,
                             GError **error)
{
  AtThread *self = at_thread_self ();
  gboolean cycle;

  if (!is_on_graph (self))
    return TRUE;

  g_mutex_lock (&graph_lock);

  /* While it is not done, the task keeps the runtime; afterwards there is nothing to wait for. */
  if (word != NULL && (at_atomic_load (word, acquire) & bits) != 0)
    {
      g_mutex_unlock (&graph_lock);
      return TRUE;
    }

  cycle = leads_to (at_runtime_get_owner (target), self);
  if (!cycle)
    {
      self->waits_for = at_runtime_ref (target);
    }
  else
    {
      g_set_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD,
                   at_runtime_get_owner (target) == self
                     ? _ ("%s on the own thread of portal “%s” would wait for itself; spawn there, "
                          "or wait asynchronously")
                     : _ ("%s would wait for portal “%s”, whose thread waits for this one; wait "
                          "asynchronously on one of them"),
                   operation, at_runtime_get_name (target));
    }

  g_mutex_unlock (&graph_lock);

  return !cycle;
}

gboolean
at_thread_begin_wait (AtRuntime *target,
                      const char *operation,
                      GError **error)
{
  return at_thread_begin_wait_unless (NULL, 0, target, operation, error);
}

gboolean
at_thread_begin_wait_hosted (AtFuture *future,
                             AtWord *word,
                             guint32 bits,
                             const char *operation,
                             GError **error)
{
  AtThread *self = at_thread_self ();
  gboolean cycle = FALSE;

  if (!at_thread_may_block (operation, error))
    return FALSE;
  if (!is_on_graph (self))
    return TRUE;

  g_mutex_lock (&graph_lock);
  if ((at_atomic_load (word, acquire) & bits) == 0)
    {
      cycle = leads_to (at_future_get_runner (future), self);
      if (!cycle)
        self->waits_for_hosted = g_object_ref (future);
    }
  g_mutex_unlock (&graph_lock);

  if (cycle)
    g_set_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD,
                 _ ("%s would wait for a worker that waits for this thread; wait asynchronously on "
                    "one of them"),
                 operation);

  return !cycle;
}

void
at_thread_end_wait (void)
{
  AtThread *self = at_thread_self ();
  AtRuntime *target;
  AtFuture *hosted;

  /* Only this thread sets them, so it may look without the lock. */
  if (self->waits_for == NULL && self->waits_for_hosted == NULL)
    return;

  g_mutex_lock (&graph_lock);
  target = g_steal_pointer (&self->waits_for);
  hosted = g_steal_pointer (&self->waits_for_hosted);
  g_mutex_unlock (&graph_lock);

  if (target != NULL)
    at_runtime_unref (target);
  g_clear_object (&hosted);
}

#define SPIN_USEC       20
#define SPIN_ROUNDS     4
#define SPIN_CREDIT_MAX 16

static gboolean
can_spin (void)
{
  static gsize answer;

  if (g_once_init_enter (&answer))
    {
      cpu_set_t set;
      int n_processors = sched_getaffinity (0, sizeof set, &set) == 0 ? CPU_COUNT (&set) : 1;

      g_once_init_leave (&answer, n_processors > 1 ? 2 : 1);
    }

  return answer == 2;
}

static inline void
relax_processor (void)
{
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause ();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* A wait that ends within microseconds is cheaper to spin for than to sleep for: waking a thread
 * takes longer. Credit is won by spins that ended well, and spent by those that did not; once it is
 * gone, every 64th wait tries again. A thread that sleeps for long spins for a moment and no
 * more. */
gint64
at_thread_spin_begin (void)
{
  AtThread *self = at_thread_self ();

  if (!can_spin () || (self->spin_credit <= 0 && (--self->spin_credit & 63) != 0))
    return 0;

  return g_get_monotonic_time () + SPIN_USEC;
}

gboolean
at_thread_spin_on (gint64 until)
{
  for (guint i = 0; i < SPIN_ROUNDS; i++)
    relax_processor ();

  return g_get_monotonic_time () < until;
}

void
at_thread_spin_end (gboolean paid_off)
{
  AtThread *self = at_thread_self ();

  if (paid_off)
    self->spin_credit = MIN (MAX (self->spin_credit, 0) + 2, SPIN_CREDIT_MAX);
  else
    self->spin_credit = MAX (self->spin_credit, 0) - 1;
}

static gboolean
spin (AtWord *word,
      guint32 bits)
{
  gint64 until = at_thread_spin_begin ();
  gboolean set = FALSE;

  if (until == 0)
    return FALSE;

  do
    set = (at_atomic_load (word, acquire) & bits) != 0;
  while (!set && at_thread_spin_on (until));

  at_thread_spin_end (set);
  return set;
}

gboolean
at_thread_wait_word (AtWord *word,
                     guint32 bits,
                     gint64 end_time,
                     GCancellable *cancellable)
{
  if (at_atomic_load (word, acquire) & bits)
    return TRUE;

  if (end_time == G_MAXINT64 && spin (word, bits))
    return TRUE;

  for (;;)
    {
      uint32_t seen = at_atomic_load (word, acquire);

      if (seen & bits)
        return TRUE;
      if (g_cancellable_is_cancelled (cancellable))
        return FALSE;
      if (!at_completion_park (word, seen, end_time))
        return (at_atomic_load (word, acquire) & bits) != 0;
    }
}
