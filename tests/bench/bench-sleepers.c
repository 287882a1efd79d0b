/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What many sleepers cost.
 *
 * 1. Tasks of one group that sleep at once, and are cancelled at once: memory of each, time to
 *    cancel them all, and whether both grow with the number alone (10 000 against 100 000); and
 *    what they cost while they sleep, which is nothing, since nobody polls.
 * 2. A round trip through a portal while 100 000 deadlines are pending, against one with none; and
 *    beside it the same for a plain GMainContext with 100 000 timeouts. */

#include <asynctools.h>

#include <locale.h>
#include <malloc.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#define N_FEW 10000
#define N_MANY 100000
#define N_ROUNDS 5
#define N_SERIES 100
#define N_TRIPS 100
#define N_PLAIN_TRIPS 4000
#define N_SLOW_TRIPS 100

static int
compare_doubles (const void *a,
                 const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;

  return (x > y) - (x < y);
}

static double
median (double *values,
        gsize   n)
{
  qsort (values, n, sizeof (double), compare_doubles);

  return values[n / 2];
}

static AtPortal *
start_portal (void)
{
  g_autoptr (GError) error = NULL;
  AtPortal *portal = at_portal_new ("bench", &error);

  g_assert_no_error (error);

  return portal;
}

static void
stop_portal (AtPortal *portal)
{
  at_portal_stop (portal, TRUE);
  at_portal_wait_stopped (portal, NULL, NULL);
  g_object_unref (portal);
}

static void
nothing (gpointer data)
{
}

/* Sleeping tasks. */

static guint n_ended; /* on the portal's thread, read after the group's wait */

static void
on_slept (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  n_ended++;

  if (at_sleep_finish (result, &error))
    g_task_return_value (task, NULL);
  else
    g_task_return_error (task, error);
}

static void
sleep_long (GTask   *task,
            gpointer user_data)
{
  at_sleep_async (G_TIME_SPAN_HOUR, g_task_get_cancellable (task), on_slept, g_object_ref (task));
}

typedef struct
{
  double bytes;  /* each */
  double idle;   /* µs of the processor's time, all of them, in a second of sleeping */
  double spawn;  /* µs each */
  double cancel; /* µs each */
  double cpu;    /* µs each, of the processor's time while they were cancelled */
} Sleepers;

/* What is allocated: main () sees to it that it is all in one heap, and nothing in caches. */
static double
heap_in_use (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return (double) (info.uordblks + info.hblkhd);
}

static double
cpu_usec (void)
{
  struct timespec time;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &time);

  return (double) time.tv_sec * 1e6 + (double) time.tv_nsec / 1e3;
}

static Sleepers
measure_sleepers (guint n)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  double before = heap_in_use (), cpu;
  gint64 begun = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  Sleepers result;

  n_ended = 0;
  for (guint i = 0; i < n; i++)
    g_object_unref (at_task_group_spawn (group, sleep_long, NULL, NULL));
  at_portal_invoke (portal, nothing, NULL, &error);
  g_assert_no_error (error);

  result.spawn = (double) (g_get_monotonic_time () - begun) / n;
  result.bytes = (heap_in_use () - before) / n;

  cpu = cpu_usec ();
  g_usleep (G_USEC_PER_SEC);
  result.idle = cpu_usec () - cpu;

  begun = g_get_monotonic_time ();
  cpu = cpu_usec ();
  at_task_group_cancel (group, NULL);
  at_task_group_wait (group, NULL, &error);
  result.cancel = (double) (g_get_monotonic_time () - begun) / n;
  result.cpu = (cpu_usec () - cpu) / n;

  g_assert_no_error (error);
  g_assert_cmpuint (n_ended, ==, n);

  stop_portal (portal);

  return result;
}

static gboolean
bench_sleepers (void)
{
  const guint n[2] = { N_FEW, N_MANY };
  double bytes[2][N_ROUNDS], spawn[2][N_ROUNDS], cancel[2][N_ROUNDS], cpu[2][N_ROUNDS];
  double idle[2][N_ROUNDS];
  Sleepers typical[2];
  gboolean good;

  for (guint round = 0; round < N_ROUNDS; round++)
    for (guint i = 0; i < 2; i++)
      {
        Sleepers sleepers = measure_sleepers (n[i]);

        bytes[i][round] = sleepers.bytes;
        spawn[i][round] = sleepers.spawn;
        cancel[i][round] = sleepers.cancel;
        cpu[i][round] = sleepers.cpu;
        idle[i][round] = sleepers.idle;
      }

  for (guint i = 0; i < 2; i++)
    {
      typical[i].bytes = median (bytes[i], N_ROUNDS);
      typical[i].spawn = median (spawn[i], N_ROUNDS);
      typical[i].cancel = median (cancel[i], N_ROUNDS);
      typical[i].cpu = median (cpu[i], N_ROUNDS);
      typical[i].idle = median (idle[i], N_ROUNDS);
      g_print ("%6u sleeping tasks: %.0f bytes each; %.2f µs to spawn each; cancelled and ended "
               "after %.1f ms, %.2f µs each (%.2f µs of processor time); "
               "%.0f µs of processor time in "
               "a second asleep\n",
               n[i], typical[i].bytes, typical[i].spawn, typical[i].cancel * n[i] / 1000,
               typical[i].cancel, typical[i].cpu, typical[i].idle);
    }

  g_print ("each of %u against each of %u: memory × %.2f, cancelling × %.2f, processor × %.2f\n",
           N_MANY, N_FEW, typical[1].bytes / typical[0].bytes,
           typical[1].cancel / typical[0].cancel, typical[1].cpu / typical[0].cpu);

  good = typical[1].bytes <= 2048;
  g_print ("at most 2048 bytes each: %s\n\n", good ? "yes" : "NO");

  return good;
}

