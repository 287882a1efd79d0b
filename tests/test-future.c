/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The caller's end of a task: states, results, waiting, cancelling. */

#include "test-common.h"

static AtPortal *io;

static void
test_states_of_a_success (void)
{
  TestBlock block = { 0 };
  Probe probe = { .when = PROBE_KEEP, .number = 5 };
  AtFuture *future;

  test_block_portal (&block, io);
  future = probe_spawn (&probe, io, NULL);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_PENDING);
  g_assert_false (at_future_is_done (future));
  test_latch_open (&block.release);
  test_latch_wait (&probe.entered);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_RUNNING);
  test_portal_flush (io);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_RUNNING);
  g_assert_false (at_future_is_done (future));
  probe_return (&probe);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
  test_future_finish_int (future, 5);
}

static void
test_states_of_a_failure (void)
{
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, io, NULL);

  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_FAILED);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
test_states_of_a_cancellation (void)
{
  TestBlock block = { 0 };
  Probe probe = { .when = PROBE_KEEP, .result = PROBE_CANCELLED };
  AtFuture *future;

  test_block_portal (&block, io);
  future = probe_spawn (&probe, io, NULL);
  test_latch_open (&block.release);
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  g_assert_true (at_future_cancel (future));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLING);
  g_assert_false (at_future_is_done (future));
  probe_return (&probe);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* Asked to stop before it began: that is CANCELLING until its destroy has run. */
static void
test_states_of_a_cancellation_in_the_queue (void)
{
  TestBlock block = { 0 };
  Probe probe = { .number = 1 };
  AtFuture *future;

  test_block_portal (&block, io);
  future = probe_spawn (&probe, io, NULL);
  g_assert_true (at_future_cancel (future));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLING);
  g_assert_false (at_future_is_done (future));
  g_assert_false (at_future_cancel (future));
  test_latch_open (&block.release);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_cmpint (probe.n_bodies, ==, 0);
  g_assert_cmpint (probe.n_destroys, ==, 1);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_cancel_is_a_request_made_once (void)
{
  Probe probe = { .when = PROBE_KEEP, .number = 3 };
  AtFuture *future = probe_spawn (&probe, io, NULL);

  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  g_assert_true (at_future_cancel (future));
  g_assert_false (at_future_cancel (future));
  g_assert_true (g_cancellable_is_cancelled (g_task_get_cancellable (probe.task)));
  probe_return (&probe);
  test_future_wait (future);
  g_assert_false (at_future_cancel (future));
  test_future_finish_int (future, 3);
}

static void
test_cancel_after_the_end_has_no_effect (void)
{
  Probe probe = { .number = 4 };
  AtFuture *future = probe_spawn (&probe, io, NULL);

  test_future_wait (future);
  g_assert_false (at_future_cancel (future));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
  g_cancellable_cancel (at_future_get_cancellable (future));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
  test_future_finish_int (future, 4);
}

