/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of the runtime share: latches, a log that keeps the library's reports, and
 * probes: tasks that note where and how often they ran.
 *
 * No test waits for a time. A latch waits for an event, and gives up with an abort after
 * TEST_PATIENCE, so that a lost wake-up is a failure with a stack and not a silent time-out.
 */

#include <asynctools.h>

#include <string.h>

#define TEST_PATIENCE (100 * G_USEC_PER_SEC)

#define test_assert_error(error, domain, code)                                \
  G_STMT_START                                                                \
  {                                                                           \
    g_assert_error ((error), (domain), (int) (code));                         \
    g_clear_error (&(error));                                                 \
  }                                                                           \
  G_STMT_END

/* A counter that other threads can wait for. All zeroes is a valid one. */
typedef struct
{
  GMutex mutex;
  GCond  cond;
  guint  count;
} TestLatch;

static inline void
test_latch_open (TestLatch *latch)
{
  g_mutex_lock (&latch->mutex);
  latch->count++;
  g_cond_broadcast (&latch->cond);
  g_mutex_unlock (&latch->mutex);
}

static inline guint
test_latch_count (TestLatch *latch)
{
  guint count;

  g_mutex_lock (&latch->mutex);
  count = latch->count;
  g_mutex_unlock (&latch->mutex);

  return count;
}

static inline void
test_latch_wait_for (TestLatch *latch,
                     guint      count)
{
  gint64 end_time = g_get_monotonic_time () + TEST_PATIENCE;

  g_mutex_lock (&latch->mutex);
  while (latch->count < count)
    {
      if (!g_cond_wait_until (&latch->cond, &latch->mutex, end_time))
        g_error ("Waited in vain: %u of %u", latch->count, count);
    }
  g_mutex_unlock (&latch->mutex);
}

static inline void
test_latch_wait (TestLatch *latch)
{
  test_latch_wait_for (latch, 1);
}

/* As an AtFunc, a GDestroyNotify, or a "cancelled" handler with the latch as its data. */
static inline void
test_latch_open_func (gpointer latch)
{
  test_latch_open (latch);
}

static inline void
test_latch_on_cancelled (GCancellable *cancellable,
                         gpointer      latch)
{
  test_latch_open (latch);
}

static inline void
test_nothing (gpointer user_data)
{
}

/* Runs func on a thread of its own to the end. */
static inline gpointer
test_on_thread (GThreadFunc func,
                gpointer    data)
{
  return g_thread_join (g_thread_new ("test", func, data));
}

static inline gboolean
test_give_up (gpointer user_data)
{
  g_error ("Iterated in vain");
  return G_SOURCE_REMOVE;
}

/* Iterates context on this thread until *flag, which this thread sets. */
static inline void
test_iterate_until (GMainContext *context,
                    gboolean     *flag)
{
  g_autoptr (GSource) source = g_timeout_source_new (TEST_PATIENCE / 1000);

  g_source_set_callback (source, test_give_up, NULL, NULL);
  g_source_attach (source, context);
  while (!*flag)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (source);
}

/* Receives one GAsyncResult. */
typedef struct
{
  gboolean      called;
  guint         n_calls;
  GObject      *source;
  GAsyncResult *result;
  GThread      *thread;
  TestLatch     latch;
} TestAnswer;

static inline void
test_answer_ready (GObject      *source,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  TestAnswer *answer = user_data;

  answer->n_calls++;
  g_assert_cmpuint (answer->n_calls, ==, 1);
  g_set_object (&answer->source, source);
  g_set_object (&answer->result, result);
  answer->thread = g_thread_self ();
  answer->called = TRUE;
  test_latch_open (&answer->latch);
}

static inline void
test_answer_clear (TestAnswer *answer)
{
  g_clear_object (&answer->source);
  g_clear_object (&answer->result);
}

static inline void
test_assert_int (const GValue *value,
                 int           expected)
{
  g_assert_nonnull (value);
  g_assert_true (G_VALUE_HOLDS_INT (value));
  g_assert_cmpint (g_value_get_int (value), ==, expected);
}

static inline void
test_assert_int_taken (GValue *value,
                       int     expected)
{
  test_assert_int (value, expected);
  g_boxed_free (G_TYPE_VALUE, value);
}

static inline void
test_return_int (GTask *task,
                 int    number)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, number);
  g_task_return_value (task, &value);
}

/* The simplest body: returns its data as an int. */
static inline void
test_body_int (GTask   *task,
               gpointer user_data)
{
  test_return_int (task, GPOINTER_TO_INT (user_data));
}

/* The unhandled failures that the library logged and no test has taken yet. */
static GMutex test_reports_mutex;
static GCond test_reports_cond;
static GPtrArray *test_reports;

/* A handler and not a writer: newer test frameworks of GLib have a default handler of their own, which
 * writes by itself. */
