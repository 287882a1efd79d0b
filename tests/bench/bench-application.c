/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What workers and events cost.
 *
 * The round trip of one job is measured against g_task_run_in_thread (), whose answer comes through
 * a main context as well, and against g_task_run_in_thread_sync (), which blocks as
 * at_future_wait () does. The two sides take turns, so that the machine's moods hit both. */

#include <asynctools.h>

#include <locale.h>
#include <stdlib.h>
#include <sys/resource.h>

#define ROUNDS 15
#define TRIPS  2000

static double
seconds_since (gint64 begin)
{
  return (double) (g_get_monotonic_time () - begin) / G_USEC_PER_SEC;
}

static int
compare (gconstpointer a,
         gconstpointer b)
{
  double difference = *(const double *) a - *(const double *) b;

  return difference < 0 ? -1 : difference > 0;
}

static double
median (double *values)
{
  qsort (values, ROUNDS, sizeof *values, compare);
  return values[ROUNDS / 2];
}

/* Round trips. */

static void
at_job (GTask *task,
        gpointer user_data)
{
  g_task_return_boolean (task, TRUE);
}

static void
gio_job (GTask *task,
         gpointer source,
         gpointer data,
         GCancellable *cancellable)
{
  g_task_return_boolean (task, TRUE);
}

static void
done (GObject *source,
      GAsyncResult *result,
      gpointer is_done)
{
  *(gboolean *) is_done = TRUE;
}

static double
trip_blocking (gboolean is_ours)
{
  gint64 begin = g_get_monotonic_time ();

  for (int i = 0; i < TRIPS; i++)
    {
      if (is_ours)
        {
          g_autoptr (AtFuture) future = at_worker_pool_spawn (at_worker_pool_get_default (),
                                                              AT_WORKER_FLAGS_NONE, NULL, at_job,
                                                              NULL, NULL);

          at_future_wait (future, NULL, NULL);
        }
      else
        {
          g_autoptr (GTask) task = g_task_new (NULL, NULL, NULL, NULL);

          g_task_run_in_thread_sync (task, gio_job);
        }
    }

  return seconds_since (begin) / TRIPS * 1e6;
}

static double
trip_asynchronous (gboolean is_ours)
{
  gint64 begin = g_get_monotonic_time ();

  for (int i = 0; i < TRIPS; i++)
    {
      gboolean is_done = FALSE;

      if (is_ours)
        {
          g_autoptr (AtFuture) future = at_worker_pool_spawn (at_worker_pool_get_default (),
                                                              AT_WORKER_FLAGS_NONE, NULL, at_job,
                                                              NULL, NULL);

          at_future_wait_async (future, NULL, done, &is_done);
        }
      else
        {
          g_autoptr (GTask) task = g_task_new (NULL, NULL, done, &is_done);

          g_task_run_in_thread (task, gio_job);
        }
      while (!is_done)
        g_main_context_iteration (NULL, TRUE);
    }

  return seconds_since (begin) / TRIPS * 1e6;
}

static void
compare_trips (const char *name,
               double (*trip) (gboolean is_ours))
{
  double ours[ROUNDS], theirs[ROUNDS];

  for (int i = 0; i < ROUNDS; i++)
    {
      ours[i] = trip (TRUE);
      theirs[i] = trip (FALSE);
    }
  g_print ("worker round trip, %s: %.2f µs; GTask's: %.2f µs; ratio %.2f\n", name, median (ours),
           median (theirs), median (ours) / median (theirs));
}

/* Many jobs. */

#define N_JOBS 10000

static int n_running;
static int n_most;

static void
counting_job (GTask *task,
              gpointer user_data)
{
  int n = g_atomic_int_add (&n_running, 1) + 1;
  int most = g_atomic_int_get (&n_most);

  while (n > most && !g_atomic_int_compare_and_exchange (&n_most, most, n))
    most = g_atomic_int_get (&n_most);
  g_thread_yield ();
  g_atomic_int_add (&n_running, -1);
  g_task_return_boolean (task, TRUE);
}