/* Right after spawn, at every moment of the task's life. */
static void
test_cancel_right_after_spawn_is_never_lost (void)
{
  for (int i = 0; i < 5000; i++)
    {
      Probe probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
      AtFuture *future = probe_spawn (&probe, io, NULL);

      g_assert_true (at_future_cancel (future));
      test_future_wait (future);
      g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
      g_assert_cmpint (probe.n_destroys, ==, 1);
      test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
}

/* The same through the future's cancellable, and through the parent that spawn was given. */
static void
test_cancellables_reach_the_task (void)
{
  for (int i = 0; i < 3000; i++)
    {
      g_autoptr (GCancellable) plain = g_cancellable_new ();
      g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
      Probe probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
      GCancellable *parents[] = { NULL, plain, G_CANCELLABLE (scope) };
      GCancellable *parent = parents[i % 3];
      AtFuture *future = probe_spawn (&probe, io, parent);

      if (i % 2 == 0)
        test_latch_wait (&probe.entered);
      g_cancellable_cancel (parent != NULL ? parent : at_future_get_cancellable (future));
      test_future_wait (future);
      g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
      g_assert_cmpint (probe.n_destroys, ==, 1);
      test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
}

/* Whatever cancelled it while it was queued, the body does not run. */
static void
test_cancelled_in_the_queue_never_runs (void)
{
  TestBlock block = { 0 };
  g_autoptr (GCancellable) plain = g_cancellable_new ();
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  Probe probes[4] = { 0 };
  AtFuture *futures[4];

  test_block_portal (&block, io);
  futures[0] = probe_spawn (&probes[0], io, NULL);
  futures[1] = probe_spawn (&probes[1], io, NULL);
  futures[2] = probe_spawn (&probes[2], io, plain);
  futures[3] = probe_spawn (&probes[3], io, G_CANCELLABLE (scope));
  at_future_cancel (futures[0]);
  g_cancellable_cancel (at_future_get_cancellable (futures[1]));
  g_cancellable_cancel (plain);
  at_cancel_scope_cancel_with_reason (scope, "no longer wanted");
  test_latch_open (&block.release);
  for (int i = 0; i < 4; i++)
    {
      g_autoptr (GError) error = NULL;

      test_future_wait (futures[i]);
      g_assert_cmpint (probes[i].n_bodies, ==, 0);
      g_assert_cmpint (probes[i].n_destroys, ==, 1);
      g_assert_cmpint (at_future_get_state (futures[i]), ==, AT_FUTURE_STATE_CANCELLED);
      g_assert_null (at_future_get_value (futures[i], &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      if (i == 3)
        g_assert_nonnull (strstr (error->message, "no longer wanted"));
      g_object_unref (futures[i]);
    }
}

/* A future can be cancelled without cancelling what it was given. */
static void
test_cancel_leaves_the_parent_alone (void)
{
  g_autoptr (GCancellable) plain = g_cancellable_new ();
  Probe probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
  AtFuture *future = probe_spawn (&probe, io, plain);

  g_assert_true (at_future_cancel (future));
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (g_cancellable_is_cancelled (plain));
}

static void
test_cancellable_is_the_tasks_scope (void)
{
  TestBlock block = { 0 };
  Probe probe = { .when = PROBE_KEEP };
  AtFuture *future;
  GCancellable *cancellable;

  test_block_portal (&block, io);
  future = probe_spawn (&probe, io, NULL);
  cancellable = at_future_get_cancellable (future);
  g_assert_true (AT_IS_CANCEL_SCOPE (cancellable));
  g_assert_true (cancellable == at_future_get_cancellable (future));
  test_latch_open (&block.release);
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  g_assert_true (g_task_get_cancellable (probe.task) == cancellable);
  probe_return (&probe);
  test_future_wait (future);
  g_assert_true (at_future_get_cancellable (future) == cancellable);
  g_object_unref (future);

  /* Asked for while it runs. */
  probe.entered.count = 0;
  future = probe_spawn (&probe, io, NULL);
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  g_assert_true (g_task_get_cancellable (probe.task) == at_future_get_cancellable (future));
  probe_return (&probe);
  test_future_wait (future);

  /* And after it has ended. */
  g_object_unref (future);
  future = at_portal_spawn (io, NULL, test_body_int, NULL, NULL);
  test_future_wait (future);
  g_assert_true (AT_IS_CANCEL_SCOPE (at_future_get_cancellable (future)));
  g_assert_false (g_cancellable_is_cancelled (at_future_get_cancellable (future)));
  g_object_unref (future);
}

/* Scopes may be recycled behind the scenes: no task may ever see another's cancellation. */
static void
not_cancelled_body (GTask   *task,
                    gpointer user_data)
{
  AtCancelScope *scope = AT_CANCEL_SCOPE (g_task_get_cancellable (task));

  g_assert_false (g_cancellable_is_cancelled (G_CANCELLABLE (scope)));
  g_assert_null (at_cancel_scope_get_reason (scope));
  g_assert_false (at_cancel_scope_get_timed_out (scope));
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), ==, G_MAXINT64);
  test_return_int (task, GPOINTER_TO_INT (user_data));
}

static void
disturb_body (GTask   *task,
              gpointer user_data)
{
  AtCancelScope *scope = AT_CANCEL_SCOPE (g_task_get_cancellable (task));

  g_assert_false (g_cancellable_is_cancelled (G_CANCELLABLE (scope)));
  switch (GPOINTER_TO_INT (user_data) % 4)
    {
    case 0:
      at_cancel_scope_set_timeout (scope, G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC);
      break;
    case 1:
      at_cancel_scope_cancel_with_reason (scope, "disturbed");
      break;
    case 2:
      at_cancel_scope_set_shield (scope, TRUE);
      break;
    default:
      at_cancel_scope_set_timeout (scope, 0);
      break;
    }
  test_return_int (task, GPOINTER_TO_INT (user_data));
}

static void
test_scopes_are_fresh (void)
{
  for (int i = 0; i < 2000; i++)
    {
      g_autoptr (GCancellable) parent = g_cancellable_new ();
      AtFuture *first = at_portal_spawn (io, NULL, disturb_body, GINT_TO_POINTER (i), NULL);
      AtFuture *second = at_portal_spawn (io, i % 3 == 0 ? parent : NULL, not_cancelled_body,
                                          GINT_TO_POINTER (i), NULL);

      test_future_finish_int (first, i);
      test_future_finish_int (second, i);
      g_cancellable_cancel (parent);
    }
}

static void
hold_scope_body (GTask   *task,
                 gpointer user_data)
{
  *(GCancellable **) user_data = g_object_ref (g_task_get_cancellable (task));
  test_return_int (task, 0);
}

/* A scope that a body kept stays what it was, and is nobody else's. */
static void
test_kept_scope_is_not_shared (void)
{
  GCancellable *kept[100];

  for (int i = 0; i < 100; i++)
    {
      test_future_finish_int (at_portal_spawn (io, NULL, hold_scope_body, &kept[i], NULL), 0);
      for (int j = 0; j < i; j++)
        g_assert_true (kept[i] != kept[j]);
    }
  for (int i = 0; i < 100; i++)
    g_cancellable_cancel (kept[i]);
  test_future_finish_int (at_portal_spawn (io, NULL, not_cancelled_body, NULL, NULL), 0);
  for (int i = 0; i < 100; i++)
    g_object_unref (kept[i]);
}

static void
test_value_is_readable_again_and_again (void)
{
  Probe probe = { .when = PROBE_KEEP, .number = 6 };
  g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);
  g_autoptr (GError) error = NULL;
  const GValue *value;

  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  g_assert_null (at_future_get_value (future, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_DONE);
  g_assert_null (at_future_get_value (future, NULL));
  probe_return (&probe);
  test_future_wait (future);
  value = at_future_get_value (future, &error);
  g_assert_no_error (error);
  test_assert_int (value, 6);
  for (int i = 0; i < 100; i++)
    g_assert_true (at_future_get_value (future, &error) == value);
  test_assert_int (value, 6);
}

static void
test_error_is_readable_again_and_again (void)
{
  Probe probe = { .result = PROBE_ERROR };
  g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);

  test_future_wait (future);
  for (int i = 0; i < 10; i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (at_future_get_value (future, &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
      g_assert_cmpstr (error->message, ==, "no such thing");
    }
}

static gpointer
read_value (gpointer future)
{
  for (int i = 0; i < 1000; i++)
    test_assert_int (at_future_get_value (future, NULL), 8);
  return NULL;
}

static void
test_value_is_readable_from_many_threads (void)
{
  Probe probe = { .number = 8 };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  GThread *threads[4];

  test_future_wait (future);
  for (int i = 0; i < 4; i++)
    threads[i] = g_thread_new ("reader", read_value, future);
  for (int i = 0; i < 4; i++)
    g_thread_join (threads[i]);
  test_future_finish_int (future, 8);
}

static void
test_no_value_is_a_success (void)
{
  Probe probe = { .result = PROBE_NO_VALUE };
  g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);
  g_autoptr (GError) error = NULL;

  test_future_wait (future);
  g_assert_nonnull (at_future_get_value (future, &error));
  g_assert_no_error (error);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
}

static AtFuture *
ended (ProbeResult result)
{
  Probe probe = { .result = result, .number = 1 };
  AtFuture *future = probe_spawn (&probe, io, NULL);

  test_future_wait (future);
  return future;
}

static void
test_propagate_gives_it_once (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *pointer = NULL;
  AtFuture *future;

  future = ended (PROBE_POINTER);
  pointer = at_future_propagate_pointer (future, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pointer, ==, "1");
  g_assert_null (at_future_propagate_pointer (future, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
  g_object_unref (future);

  future = ended (PROBE_INT);
  g_assert_cmpint (at_future_propagate_int (future, &error), ==, 1);
  g_assert_no_error (error);
  g_assert_cmpint (at_future_propagate_int (future, &error), ==, -1);
  test_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);
  g_object_unref (future);

  future = ended (PROBE_BOOLEAN);
  g_assert_true (at_future_propagate_boolean (future, &error));
  g_assert_no_error (error);
  g_assert_false (at_future_propagate_boolean (future, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);
  g_object_unref (future);
}

static void
test_propagate_before_the_end (void)
{
  Probe probe = { .when = PROBE_KEEP, .result = PROBE_INT, .number = 9 };
  g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (at_future_propagate_pointer (future, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_DONE);
  g_assert_cmpint (at_future_propagate_int (future, &error), ==, -1);
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_DONE);
  g_assert_false (at_future_propagate_boolean (future, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_DONE);
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  probe_return (&probe);
  test_future_wait (future);
  g_assert_cmpint (at_future_propagate_int (future, &error), ==, 9);
  g_assert_no_error (error);
}

/* Two threads propagate the same pointer: one has it. */
static gpointer
propagate_on_thread (gpointer future)
{
  g_autoptr (GError) error = NULL;
  char *pointer = at_future_propagate_pointer (future, &error);

  if (pointer == NULL)
    g_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);
  return pointer;
}

static void
test_propagate_race_has_one_winner (void)
{
  for (int i = 0; i < 200; i++)
    {
      g_autoptr (AtFuture) future = ended (PROBE_POINTER);
      GThread *thread = g_thread_new ("propagate", propagate_on_thread, future);
      g_autofree char *mine = propagate_on_thread (future);
      g_autofree char *its = g_thread_join (thread);

      g_assert_true ((mine == NULL) != (its == NULL));
      g_assert_cmpstr (mine != NULL ? mine : its, ==, "1");
    }
}

/* Asking for another kind is a mistake in the program, as it is with GTask. */
static void
test_kinds_must_match (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (AtFuture) future = ended (PROBE_POINTER);
      g_autoptr (GError) error = NULL;
      g_autofree char *pointer = NULL;

      test_survive_criticals ();
      g_assert_null (at_future_get_value (future, &error));
      test_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);

      /* The wrong question has not spoiled the right one. */
      pointer = at_future_propagate_pointer (future, &error);
      g_assert_no_error (error);
      g_assert_cmpstr (pointer, ==, "1");
      return;
    }

  test_assert_subprocess ("*CRITICAL*");
}

/* What was read as a value is not there for another pair. */
static void
test_value_that_was_read_cannot_be_propagated (void)
{
  g_autoptr (AtFuture) future = ended (PROBE_VALUE);
  g_autoptr (GError) error = NULL;

  test_assert_int (at_future_get_value (future, &error), 1);
  g_assert_null (at_future_propagate_pointer (future, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);
  test_assert_int (at_future_get_value (future, &error), 1);
  g_assert_no_error (error);
}

static void
test_value_in_spite_of_cancellation (void)
{
  ProbeResult results[] = { PROBE_VALUE, PROBE_POINTER, PROBE_INT, PROBE_BOOLEAN };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      Probe probe = { .when = PROBE_KEEP, .result = results[i], .number = 1 };
      g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);
      g_autoptr (GError) error = NULL;
      g_autofree char *pointer = NULL;

      test_latch_wait (&probe.entered);
      test_portal_flush (io);
      g_assert_true (at_future_cancel (future));
      probe_return (&probe);
      test_future_wait (future);
      g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
      switch (results[i])
        {
        case PROBE_VALUE:
          test_assert_int (at_future_get_value (future, &error), 1);
          break;
        case PROBE_POINTER:
          pointer = at_future_propagate_pointer (future, &error);
          g_assert_cmpstr (pointer, ==, "1");
          break;
        case PROBE_INT:
          g_assert_cmpint (at_future_propagate_int (future, &error), ==, 1);
          break;
        default:
          g_assert_true (at_future_propagate_boolean (future, &error));
          break;
        }
      g_assert_no_error (error);
    }
}

/* CANCELLED from a body whose scope is cancelled: the scope's words, not the body's. */
static void
test_cancelled_error_becomes_the_scopes (void)
{
  Probe probe = { .when = PROBE_KEEP, .result = PROBE_CANCELLED };
  g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);
  g_autoptr (GError) error = NULL;

  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  at_cancel_scope_cancel_with_reason (AT_CANCEL_SCOPE (at_future_get_cancellable (future)),
                                      "the user left");
  probe_return (&probe);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_null (at_future_get_value (future, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_nonnull (strstr (error->message, "the user left"));
  g_assert_null (strstr (error->message, "gave up"));
}

/* The deadline is the task's own, or one that it inherited. */
static void
test_cancelled_error_becomes_timed_out (void)
{
  for (int inherited = 0; inherited < 2; inherited++)
    {
      g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
      Probe probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
      g_autoptr (AtFuture) future = probe_spawn (&probe, io, G_CANCELLABLE (scope));
      g_autoptr (GError) error = NULL;

      test_latch_wait (&probe.entered);
      if (inherited)
        at_cancel_scope_set_timeout (scope, 1);
      else
        at_cancel_scope_set_timeout (AT_CANCEL_SCOPE (at_future_get_cancellable (future)), 1);
      test_future_wait (future);
      g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
      g_assert_null (at_future_get_value (future, &error));
      test_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
      g_assert_cmpint (g_cancellable_is_cancelled (G_CANCELLABLE (scope)), ==, inherited);
    }
}

static void
test_deadline_passed_in_the_queue (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestBlock block = { 0 };
  TestLatch passed = { 0 };
  Probe probe = { 0 };
  AtFuture *future;

  g_cancellable_connect (G_CANCELLABLE (scope), G_CALLBACK (test_latch_on_cancelled), &passed,
                         NULL);
  test_block_portal (&block, io);
  future = probe_spawn (&probe, io, G_CANCELLABLE (scope));
  at_cancel_scope_set_timeout (scope, 1);
  test_latch_wait (&passed);
  test_latch_open (&block.release);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_cmpint (probe.n_bodies, ==, 0);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

/* Nobody cancelled this task: what it says of something else is an error like any other. */
static void
test_cancelled_error_without_a_cancellation_is_a_failure (void)
{
  Probe probe = { .result = PROBE_CANCELLED };
  g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);
  g_autoptr (GError) error = NULL;

  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_FAILED);
  g_assert_null (at_future_get_value (future, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpstr (error->message, ==, "gave up");
}

static void
test_other_error_while_cancelled_is_a_failure (void)
{
  Probe probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_ERROR };
  g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);
  g_autoptr (GError) error = NULL;

  test_latch_wait (&probe.entered);
  at_future_cancel (future);
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_FAILED);
  g_assert_null (at_future_get_value (future, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpstr (error->message, ==, "no such thing");
}

static void
test_name (void)
{
  g_autofree char *name = g_strdup ("fetch");
  AtFuture *future = at_portal_spawn (io, NULL, test_body_int, NULL, NULL);

  at_future_set_name (future, name);
  name[0] = 'X';
  g_assert_cmpstr (at_future_get_name (future), ==, "fetch");
  g_assert_true (at_future_get_name (future) == g_intern_string ("fetch"));
  at_future_set_name (future, "another");
  g_assert_cmpstr (at_future_get_name (future), ==, "another");
  at_future_set_name (future, NULL);
  at_future_get_name (future);
  test_future_finish_int (future, 0);
}

/* Nobody spawned it, nobody will end it: yet nothing hangs and nothing is critical. */
static void
test_bare_object_is_valid (void)
{
  g_autoptr (AtFuture) future = g_object_new (AT_TYPE_FUTURE, NULL);
  g_autoptr (GError) error = NULL;

  at_future_get_state (future);
  at_future_is_done (future);
  at_future_get_name (future);
  at_future_set_name (future, "bare");
  g_assert_true (AT_IS_CANCEL_SCOPE (at_future_get_cancellable (future)));
  g_assert_null (at_future_get_value (future, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  g_assert_null (at_future_propagate_pointer (future, &error));
  g_assert_nonnull (error);
  g_clear_error (&error);
  at_future_wait (future, NULL, &error);
  g_clear_error (&error);
  g_assert_null (at_future_wait_started (future, NULL, &error));
  g_assert_nonnull (error);
  at_future_cancel (future);
}

int
main (int    argc,
      char **argv)
{
  int status;

  test_init (&argc, &argv);
  io = test_portal_new ("io");

  test_add ("/future/state/of-a-success", test_states_of_a_success);
  test_add ("/future/state/of-a-failure", test_states_of_a_failure);
  test_add ("/future/state/of-a-cancellation", test_states_of_a_cancellation);
  test_add ("/future/state/of-a-cancellation-in-the-queue",
            test_states_of_a_cancellation_in_the_queue);
  test_add ("/future/cancel/is-a-request-made-once", test_cancel_is_a_request_made_once);
  test_add ("/future/cancel/after-the-end-has-no-effect", test_cancel_after_the_end_has_no_effect);
  test_add ("/future/cancel/right-after-spawn-is-never-lost",
            test_cancel_right_after_spawn_is_never_lost);
  test_add ("/future/cancel/cancellables-reach-the-task", test_cancellables_reach_the_task);
  test_add ("/future/cancel/in-the-queue-never-runs", test_cancelled_in_the_queue_never_runs);
  test_add ("/future/cancel/leaves-the-parent-alone", test_cancel_leaves_the_parent_alone);
  test_add ("/future/cancel/error-becomes-the-scopes", test_cancelled_error_becomes_the_scopes);
  test_add ("/future/cancel/error-becomes-timed-out", test_cancelled_error_becomes_timed_out);
  test_add ("/future/cancel/deadline-passed-in-the-queue", test_deadline_passed_in_the_queue);
  test_add ("/future/cancel/error-without-a-cancellation-is-a-failure",
            test_cancelled_error_without_a_cancellation_is_a_failure);
  test_add ("/future/cancel/other-error-is-a-failure",
            test_other_error_while_cancelled_is_a_failure);
  test_add ("/future/cancel/value-in-spite-of-it", test_value_in_spite_of_cancellation);
  test_add ("/future/cancellable/is-the-tasks-scope", test_cancellable_is_the_tasks_scope);
  test_add ("/future/cancellable/is-fresh", test_scopes_are_fresh);
  test_add ("/future/cancellable/that-was-kept-is-not-shared", test_kept_scope_is_not_shared);
  test_add ("/future/value/is-readable-again-and-again", test_value_is_readable_again_and_again);
  test_add ("/future/value/error-is-readable-again-and-again",
            test_error_is_readable_again_and_again);
  test_add ("/future/value/is-readable-from-many-threads",
            test_value_is_readable_from_many_threads);
  test_add ("/future/value/none-is-a-success", test_no_value_is_a_success);
  test_add ("/future/value/kinds-must-match", test_kinds_must_match);
  test_add ("/future/value/that-was-read-cannot-be-propagated",
            test_value_that_was_read_cannot_be_propagated);
  test_add ("/future/propagate/gives-it-once", test_propagate_gives_it_once);
  test_add ("/future/propagate/before-the-end", test_propagate_before_the_end);
  test_add ("/future/propagate/race-has-one-winner", test_propagate_race_has_one_winner);
  test_add ("/future/name/is-interned", test_name);
  test_add ("/future/new/bare-object-is-valid", test_bare_object_is_valid);

  status = g_test_run ();
  test_portal_finish (io);
  return status;
}