/* Round trips. */

/* Of many short series the one at the lower quartile: other programs slow some of them down. */
static double
trip_portal (AtPortal *portal)
{
  double series[N_SERIES];

  for (guint i = 0; i < N_SERIES; i++)
    {
      gint64 begun = g_get_monotonic_time ();

      for (guint j = 0; j < N_TRIPS; j++)
        at_portal_invoke (portal, nothing, NULL, NULL);
      series[i] = (double) (g_get_monotonic_time () - begun) / N_TRIPS;
    }

  median (series, N_SERIES);

  return series[N_SERIES / 4];
}

static GPtrArray *
make_deadlines (void)
{
  GPtrArray *scopes = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < N_MANY; i++)
    {
      AtCancelScope *scope = at_cancel_scope_new (NULL);

      at_cancel_scope_set_timeout (scope, G_TIME_SPAN_HOUR + i);
      g_ptr_array_add (scopes, scope);
    }

  return scopes;
}

static gboolean
bench_portal (void)
{
  AtPortal *portal = start_portal ();
  double none[N_ROUNDS], pending[N_ROUNDS], ratio;

  trip_portal (portal);

  for (guint round = 0; round < N_ROUNDS; round++)
    {
      g_autoptr (GPtrArray) scopes = NULL;

      none[round] = trip_portal (portal);
      scopes = make_deadlines ();
      pending[round] = trip_portal (portal);
    }

  ratio = median (pending, N_ROUNDS) / median (none, N_ROUNDS);
  g_print ("at_portal_invoke (): %.1f µs, with %u deadlines pending %.1f µs: × %.2f\n",
           none[N_ROUNDS / 2], N_MANY, pending[N_ROUNDS / 2], ratio);
  g_print ("within × 1.2: %s\n", ratio <= 1.2 ? "yes" : "NO");

  stop_portal (portal);

  return ratio <= 1.2;
}

typedef struct
{
  GMutex   lock;
  GCond    changed;
  gboolean done;
} Trip;

static gpointer
run_loop (gpointer data)
{
  GMainLoop *loop = data;

  g_main_context_push_thread_default (g_main_loop_get_context (loop));
  g_main_loop_run (loop);
  g_main_context_pop_thread_default (g_main_loop_get_context (loop));

  return NULL;
}

static gboolean
on_trip (gpointer data)
{
  Trip *trip = data;

  g_mutex_lock (&trip->lock);
  trip->done = TRUE;
  g_cond_signal (&trip->changed);
  g_mutex_unlock (&trip->lock);

  return G_SOURCE_REMOVE;
}

static double
trip_plain (GMainContext *context,
            guint         n_trips)
{
  Trip trip = { 0 };
  gint64 begun = g_get_monotonic_time ();

  g_mutex_init (&trip.lock);
  g_cond_init (&trip.changed);

  for (guint i = 0; i < n_trips; i++)
    {
      trip.done = FALSE;
      g_main_context_invoke (context, on_trip, &trip);

      g_mutex_lock (&trip.lock);
      while (!trip.done)
        g_cond_wait (&trip.changed, &trip.lock);
      g_mutex_unlock (&trip.lock);
    }

  g_mutex_clear (&trip.lock);
  g_cond_clear (&trip.changed);

  return (double) (g_get_monotonic_time () - begun) / n_trips;
}

static gboolean
never (gpointer data)
{
  g_assert_not_reached ();
}

static void
bench_plain (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GMainLoop) loop = g_main_loop_new (context, FALSE);
  g_autoptr (GPtrArray) sources = g_ptr_array_new_with_free_func ((GDestroyNotify) g_source_unref);
  GThread *thread = g_thread_new ("plain", run_loop, loop);
  double none, pending;

  trip_plain (context, N_PLAIN_TRIPS);
  none = trip_plain (context, N_PLAIN_TRIPS);

  for (guint i = 0; i < N_MANY; i++)
    {
      GSource *source = g_timeout_source_new (3600 * 1000 + i);

      g_source_set_callback (source, never, NULL, NULL);
      g_source_attach (source, context);
      g_ptr_array_add (sources, source);
    }

  pending = trip_plain (context, N_SLOW_TRIPS);
  g_print ("g_main_context_invoke (): %.1f µs, with %u g_timeout_add () pending %.1f µs: × %.0f\n",
           none, N_MANY, pending, pending / none);

  g_main_loop_quit (loop);
  g_main_context_wakeup (context);
  g_thread_join (thread);
}

int
main (int    argc,
      char **argv)
{
  gboolean good;

  setlocale (LC_ALL, "C.UTF-8");

  /* GLib reads this before main (). */
  if (g_getenv ("G_SLICE") == NULL)
    {
      g_setenv ("G_SLICE", "always-malloc", TRUE);
      execv ("/proc/self/exe", argv);
    }

  mallopt (M_ARENA_MAX, 1);

  good = bench_sleepers ();
  good &= bench_portal ();
  bench_plain ();

  return good ? EXIT_SUCCESS : EXIT_FAILURE;
}
