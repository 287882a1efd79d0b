/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waiting for an end, or for a start: blocking, with a limit, asynchronously. */

#include "test-common.h"

static AtPortal *io;

typedef struct
{
  AtFuture     *future;
  GCancellable *cancellable;
  TestLatch     begun;
  GError       *error;
  GValue       *value;
  gboolean      ended;
  int           returned;
} Waiter;

static gpointer
wait_on_thread (gpointer user_data)
{
  Waiter *waiter = user_data;

  test_latch_open (&waiter->begun);
  waiter->ended = at_future_wait (waiter->future, waiter->cancellable, &waiter->error);
  g_atomic_int_set (&waiter->returned, TRUE);
  return NULL;
}

static gpointer
wait_started_on_thread (gpointer user_data)
{
  Waiter *waiter = user_data;

  test_latch_open (&waiter->begun);
  waiter->value = at_future_wait_started (waiter->future, waiter->cancellable, &waiter->error);
  g_atomic_int_set (&waiter->returned, TRUE);
  return NULL;
}

static void
test_wait_is_true_whatever_the_outcome (void)
{
  ProbeResult results[] = { PROBE_VALUE, PROBE_ERROR, PROBE_CANCELLED };

  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    {
      Probe probe = { .result = results[i] };
      g_autoptr (AtFuture) future = probe_spawn (&probe, io, NULL);
      g_autoptr (GError) error = NULL;

      g_assert_true (at_future_wait (future, NULL, &error));
      g_assert_no_error (error);
      g_assert_true (at_future_is_done (future));
      g_assert_cmpint (probe.n_destroys, ==, 1);
      at_future_get_value (future, NULL);
    }
}

static void
test_wait_wakes_every_waiter (void)
{
  Probe probe = { .when = PROBE_KEEP, .number = 1 };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  Waiter waiters[8] = { 0 };
  GThread *threads[8];

  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  for (int i = 0; i < 8; i++)
    {
      waiters[i].future = future;
      threads[i] = g_thread_new ("waiter", wait_on_thread, &waiters[i]);
      test_latch_wait (&waiters[i].begun);
    }
  for (int i = 0; i < 8; i++)
    g_assert_false (g_atomic_int_get (&waiters[i].returned));
  probe_return (&probe);
  for (int i = 0; i < 8; i++)
    {
      g_thread_join (threads[i]);
      g_assert_true (waiters[i].ended);
      g_assert_no_error (waiters[i].error);
    }
  test_future_finish_int (future, 1);
}

/* Every moment between the first and the last instruction of the task. */
static void
test_wait_misses_no_wake_up (void)
{
  for (int i = 0; i < 5000; i++)
    {
      AtFuture *future = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (i), NULL);

      for (int spin = i % 97; spin > 0; spin--)
        at_future_is_done (future);
      g_assert_true (at_future_wait (future, NULL, NULL));
      test_future_finish_int (future, i);
    }
}

