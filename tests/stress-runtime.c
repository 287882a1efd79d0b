/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every task completes exactly once, under load and in the narrow places.
 *
 * tests/stress-runtime alone does the whole of it: ten million posts from four threads, a million
 * spawns with futures, 100 000 calls, 100 000 spawns that are cancelled at any moment, and 10 000
 * portals that are stopped while others enter them. That takes half a
 * minute; --divide=100 does a hundredth, as the test suite does. --seed repeats what a run drew
 * (the threads' interleaving is the machine's). The exit status says whether all the counts were
 * right; the first that is not is told.
 *
 * Ten million tasks cannot have a record each: a counter for each thread and kind has to come out
 * even, and posts carry a number that must come in its thread's order. Tasks have a byte each that
 * counts their bodies and a byte that counts their destroys.
 */

#include <asynctools.h>

#include <stdlib.h>

static int n_posts = 10000000;
static int n_spawns = 1000000;
static int n_calls = 100000;
static int n_cancels = 100000;
static int n_stops = 10000;
static int divide = 1;
static int seed = 0;

static const GOptionEntry entries[] = {
  { "posts", 0, 0, G_OPTION_ARG_INT, &n_posts, "How many posts, from four threads", "N" },
  { "spawns", 0, 0, G_OPTION_ARG_INT, &n_spawns, "How many spawns", "N" },
  { "calls", 0, 0, G_OPTION_ARG_INT, &n_calls, "How many calls, from four threads", "N" },
  { "cancels", 0, 0, G_OPTION_ARG_INT, &n_cancels, "How many spawns to cancel", "N" },
  { "stops", 0, 0, G_OPTION_ARG_INT, &n_stops, "How many portals to stop", "N" },
  { "divide", 0, 0, G_OPTION_ARG_INT, &divide, "Do the N-th part of all of these", "N" },
  { "seed", 0, 0, G_OPTION_ARG_INT, &seed, "What to draw random numbers from", "N" },
  { NULL }
};

/* The counts are the result: wrong ones end the program, in every build. */
#define check(condition, ...)                                                 \
  G_STMT_START                                                                \
  {                                                                           \
    if (G_UNLIKELY (!(condition)))                                            \
      {                                                                       \
        g_printerr ("stress: line %d: ", __LINE__);                           \
        g_printerr (__VA_ARGS__);                                             \
        g_printerr (" (--seed=%d)\n", seed);                                  \
        _Exit (EXIT_FAILURE);                                                 \
      }                                                                       \
  }                                                                           \
  G_STMT_END

#define N_THREADS 4

static AtPortal *
start_portal (const char *name)
{
  g_autoptr (GError) error = NULL;
  AtPortal *portal = at_portal_new (name, &error);

  check (portal != NULL, "no portal: %s", error->message);

  return portal;
}

static void
end_portal (AtPortal *portal)
{
  g_autoptr (GError) error = NULL;

  at_portal_stop (portal, FALSE);
  check (at_portal_wait_stopped (portal, NULL, &error), "no end: %s", error->message);
  g_object_unref (portal);
}

static void
nothing (gpointer data)
{
}

