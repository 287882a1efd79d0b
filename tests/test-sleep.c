/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

static void
test_wakes_up (void)
{
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };
  gint64 begun = g_get_monotonic_time ();

  at_sleep_async (20000, NULL, on_answer, &answer);
  g_assert_true (at_sleep_finish (answer_wait (&answer), &error));
  g_assert_no_error (error);
  g_assert_cmpint (g_get_monotonic_time () - begun, >=, 20000);
}

static void
test_shorter_first (void)
{
  Answer answers[3] = { 0 };

  at_sleep_async (60000, NULL, on_answer, &answers[2]);
  at_sleep_async (-5, NULL, on_answer, &answers[0]);
  g_assert_null (answers[0].result);
  at_sleep_async (20000, NULL, on_answer, &answers[1]);

  answer_wait (&answers[2]);
  for (guint i = 0; i < 3; i++)
    g_assert_true (at_sleep_finish (answers[i].result, NULL));
  g_assert_cmpuint (answers[0].order, <, answers[1].order);
  g_assert_cmpuint (answers[1].order, <, answers[2].order);

  answers_clear (answers, G_N_ELEMENTS (answers));
}

static void
test_cancelled (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Answer answers[4] = { 0 };

  /* For ever, as far as the clock is concerned. */
  at_sleep_async (G_MAXINT64, cancellable, on_answer, &answers[0]);
  at_sleep_async (G_TIME_SPAN_DAY, G_CANCELLABLE (scope), on_answer, &answers[1]);
  run_pending ();
  g_assert_null (answers[0].result);

  g_cancellable_cancel (cancellable);
  g_assert_null (answers[0].result);
  g_assert_false (at_sleep_finish (answer_wait (&answers[0]), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);

  at_cancel_scope_set_timeout (scope, 1000);
  g_assert_false (at_sleep_finish (answer_wait (&answers[1]), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_error (&error);

  /* Cancelled before. */
  at_sleep_async (0, cancellable, on_answer, &answers[2]);
  g_assert_false (at_sleep_finish (answer_wait (&answers[2]), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_error (&error);
  at_sleep_async (G_TIME_SPAN_DAY, cancellable, on_answer, &answers[3]);
  g_assert_false (at_sleep_finish (answer_wait (&answers[3]), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  answers_clear (answers, G_N_ELEMENTS (answers));
}

static gpointer
cancel (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);

  return NULL;
}

static void
test_cancelled_meanwhile (void)
{
  for (guint i = 0; i < 300; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_auto (Answer) answer = { 0 };
      GThread *thread = g_thread_new ("cancel", cancel, cancellable);

      /* Ends one way or the other, once, whoever comes first. */
      at_sleep_async (i % 3 == 0 ? G_TIME_SPAN_DAY : i % 70, cancellable, on_answer, &answer);
      at_sleep_finish (answer_wait (&answer), NULL);
      g_thread_join (thread);
    }
}

static void
on_slept (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  g_assert_true (at_portal_is_owner (g_task_get_source_object (task)));

  if (at_sleep_finish (result, &error))
    g_task_return_value (task, NULL);
  else
    g_task_return_error (task, error);
}

static void
sleep_in_body (GTask   *task,
               gpointer usec)
{
  at_sleep_async (GPOINTER_TO_INT (usec), g_task_get_cancellable (task), on_slept,
                  g_object_ref (task));
}

static void
test_in_body (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtFuture) short_one = NULL, long_one = NULL;

  short_one = at_portal_spawn (portal, NULL, sleep_in_body, GINT_TO_POINTER (1000), NULL);
  long_one = at_portal_spawn (portal, NULL, sleep_in_body, GINT_TO_POINTER (G_MAXINT), NULL);

  g_assert_true (at_future_wait (short_one, NULL, NULL));
  g_assert_cmpint (at_future_get_state (short_one), ==, AT_FUTURE_STATE_SUCCEEDED);
  at_future_cancel (long_one);
  g_assert_true (at_future_wait (long_one, NULL, NULL));
  g_assert_cmpint (at_future_get_state (long_one), ==, AT_FUTURE_STATE_CANCELLED);

  stop_portal (portal);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/sleep/wakes-up-when-the-time-is-over", test_wakes_up);
  g_test_add_func ("/sleep/the-shorter-one-ends-first", test_shorter_first);
  g_test_add_func ("/sleep/cancelled-wakes-up-at-once", test_cancelled);
  g_test_add_func ("/sleep/cancelled-while-it-begins", test_cancelled_meanwhile);
  g_test_add_func ("/sleep/in-a-body", test_in_body);

  return g_test_run ();
}