static void
test_wait_until_gives_up_on_time (void)
{
  Probe probe = { .when = PROBE_KEEP, .number = 2 };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  g_autoptr (GError) error = NULL;
  gint64 end_time = g_get_monotonic_time () + 5000;

  g_assert_false (at_future_wait_until (future, end_time, NULL, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (g_get_monotonic_time (), >=, end_time);
  g_assert_false (at_future_wait_until (future, 0, NULL, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  /* Only the wait was given up. */
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  g_assert_false (at_future_is_done (future));
  g_assert_false (g_cancellable_is_cancelled (at_future_get_cancellable (future)));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_RUNNING);
  probe_return (&probe);
  g_assert_true (at_future_wait_until (future, G_MAXINT64, NULL, &error));
  g_assert_no_error (error);

  /* What is done is done, however late it is. */
  g_assert_true (at_future_wait_until (future, 0, NULL, &error));
  g_assert_no_error (error);
  test_future_finish_int (future, 2);
}

static gpointer
cancel_on_thread (gpointer user_data)
{
  Waiter *waiter = user_data;

  test_latch_wait (&waiter->begun);
  g_cancellable_cancel (waiter->cancellable);
  return NULL;
}

static void
test_cancellable_stops_the_wait_only (void)
{
  for (int i = 0; i < 300; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
      Probe probe = { .when = PROBE_KEEP, .number = 3 };
      AtFuture *future = probe_spawn (&probe, io, NULL);
      Waiter waiter = { .future = future };
      GThread *thread;

      waiter.cancellable = i % 2 == 0 ? cancellable : G_CANCELLABLE (scope);
      thread = g_thread_new ("cancel", cancel_on_thread, &waiter);
      wait_on_thread (&waiter);
      g_thread_join (thread);
      g_assert_false (waiter.ended);
      test_assert_error (waiter.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

      test_latch_wait (&probe.entered);
      test_portal_flush (io);
      g_assert_false (at_future_is_done (future));
      g_assert_false (g_cancellable_is_cancelled (at_future_get_cancellable (future)));
      probe_return (&probe);
      test_future_finish_int (future, 3);
    }
}

/* A scope as a waiter's cancellable says why. */
static void
test_deadline_stops_the_wait_only (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  Probe probe = { .when = PROBE_KEEP, .number = 3 };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  g_autoptr (GError) error = NULL;

  at_cancel_scope_set_timeout (scope, 1000);
  g_assert_false (at_future_wait (future, G_CANCELLABLE (scope), &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  probe_return (&probe);
  test_future_finish_int (future, 3);
}

/* A cancellation that races with the end: either is right, the task's result is the same. */
static void
test_cancelled_wait_races_with_the_end (void)
{
  for (int i = 0; i < 1000; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      AtFuture *future = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (i), NULL);
      Waiter waiter = { .future = future, .cancellable = cancellable };
      GThread *thread = NULL;

      if (i % 10 == 0)
        thread = g_thread_new ("cancel", cancel_on_thread, &waiter);
      wait_on_thread (&waiter);
      g_clear_pointer (&thread, g_thread_join);
      if (!waiter.ended)
        test_assert_error (waiter.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      test_future_finish_int (future, i);
    }
}

static void
test_wait_async_answers_on_the_callers_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Probe probe = { .when = PROBE_KEEP, .number = 4 };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  TestAnswer answer = { 0 };
  TestAnswer late = { 0 };
  g_autoptr (GError) error = NULL;

  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  g_main_context_push_thread_default (context);
  at_future_wait_async (future, NULL, test_answer_ready, &answer);
  while (g_main_context_iteration (context, FALSE))
    continue;
  g_assert_false (answer.called);
  probe_return (&probe);
  test_future_wait (future);
  test_portal_flush (io);
  g_assert_false (answer.called);
  test_iterate_until (context, &answer.called);
  g_assert_true (answer.source == G_OBJECT (future));
  g_assert_true (at_future_wait_finish (future, answer.result, &error));
  g_assert_no_error (error);

  /* Done already: still not inside the call. */
  at_future_wait_async (future, NULL, test_answer_ready, &late);
  g_assert_false (late.called);
  test_iterate_until (context, &late.called);
  g_assert_true (at_future_wait_finish (future, late.result, &error));
  g_main_context_pop_thread_default (context);
  test_answer_clear (&answer);
  test_answer_clear (&late);
  test_future_finish_int (future, 4);
}

static void
test_wait_async_is_true_for_a_failure (void)
{
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;

  at_future_wait_async (future, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_true (at_future_wait_finish (future, answer.result, &error));
  g_assert_no_error (error);
  test_answer_clear (&answer);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
test_wait_async_cancellable_stops_the_wait_only (void)
{
  for (int before = 0; before < 2; before++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      Probe probe = { .when = PROBE_KEEP, .number = 5 };
      AtFuture *future = probe_spawn (&probe, io, NULL);
      TestAnswer answer = { 0 };
      g_autoptr (GError) error = NULL;
      Waiter waiter = { .cancellable = cancellable };

      if (before)
        g_cancellable_cancel (cancellable);
      at_future_wait_async (future, cancellable, test_answer_ready, &answer);
      g_assert_false (answer.called);
      test_latch_open (&waiter.begun);
      if (!before)
        test_on_thread (cancel_on_thread, &waiter);
      test_iterate_until (NULL, &answer.called);
      g_assert_false (at_future_wait_finish (future, answer.result, &error));
      test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      test_answer_clear (&answer);

      test_latch_wait (&probe.entered);
      test_portal_flush (io);
      g_assert_false (at_future_is_done (future));
      probe_return (&probe);
      test_future_finish_int (future, 5);
    }
}

/* An asynchronous wait keeps its future, and answers although everybody else has dropped it. */
static void
test_wait_async_keeps_the_future (void)
{
  Probe probe = { .when = PROBE_KEEP, .number = 6 };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  TestAnswer answer = { 0 };

  at_future_wait_async (future, NULL, test_answer_ready, &answer);
  g_object_unref (future);
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  probe_return (&probe);
  test_iterate_until (NULL, &answer.called);
  g_assert_true (at_future_wait_finish (AT_FUTURE (answer.source), answer.result, NULL));
  test_assert_int (at_future_get_value (AT_FUTURE (answer.source), NULL), 6);
  test_answer_clear (&answer);
}

static void
test_wait_async_many_at_once (void)
{
  Probe probe = { .when = PROBE_KEEP };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  TestAnswer answers[50] = { 0 };

  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  for (int i = 0; i < 50; i++)
    at_future_wait_async (future, NULL, test_answer_ready, &answers[i]);
  probe_return (&probe);
  for (int i = 0; i < 50; i++)
    {
      test_iterate_until (NULL, &answers[i].called);
      g_assert_true (at_future_wait_finish (future, answers[i].result, NULL));
      test_answer_clear (&answers[i]);
    }
  g_object_unref (future);
}

/* A body that tells its start before it ends. */
typedef struct
{
  Probe    probe;
  gboolean no_value;
} Starter;

static void
started_body (GTask   *task,
              gpointer user_data)
{
  Starter *starter = user_data;
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, "ready");
  at_task_started (task, starter->no_value ? NULL : &value);
  g_value_set_static_string (&value, "changed since");
  probe_body (task, &starter->probe);
}

static void
assert_ready (GValue *value)
{
  g_assert_nonnull (value);
  g_assert_true (G_VALUE_HOLDS_STRING (value));
  g_assert_cmpstr (g_value_get_string (value), ==, "ready");
}

static void
test_started_value_comes_while_it_runs (void)
{
  Starter starter = { .probe = { .when = PROBE_KEEP, .number = 7 } };
  AtFuture *future = at_portal_spawn (io, NULL, started_body, &starter, NULL);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 3; i++)
    {
      GValue *value = at_future_wait_started (future, NULL, &error);

      g_assert_no_error (error);
      assert_ready (value);
      g_boxed_free (G_TYPE_VALUE, value);
    }
  g_assert_false (at_future_is_done (future));
  test_latch_wait (&starter.probe.entered);
  test_portal_flush (io);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_RUNNING);
  probe_return (&starter.probe);
  test_future_wait (future);

  /* It stays readable after the end. */
  for (int i = 0; i < 2; i++)
    {
      GValue *value = at_future_wait_started (future, NULL, &error);

      g_assert_no_error (error);
      assert_ready (value);
      g_boxed_free (G_TYPE_VALUE, value);
    }
  test_future_finish_int (future, 7);
}

static void
test_started_wakes_every_waiter (void)
{
  TestBlock block = { 0 };
  Starter starter = { .probe = { .when = PROBE_KEEP, .number = 7 } };
  Waiter waiters[4] = { 0 };
  GThread *threads[4];
  AtFuture *future;

  test_block_portal (&block, io);
  future = at_portal_spawn (io, NULL, started_body, &starter, NULL);
  for (int i = 0; i < 4; i++)
    {
      waiters[i].future = future;
      threads[i] = g_thread_new ("starter", wait_started_on_thread, &waiters[i]);
      test_latch_wait (&waiters[i].begun);
      g_assert_false (g_atomic_int_get (&waiters[i].returned));
    }
  test_latch_open (&block.release);
  for (int i = 0; i < 4; i++)
    {
      g_thread_join (threads[i]);
      g_assert_no_error (waiters[i].error);
      assert_ready (waiters[i].value);
      g_boxed_free (G_TYPE_VALUE, waiters[i].value);
    }
  test_portal_flush (io);
  probe_return (&starter.probe);
  test_future_finish_int (future, 7);
}

static void
test_started_without_a_value_is_true (void)
{
  Starter starter = { .probe = { .when = PROBE_KEEP }, .no_value = TRUE };
  AtFuture *future = at_portal_spawn (io, NULL, started_body, &starter, NULL);
  g_autoptr (GError) error = NULL;
  GValue *value = at_future_wait_started (future, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (value);
  g_assert_true (G_VALUE_HOLDS_BOOLEAN (value));
  g_assert_true (g_value_get_boolean (value));
  g_boxed_free (G_TYPE_VALUE, value);
  test_latch_wait (&starter.probe.entered);
  test_portal_flush (io);
  probe_return (&starter.probe);
  test_future_finish_int (future, 0);
}

/* Started, and then it failed: the starter has its value, the result is the error. */
static void
test_failure_after_the_start_is_the_result (void)
{
  Starter starter = { .probe = { .result = PROBE_ERROR } };
  AtFuture *future = at_portal_spawn (io, NULL, started_body, &starter, NULL);
  g_autoptr (GError) error = NULL;
  GValue *value;

  test_future_wait (future);
  value = at_future_wait_started (future, NULL, &error);
  g_assert_no_error (error);
  assert_ready (value);
  g_boxed_free (G_TYPE_VALUE, value);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

/* What a starter is told when no start comes. */
static void
check_not_started (ProbeTime   when,
                   ProbeResult result,
                   gboolean    cancel,
                   GQuark      domain,
                   int         code)
{
  TestBlock block = { 0 };
  Probe probe = { .when = when, .result = result };
  Waiter waiter = { 0 };
  TestAnswer answer = { 0 };
  GThread *thread;
  AtFuture *future;
  g_autoptr (GError) error = NULL;

  test_block_portal (&block, io);
  future = probe_spawn (&probe, io, NULL);
  waiter.future = future;
  thread = g_thread_new ("starter", wait_started_on_thread, &waiter);
  test_latch_wait (&waiter.begun);
  at_future_wait_started_async (future, NULL, test_answer_ready, &answer);
  if (cancel)
    at_future_cancel (future);
  test_latch_open (&block.release);
  g_thread_join (thread);
  g_assert_null (waiter.value);
  test_assert_error (waiter.error, domain, code);

  /* The answers after the end, and on the asynchronous way, are the same. */
  test_future_wait (future);
  g_assert_null (at_future_wait_started (future, NULL, &error));
  test_assert_error (error, domain, code);
  test_iterate_until (NULL, &answer.called);
  g_assert_null (at_future_wait_started_finish (future, answer.result, &error));
  test_assert_error (error, domain, code);
  test_answer_clear (&answer);
  at_future_get_value (future, NULL);
  g_object_unref (future);
}

static void
test_not_started (void)
{
  check_not_started (PROBE_NOW, PROBE_VALUE, FALSE, AT_ERROR, AT_ERROR_NOT_STARTED);
  check_not_started (PROBE_NOW, PROBE_NO_VALUE, FALSE, AT_ERROR, AT_ERROR_NOT_STARTED);
  check_not_started (PROBE_NOW, PROBE_ERROR, FALSE, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  check_not_started (PROBE_DROP, PROBE_VALUE, FALSE, AT_ERROR, AT_ERROR_ABANDONED);
  check_not_started (PROBE_NOW, PROBE_VALUE, TRUE, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  check_not_started (PROBE_WHEN_CANCELLED, PROBE_CANCELLED, TRUE, G_IO_ERROR,
                     G_IO_ERROR_CANCELLED);
}

static void
test_wait_started_can_be_given_up (void)
{
  for (int i = 0; i < 100; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      Probe probe = { .when = PROBE_KEEP, .number = 8 };
      AtFuture *future = probe_spawn (&probe, io, NULL);
      Waiter waiter = { .future = future, .cancellable = cancellable };
      GThread *thread = g_thread_new ("cancel", cancel_on_thread, &waiter);

      wait_started_on_thread (&waiter);
      g_thread_join (thread);
      g_assert_null (waiter.value);
      test_assert_error (waiter.error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      test_latch_wait (&probe.entered);
      test_portal_flush (io);
      g_assert_false (g_cancellable_is_cancelled (at_future_get_cancellable (future)));
      probe_return (&probe);
      test_future_finish_int (future, 8);
    }
}

static void
test_wait_started_async_answers_on_the_callers_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  Starter starter = { .probe = { .when = PROBE_KEEP, .number = 9 } };
  TestBlock block = { 0 };
  TestAnswer answer = { 0 };
  TestAnswer late = { 0 };
  g_autoptr (GError) error = NULL;
  AtFuture *future;
  GValue *value;

  test_block_portal (&block, io);
  future = at_portal_spawn (io, NULL, started_body, &starter, NULL);
  g_main_context_push_thread_default (context);
  at_future_wait_started_async (future, NULL, test_answer_ready, &answer);
  while (g_main_context_iteration (context, FALSE))
    continue;
  g_assert_false (answer.called);
  test_latch_open (&block.release);
  test_iterate_until (context, &answer.called);
  g_assert_false (at_future_is_done (future));
  g_assert_true (answer.source == G_OBJECT (future));
  value = at_future_wait_started_finish (future, answer.result, &error);
  g_assert_no_error (error);
  assert_ready (value);
  g_boxed_free (G_TYPE_VALUE, value);

  at_future_wait_started_async (future, NULL, test_answer_ready, &late);
  g_assert_false (late.called);
  test_iterate_until (context, &late.called);
  assert_ready ((GValue *) at_future_wait_started_finish_borrowed (future, late.result, &error));
  g_assert_no_error (error);
  g_main_context_pop_thread_default (context);
  test_answer_clear (&answer);
  test_answer_clear (&late);

  test_latch_wait (&starter.probe.entered);
  test_portal_flush (io);
  probe_return (&starter.probe);
  test_future_finish_int (future, 9);
}

static void
test_wait_started_async_can_be_given_up (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Probe probe = { .when = PROBE_KEEP, .number = 8 };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;
  Waiter waiter = { .cancellable = cancellable };

  at_future_wait_started_async (future, cancellable, test_answer_ready, &answer);
  test_latch_open (&waiter.begun);
  test_on_thread (cancel_on_thread, &waiter);
  test_iterate_until (NULL, &answer.called);
  g_assert_null (at_future_wait_started_finish (future, answer.result, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_answer_clear (&answer);
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  probe_return (&probe);
  test_future_finish_int (future, 8);
}

static void
test_wait_started_borrowed (void)
{
  Starter starter = { .probe = { .when = PROBE_KEEP, .number = 9 } };
  AtFuture *future = at_portal_spawn (io, NULL, started_body, &starter, NULL);
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 10; i++)
    {
      assert_ready ((GValue *) at_future_wait_started_borrowed (future, NULL, &error));
      g_assert_no_error (error);
    }
  test_latch_wait (&starter.probe.entered);
  test_portal_flush (io);
  probe_return (&starter.probe);
  test_future_finish_int (future, 9);
}

/* A start may be told later, and from any thread. */
static gpointer
start_on_thread (gpointer task)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, "ready");
  at_task_started (task, &value);
  return NULL;
}

static void
test_started_from_another_thread (void)
{
  Probe probe = { .when = PROBE_KEEP, .number = 10 };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  Waiter waiter = { .future = future };
  GThread *thread = g_thread_new ("starter", wait_started_on_thread, &waiter);

  test_latch_wait (&waiter.begun);
  test_latch_wait (&probe.entered);
  test_portal_flush (io);
  g_assert_false (g_atomic_int_get (&waiter.returned));
  test_on_thread (start_on_thread, probe.task);
  g_thread_join (thread);
  g_assert_no_error (waiter.error);
  assert_ready (waiter.value);
  g_boxed_free (G_TYPE_VALUE, waiter.value);
  g_assert_false (at_future_is_done (future));
  probe_return (&probe);
  test_future_finish_int (future, 10);
}

static void
started_twice_body (GTask   *task,
                    gpointer user_data)
{
  g_auto (GValue) value = G_VALUE_INIT;

  start_on_thread (task);
  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, "again");
  at_task_started (task, &value);
  test_return_int (task, 1);
}

static void
test_started_twice (void)
{
  if (g_test_subprocess ())
    {
      AtPortal *portal = test_portal_new ("twice");
      AtFuture *future;
      g_autoptr (GError) error = NULL;
      GValue *value;

      test_survive_criticals ();
      future = at_portal_spawn (portal, NULL, started_twice_body, NULL, NULL);
      test_future_wait (future);
      value = at_future_wait_started (future, NULL, &error);
      g_assert_no_error (error);
      assert_ready (value);
      g_boxed_free (G_TYPE_VALUE, value);
      test_future_finish_int (future, 1);
      test_portal_finish (portal);
      return;
    }

  test_assert_subprocess ("*CRITICAL*");
}

int
main (int    argc,
      char **argv)
{
  int status;

  test_init (&argc, &argv);
  io = test_portal_new ("io");

  test_add ("/future/wait/is-true-whatever-the-outcome", test_wait_is_true_whatever_the_outcome);
  test_add ("/future/wait/wakes-every-waiter", test_wait_wakes_every_waiter);
  test_add ("/future/wait/misses-no-wake-up", test_wait_misses_no_wake_up);
  test_add ("/future/wait/cancellable-stops-the-wait-only", test_cancellable_stops_the_wait_only);
  test_add ("/future/wait/deadline-stops-the-wait-only", test_deadline_stops_the_wait_only);
  test_add ("/future/wait/cancellation-races-with-the-end",
            test_cancelled_wait_races_with_the_end);
  test_add ("/future/wait-until/gives-up-on-time", test_wait_until_gives_up_on_time);
  test_add ("/future/wait-async/answers-on-the-callers-context",
            test_wait_async_answers_on_the_callers_context);
  test_add ("/future/wait-async/is-true-for-a-failure", test_wait_async_is_true_for_a_failure);
  test_add ("/future/wait-async/cancellable-stops-the-wait-only",
            test_wait_async_cancellable_stops_the_wait_only);
  test_add ("/future/wait-async/keeps-the-future", test_wait_async_keeps_the_future);
  test_add ("/future/wait-async/many-at-once", test_wait_async_many_at_once);
  test_add ("/future/wait-started/value-comes-while-it-runs",
            test_started_value_comes_while_it_runs);
  test_add ("/future/wait-started/wakes-every-waiter", test_started_wakes_every_waiter);
  test_add ("/future/wait-started/without-a-value-is-true", test_started_without_a_value_is_true);
  test_add ("/future/wait-started/failure-after-the-start-is-the-result",
            test_failure_after_the_start_is_the_result);
  test_add ("/future/wait-started/no-start-is-an-error", test_not_started);
  test_add ("/future/wait-started/can-be-given-up", test_wait_started_can_be_given_up);
  test_add ("/future/wait-started/borrowed", test_wait_started_borrowed);
  test_add ("/future/wait-started/from-another-thread", test_started_from_another_thread);
  test_add ("/future/wait-started/twice-is-critical", test_started_twice);
  test_add ("/future/wait-started-async/answers-on-the-callers-context",
            test_wait_started_async_answers_on_the_callers_context);
  test_add ("/future/wait-started-async/can-be-given-up",
            test_wait_started_async_can_be_given_up);

  status = g_test_run ();
  test_portal_finish (io);
  return status;
}
