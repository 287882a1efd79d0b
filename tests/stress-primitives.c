/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stress.h"

/* Eight threads do random things to a primitive, and what must always be so is checked at every
 * step. The seed is printed; the same seed makes the same choices, though not the same races.
 *
 *   stress-primitives [--seconds=2] [--seed=N] [NAME…]
 */

static guint32 seed;
static gint64 end_time;
static const char *running = "nothing";
static guint n_steps;

void
progress (void)
{
  g_atomic_int_inc (&n_steps);
}

gboolean
time_is_over (void)
{
  return g_get_monotonic_time () >= end_time;
}

static gpointer
watch_progress (gpointer data)
{
  AtEvent *ended = data;

  for (;;)
    {
      g_autoptr (AtCancelScope) minute = at_cancel_scope_new (NULL);
      guint before = g_atomic_int_get (&n_steps);

      at_cancel_scope_set_timeout (minute, G_TIME_SPAN_MINUTE);
      if (at_event_wait (ended, G_CANCELLABLE (minute), NULL))
        return NULL;

      if ((guint) g_atomic_int_get (&n_steps) == before)
        g_error ("Nothing happened for a minute: %s hangs, with --seed=%u", running, seed);
    }
}

/* Cancellables. */

static GMutex slots_lock;
static GCancellable *slots[N_WORKERS]; /* protected by slots_lock */

GCancellable *
make_cancellable (Worker *worker)
{
  GCancellable *cancellable = NULL;
  GCancellable *previous;

  switch (dice (worker, 4))
    {
    case 0:
      break;

    case 1:
      cancellable = g_cancellable_new ();
      break;

    case 2:
      cancellable = G_CANCELLABLE (at_cancel_scope_new (NULL));
      break;

    default:
      cancellable = G_CANCELLABLE (at_cancel_scope_new (NULL));
      at_cancel_scope_set_timeout (AT_CANCEL_SCOPE (cancellable), dice (worker, 300));
      break;
    }

  g_mutex_lock (&slots_lock);
  previous = slots[worker->index];
  slots[worker->index] = cancellable != NULL ? g_object_ref (cancellable) : NULL;
  g_mutex_unlock (&slots_lock);

  g_clear_object (&previous);

  return cancellable;
}

void
cancel_somebody (Worker *worker)
{
  g_autoptr (GCancellable) cancellable = NULL;
  guint index = dice (worker, N_WORKERS);

  g_mutex_lock (&slots_lock);
  cancellable = slots[index] != NULL ? g_object_ref (slots[index]) : NULL;
  g_mutex_unlock (&slots_lock);

  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
}

void
assert_cancelled (GCancellable *cancellable,
                  const GError *error)
{
  g_assert_nonnull (error);
  g_assert_nonnull (cancellable);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  g_assert_true (error->domain == G_IO_ERROR);
  g_assert_true (error->code == G_IO_ERROR_CANCELLED || error->code == G_IO_ERROR_TIMED_OUT);
}

/* Workers. */

static WorkerFunc worker_func;

static gpointer
worker_main (gpointer data)
{
  Worker *worker = data;

  g_main_context_push_thread_default (worker->context);
  worker_func (worker);
  g_main_context_pop_thread_default (worker->context);

  return NULL;
}

void
run_workers (WorkerFunc func,
             gpointer   data)
{
  static guint32 n_runs;
  Worker workers[N_WORKERS];
  GThread *threads[N_WORKERS];
  guint32 seeds[3] = { seed, ++n_runs, 0 };

  worker_func = func;

  for (guint i = 0; i < N_WORKERS; i++)
    {
      seeds[2] = i;
      workers[i].random = g_rand_new_with_seed_array (seeds, G_N_ELEMENTS (seeds));
      workers[i].index = i;
      workers[i].context = g_main_context_new ();
      workers[i].data = data;
    }

  for (guint i = 0; i < N_WORKERS; i++)
    threads[i] = g_thread_new ("worker", worker_main, &workers[i]);

  for (guint i = 0; i < N_WORKERS; i++)
    {
      g_thread_join (threads[i]);
      g_rand_free (workers[i].random);
      g_main_context_unref (workers[i].context);
    }

  /* By now nobody uses them, and the lock says so to those who check. */
  g_mutex_lock (&slots_lock);
  for (guint i = 0; i < N_WORKERS; i++)
    g_clear_object (&slots[i]);
  g_mutex_unlock (&slots_lock);
}

static const struct
{
  const char *name;
  void (*run) (void);
} runs[] = {
  { "lock", stress_lock },
  { "semaphore", stress_semaphore },
  { "limiter", stress_limiter },
  { "event", stress_event },
  { "condition", stress_condition },
  { "stream", stress_stream },
  { "task-group", stress_task_group },
  { "sleep", stress_sleep },
};

int
main (int    argc,
      char **argv)
{
  g_autoptr (GOptionContext) options = g_option_context_new ("[NAME…]");
  g_autoptr (AtEvent) ended = at_event_new ();
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) names = NULL;
  double seconds = 2;
  gint64 seed_option = -1;
  GThread *watcher;
  const GOptionEntry entries[] = {
    { "seconds", 0, 0, G_OPTION_ARG_DOUBLE, &seconds, "How long each run lasts", "S" },
    { "seed", 0, 0, G_OPTION_ARG_INT64, &seed_option, "What the choices come from", "N" },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_STRING_ARRAY, &names, NULL, NULL },
    { NULL },
  };

  g_option_context_add_main_entries (options, entries, NULL);
  if (!g_option_context_parse (options, &argc, &argv, &error))
    {
      g_printerr ("%s\n", error->message);
      return 2;
    }

  seed = seed_option >= 0 ? (guint32) seed_option : g_random_int ();
  watcher = g_thread_new ("watcher", watch_progress, ended);

  for (guint i = 0; i < G_N_ELEMENTS (runs); i++)
    {
      guint before = (guint) g_atomic_int_get (&n_steps);

      if (names != NULL && !g_strv_contains ((const char *const *) names, runs[i].name))
        continue;

      running = runs[i].name;
      g_print ("%s --seed=%u\n", running, seed);
      end_time = g_get_monotonic_time () + (gint64) (seconds * G_USEC_PER_SEC);
      runs[i].run ();
      g_print ("%s: %u steps\n", running, (guint) g_atomic_int_get (&n_steps) - before);
    }

  at_event_set (ended);
  g_thread_join (watcher);

  return 0;
}