static void
many_jobs (guint total)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (total);
  g_autoptr (AtWorkerPool) pool = at_worker_pool_new (limiter);
  g_autofree AtFuture **futures = g_new (AtFuture *, N_JOBS);
  gint64 begin = g_get_monotonic_time ();

  n_most = 0;
  for (int i = 0; i < N_JOBS; i++)
    futures[i] = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, counting_job, NULL, NULL);
  for (int i = 0; i < N_JOBS; i++)
    {
      at_future_wait (futures[i], NULL, NULL);
      g_object_unref (futures[i]);
    }
  g_print ("%d jobs, limit %u: %.1f ms, at most %d at once, %u threads\n", N_JOBS, total,
           seconds_since (begin) * 1e3, n_most, at_worker_pool_get_n_threads (pool));
  g_assert_cmpint (n_most, <=, (int) total);
  at_worker_pool_stop (pool, FALSE);
  at_worker_pool_wait_stopped (pool, NULL, NULL);
}

/* Events. */

#define N_EVENTS    1000000
#define N_LISTENERS 10
#define N_CONTEXTS  3

typedef struct
{
  AtEventBus *bus;
  int         n_heard;
} Ear;

static int n_complete;

static void
hear (AtEventBus *bus,
      const char *name,
      GVariant *payload,
      gpointer user_data)
{
  Ear *ear = user_data;

  g_assert_cmpint (g_variant_get_int32 (payload), ==, ear->n_heard);
  if (++ear->n_heard == N_EVENTS)
    g_atomic_int_inc (&n_complete);
}

static void
listen (gpointer user_data)
{
  Ear *ear = user_data;

  at_event_bus_listen (ear->bus, "number", hear, ear, NULL);
}

static void
many_events (void)
{
  AtPortal *portals[N_CONTEXTS];
  AtEventBus *bus = at_event_bus_new ();
  Ear ears[N_LISTENERS] = { 0 };
  struct rusage usage;
  double published;
  gint64 begin;

  for (int i = 0; i < N_CONTEXTS; i++)
    portals[i] = at_portal_new ("ears", NULL);
  for (int i = 0; i < N_LISTENERS; i++)
    {
      ears[i].bus = bus;
      at_portal_invoke (portals[i % N_CONTEXTS], listen, &ears[i], NULL);
    }

  begin = g_get_monotonic_time ();
  for (int i = 0; i < N_EVENTS; i++)
    at_event_bus_publish (bus, "number", g_variant_new_int32 (i));
  published = seconds_since (begin);
  while (g_atomic_int_get (&n_complete) < N_LISTENERS)
    g_usleep (1000);

  getrusage (RUSAGE_SELF, &usage);
  g_print ("%d events to %d listeners on %d contexts: published in %.2f s, heard in %.2f s "
           "(%.2f µs each), %.0f MiB at most; in order, none lost\n",
           N_EVENTS, N_LISTENERS, N_CONTEXTS, published, seconds_since (begin),
           seconds_since (begin) * 1e6 / N_EVENTS / N_LISTENERS, (double) usage.ru_maxrss / 1024);

  g_object_unref (bus);
  for (int i = 0; i < N_CONTEXTS; i++)
    {
      at_portal_stop (portals[i], FALSE);
      at_portal_wait_stopped (portals[i], NULL, NULL);
      g_object_unref (portals[i]);
    }
}

int
main (int argc,
      char **argv)
{
  setlocale (LC_ALL, "");

  /* Both pools start their threads. */
  trip_blocking (TRUE);
  trip_blocking (FALSE);

  compare_trips ("blocking", trip_blocking);
  compare_trips ("asynchronous", trip_asynchronous);
  many_jobs (1);
  many_jobs (4);
  many_jobs (40);
  many_events ();

  return 0;
}