static void
run_threads (GThreadFunc func,
             gpointer    data,
             gsize       size)
{
  GThread *threads[N_THREADS];

  for (int i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("stress", func, (char *) data + size * (gsize) i);
  for (int i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
}

/* Posts: each thread's in its own order, each exactly once, each destroyed after it ran. */
typedef struct
{
  AtPortal *portal;
  int       n;
  int       n_run;       /* on the portal's thread, as the next */
  int       n_destroyed;
} Poster;

typedef struct
{
  Poster *poster;
  int     number;
} Numbered;

static void
count_post (gpointer data)
{
  ((Poster *) data)->n_run++;
}

static void
count_destroy (gpointer data)
{
  Poster *poster = data;

  poster->n_destroyed++;
  check (poster->n_destroyed == poster->n_run, "destroyed %d after %d had run",
         poster->n_destroyed, poster->n_run);
}

static void
count_numbered (gpointer data)
{
  Numbered *item = data;

  check (item->number == item->poster->n_run, "post %d ran as number %d",
         item->number, item->poster->n_run);
  item->poster->n_run++;
}

static void
destroy_numbered (gpointer data)
{
  count_destroy (((Numbered *) data)->poster);
  g_free (data);
}

static gpointer
post_many (gpointer data)
{
  Poster *poster = data;
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < poster->n; i++)
    {
      gboolean posted;

      if (i % 8 == 0)
        {
          Numbered *item = g_new (Numbered, 1);

          item->poster = poster;
          item->number = i;
          posted = at_portal_post (poster->portal, count_numbered, item, destroy_numbered, &error);
        }
      else
        {
          posted = at_portal_post (poster->portal, count_post, poster, count_destroy, &error);
        }
      check (posted, "post %d: %s", i, error->message);

      /* So that memory is bounded; and an invoke comes after what was posted before it. */
      if (i % 100000 == 99999)
        {
          check (at_portal_invoke (poster->portal, nothing, NULL, &error), "%s", error->message);
          check (poster->n_run == i + 1, "%d of %d had run before the invoke",
                 poster->n_run, i + 1);
        }
    }

  return NULL;
}

static int
stress_posts (void)
{
  AtPortal *portal = start_portal ("posts");
  Poster posters[N_THREADS] = { 0 };
  int total = 0;

  for (int i = 0; i < N_THREADS; i++)
    {
      posters[i].portal = portal;
      posters[i].n = n_posts / N_THREADS;
    }
  run_threads (post_many, posters, sizeof (Poster));
  end_portal (portal);
  for (int i = 0; i < N_THREADS; i++)
    {
      check (posters[i].n_run == posters[i].n && posters[i].n_destroyed == posters[i].n,
             "%d run and %d destroyed of %d",
             posters[i].n_run, posters[i].n_destroyed, posters[i].n);
      total += posters[i].n_run;
    }

  return total;
}

/* Tasks of several kinds. What one is follows from its number. */
typedef struct
{
  guint8 n_bodies;
  guint8 n_destroys;
} Marks;

typedef struct
{
  Marks *marks;
  int    number;
  GTask *task;
  int    seen_cancelled;
} Job;

typedef enum
{
  JOB_VALUE,
  JOB_ERROR,
  JOB_LATER,
  JOB_ELSEWHERE,
  JOB_DROPPED,
  N_JOBS
} JobKind;

/* Most are the fast path. */
static JobKind
job_kind (int number)
{
  return number % 16 < 11 ? JOB_VALUE : (JobKind) (number % 16 - 11);
}

static AtPortal *elsewhere;

static void
return_number (GTask *task,
               int    number)
{
  GValue value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, number);
  g_task_return_value (task, &value);
}

static void
return_job (gpointer data)
{
  Job *job = data;
  g_autoptr (GTask) task = g_steal_pointer (&job->task);

  return_number (task, job->number);
}

static void
job_body (GTask   *task,
          gpointer data)
{
  Job *job = data;

  job->marks->n_bodies++;
  switch (job_kind (job->number))
    {
    case JOB_VALUE:
      return_number (task, job->number);
      break;
    case JOB_ERROR:
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%d",
                               job->number);
      break;
    case JOB_LATER:
      job->task = g_object_ref (task);
      at_portal_post (g_task_get_source_object (task), return_job, job, NULL, NULL);
      break;
    case JOB_ELSEWHERE:
      job->task = g_object_ref (task);
      at_portal_post (elsewhere, return_job, job, NULL, NULL);
      break;
    case JOB_DROPPED:
      break;
    default:
      g_assert_not_reached ();
    }
}

static void
job_destroy (gpointer data)
{
  Job *job = data;

  job->marks->n_destroys++;
  g_free (job);
}

