/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Failures that nobody saw: logged once and told once, on the context where the portal was made. */

#include "test-common.h"

typedef struct
{
  guint     n;
  AtPortal *portal;
  GThread  *thread;
  char     *task_name;
  GError   *error;
  gboolean  called;
} Unhandled;

static void
on_unhandled_error (AtPortal   *portal,
                    GError     *error,
                    const char *task_name,
                    gpointer    user_data)
{
  Unhandled *unhandled = user_data;

  unhandled->n++;
  unhandled->portal = portal;
  unhandled->thread = g_thread_self ();
  g_free (unhandled->task_name);
  unhandled->task_name = g_strdup (task_name);
  g_clear_error (&unhandled->error);
  unhandled->error = g_error_copy (error);
  unhandled->called = TRUE;
}

static void
unhandled_clear (Unhandled *unhandled)
{
  g_clear_pointer (&unhandled->task_name, g_free);
  g_clear_error (&unhandled->error);
}

static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

/* An emission that is still to come holds the portal. */
static void
finish (AtPortal *portal)
{
  at_portal_stop (portal, FALSE);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
  settle ();
  test_portal_finish (portal);
}

static void
test_dropped_failure_is_reported_once (void)
{
  AtPortal *portal = test_portal_new ("io");
  Unhandled unhandled = { 0 };
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future;

  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled_error), &unhandled);
  future = probe_spawn (&probe, portal, NULL);
  at_future_set_name (future, "fetch the moon");
  test_future_wait (future);
  test_portal_flush (portal);
  settle ();

  /* Not before the future is gone: somebody might still look. */
  g_assert_cmpuint (test_n_reports (), ==, 0);
  g_assert_cmpuint (unhandled.n, ==, 0);

  g_object_unref (future);
  test_assert_report ("fetch the moon");
  test_iterate_until (NULL, &unhandled.called);
  test_portal_flush (portal);
  settle ();
  g_assert_cmpuint (test_n_reports (), ==, 0);
  g_assert_cmpuint (unhandled.n, ==, 1);
  g_assert_true (unhandled.portal == portal);
  g_assert_true (unhandled.thread == g_thread_self ());
  g_assert_cmpstr (unhandled.task_name, ==, "fetch the moon");
  g_assert_error (unhandled.error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpstr (unhandled.error->message, ==, "no such thing");
  unhandled_clear (&unhandled);
  finish (portal);
}

static void
test_report_says_what_went_wrong (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, portal, NULL);
  g_autofree char *report = NULL;

  at_future_set_name (future, "fetch the moon");
  g_object_unref (future);
  report = test_take_report ();
  g_assert_nonnull (strstr (report, "fetch the moon"));
  g_assert_nonnull (strstr (report, "no such thing"));
  finish (portal);
}

/* Dropped before it failed: reported when it has. */
static void
test_forgotten_failure_is_reported (void)
{
  AtPortal *portal = test_portal_new ("io");
  Unhandled unhandled = { 0 };
  Probe probe = { .when = PROBE_KEEP, .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, portal, NULL);

  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled_error), &unhandled);
  at_future_set_name (future, "forgotten");
  test_latch_wait (&probe.entered);
  test_portal_flush (portal);
  g_object_unref (future);
  g_assert_cmpuint (test_n_reports (), ==, 0);
  probe_return (&probe);
  test_assert_report ("forgotten");
  test_iterate_until (NULL, &unhandled.called);
  test_portal_flush (portal);
  settle ();
  g_assert_cmpuint (unhandled.n, ==, 1);
  unhandled_clear (&unhandled);
  finish (portal);
}

static void
test_abandoned_task_is_reported (void)
{
  AtPortal *portal = test_portal_new ("io");
  Unhandled unhandled = { 0 };
  Probe probe = { .when = PROBE_DROP };

  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled_error), &unhandled);
  g_object_unref (probe_spawn (&probe, portal, NULL));
  test_iterate_until (NULL, &unhandled.called);
  g_assert_error (unhandled.error, AT_ERROR, AT_ERROR_ABANDONED);
  g_free (test_take_report ());
  unhandled_clear (&unhandled);
  finish (portal);
}

/* A task may name itself. */
static void
named_body (GTask   *task,
            gpointer user_data)
{
  g_task_set_name (task, "named by its body");
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no such thing");
}

static void
test_task_without_a_name_is_reported (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .result = PROBE_ERROR };

  g_object_unref (probe_spawn (&probe, portal, NULL));
  g_free (test_take_report ());
  g_object_unref (at_portal_spawn (portal, NULL, named_body, NULL, NULL));
  g_free (test_take_report ());
  finish (portal);
}

