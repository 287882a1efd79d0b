/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stress.h"

/* What hands out units: lock, semaphore, capacity limiter.
 *
 * At every step: no more holders than units; every unit is free, or held or handed over. Of what
 * waits in the order of asking (the asynchronous acquisitions, which are begun under a lock of the
 * test and numbered there), a later one never comes before an earlier one; that is seen where there
 * is one unit. At the end all units are free and nobody waits. */

typedef struct
{
  gboolean (*acquire) (gpointer      object,
                       GObject      *borrower,
                       GCancellable *cancellable,
                       GError      **error);
  void (*acquire_async) (gpointer            object,
                         GObject            *borrower,
                         GCancellable       *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer            data);
  gboolean (*acquire_finish) (gpointer      object,
                              GAsyncResult *result,
                              GError      **error);
  gboolean (*try_acquire) (gpointer object,
                           GObject *borrower);
  void (*release) (gpointer object,
                   GObject *borrower);
} UnitsClass;

typedef struct
{
  const UnitsClass *klass;
  gpointer          object;
  guint             n_units; /* at most */
  gboolean          resizes; /* the number changes, up to n_units */

  int n_inside;

  GMutex  tickets_lock;
  guint64 next_ticket; /* protected by tickets_lock */
  guint64 last_ticket; /* protected by the unit, if there is one */
} Units;

typedef struct
{
  Worker       *worker;
  guint64       ticket;
  GObject      *borrower;
  GCancellable *cancellable;
  guint        *n_pending;
} Acquisition;

static void
check_statistics (Units *units)
{
  g_autoptr (AtStatistics) statistics = NULL;

  g_object_get (units->object, "statistics", &statistics, NULL);

  if (!units->resizes)
    g_assert_cmpuint (statistics->available + statistics->borrowed, ==, units->n_units);

  g_assert_cmpuint (statistics->borrowed, >, 0);
  g_assert_cmpuint (statistics->borrowed, <=, units->n_units);
}

static void
use_unit (Worker  *worker,
          GObject *borrower)
{
  Units *units = worker->data;
  int n_inside = g_atomic_int_add (&units->n_inside, 1) + 1;

  g_assert_cmpint (n_inside, >, 0);
  g_assert_cmpint (n_inside, <=, (int) units->n_units);
  if (dice (worker, 8) == 0)
    g_thread_yield ();
  check_statistics (units);
  g_atomic_int_add (&units->n_inside, -1);

  /* In the very moment that the next one is granted. */
  if (dice (worker, 2) == 0)
    cancel_somebody (worker);
  units->klass->release (units->object, borrower);
  if (dice (worker, 2) == 0)
    cancel_somebody (worker);

  progress ();
}

static void
on_acquired (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Acquisition *acquisition = user_data;
  Worker *worker = acquisition->worker;
  Units *units = worker->data;
  g_autoptr (GError) error = NULL;

  if (units->klass->acquire_finish (units->object, result, &error))
    {
      if (units->n_units == 1)
        {
          g_assert_cmpuint (acquisition->ticket, >, units->last_ticket);
          units->last_ticket = acquisition->ticket;
        }

      use_unit (worker, acquisition->borrower);
    }
  else
    {
      assert_cancelled (acquisition->cancellable, error);
    }

  (*acquisition->n_pending)--;
  g_clear_object (&acquisition->cancellable);
  g_clear_object (&acquisition->borrower);
  g_free (acquisition);
}

static GObject *
make_borrower (Worker *worker)
{
  return dice (worker, 2) == 0 ? G_OBJECT (at_event_new ()) : NULL;
}

/* A thread that blocked while a unit waits for its context would wait for itself; so all of them
 * are answered before it does anything else. */
static void
acquire_several_async (Worker *worker)
{
  Units *units = worker->data;
  guint n_pending = 0;

  for (guint n = 1 + dice (worker, 4); n > 0; n--)
    {
      Acquisition *acquisition = g_new0 (Acquisition, 1);

      acquisition->worker = worker;
      acquisition->borrower = make_borrower (worker);
      acquisition->cancellable = make_cancellable (worker);
      acquisition->n_pending = &n_pending;
      n_pending++;

      g_mutex_lock (&units->tickets_lock);
      acquisition->ticket = ++units->next_ticket;
      units->klass->acquire_async (units->object, acquisition->borrower, acquisition->cancellable,
                                   on_acquired, acquisition);
      g_mutex_unlock (&units->tickets_lock);
    }

  if (dice (worker, 2) == 0)
    cancel_somebody (worker);

  while (n_pending > 0)
    g_main_context_iteration (worker->context, TRUE);
}

static void
work_with_units (Worker *worker)
{
  Units *units = worker->data;

  while (!time_is_over ())
    {
      switch (dice (worker, units->resizes ? 6 : 5))
        {
        case 0:
        case 1:
          {
            g_autoptr (GCancellable) cancellable = make_cancellable (worker);
            g_autoptr (GObject) borrower = make_borrower (worker);
            g_autoptr (GError) error = NULL;

            if (units->klass->acquire (units->object, borrower, cancellable, &error))
              use_unit (worker, borrower);
            else
              assert_cancelled (cancellable, error);
          }
          break;

        case 2:
        case 3:
          acquire_several_async (worker);
          break;

        case 4:
          {
            g_autoptr (GObject) borrower = make_borrower (worker);

            if (units->klass->try_acquire (units->object, borrower))
              use_unit (worker, borrower);
          }
          break;

        default:
          at_capacity_limiter_set_total (units->object, 1 + dice (worker, units->n_units));
          break;
        }
    }
}

