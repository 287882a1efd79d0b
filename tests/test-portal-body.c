/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a body finds around it, how it ends, and what runs where on each path. */

#include "test-common.h"

typedef struct
{
  AtPortal     *portal;
  AtFuture     *future;
  GObject      *source;
  GCancellable *cancellable;
  GMainContext *context;
  GMainContext *task_context;
  AtPortal     *current;
  gboolean      is_owner;
  TestLatch     release;
} Around;

static void
around_body (GTask   *task,
             gpointer user_data)
{
  Around *around = user_data;
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  test_latch_wait (&around->release);
  around->source = g_task_get_source_object (task);
  around->cancellable = g_task_get_cancellable (task);
  g_assert_true (AT_IS_CANCEL_SCOPE (around->cancellable));
  g_assert_true (around->cancellable == at_future_get_cancellable (around->future));
  g_assert_false (g_cancellable_is_cancelled (around->cancellable));
  around->context = context;
  around->task_context = g_task_get_context (task);
  around->current = at_portal_get_current ();
  around->is_owner = at_portal_is_owner (around->portal);
  test_return_int (task, 1);
}

static void
test_body_knows_its_portal (void)
{
  AtPortal *portal = test_portal_new ("io");
  Around around = { .portal = portal };

  around.future = at_portal_spawn (portal, NULL, around_body, &around, NULL);
  test_latch_open (&around.release);
  test_future_finish_int (around.future, 1);
  g_assert_true (around.source == G_OBJECT (portal));
  g_assert_true (around.context == at_portal_get_context (portal));
  g_assert_true (around.task_context == at_portal_get_context (portal));
  g_assert_true (around.current == portal);
  g_assert_true (around.is_owner);
  test_portal_finish (portal);
}

/* Every way a task can end: body and destroy run once, on the portal's thread, before it is
 * done. */
static void
check_path (ProbeTime     when,
            ProbeResult   result,
            AtFutureState state,
            gboolean      cancel)
{
  AtPortal *portal = test_portal_new ("io");
  TestBlock block = { 0 };
  Probe thread = { .number = 0 };
  Probe probe = { .when = when, .result = result, .number = 7 };
  g_autoptr (AtFuture) future = NULL;
  g_autoptr (GError) error = NULL;

  test_future_finish_int (probe_spawn (&thread, portal, NULL), 0);

  test_block_portal (&block, portal);
  future = probe_spawn (&probe, portal, NULL);
  probe.watch = future;
  test_latch_open (&block.release);
  if (cancel)
    {
      test_latch_wait (&probe.entered);
      g_assert_true (at_future_cancel (future));
    }
  test_future_wait (future);

  g_assert_cmpint (probe.n_bodies, ==, 1);
  g_assert_cmpint (probe.n_destroys, ==, 1);
  g_assert_true (probe.body_thread == thread.body_thread);
  g_assert_true (probe.destroy_thread == thread.body_thread);
  g_assert_cmpint (at_future_get_state (future), ==, state);
  if (at_future_get_value (future, &error) == NULL)
    g_assert_nonnull (error);
  test_portal_finish (portal);
  g_assert_cmpint (probe.n_bodies, ==, 1);
  g_assert_cmpint (probe.n_destroys, ==, 1);
}

static void
test_threads_on_success (void)
{
  check_path (PROBE_NOW, PROBE_VALUE, AT_FUTURE_STATE_SUCCEEDED, FALSE);
}

static void
test_threads_without_a_value (void)
{
  check_path (PROBE_NOW, PROBE_NO_VALUE, AT_FUTURE_STATE_SUCCEEDED, FALSE);
}

static void
test_threads_on_failure (void)
{
  check_path (PROBE_NOW, PROBE_ERROR, AT_FUTURE_STATE_FAILED, FALSE);
}

static void
test_threads_on_cancellation (void)
{
  check_path (PROBE_WHEN_CANCELLED, PROBE_CANCELLED, AT_FUTURE_STATE_CANCELLED, TRUE);
}

static void
test_threads_on_value_in_spite_of_cancellation (void)
{
  check_path (PROBE_WHEN_CANCELLED, PROBE_VALUE, AT_FUTURE_STATE_SUCCEEDED, TRUE);
}

static void
test_threads_on_abandon (void)
{
  check_path (PROBE_DROP, PROBE_VALUE, AT_FUTURE_STATE_FAILED, FALSE);
}