static void
check_outcome (int           number,
               const GValue *value,
               const GError *error)
{
  switch (job_kind (number))
    {
    case JOB_VALUE:
    case JOB_LATER:
    case JOB_ELSEWHERE:
      check (value != NULL && g_value_get_int (value) == number,
             "task %d has the wrong value: %s", number,
             error != NULL ? error->message : "another's");
      break;
    case JOB_ERROR:
      check (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND) &&
               atoi (error->message) == number,
             "task %d has the wrong error", number);
      break;
    case JOB_DROPPED:
      check (g_error_matches (error, AT_ERROR, AT_ERROR_ABANDONED),
             "task %d was not abandoned", number);
      break;
    default:
      g_assert_not_reached ();
    }
}

#define WINDOW 4096

static void
finish_spawn (AtFuture *future,
              Marks    *marks,
              int       number)
{
  g_autoptr (GError) error = NULL;
  const GValue *value;

  check (at_future_wait (future, NULL, &error), "%s", error->message);
  check (marks->n_bodies == 1 && marks->n_destroys == 1,
         "task %d: %d bodies, %d destroys at its end", number, marks->n_bodies, marks->n_destroys);
  value = at_future_get_value (future, &error);
  check_outcome (number, value, error);
  g_object_unref (future);
}

static int
stress_spawns (void)
{
  AtPortal *portal = start_portal ("spawns");
  g_autofree Marks *marks = g_new0 (Marks, n_spawns);
  g_autofree AtFuture **window = g_new0 (AtFuture *, WINDOW);
  int total = 0;

  elsewhere = start_portal ("elsewhere");
  for (int i = 0; i < n_spawns + WINDOW; i++)
    {
      if (window[i % WINDOW] != NULL)
        finish_spawn (g_steal_pointer (&window[i % WINDOW]), &marks[i - WINDOW], i - WINDOW);
      if (i < n_spawns)
        {
          Job *job = g_new0 (Job, 1);

          job->marks = &marks[i];
          job->number = i;
          window[i % WINDOW] = at_portal_spawn (portal, NULL, job_body, job, job_destroy);
        }
    }
  end_portal (portal);
  end_portal (g_steal_pointer (&elsewhere));
  for (int i = 0; i < n_spawns; i++)
    total += marks[i].n_bodies == 1 && marks[i].n_destroys == 1;
  check (total == n_spawns, "%d of %d spawns ran once", total,
         n_spawns);

  return total;
}

/* Calls, from four threads into one portal. */
typedef struct
{
  AtPortal *portal;
  int       first;
  int       n;
} Caller;

static gpointer
call_many (gpointer data)
{
  Caller *caller = data;

  for (int i = caller->first; i < caller->first + caller->n; i++)
    {
      Marks marks = { 0 };
      Job job = { .marks = &marks, .number = i };
      g_autoptr (GError) error = NULL;
      GValue *value = at_portal_call (caller->portal, NULL, job_body, &job, &error);

      check (marks.n_bodies == 1, "call %d ran %d times", i, marks.n_bodies);
      check_outcome (i, value, error);
      if (value != NULL)
        g_boxed_free (G_TYPE_VALUE, value);
    }

  return NULL;
}

static int
stress_calls (void)
{
  AtPortal *portal = start_portal ("calls");
  Caller callers[N_THREADS];

  elsewhere = start_portal ("elsewhere");
  for (int i = 0; i < N_THREADS; i++)
    {
      callers[i].portal = portal;
      callers[i].n = n_calls / N_THREADS;
      callers[i].first = i * callers[i].n;
    }
  run_threads (call_many, callers, sizeof (Caller));
  end_portal (portal);
  end_portal (g_steal_pointer (&elsewhere));

  return callers[0].n * N_THREADS;
}

/* Cancelled at any moment. Either the body never ran, or it saw it, or it was through before. */
static void
cancelled_body (GTask   *task,
                gpointer data)
{
  Job *job = data;

  job->marks->n_bodies++;
  /* Some keep the thread until they are told: the cancellation is on its way. */
  for (int i = 0; i < job->number % 64 || job->number % 8 == 0; i++)
    {
      if (g_task_return_error_if_cancelled (task))
        {
          job->seen_cancelled = TRUE;
          return;
        }
    }
  if (job->number % 7 == 0)
    {
      job->task = g_object_ref (task);
      at_portal_post (g_task_get_source_object (task), return_job, job, NULL, NULL);
      return;
    }
  return_number (task, job->number);
}

