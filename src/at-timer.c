/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-timer-private.h"

/* A binary heap under one lock, and one thread that sleeps until the nearest deadline.
 *
 * Rejected: a GSource per deadline (an iteration of a main context scans all its sources
 * twice: 1.5 µs for every hundred idle ones), and a heap per portal (a deadline has to work
 * without a portal and without a running loop). A timing wheel would make setting O(1), at the
 * price of a resolution; O(log n) is 17 steps for 100 000 deadlines.
 *
 * Lock order: timer_lock is a leaf. AtTimerRefFunc runs under it and takes no lock.
 */

#define FIRE_BATCH 64

static GMutex timer_lock;
static GCond timer_changed;
static GPtrArray *timer_heap; /* of AtTimer, not referenced; element 0 is the nearest */
static gboolean timer_thread_runs;

static inline AtTimer *
heap_get (guint position)
{
  return g_ptr_array_index (timer_heap, position - 1);
}

static inline void
heap_put (guint position,
          AtTimer *timer)
{
  g_ptr_array_index (timer_heap, position - 1) = timer;
  timer->position = position;
}

static void
heap_sift_up (guint position,
              AtTimer *timer)
{
  while (position > 1 && heap_get (position / 2)->when > timer->when)
    {
      heap_put (position, heap_get (position / 2));
      position /= 2;
    }

  heap_put (position, timer);
}

static void
heap_sift_down (guint position,
                AtTimer *timer)
{
  for (;;)
    {
      guint child = 2 * position;

      if (child > timer_heap->len)
        break;
      if (child < timer_heap->len && heap_get (child + 1)->when < heap_get (child)->when)
        child++;
      if (heap_get (child)->when >= timer->when)
        break;

      heap_put (position, heap_get (child));
      position = child;
    }

  heap_put (position, timer);
}

static void
heap_place (guint position,
            AtTimer *timer)
{
  if (position > 1 && heap_get (position / 2)->when > timer->when)
    heap_sift_up (position, timer);
  else
    heap_sift_down (position, timer);
}

static void
heap_remove (AtTimer *timer)
{
  guint position = timer->position;
  AtTimer *last = heap_get (timer_heap->len);

  g_ptr_array_set_size (timer_heap, (int) timer_heap->len - 1);
  timer->position = 0;

  if (last != timer)
    heap_place (position, last);
}

static gpointer
timer_thread (gpointer unused)
{
  AtTimer *due[FIRE_BATCH];

  g_mutex_lock (&timer_lock);

  for (;;)
    {
      gint64 now = g_get_monotonic_time ();
      guint n_due = 0;

      while (n_due < FIRE_BATCH && timer_heap->len > 0 && heap_get (1)->when <= now)
        {
          AtTimer *timer = heap_get (1);

          heap_remove (timer);
          if (timer->ref (timer))
            due[n_due++] = timer;
        }

      if (n_due > 0)
        {
          g_mutex_unlock (&timer_lock);
          for (guint i = 0; i < n_due; i++)
            due[i]->fire (due[i]);
          g_mutex_lock (&timer_lock);
        }
      else if (timer_heap->len > 0)
        {
          g_cond_wait_until (&timer_changed, &timer_lock, heap_get (1)->when);
        }
      else
        {
          g_cond_wait (&timer_changed, &timer_lock);
        }
    }

  return NULL;
}

/* With timer_lock held. The thread lasts as long as the process. */
static void
ensure_thread (void)
{
  g_autoptr (GError) error = NULL;
  GThread *thread;

  if (timer_thread_runs)
    return;

  thread = g_thread_try_new ("at-timer", timer_thread, NULL, &error);
  if (thread == NULL)
    {
      g_critical ("No deadline can pass, since the thread “at-timer” cannot be started: %s",
                  error->message);
      return;
    }

  g_thread_unref (thread);
  timer_thread_runs = TRUE;
}

void
at_timer_init (AtTimer *timer,
               AtTimerRefFunc ref,
               AtTimerFireFunc fire)
{
  timer->ref = ref;
  timer->fire = fire;
  timer->when = G_MAXINT64;
  timer->position = 0;
}

void
at_timer_set (AtTimer *timer,
              gint64 when)
{
  g_mutex_lock (&timer_lock);

  if (when == G_MAXINT64)
    {
      if (timer->position != 0)
        heap_remove (timer);
    }
  else
    {
      if (timer_heap == NULL)
        timer_heap = g_ptr_array_new ();

      timer->when = when;
      if (timer->position == 0)
        {
          g_ptr_array_add (timer_heap, timer);
          heap_sift_up (timer_heap->len, timer);
        }
      else
        {
          heap_place (timer->position, timer);
        }

      ensure_thread ();
      if (timer->position == 1)
        g_cond_signal (&timer_changed);
    }

  g_mutex_unlock (&timer_lock);
}

gboolean
at_timer_clear (AtTimer *timer)
{
  gboolean waited;

  g_mutex_lock (&timer_lock);
  waited = timer->position != 0;
  if (waited)
    heap_remove (timer);
  g_mutex_unlock (&timer_lock);

  return waited;
}

void
at_timer_lock (void)
{
  g_mutex_lock (&timer_lock);
}

void
at_timer_unlock (gboolean in_child)
{
  if (in_child)
    {
      /* The thread stayed in the parent, perhaps waiting. The next deadline starts another. */
      memset (&timer_changed, 0, sizeof timer_changed);
      timer_thread_runs = FALSE;
    }

  g_mutex_unlock (&timer_lock);
}