static gpointer
return_on_thread (gpointer probe)
{
  probe_return (probe);
  return NULL;
}

static gpointer
drop_on_thread (gpointer probe)
{
  g_clear_object (&((Probe *) probe)->task);
  return NULL;
}

static void
return_on_portal (gpointer probe)
{
  probe_return (probe);
}

/* The task was kept; after makes an end of it on another thread, or on the portal. */
static void
check_kept (ProbeResult result,
            GThreadFunc on_thread,
            AtFunc      on_portal,
            GQuark      domain,
            int         code)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .when = PROBE_KEEP, .result = result, .number = 7 };
  g_autoptr (AtFuture) future = probe_spawn (&probe, portal, NULL);
  g_autoptr (GError) error = NULL;
  const GValue *value;

  test_latch_wait (&probe.entered);
  test_portal_flush (portal);
  g_assert_false (at_future_is_done (future));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_RUNNING);
  g_assert_cmpint (g_atomic_int_get (&probe.n_destroys), ==, 0);

  probe.watch = future;
  if (on_thread != NULL)
    test_on_thread (on_thread, &probe);
  else
    g_assert_true (at_portal_post (portal, on_portal, &probe, NULL, &error));

  test_future_wait (future);
  g_assert_cmpint (probe.n_destroys, ==, 1);
  g_assert_true (probe.destroy_thread == probe.body_thread);
  value = at_future_get_value (future, &error);
  if (domain != 0)
    {
      g_assert_null (value);
      test_assert_error (error, domain, code);
      g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_FAILED);
    }
  else
    {
      g_assert_no_error (error);
      test_assert_int (value, 7);
      g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
    }
  test_portal_finish (portal);
  g_assert_cmpint (probe.n_bodies, ==, 1);
  g_assert_cmpint (probe.n_destroys, ==, 1);
}

static void
test_return_later (void)
{
  check_kept (PROBE_VALUE, NULL, return_on_portal, 0, 0);
}