static void
cancelled_destroy (gpointer data)
{
  ((Job *) data)->marks->n_destroys++;
}

static int
stress_cancels (GRand *rand)
{
  AtPortal *portal = start_portal ("cancels");
  int n_never = 0;
  int n_seen = 0;
  int n_through = 0;

  for (int i = 0; i < n_cancels; i++)
    {
      Marks marks = { 0 };
      Job job = { .marks = &marks, .number = g_rand_int_range (rand, 0, 1 << 20) };
      g_autoptr (AtCancelScope) parent = NULL;
      g_autoptr (AtFuture) future = NULL;
      g_autoptr (GError) error = NULL;
      const GValue *value;
      AtFutureState state;

      if (i % 4 == 1)
        parent = at_cancel_scope_new (NULL);
      future = at_portal_spawn (portal, G_CANCELLABLE (parent), cancelled_body, &job,
                                cancelled_destroy);
      for (int spin = g_rand_int_range (rand, 0, 200); spin > 0; spin--)
        at_future_is_done (future);

      switch (i % 4)
        {
        case 0:
        case 2:
          at_future_cancel (future);
          break;
        case 1:
          at_cancel_scope_cancel_with_reason (parent, "raced");
          break;
        default:
          at_cancel_scope_set_timeout (AT_CANCEL_SCOPE (at_future_get_cancellable (future)),
                                       g_rand_int_range (rand, 0, 30));
          break;
        }

      check (at_future_wait (future, NULL, &error), "%s", error->message);
      check (marks.n_bodies <= 1 && marks.n_destroys == 1, "task %d: %d bodies, %d destroys", i,
             marks.n_bodies, marks.n_destroys);
      state = at_future_get_state (future);
      value = at_future_get_value (future, &error);
      if (state == AT_FUTURE_STATE_SUCCEEDED)
        {
          check (marks.n_bodies == 1 && !job.seen_cancelled && value != NULL &&
                   g_value_get_int (value) == job.number,
                 "task %d succeeded with nothing", i);
          n_through++;
        }
      else
        {
          check (state == AT_FUTURE_STATE_CANCELLED, "task %d ended in state %d: %s", i,
                 (int) state, error->message);
          check (error->domain == G_IO_ERROR &&
                   error->code == (i % 4 == 3 ? G_IO_ERROR_TIMED_OUT : G_IO_ERROR_CANCELLED),
                 "task %d: %s", i, error->message);
          check (marks.n_bodies == job.seen_cancelled,
                 "task %d was cancelled without its body's knowledge", i);
          if (marks.n_bodies == 0)
            n_never++;
          else
            n_seen++;
        }
    }
  end_portal (portal);
  g_print ("  of which %d never ran, %d were told, %d were through before\n", n_never,
           n_seen, n_through);

  return n_never + n_seen + n_through;
}

/* Stops that race with posts, spawns and calls: what was accepted runs or is cancelled, once. */
typedef struct
{
  AtPortal *portal;
  guint32   random;
  int       n_accepted;

  /*< counted on the portal's thread, or where a refusal destroys >*/
  int n_bodies;
  int n_destroys;
} Intruder;

static void
intruder_func (gpointer data)
{
  g_atomic_int_inc (&((Intruder *) data)->n_bodies);
}

static void
intruder_body (GTask   *task,
               gpointer data)
{
  intruder_func (data);
  return_number (task, 1);
}

static void
intruder_destroy (gpointer data)
{
  g_atomic_int_inc (&((Intruder *) data)->n_destroys);
}