static void
test_waiting_is_not_looking (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, portal, NULL);
  TestAnswer answer = { 0 };

  at_future_set_name (future, "waited for");
  g_assert_true (at_future_wait (future, NULL, NULL));
  g_assert_true (at_future_wait_until (future, G_MAXINT64, NULL, NULL));
  at_future_wait_async (future, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_true (at_future_wait_finish (future, answer.result, NULL));
  test_answer_clear (&answer);
  g_assert_true (at_future_is_done (future));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_FAILED);
  g_assert_cmpuint (test_n_reports (), ==, 0);
  g_object_unref (future);
  test_assert_report ("waited for");
  finish (portal);
  g_assert_cmpuint (test_n_reports (), ==, 0);
}

/* Each way to look; with and without a place for the error. */
static void
check_seen (guint way)
{
  AtPortal *portal = test_portal_new ("io");
  Unhandled unhandled = { 0 };
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, portal, NULL);
  g_autoptr (GError) error = NULL;

  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled_error), &unhandled);
  test_future_wait (future);
  switch (way)
    {
    case 0:
      g_assert_null (at_future_get_value (future, &error));
      break;
    case 1:
      g_assert_null (at_future_propagate_pointer (future, &error));
      break;
    case 2:
      g_assert_cmpint (at_future_propagate_int (future, &error), ==, -1);
      break;
    case 3:
      g_assert_false (at_future_propagate_boolean (future, &error));
      break;
    default:
      g_assert_not_reached ();
    }
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_object_unref (future);
  test_portal_flush (portal);
  settle ();
  g_assert_cmpuint (test_n_reports (), ==, 0);
  g_assert_cmpuint (unhandled.n, ==, 0);
  finish (portal);
}

static void
test_what_was_seen_is_not_reported (void)
{
  for (guint way = 0; way < 4; way++)
    check_seen (way);
}

static void
test_what_a_call_returned_is_not_reported (void)
{
  AtPortal *portal = test_portal_new ("io");
  Unhandled unhandled = { 0 };
  Probe probe = { .result = PROBE_ERROR };
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;

  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled_error), &unhandled);
  g_assert_null (at_portal_call (portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  at_portal_call_async (portal, NULL, probe_body, &probe, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_null (at_portal_call_finish (portal, answer.result, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  test_answer_clear (&answer);
  test_portal_flush (portal);
  settle ();
  g_assert_cmpuint (test_n_reports (), ==, 0);
  g_assert_cmpuint (unhandled.n, ==, 0);
  finish (portal);
}

/* Neither cancellations, before or during the body, nor refusals, are failures. */
static void
test_cancellations_and_refusals_are_not_reported (void)
{
  AtPortal *portal = test_portal_new ("io");
  Unhandled unhandled = { 0 };
  TestBlock block = { 0 };
  Probe running = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
  Probe timed_out = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
  Probe queued = { .result = PROBE_ERROR };
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  AtFuture *future;

  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled_error), &unhandled);
  future = probe_spawn (&running, portal, NULL);
  test_latch_wait (&running.entered);
  at_future_cancel (future);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
  g_object_unref (future);

  future = probe_spawn (&timed_out, portal, G_CANCELLABLE (scope));
  test_latch_wait (&timed_out.entered);
  at_cancel_scope_set_timeout (scope, 0);
  test_future_wait (future);
  g_object_unref (future);

  test_block_portal (&block, portal);
  future = probe_spawn (&queued, portal, NULL);
  at_future_cancel (future);
  g_object_unref (future);
  test_latch_open (&block.release);
  test_portal_flush (portal);

  at_portal_stop (portal, TRUE);
  g_object_unref (probe_spawn (&queued, portal, NULL));
  settle ();
  finish (portal);
  g_assert_cmpuint (test_n_reports (), ==, 0);
  g_assert_cmpuint (unhandled.n, ==, 0);
  g_assert_cmpint (queued.n_bodies, ==, 0);
}

/* A real failure while cancelled is a failure. */
static void
test_failure_while_cancelled_is_reported (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, portal, NULL);

  at_future_set_name (future, "broke while it was cancelled");
  test_latch_wait (&probe.entered);
  at_future_cancel (future);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_FAILED);
  g_object_unref (future);
  test_assert_report ("broke while it was cancelled");
  finish (portal);
}