static void
test_return_later_with_an_error (void)
{
  check_kept (PROBE_ERROR, NULL, return_on_portal, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
test_return_on_another_thread (void)
{
  check_kept (PROBE_VALUE, return_on_thread, NULL, 0, 0);
}

static void
test_return_an_error_on_another_thread (void)
{
  check_kept (PROBE_ERROR, return_on_thread, NULL, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
test_abandon_later_on_another_thread (void)
{
  check_kept (PROBE_VALUE, drop_on_thread, NULL, AT_ERROR, AT_ERROR_ABANDONED);
}

static void
drop_on_portal (gpointer probe)
{
  drop_on_thread (probe);
}

static void
test_abandon_later_on_the_portal (void)
{
  check_kept (PROBE_VALUE, NULL, drop_on_portal, AT_ERROR, AT_ERROR_ABANDONED);
}

static void
test_abandon_at_once (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .when = PROBE_DROP };
  g_autoptr (GError) error = NULL;

  test_future_finish_error (probe_spawn (&probe, portal, NULL), AT_ERROR, AT_ERROR_ABANDONED);
  g_assert_null (at_portal_call (portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_ABANDONED);
  test_portal_finish (portal);
}

/* Dropped while it is cancelled: it was abandoned, nothing says that it obeyed. No caller hangs. */
static void
test_abandon_while_cancelled_ends (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .when = PROBE_KEEP };
  g_autoptr (AtFuture) future = probe_spawn (&probe, portal, NULL);

  test_latch_wait (&probe.entered);
  test_portal_flush (portal);
  g_assert_true (at_future_cancel (future));
  test_on_thread (drop_on_thread, &probe);
  test_future_finish_error (g_steal_pointer (&future), AT_ERROR, AT_ERROR_ABANDONED);
  g_assert_cmpint (probe.n_destroys, ==, 1);
  test_portal_finish (portal);
}

static void
twice_body (GTask   *task,
            gpointer user_data)
{
  test_return_int (task, 1);
  test_return_int (task, 2);
}

static void
test_return_twice (void)
{
  if (g_test_subprocess ())
    {
      AtPortal *portal = test_portal_new ("io");
      g_autoptr (GError) error = NULL;

      test_survive_criticals ();
      test_assert_int_taken (at_portal_call (portal, NULL, twice_body, NULL, &error), 1);
      g_assert_no_error (error);
      test_portal_finish (portal);
      return;
    }

  test_assert_subprocess ("*CRITICAL*");
}

static gpointer
return_99_on_thread (gpointer task)
{
  test_return_int (task, 99);
  g_object_unref (task);
  return NULL;
}

static void
twice_later_body (GTask   *task,
                  gpointer user_data)
{
  test_return_int (task, 1);
  test_on_thread (return_99_on_thread, g_object_ref (task));
}

static void
test_return_twice_from_two_threads (void)
{
  if (g_test_subprocess ())
    {
      AtPortal *portal = test_portal_new ("io");
      g_autoptr (GError) error = NULL;

      test_survive_criticals ();
      test_assert_int_taken (at_portal_call (portal, NULL, twice_later_body, NULL, &error), 1);
      g_assert_no_error (error);
      test_portal_finish (portal);
      return;
    }

  test_assert_subprocess ("*CRITICAL*");
}

typedef struct
{
  TestLatch future_is_set;
  AtFuture *future;
  int       n_destroys;
  gboolean  by_thread;
} Early;

static gpointer
early_on_thread (gpointer user_data)
{
  test_return_int (user_data, 5);
  g_object_unref (user_data);
  return NULL;
}

/* Returned, but still running: everything still says that it has not ended. */
static void
early_body (GTask   *task,
            gpointer user_data)
{
  Early *early = user_data;
  g_autoptr (GError) error = NULL;

  test_latch_wait (&early->future_is_set);
  if (early->by_thread)
    test_on_thread (early_on_thread, g_object_ref (task));
  else
    test_return_int (task, 5);

  g_assert_false (at_future_is_done (early->future));
  g_assert_cmpint (at_future_get_state (early->future), ==, AT_FUTURE_STATE_RUNNING);
  g_assert_null (at_future_get_value (early->future, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_DONE);
  g_assert_false (at_future_wait (early->future, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_cmpint (early->n_destroys, ==, 0);
}

static void
early_destroy (gpointer user_data)
{
  Early *early = user_data;

  early->n_destroys++;
  g_assert_false (at_future_is_done (early->future));
}

static void
test_done_when_the_body_has_left (void)
{
  AtPortal *portal = test_portal_new ("io");

  for (int i = 0; i < 2; i++)
    {
      Early early = { .by_thread = i == 1 };
      AtFuture *future = at_portal_spawn (portal, NULL, early_body, &early, early_destroy);

      early.future = future;
      test_latch_open (&early.future_is_set);
      test_future_wait (future);
      g_assert_cmpint (early.n_destroys, ==, 1);
      test_future_finish_int (future, 5);
    }
  test_portal_finish (portal);
}

/* Whatever asked for the end first, destroy ran before. */
static void
ended_ready (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Probe *probe = user_data;

  g_assert_cmpint (g_atomic_int_get (&probe->n_destroys), ==, 1);
  g_assert_true (at_future_wait_finish (AT_FUTURE (source), result, NULL));
  test_latch_open (&probe->entered);
}

static void
wait_on_portal (gpointer future)
{
  gpointer *pair = future;

  at_future_wait_async (pair[0], NULL, ended_ready, pair[1]);
}

static void
test_destroy_runs_before_the_end_is_told (void)
{
  AtPortal *portal = test_portal_new ("io");
  AtPortal *other = test_portal_new ("other");

  for (int i = 0; i < 100; i++)
    {
      TestBlock block = { 0 };
      Probe probe = { .number = i };
      gpointer pair[2] = { NULL, &probe };

      test_block_portal (&block, portal);
      pair[0] = probe_spawn (&probe, portal, NULL);
      at_portal_invoke (other, wait_on_portal, pair, NULL);
      test_latch_open (&block.release);
      test_latch_wait_for (&probe.entered, 2);
      test_future_finish_int (pair[0], i);
    }
  test_portal_finish (other);
  test_portal_finish (portal);
}

/* Cancelled while it was queued: no body, but destroy, on the portal's thread. */
static void
test_cancelled_before_it_ran (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestBlock block = { 0 };
  Probe thread = { .number = 0 };
  Probe probe = { .number = 7 };
  AtFuture *future;

  test_future_finish_int (probe_spawn (&thread, portal, NULL), 0);
  test_block_portal (&block, portal);
  future = probe_spawn (&probe, portal, NULL);
  probe.watch = future;
  g_assert_true (at_future_cancel (future));
  g_assert_cmpint (g_atomic_int_get (&probe.n_destroys), ==, 0);
  test_latch_open (&block.release);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (probe.n_bodies, ==, 0);
  g_assert_cmpint (probe.n_destroys, ==, 1);
  g_assert_true (probe.destroy_thread == thread.body_thread);
  test_portal_finish (portal);
}

static void
test_failure_leaves_the_others_alone (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe running = { .when = PROBE_KEEP, .number = 1 };
  Probe failing = { .result = PROBE_ERROR };
  Probe dropping = { .when = PROBE_DROP };
  Probe after = { .number = 2 };
  AtFuture *first = probe_spawn (&running, portal, NULL);
  AtFuture *second = probe_spawn (&failing, portal, NULL);
  AtFuture *third = probe_spawn (&dropping, portal, NULL);
  AtFuture *fourth = probe_spawn (&after, portal, NULL);

  test_future_finish_error (second, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  test_future_finish_error (third, AT_ERROR, AT_ERROR_ABANDONED);
  test_future_finish_int (fourth, 2);
  g_assert_false (at_future_is_done (first));
  g_assert_false (g_cancellable_is_cancelled (at_future_get_cancellable (first)));
  probe_return (&running);
  test_future_finish_int (first, 1);
  test_portal_finish (portal);
}

typedef struct
{
  AtPortal  *portal;
  gboolean   flag;
  guint      depth;
  GPtrArray *order;
} Nested;

static void
nested_set (gpointer user_data)
{
  ((Nested *) user_data)->flag = TRUE;
}

static void
nested_body (GTask   *task,
             gpointer user_data)
{
  Nested *nested = user_data;

  test_iterate_until (at_portal_get_context (nested->portal), &nested->flag);
  g_assert_true (at_portal_get_current () == nested->portal);
  test_return_int (task, 11);
}

static void
test_nested_loop_sees_later_work (void)
{
  AtPortal *portal = test_portal_new ("io");
  Nested nested = { .portal = portal };
  AtFuture *future = at_portal_spawn (portal, NULL, nested_body, &nested, NULL);

  at_portal_post (portal, nested_set, &nested, NULL, NULL);
  test_future_finish_int (future, 11);
  test_portal_finish (portal);
}

/* The rest of a batch that was taken already must reach the nested loop too, in order. */
static void
test_nested_loop_sees_the_rest_of_its_batch (void)
{
  AtPortal *portal = test_portal_new ("io");
  Nested nested = { .portal = portal };
  TestBlock block = { 0 };
  TestLatch before = { 0 };
  AtFuture *future;

  test_block_portal (&block, portal);
  future = at_portal_spawn (portal, NULL, nested_body, &nested, NULL);
  for (int i = 0; i < 1000; i++)
    at_portal_post (portal, test_latch_open_func, &before, NULL, NULL);
  at_portal_post (portal, nested_set, &nested, NULL, NULL);
  test_latch_open (&block.release);
  test_future_finish_int (future, 11);
  g_assert_cmpuint (test_latch_count (&before), ==, 1000);
  test_portal_finish (portal);
}

static void
deep_body (GTask   *task,
           gpointer user_data)
{
  Nested *nested = user_data;
  gboolean deepest = ++nested->depth == 20;

  if (deepest)
    {
      nested->flag = TRUE;
    }
  else
    {
      g_object_unref (at_portal_spawn (nested->portal, NULL, deep_body, nested, NULL));
      test_iterate_until (at_portal_get_context (nested->portal), &nested->flag);
    }
  g_assert_true (at_portal_get_current () == nested->portal);
  test_return_int (task, 12);
}

static void
test_nested_loops_nest (void)
{
  AtPortal *portal = test_portal_new ("io");
  Nested nested = { .portal = portal };

  test_future_finish_int (at_portal_spawn (portal, NULL, deep_body, &nested, NULL), 12);
  test_portal_finish (portal);
  g_assert_cmpuint (nested.depth, ==, 20);
}

/* A task that a nested loop started may return there and then. */
static void
nested_wait_body (GTask   *task,
                  gpointer user_data)
{
  Nested *nested = user_data;
  g_autoptr (AtFuture) future = NULL;
  g_autoptr (GError) error = NULL;
  TestAnswer answer = { 0 };

  future = at_portal_spawn (nested->portal, NULL, test_body_int, GINT_TO_POINTER (13), NULL);
  at_future_wait_async (future, NULL, test_answer_ready, &answer);
  test_iterate_until (at_portal_get_context (nested->portal), &answer.called);
  g_assert_true (at_future_wait_finish (future, answer.result, &error));
  g_assert_true (at_future_is_done (future));
  g_assert_true (at_future_wait (future, NULL, &error));
  g_task_return_value (task, (GValue *) at_future_get_value (future, &error));
  test_answer_clear (&answer);
}

static void
test_nested_loop_awaits_a_task (void)
{
  AtPortal *portal = test_portal_new ("io");
  Nested nested = { .portal = portal };

  test_future_finish_int (at_portal_spawn (portal, NULL, nested_wait_body, &nested, NULL), 13);
  test_portal_finish (portal);
}

/* Bodies await GIO on the portal's context. */
static void
query_ready (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GFileInfo) info = g_file_query_info_finish (G_FILE (source), result, &error);

  g_assert_no_error (error);
  g_assert_true (at_portal_is_owner (g_task_get_source_object (task)));
  test_return_int (task, g_file_info_get_file_type (info) == G_FILE_TYPE_DIRECTORY);
}

static void
query_body (GTask   *task,
            gpointer user_data)
{
  g_autoptr (GFile) file = g_file_new_for_path ("/");

  g_file_query_info_async (file, G_FILE_ATTRIBUTE_STANDARD_TYPE, G_FILE_QUERY_INFO_NONE,
                           G_PRIORITY_DEFAULT, g_task_get_cancellable (task), query_ready,
                           g_object_ref (task));
}

static void
test_body_awaits_gio (void)
{
  AtPortal *portal = test_portal_new ("io");

  test_future_finish_int (at_portal_spawn (portal, NULL, query_body, NULL, NULL), 1);
  test_portal_finish (portal);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/portal/body/knows-its-portal", test_body_knows_its_portal);
  test_add ("/portal/body/awaits-gio", test_body_awaits_gio);
  test_add ("/portal/body/threads-on-success", test_threads_on_success);
  test_add ("/portal/body/threads-without-a-value", test_threads_without_a_value);
  test_add ("/portal/body/threads-on-failure", test_threads_on_failure);
  test_add ("/portal/body/threads-on-cancellation", test_threads_on_cancellation);
  test_add ("/portal/body/threads-on-value-in-spite-of-cancellation",
            test_threads_on_value_in_spite_of_cancellation);
  test_add ("/portal/body/threads-on-abandon", test_threads_on_abandon);
  test_add ("/portal/body/returns-later", test_return_later);
  test_add ("/portal/body/returns-an-error-later", test_return_later_with_an_error);
  test_add ("/portal/body/returns-on-another-thread", test_return_on_another_thread);
  test_add ("/portal/body/returns-an-error-on-another-thread",
            test_return_an_error_on_another_thread);
  test_add ("/portal/body/that-drops-its-task-at-once-has-abandoned-it", test_abandon_at_once);
  test_add ("/portal/body/that-drops-its-task-later-has-abandoned-it",
            test_abandon_later_on_the_portal);
  test_add ("/portal/body/that-drops-its-task-elsewhere-has-abandoned-it",
            test_abandon_later_on_another_thread);
  test_add ("/portal/body/that-is-cancelled-and-drops-its-task-ends",
            test_abandon_while_cancelled_ends);
  test_add ("/portal/body/that-returns-twice-keeps-the-first-result", test_return_twice);
  test_add ("/portal/body/that-returns-twice-from-two-threads-keeps-the-first-result",
            test_return_twice_from_two_threads);
  test_add ("/portal/body/is-done-when-it-has-left", test_done_when_the_body_has_left);
  test_add ("/portal/body/destroy-runs-before-the-end-is-told",
            test_destroy_runs_before_the_end_is_told);
  test_add ("/portal/body/does-not-run-if-cancelled-before", test_cancelled_before_it_ran);
  test_add ("/portal/body/failure-leaves-the-others-alone", test_failure_leaves_the_others_alone);
  test_add ("/portal/nested-loop/sees-later-work", test_nested_loop_sees_later_work);
  test_add ("/portal/nested-loop/sees-the-rest-of-its-batch",
            test_nested_loop_sees_the_rest_of_its_batch);
  test_add ("/portal/nested-loop/nests", test_nested_loops_nest);
  test_add ("/portal/nested-loop/awaits-a-task", test_nested_loop_awaits_a_task);

  return g_test_run ();
}