static gpointer
intrude (gpointer data)
{
  Intruder *self = data;
  int destroys_due = 0;
  int bodies_due = 0;
  gboolean refused = FALSE;

  while (!refused)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AtFuture) future = NULL;
      GValue *value;

      self->random = self->random * 1664525 + 1013904223;
      switch (self->random >> 30)
        {
        case 0:
          destroys_due++;
          refused = !at_portal_post (self->portal, intruder_func, self, intruder_destroy, &error);
          bodies_due += !refused;
          break;
        case 1:
          destroys_due++;
          future = at_portal_spawn (self->portal, NULL, intruder_body, self, intruder_destroy);
          check (at_future_wait (future, NULL, &error), "%s", error->message);
          if (at_future_get_value (future, &error) != NULL)
            bodies_due++;
          break;
        case 2:
          value = at_portal_call (self->portal, NULL, intruder_body, self, &error);
          if (value != NULL)
            {
              bodies_due++;
              g_boxed_free (G_TYPE_VALUE, value);
            }
          break;
        default:
          if (at_portal_invoke (self->portal, intruder_func, self, &error))
            bodies_due++;
          break;
        }

      if (error != NULL)
        {
          refused = g_error_matches (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
          check (refused || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED),
                 "an intruder was told: %s", error->message);
        }
      if (!refused)
        self->n_accepted++;
    }

  check (at_portal_wait_stopped (self->portal, NULL, NULL), "the portal has no end");
  check (g_atomic_int_get (&self->n_bodies) == bodies_due &&
           g_atomic_int_get (&self->n_destroys) == destroys_due,
         "%d of %d ran, %d of %d were destroyed", self->n_bodies, bodies_due, self->n_destroys,
         destroys_due);
  return NULL;
}

static int
stress_stops (GRand *rand)
{
  int n_accepted = 0;

  for (int i = 0; i < n_stops; i++)
    {
      Intruder intruders[2] = { 0 };
      AtPortal *portal = start_portal ("stops");
      GThread *threads[2];

      for (int j = 0; j < 2; j++)
        {
          intruders[j].portal = portal;
          intruders[j].random = g_rand_int (rand);
          threads[j] = g_thread_new ("intruder", intrude, &intruders[j]);
        }
      for (int spin = g_rand_int_range (rand, 0, 300); spin > 0; spin--)
        at_portal_is_owner (portal);
      if (g_rand_boolean (rand))
        g_thread_yield ();
      at_portal_stop (portal, g_rand_boolean (rand));
      if (g_rand_int_range (rand, 0, 4) == 0)
        at_portal_stop (portal, TRUE);
      for (int j = 0; j < 2; j++)
        {
          g_thread_join (threads[j]);
          n_accepted += intruders[j].n_accepted;
        }
      end_portal (portal);
    }
  g_print ("  which had accepted %d tasks before\n", n_accepted);

  return n_stops;
}

static void
tell (const char *what,
      int         n,
      gint64      start)
{
  g_print ("%d %s, each exactly once: %.2f s\n", n, what,
           (double) (g_get_monotonic_time () - start) / G_USEC_PER_SEC);
}

int
main (int    argc,
      char **argv)
{
  g_autoptr (GOptionContext) options = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = NULL;
  gint64 start;

  g_option_context_add_main_entries (options, entries, NULL);
  g_option_context_set_summary (options, "Loads the runtime, and counts that nothing is lost.");
  if (!g_option_context_parse (options, &argc, &argv, &error) || divide < 1)
    {
      g_printerr ("%s\n", error != NULL ? error->message : "--divide wants a number from 1 on");
      return 2;
    }

  if (seed == 0)
    seed = (int) (g_random_int () >> 1);
  rand = g_rand_new_with_seed ((guint32) seed);
  g_print ("--seed=%d\n", seed);
  n_posts /= divide;
  n_spawns /= divide;
  n_calls /= divide;
  n_cancels /= divide;
  n_stops /= divide;

  start = g_get_monotonic_time ();
  tell ("posts", stress_posts (), start);
  start = g_get_monotonic_time ();
  tell ("spawns", stress_spawns (), start);
  start = g_get_monotonic_time ();
  tell ("calls", stress_calls (), start);
  start = g_get_monotonic_time ();
  tell ("cancelled spawns", stress_cancels (rand), start);
  start = g_get_monotonic_time ();
  tell ("stops", stress_stops (rand), start);

  return EXIT_SUCCESS;
}