static inline void
test_log_handler (const char    *domain,
                  GLogLevelFlags level,
                  const char    *message,
                  gpointer       user_data)
{
  g_mutex_lock (&test_reports_mutex);
  g_ptr_array_add (test_reports, g_strdup (message));
  g_cond_broadcast (&test_reports_cond);
  g_mutex_unlock (&test_reports_mutex);
}

static inline guint
test_n_reports (void)
{
  guint n;

  g_mutex_lock (&test_reports_mutex);
  n = test_reports->len;
  g_mutex_unlock (&test_reports_mutex);

  return n;
}

/* Waits for the next report. (transfer full) */
static inline char *
test_take_report (void)
{
  gint64 end_time = g_get_monotonic_time () + TEST_PATIENCE;
  char *report;

  g_mutex_lock (&test_reports_mutex);
  while (test_reports->len == 0)
    {
      if (!g_cond_wait_until (&test_reports_cond, &test_reports_mutex, end_time))
        g_error ("Waited in vain for a report");
    }
  report = g_ptr_array_steal_index (test_reports, 0);
  g_mutex_unlock (&test_reports_mutex);

  return report;
}

static inline void
test_assert_report (const char *task_name)
{
  g_autofree char *report = test_take_report ();

  if (strstr (report, task_name) == NULL)
    g_error ("“%s” is not in the report: %s", task_name, report);
}

typedef struct
{
  void (*run) (void);
} TestCase;

static inline void
test_run (gconstpointer user_data)
{
  const TestCase *test = user_data;

  test->run ();

  /* Every failure in these tests is looked at, or its report is taken. */
  if (test_n_reports () > 0)
    {
      g_autofree char *report = test_take_report ();

      g_error ("An unexpected report: %s", report);
    }
}

/* Every test ends with the check that the library reported nothing that was seen. */
static inline void
test_add (const char *path,
          void      (*run) (void))
{
  static TestCase tests[100];
  static guint n;

  g_assert_cmpuint (n, <, G_N_ELEMENTS (tests));
  tests[n].run = run;
  g_test_add_data_func (path, &tests[n++], test_run);
}

static inline void
test_init (int    *argc,
           char ***argv)
{
  g_test_init (argc, argv, NULL);
  test_reports = g_ptr_array_new_with_free_func (g_free);
  g_log_set_handler ("AsyncTools", G_LOG_LEVEL_MESSAGE, test_log_handler, NULL);
}

/* Runs the test at path again in a process of its own, which must succeed and say pattern. */
static inline void
test_assert_subprocess (const char *pattern)
{
  g_test_trap_subprocess (NULL, TEST_PATIENCE, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
  if (pattern != NULL)
    g_test_trap_assert_stderr (pattern);
}

/* In a subprocess: criticals are said, and life goes on. */
static inline void
test_survive_criticals (void)
{
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
}

static inline AtPortal *
test_portal_new (const char *name)
{
  g_autoptr (GError) error = NULL;
  AtPortal *portal = at_portal_new (name, &error);

  g_assert_no_error (error);
  g_assert_true (AT_IS_PORTAL (portal));

  return portal;
}

/* Ends a portal with a thread of its own; what the test kept must be the last reference. */
static inline void
test_portal_finish (AtPortal *portal)
{
  g_autoptr (GError) error = NULL;
  gboolean stopped;

  at_portal_stop (portal, FALSE);
  stopped = at_portal_wait_stopped (portal, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (stopped);
  g_assert_finalize_object (portal);
}

/* Waits until the portal's thread has worked off everything that came before. */
static inline void
test_portal_flush (AtPortal *portal)
{
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 3; i++)
    {
      at_portal_invoke (portal, test_nothing, NULL, &error);
      g_assert_no_error (error);
    }
}

/* Keeps a portal's thread busy until it is released. */
typedef struct
{
  TestLatch entered;
  TestLatch release;
} TestBlock;

static inline void
test_block_func (gpointer user_data)
{
  TestBlock *block = user_data;

  test_latch_open (&block->entered);
  test_latch_wait (&block->release);
}

static inline void
test_block_portal (TestBlock *block,
                   AtPortal  *portal)
{
  g_autoptr (GError) error = NULL;

  at_portal_post (portal, test_block_func, block, NULL, &error);
  g_assert_no_error (error);
  test_latch_wait (&block->entered);
}

typedef enum
{
  PROBE_VALUE,
  PROBE_NO_VALUE,
  PROBE_POINTER,
  PROBE_INT,
  PROBE_BOOLEAN,
  PROBE_ERROR,     /* G_IO_ERROR_NOT_FOUND “no such thing” */
  PROBE_CANCELLED, /* G_IO_ERROR_CANCELLED “gave up” */
} ProbeResult;

typedef enum
{
  PROBE_NOW,
  PROBE_KEEP,           /* the task stays in the probe, probe_return () ends it */
  PROBE_DROP,           /* never */
  PROBE_WHEN_CANCELLED, /* with what the cancellable says, if it is an error */
} ProbeTime;

/* A task that notes what became of it. Set the first group, the rest is noted. */
typedef struct
{
  ProbeTime   when;
  ProbeResult result;
  int         number;
  TestLatch  *hold;  /* the body blocks until it is open */
  AtFuture   *watch; /* must not be done while the body or destroy runs */

  int       n_bodies;
  int       n_destroys;
  GThread  *body_thread;
  GThread  *destroy_thread;
  TestLatch entered;
  TestLatch cancelled; /* PROBE_WHEN_CANCELLED: its scope told it */
  TestLatch destroyed;
  GTask    *task;
} Probe;

static inline void
probe_return_to (Probe *probe,
                 GTask *task)
{
  switch (probe->result)
    {
    case PROBE_VALUE:
      test_return_int (task, probe->number);
      break;
    case PROBE_NO_VALUE:
      g_task_return_value (task, NULL);
      break;
    case PROBE_POINTER:
      g_task_return_pointer (task, g_strdup_printf ("%d", probe->number), g_free);
      break;
    case PROBE_INT:
      g_task_return_int (task, probe->number);
      break;
    case PROBE_BOOLEAN:
      g_task_return_boolean (task, probe->number != 0);
      break;
    case PROBE_ERROR:
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no such thing");
      break;
    case PROBE_CANCELLED:
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_CANCELLED, "gave up");
      break;
    default:
      g_assert_not_reached ();
    }
}

