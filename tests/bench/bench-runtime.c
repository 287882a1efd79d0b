/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What it costs to enter a portal, against what one would use without it.
 *
 * Absolute times tell about the machine and about who else uses it. So every round measures each
 * thing once, after its baseline, and what counts is the median of the rounds' ratios. Nothing here
 * passes or fails by time: the goals are printed beside the figures. */

#include <asynctools.h>

#include <linux/futex.h>
#include <locale.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#define N_CALLERS 4

typedef struct
{
  AtPortal     *portal;
  GMainContext *context; /* of a plain loop on a thread of its own */
  AtFuture    **futures;
} Bench;

/* Microseconds: on the clock, and of all threads' processor time. */
typedef struct
{
  double wall;
  double cpu;
} Cost;

typedef Cost (*MeasureFunc) (Bench *bench,
                             guint  n); /* returns the cost of each */

typedef struct
{
  const char *name;
  MeasureFunc func;
  guint       n;
  int         baseline; /* index, -1: none */
  double      goal;     /* of the ratio of times; 0: none */
} Measure;

static int n_rounds = 11;
static double scale = 1.0;
static gboolean pinned;
static char *only;

static const GOptionEntry entries[] = {
  { "rounds", 'r', 0, G_OPTION_ARG_INT, &n_rounds, "How often to measure each thing", "N" },
  { "scale", 's', 0, G_OPTION_ARG_DOUBLE, &scale, "How much longer each measurement takes", "X" },
  { "pinned", 'p', 0, G_OPTION_ARG_NONE, &pinned, "Use a single processor", NULL },
  { "only", 'o', 0, G_OPTION_ARG_STRING, &only, "Leave out what is named otherwise", "TEXT" },
  G_OPTION_ENTRY_NULL,
};

static Cost
now (void)
{
  struct timespec cpu;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &cpu);

  return (Cost){ (double) g_get_monotonic_time (), cpu.tv_sec * 1e6 + cpu.tv_nsec / 1e3 };
}

static Cost
each (Cost  start,
      guint n)
{
  Cost end = now ();

  return (Cost){ (end.wall - start.wall) / n, (end.cpu - start.cpu) / n };
}

/* Two threads that take turns on a raw futex, which is the least that a round trip can cost
 * without spinning. */

typedef struct
{
  _Atomic (guint32) turn; /* 0: the caller's, 1: the other's */
  guint             n;
} Pair;

static void
pair_wait (Pair   *pair,
           guint32 turn)
{
  while (atomic_load (&pair->turn) != turn)
    syscall (SYS_futex, &pair->turn, FUTEX_WAIT_PRIVATE, 1 - turn, NULL, NULL, 0);
}

static void
pair_pass (Pair   *pair,
           guint32 turn)
{
  atomic_store (&pair->turn, turn);
  syscall (SYS_futex, &pair->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static gpointer
pair_thread (gpointer data)
{
  Pair *pair = data;

  for (guint i = 0; i < pair->n; i++)
    {
      pair_wait (pair, 1);
      pair_pass (pair, 0);
    }

  return NULL;
}

static Cost
measure_futex (Bench *bench,
               guint  n)
{
  Pair pair = { 0, n };
  GThread *thread = g_thread_new ("pair", pair_thread, &pair);
  Cost start = now ();
  Cost result;

  for (guint i = 0; i < n; i++)
    {
      pair_pass (&pair, 1);
      pair_wait (&pair, 0);
    }

  result = each (start, n);
  g_thread_join (thread);

  return result;
}

static void
count (gpointer data)
{
  (*(guint *) data)++;
}

static Cost
measure_invoke (Bench *bench,
                guint  n)
{
  Cost start = now ();
  guint counter = 0;

  for (guint i = 0; i < n; i++)
    at_portal_invoke (bench->portal, count, &counter, NULL);

  g_assert_cmpuint (counter, ==, n);

  return each (start, n);
}

static void
return_int_value (GTask   *task,
                  gpointer data)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, GPOINTER_TO_INT (data));
  g_task_return_value (task, &value);
}

static Cost
measure_call (Bench *bench,
              guint  n)
{
  Cost start = now ();

  for (guint i = 0; i < n; i++)
    {
      GValue *value = at_portal_call (bench->portal, NULL, return_int_value,
                                      GINT_TO_POINTER ((int) i), NULL);

      g_assert_cmpint (g_value_get_int (value), ==, (int) i);
      g_boxed_free (G_TYPE_VALUE, value);
    }

  return each (start, n);
}

static gpointer
call_thread (gpointer data)
{
  Bench *bench = data;

  measure_call (bench, (guint) (scale * 25000));

  return NULL;
}