static void
run_units (const UnitsClass *klass,
           gpointer          object,
           guint             n_units,
           gboolean          resizes)
{
  Units units = { .klass = klass, .object = object, .n_units = n_units, .resizes = resizes };
  g_autoptr (AtStatistics) statistics = NULL;

  g_mutex_init (&units.tickets_lock);
  run_workers (work_with_units, &units);
  g_mutex_clear (&units.tickets_lock);

  g_object_get (object, "statistics", &statistics, NULL);
  g_assert_cmpuint (statistics->borrowed, ==, 0);
  g_assert_cmpuint (statistics->waiters, ==, 0);
  g_assert_cmpuint (statistics->available, ==, resizes ? statistics->total : n_units);
}

static gboolean
lock_acquire (gpointer      object,
              GObject      *borrower,
              GCancellable *cancellable,
              GError      **error)
{
  return at_lock_acquire (object, cancellable, error);
}

static void
lock_acquire_async (gpointer            object,
                    GObject            *borrower,
                    GCancellable       *cancellable,
                    GAsyncReadyCallback callback,
                    gpointer            data)
{
  at_lock_acquire_async (object, cancellable, callback, data);
}

static gboolean
lock_acquire_finish (gpointer      object,
                     GAsyncResult *result,
                     GError      **error)
{
  return at_lock_acquire_finish (object, result, error);
}

static gboolean
lock_try_acquire (gpointer object,
                  GObject *borrower)
{
  return at_lock_try_acquire (object);
}

static void
lock_release (gpointer object,
              GObject *borrower)
{
  at_lock_release (object);
}

void
stress_lock (void)
{
  static const UnitsClass klass = {
    .acquire = lock_acquire,
    .acquire_async = lock_acquire_async,
    .acquire_finish = lock_acquire_finish,
    .try_acquire = lock_try_acquire,
    .release = lock_release,
  };
  g_autoptr (AtLock) lock = at_lock_new ();

  run_units (&klass, lock, 1, FALSE);
}

static gboolean
semaphore_acquire (gpointer      object,
                   GObject      *borrower,
                   GCancellable *cancellable,
                   GError      **error)
{
  return at_semaphore_acquire (object, cancellable, error);
}

static void
semaphore_acquire_async (gpointer            object,
                         GObject            *borrower,
                         GCancellable       *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer            data)
{
  at_semaphore_acquire_async (object, cancellable, callback, data);
}

static gboolean
semaphore_acquire_finish (gpointer      object,
                          GAsyncResult *result,
                          GError      **error)
{
  return at_semaphore_acquire_finish (object, result, error);
}

static gboolean
semaphore_try_acquire (gpointer object,
                       GObject *borrower)
{
  return at_semaphore_try_acquire (object);
}

static void
semaphore_release (gpointer object,
                   GObject *borrower)
{
  g_assert_true (at_semaphore_release (object, NULL));
}

void
stress_semaphore (void)
{
  static const UnitsClass klass = {
    .acquire = semaphore_acquire,
    .acquire_async = semaphore_acquire_async,
    .acquire_finish = semaphore_acquire_finish,
    .try_acquire = semaphore_try_acquire,
    .release = semaphore_release,
  };
  g_autoptr (AtSemaphore) semaphore = at_semaphore_new (3, 3);

  run_units (&klass, semaphore, 3, FALSE);
}

static gboolean
limiter_acquire (gpointer      object,
                 GObject      *borrower,
                 GCancellable *cancellable,
                 GError      **error)
{
  return at_capacity_limiter_acquire (object, borrower, cancellable, error);
}

static void
limiter_acquire_async (gpointer            object,
                       GObject            *borrower,
                       GCancellable       *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer            data)
{
  at_capacity_limiter_acquire_async (object, borrower, cancellable, callback, data);
}

static gboolean
limiter_acquire_finish (gpointer      object,
                        GAsyncResult *result,
                        GError      **error)
{
  return at_capacity_limiter_acquire_finish (object, result, error);
}

static gboolean
limiter_try_acquire (gpointer object,
                     GObject *borrower)
{
  return at_capacity_limiter_try_acquire (object, borrower);
}

static void
limiter_release (gpointer object,
                 GObject *borrower)
{
  at_capacity_limiter_release (object, borrower);
}

void
stress_limiter (void)
{
  static const UnitsClass klass = {
    .acquire = limiter_acquire,
    .acquire_async = limiter_acquire_async,
    .acquire_finish = limiter_acquire_finish,
    .try_acquire = limiter_try_acquire,
    .release = limiter_release,
  };
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (2);

  run_units (&klass, limiter, 4, TRUE);
}