/* Ends a task that was kept; on any thread. */
static inline void
probe_return (Probe *probe)
{
  g_autoptr (GTask) task = g_steal_pointer (&probe->task);

  probe_return_to (probe, task);
}

static inline void
probe_scope_cancelled (GObject      *source,
                       GAsyncResult *result,
                       gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  Probe *probe = g_task_get_task_data (task);
  AtCancelScope *scope = AT_CANCEL_SCOPE (source);
  g_autoptr (GError) error = NULL;

  at_cancel_scope_wait_finish (scope, result, &error);
  g_assert_no_error (error);
  test_latch_open (&probe->cancelled);

  if (probe->result == PROBE_CANCELLED)
    g_assert_true (g_task_return_error_if_cancelled (task));
  else
    probe_return_to (probe, task);
}

static inline void
probe_body (GTask   *task,
            gpointer user_data)
{
  Probe *probe = user_data;

  g_atomic_int_inc (&probe->n_bodies);
  probe->body_thread = g_thread_self ();
  test_latch_open (&probe->entered);

  if (probe->hold != NULL)
    test_latch_wait (probe->hold);

  switch (probe->when)
    {
    case PROBE_NOW:
      probe_return_to (probe, task);
      break;
    case PROBE_KEEP:
      probe->task = g_object_ref (task);
      break;
    case PROBE_WHEN_CANCELLED:
      g_task_set_task_data (task, probe, NULL);
      at_cancel_scope_wait_async (AT_CANCEL_SCOPE (g_task_get_cancellable (task)), NULL,
                                  probe_scope_cancelled, g_object_ref (task));
      break;
    case PROBE_DROP:
      break;
    default:
      g_assert_not_reached ();
    }

  if (probe->watch != NULL)
    g_assert_false (at_future_is_done (probe->watch));
}

static inline void
probe_destroy (gpointer user_data)
{
  Probe *probe = user_data;

  if (probe->watch != NULL)
    g_assert_false (at_future_is_done (probe->watch));
  g_atomic_int_inc (&probe->n_destroys);
  probe->destroy_thread = g_thread_self ();
  test_latch_open (&probe->destroyed);
}

static inline AtFuture *
probe_spawn (Probe        *probe,
             AtPortal     *portal,
             GCancellable *cancellable)
{
  AtFuture *future = at_portal_spawn (portal, cancellable, probe_body, probe, probe_destroy);

  g_assert_true (AT_IS_FUTURE (future));

  return future;
}

static inline void
test_future_wait (AtFuture *future)
{
  g_autoptr (GError) error = NULL;
  gboolean ended = at_future_wait_until (future, g_get_monotonic_time () + TEST_PATIENCE, NULL,
                                         &error);

  g_assert_no_error (error);
  g_assert_true (ended);
  g_assert_true (at_future_is_done (future));
}

/* Waits, and wants an int. Drops the future. */
static inline void
test_future_finish_int (AtFuture *future,
                        int       expected)
{
  g_autoptr (GError) error = NULL;
  const GValue *value;

  test_future_wait (future);
  value = at_future_get_value (future, &error);
  g_assert_no_error (error);
  test_assert_int (value, expected);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
  g_object_unref (future);
}

/* Waits, and wants an error. Drops the future. */
static inline void
test_future_finish_error (AtFuture *future,
                          GQuark    domain,
                          int       code)
{
  g_autoptr (GError) error = NULL;

  test_future_wait (future);
  g_assert_null (at_future_get_value (future, &error));
  g_assert_error (error, domain, code);
  g_object_unref (future);
}