static Cost
measure_contention (Bench *bench,
                    guint  n)
{
  GThread *threads[N_CALLERS];
  Cost start = now ();

  for (guint i = 0; i < N_CALLERS; i++)
    threads[i] = g_thread_new ("caller", call_thread, bench);
  for (guint i = 0; i < N_CALLERS; i++)
    g_thread_join (threads[i]);

  return each (start, n);
}

/* Throughput: from the first item to the moment when the last one has run. */

typedef struct
{
  GMutex   lock;
  GCond    cond;
  gboolean passed;
  guint    counter;
} Barrier;

static gboolean
count_in_source (gpointer data)
{
  count (data);

  return G_SOURCE_REMOVE;
}

static gboolean
pass_barrier (gpointer data)
{
  Barrier *barrier = data;

  g_mutex_lock (&barrier->lock);
  barrier->passed = TRUE;
  g_cond_signal (&barrier->cond);
  g_mutex_unlock (&barrier->lock);

  return G_SOURCE_REMOVE;
}

static Cost
measure_context_invoke (Bench *bench,
                        guint  n)
{
  Barrier barrier = { 0 };
  Cost start;
  Cost result;

  g_mutex_init (&barrier.lock);
  g_cond_init (&barrier.cond);

  start = now ();
  for (guint i = 0; i < n; i++)
    g_main_context_invoke (bench->context, count_in_source, &barrier.counter);
  g_main_context_invoke (bench->context, pass_barrier, &barrier);

  g_mutex_lock (&barrier.lock);
  while (!barrier.passed)
    g_cond_wait (&barrier.cond, &barrier.lock);
  g_mutex_unlock (&barrier.lock);
  result = each (start, n);

  g_assert_cmpuint (barrier.counter, ==, n);
  g_mutex_clear (&barrier.lock);
  g_cond_clear (&barrier.cond);

  return result;
}

/* Everything that came before has ended. */
static void
drain (Bench *bench,
       guint *counter,
       guint  expected)
{
  guint nothing = 0;

  at_portal_invoke (bench->portal, count, &nothing, NULL);
  g_assert_cmpuint (*counter, ==, expected);
}

static Cost
measure_post (Bench *bench,
              guint  n)
{
  Cost start = now ();
  guint counter = 0;

  for (guint i = 0; i < n; i++)
    at_portal_post (bench->portal, count, &counter, NULL, NULL);
  drain (bench, &counter, n);

  return each (start, n);
}

static void
count_in_task (GTask   *task,
               gpointer data)
{
  count (data);
  g_task_return_boolean (task, TRUE);
}

static Cost
measure_spawn (Bench *bench,
               guint  n)
{
  Cost start = now ();
  guint counter = 0;

  for (guint i = 0; i < n; i++)
    g_object_unref (at_portal_spawn (bench->portal, NULL, count_in_task, &counter, NULL));
  drain (bench, &counter, n);

  return each (start, n);
}

static Cost
measure_spawn_kept (Bench *bench,
                    guint  n)
{
  Cost start = now ();
  guint counter = 0;
  Cost result;

  for (guint i = 0; i < n; i++)
    bench->futures[i] = at_portal_spawn (bench->portal, NULL, count_in_task, &counter, NULL);
  drain (bench, &counter, n);

  result = each (start, n);
  for (guint i = 0; i < n; i++)
    g_object_unref (bench->futures[i]);

  return result;
}

static Cost
measure_spawn_kept_and_freed (Bench *bench,
                              guint  n)
{
  Cost start = now ();

  measure_spawn_kept (bench, n);

  return each (start, n);
}

/* A baseline stands before what is compared with it. */
static Measure measures[] = {
  { "two threads on a raw futex, round trip", measure_futex, 4000, -1, 0 },
  { "at_portal_invoke, round trip", measure_invoke, 4000, 0, 1.3 },
  { "at_portal_call, round trip", measure_call, 4000, 0, 0 },
  { "at_portal_call, four threads at once", measure_contention, 4 * 25000, 0, 0 },
  { "g_main_context_invoke, throughput", measure_context_invoke, 50000, -1, 0 },
  { "at_portal_post", measure_post, 500000, 4, 1 / 20.0 },
  { "at_portal_spawn, future dropped at once", measure_spawn, 100000, 4, 0.65 },
  { "at_portal_spawn, all futures kept", measure_spawn_kept, 100000, 4, 0.65 },
  { "… kept, and dropped in the end", measure_spawn_kept_and_freed, 100000, 4, 0.65 },
};

static int
compare_doubles (gconstpointer a,
                 gconstpointer b)
{
  double difference = *(const double *) a - *(const double *) b;

  return difference < 0 ? -1 : difference > 0;
}