static void
test_signal_comes_where_the_portal_was_made (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Unhandled unhandled = { 0 };
  Probe probe = { .result = PROBE_ERROR };
  AtPortal *portal;

  g_main_context_push_thread_default (context);
  portal = test_portal_new ("io");
  g_main_context_pop_thread_default (context);
  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled_error), &unhandled);

  g_object_unref (probe_spawn (&probe, portal, NULL));
  g_free (test_take_report ());
  test_portal_flush (portal);
  settle ();
  g_assert_false (unhandled.called);
  test_iterate_until (context, &unhandled.called);
  g_assert_true (unhandled.thread == g_thread_self ());
  unhandled_clear (&unhandled);
  finish (portal);
}

/* The signal is not lost because the portal has stopped meanwhile. */
static void
test_reported_after_stop (void)
{
  AtPortal *portal = test_portal_new ("io");
  Unhandled unhandled = { 0 };
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, portal, NULL);

  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled_error), &unhandled);
  at_future_set_name (future, "late");
  at_portal_stop (portal, FALSE);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
  g_object_unref (future);
  test_assert_report ("late");
  test_iterate_until (NULL, &unhandled.called);
  settle ();
  g_assert_cmpuint (unhandled.n, ==, 1);
  unhandled_clear (&unhandled);
  finish (portal);
}

/* The future outlives its portal: there is nobody left to emit, but the log has it. */
static void
test_logged_after_the_portal (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, portal, NULL);

  at_future_set_name (future, "survivor");
  test_future_wait (future);
  finish (portal);
  g_assert_cmpuint (test_n_reports (), ==, 0);
  g_object_unref (future);
  test_assert_report ("survivor");
  g_assert_cmpuint (test_n_reports (), ==, 0);
}

/* The portal works on after failures, reported or not. */
static void
test_failures_never_end_the_portal (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .result = PROBE_ERROR };

  for (int i = 0; i < 100; i++)
    g_object_unref (probe_spawn (&probe, portal, NULL));
  test_future_finish_int (at_portal_spawn (portal, NULL, test_body_int, GINT_TO_POINTER (6), NULL),
                          6);
  for (int i = 0; i < 100; i++)
    g_free (test_take_report ());
  finish (portal);
  g_assert_cmpuint (test_n_reports (), ==, 0);
}

/* No handler of the signal, no loop on the creator's context: nothing piles up, nothing leaks. */
static gpointer
create_and_leave (gpointer data)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AtPortal *portal;

  g_main_context_push_thread_default (context);
  portal = test_portal_new ("io");
  g_main_context_pop_thread_default (context);
  return portal;
}

static void
test_creator_is_gone (void)
{
  AtPortal *portal = test_on_thread (create_and_leave, NULL);
  Probe probe = { .result = PROBE_ERROR };

  g_object_unref (probe_spawn (&probe, portal, NULL));
  g_free (test_take_report ());
  at_portal_stop (portal, FALSE);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
  g_object_unref (portal);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/portal/unseen/dropped-failure-is-reported-once",
            test_dropped_failure_is_reported_once);
  test_add ("/portal/unseen/report-says-what-went-wrong", test_report_says_what_went_wrong);
  test_add ("/portal/unseen/forgotten-failure-is-reported", test_forgotten_failure_is_reported);
  test_add ("/portal/unseen/abandoned-task-is-reported", test_abandoned_task_is_reported);
  test_add ("/portal/unseen/task-without-a-name-is-reported",
            test_task_without_a_name_is_reported);
  test_add ("/portal/unseen/waiting-is-not-looking", test_waiting_is_not_looking);
  test_add ("/portal/unseen/failure-while-cancelled-is-reported",
            test_failure_while_cancelled_is_reported);
  test_add ("/portal/unseen/what-was-seen-is-not-reported", test_what_was_seen_is_not_reported);
  test_add ("/portal/unseen/what-a-call-returned-is-not-reported",
            test_what_a_call_returned_is_not_reported);
  test_add ("/portal/unseen/cancellations-and-refusals-are-not-reported",
            test_cancellations_and_refusals_are_not_reported);
  test_add ("/portal/unseen/signal-comes-where-the-portal-was-made",
            test_signal_comes_where_the_portal_was_made);
  test_add ("/portal/unseen/reported-after-stop", test_reported_after_stop);
  test_add ("/portal/unseen/logged-after-the-portal", test_logged_after_the_portal);
  test_add ("/portal/unseen/failures-never-end-the-portal", test_failures_never_end_the_portal);
  test_add ("/portal/unseen/creator-is-gone", test_creator_is_gone);

  return g_test_run ();
}
