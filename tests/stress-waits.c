/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stress.h"

/* What wakes: event, condition, sleep. */

/* An asynchronous wait, and how it ended. */
typedef struct
{
  guint        *n_pending;
  GCancellable *cancellable;
  gboolean (*finish) (GObject      *source,
                      GAsyncResult *result,
                      GError      **error);
} Wait;

static void
on_waited (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  Wait *wait = user_data;
  g_autoptr (GError) error = NULL;

  if (!wait->finish (source, result, &error))
    assert_cancelled (wait->cancellable, error);

  (*wait->n_pending)--;
  g_clear_object (&wait->cancellable);
  g_free (wait);
  progress ();
}

static Wait *
wait_new (Worker *worker,
          guint  *n_pending,
          gpointer finish)
{
  Wait *wait = g_new0 (Wait, 1);

  wait->n_pending = n_pending;
  wait->cancellable = make_cancellable (worker);
  wait->finish = finish;
  (*n_pending)++;

  return wait;
}

/* Event: everybody waits, or sets it, or cancels; all come back, and nobody without a reason. The
 * events of all rounds are made beforehand, so that a slow thread finds those of earlier rounds
 * set, and a fast one those of later rounds not set yet. */

#define N_EVENTS 64

static gboolean
finish_event (GObject      *source,
              GAsyncResult *result,
              GError      **error)
{
  gboolean is_set = at_event_wait_finish (AT_EVENT (source), result, error);

  g_assert_true (!is_set || at_event_is_set (AT_EVENT (source)));

  return is_set;
}

static void
work_with_events (Worker *worker)
{
  AtEvent **events = worker->data;

  for (guint i = 0; i < N_EVENTS; i++)
    {
      AtEvent *event = events[i];
      guint n_pending = 0;

      for (guint n = dice (worker, 4); n > 0; n--)
        {
          Wait *wait = wait_new (worker, &n_pending, finish_event);

          at_event_wait_async (event, wait->cancellable, on_waited, wait);
        }

      /* One of them has to set it; others may. */
      if (worker->index == i % N_WORKERS || dice (worker, 8) == 0)
        {
          if (dice (worker, 2) == 0)
            cancel_somebody (worker);
          at_event_set (event);
          g_assert_true (at_event_is_set (event));
          cancel_somebody (worker);
        }
      else if (dice (worker, 2) == 0)
        {
          g_autoptr (GCancellable) cancellable = make_cancellable (worker);
          g_autoptr (GError) error = NULL;

          if (at_event_wait (event, cancellable, &error))
            g_assert_true (at_event_is_set (event));
          else
            assert_cancelled (cancellable, error);
          progress ();
        }

      while (n_pending > 0)
        g_main_context_iteration (worker->context, TRUE);
    }
}

void
stress_event (void)
{
  while (!time_is_over ())
    {
      AtEvent *events[N_EVENTS];

      for (guint i = 0; i < N_EVENTS; i++)
        events[i] = at_event_new ();

      run_workers (work_with_events, events);

      for (guint i = 0; i < N_EVENTS; i++)
        {
          g_assert_cmpuint (count_waiters (events[i]), ==, 0);
          g_object_unref (events[i]);
        }
    }
}

/* Condition: half of the threads put things into a bowl, waking one for each, and half take them
 * out, giving up now and then. If a wake-up stayed with one that gave up, a thing would lie there
 * while somebody waits for ever. */

#define N_THINGS 300

typedef struct
{
  AtLock      *lock;
  AtCondition *not_empty;
  int          n_inside;

  /*< protected by lock >*/
  guint n_things;
  guint n_taken;
} Bowl;

static void
enter (Bowl *bowl)
{
  g_assert_cmpint (g_atomic_int_add (&bowl->n_inside, 1), ==, 0);
}

static void
leave (Bowl *bowl)
{
  g_assert_cmpint (g_atomic_int_add (&bowl->n_inside, -1), ==, 1);
}

static gboolean
finish_condition (GObject      *source,
                  GAsyncResult *result,
                  GError      **error)
{
  return at_condition_wait_finish (AT_CONDITION (source), result, error);
}

static void
put_things (Worker *worker)
{
  Bowl *bowl = worker->data;

  for (guint i = 0; i < N_THINGS; i++)
    {
      g_assert_true (at_lock_acquire (bowl->lock, NULL, NULL));
      enter (bowl);
      bowl->n_things++;
      leave (bowl);

      if (dice (worker, 2) == 0)
        cancel_somebody (worker);
      if (dice (worker, 2) == 0)
        {
          at_condition_wake (bowl->not_empty, 1);
          at_lock_release (bowl->lock);
        }
      else
        {
          at_lock_release (bowl->lock);
          at_condition_wake (bowl->not_empty, 1);
        }
      cancel_somebody (worker);
      progress ();
    }
}

static void
take_things (Worker *worker)
{
  Bowl *bowl = worker->data;

  for (guint i = 0; i < N_THINGS; i++)
    {
      g_assert_true (at_lock_acquire (bowl->lock, NULL, NULL));
      enter (bowl);

      while (bowl->n_things == 0)
        {
          g_autoptr (GError) error = NULL;

          leave (bowl);
          if (dice (worker, 2) == 0)
            {
              g_autoptr (GCancellable) cancellable = make_cancellable (worker);

              if (!at_condition_wait (bowl->not_empty, cancellable, &error))
                assert_cancelled (cancellable, error);
            }
          else
            {
              guint n_pending = 0;
              Wait *wait = wait_new (worker, &n_pending, finish_condition);

              at_condition_wait_async (bowl->not_empty, wait->cancellable, on_waited, wait);
              while (n_pending > 0)
                g_main_context_iteration (worker->context, TRUE);
            }
          enter (bowl);

          progress ();
        }

      bowl->n_things--;
      bowl->n_taken++;
      leave (bowl);
      at_lock_release (bowl->lock);
    }
}

static void
work_with_condition (Worker *worker)
{
  if (worker->index % 2 == 0)
    put_things (worker);
  else
    take_things (worker);
}

void
stress_condition (void)
{
  while (!time_is_over ())
    {
      g_autoptr (AtLock) lock = at_lock_new ();
      g_autoptr (AtCondition) not_empty = at_condition_new (lock);
      Bowl bowl = { .lock = lock, .not_empty = not_empty };

      run_workers (work_with_condition, &bowl);

      g_assert_cmpuint (bowl.n_things, ==, 0);
      g_assert_cmpuint (bowl.n_taken, ==, N_THINGS * N_WORKERS / 2);
      g_assert_cmpuint (count_waiters (not_empty), ==, 0);
      g_assert_cmpuint (count_waiters (lock), ==, 0);
      g_assert_false (at_lock_is_locked (lock));
    }
}

/* Sleep: each ends once, slept or cancelled. */

static gboolean
finish_sleep (GObject      *source,
              GAsyncResult *result,
              GError      **error)
{
  return at_sleep_finish (result, error);
}

static void
work_with_sleep (Worker *worker)
{
  while (!time_is_over ())
    {
      guint n_pending = 0;

      for (guint n = dice (worker, 20); n > 0; n--)
        {
          Wait *wait = wait_new (worker, &n_pending, finish_sleep);

          at_sleep_async (dice (worker, 400), wait->cancellable, on_waited, wait);
        }

      while (n_pending > 0)
        {
          cancel_somebody (worker);
          g_main_context_iteration (worker->context, TRUE);
        }
    }
}

void
stress_sleep (void)
{
  run_workers (work_with_sleep, NULL);
}