static double
median (double *values,
        guint   n)
{
  g_autofree double *sorted = g_memdup2 (values, n * sizeof *values);

  qsort (sorted, n, sizeof *sorted, compare_doubles);

  return n % 2 == 1 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static void
report (const Measure *measure,
        const Cost    *costs,
        const Cost    *baseline)
{
  g_autofree double *wall = g_new (double, n_rounds);
  g_autofree double *cpu = g_new (double, n_rounds);
  double ratio;

  for (int i = 0; i < n_rounds; i++)
    {
      wall[i] = costs[i].wall;
      cpu[i] = costs[i].cpu;
    }
  printf ("%-40s %9.3f %9.3f", measure->name, median (wall, (guint) n_rounds),
          median (cpu, (guint) n_rounds));

  if (baseline != NULL)
    {
      for (int i = 0; i < n_rounds; i++)
        {
          wall[i] = costs[i].wall / baseline[i].wall;
          cpu[i] = costs[i].cpu / baseline[i].cpu;
        }
      ratio = median (wall, (guint) n_rounds);
      printf (" %9.3f %9.3f", ratio, median (cpu, (guint) n_rounds));
      if (measure->goal > 0)
        printf (" %6.2f  %s", measure->goal, ratio <= measure->goal ? "reached" : "NOT reached");
    }

  printf ("\n");
}

static gpointer
loop_thread (gpointer loop)
{
  g_main_context_push_thread_default (g_main_loop_get_context (loop));
  g_main_loop_run (loop);
  g_main_context_pop_thread_default (g_main_loop_get_context (loop));

  return NULL;
}

static void
use_one_processor (void)
{
  cpu_set_t available, one;

  CPU_ZERO (&one);
  if (sched_getaffinity (0, sizeof available, &available) != 0)
    return;

  for (guint i = 0; i < CPU_SETSIZE; i++)
    if (CPU_ISSET (i, &available))
      {
        CPU_SET (i, &one);
        break;
      }

  if (sched_setaffinity (0, sizeof one, &one) != 0)
    g_printerr ("The program cannot be pinned to one processor\n");
}

int
main (int   argc,
      char *argv[])
{
  g_autoptr (GOptionContext) options = g_option_context_new ("– what a portal costs");
  g_autoptr (GError) error = NULL;
  g_autoptr (GMainLoop) loop = NULL;
  Cost *costs[G_N_ELEMENTS (measures)];
  GThread *thread;
  Bench bench;
  guint n_kept = 0;

  setlocale (LC_CTYPE, "C.UTF-8");
  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error))
    {
      g_printerr ("%s\n", error->message);
      return 2;
    }

  n_rounds = MAX (n_rounds, 1);
  if (pinned)
    use_one_processor ();

  for (guint i = 0; i < G_N_ELEMENTS (measures); i++)
    {
      measures[i].n = MAX ((guint) (measures[i].n * scale), 1);
      n_kept = MAX (n_kept, measures[i].n);
      costs[i] = g_new0 (Cost, n_rounds);
    }

  bench.portal = at_portal_new ("bench", &error);
  if (bench.portal == NULL)
    {
      g_printerr ("%s\n", error->message);
      return 1;
    }
  bench.context = g_main_context_new ();
  bench.futures = g_new (AtFuture *, n_kept);
  loop = g_main_loop_new (bench.context, FALSE);
  thread = g_thread_new ("loop", loop_thread, loop);

  /* The first round only warms up. */
  for (int round = -1; round < n_rounds; round++)
    for (guint i = 0; i < G_N_ELEMENTS (measures); i++)
      if (only == NULL || strstr (measures[i].name, only) != NULL)
        costs[i][MAX (round, 0)] = measures[i].func (&bench, measures[i].n);

  printf ("%u processors, %s; medians of %d rounds; ratios to the baseline above\n\n"
          "%-40s %19s %19s\n%-40s %9s %9s %9s %9s %6s\n",
          g_get_num_processors (), pinned ? "pinned to one" : "free", n_rounds, "",
          "microseconds each", "ratio", "", "clock", "processor", "clock", "processor", "goal");
  for (guint i = 0; i < G_N_ELEMENTS (measures); i++)
    {
      int baseline = measures[i].baseline;

      report (&measures[i], costs[i], baseline >= 0 ? costs[baseline] : NULL);
    }
  for (guint i = 0; i < G_N_ELEMENTS (measures); i++)
    g_free (costs[i]);

  at_portal_stop (bench.portal, FALSE);
  at_portal_wait_stopped (bench.portal, NULL, NULL);
  g_object_unref (bench.portal);
  g_main_loop_quit (loop);
  g_thread_join (thread);
  g_main_context_unref (bench.context);
  g_free (bench.futures);

  return 0;
}
