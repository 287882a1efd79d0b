/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

static gpointer
set_event (gpointer data)
{
  at_event_set (data);

  return NULL;
}

static void
test_bare_object (void)
{
  g_autoptr (AtEvent) event = g_object_new (AT_TYPE_EVENT, NULL);

  g_assert_false (at_event_is_set (event));
  at_event_set (event);
  g_assert_true (at_event_is_set (event));
}

static void
test_set_before (void)
{
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };

  at_event_set (event);
  at_event_set (event);

  g_assert_true (at_event_wait (event, NULL, &error));
  g_assert_no_error (error);

  at_event_wait_async (event, NULL, on_answer, &answer);
  g_assert_null (answer.result);
  g_assert_true (at_event_wait_finish (event, answer_wait (&answer), &error));
  g_assert_no_error (error);
}

static void
test_wakes_all (void)
{
  g_autoptr (AtEvent) event = at_event_new ();
  Answer answers[3] = { 0 };
  Blocked blocked[3];

  for (guint i = 0; i < G_N_ELEMENTS (blocked); i++)
    {
      blocked_start (&blocked[i], at_event_wait, event, NULL);
      at_event_wait_async (event, NULL, on_answer, &answers[i]);
    }

  wait_for_waiters (event, 6);
  run_pending ();

  g_thread_join (g_thread_new ("setter", set_event, event));
  g_assert_cmpuint (count_waiters (event), ==, 0);

  for (guint i = 0; i < G_N_ELEMENTS (blocked); i++)
    {
      assert_blocked_got_it (&blocked[i]);
      g_assert_true (at_event_wait_finish (event, answer_wait (&answers[i]), NULL));
    }

  /* In the order of waiting. */
  g_assert_cmpuint (answers[0].order, <, answers[1].order);
  g_assert_cmpuint (answers[1].order, <, answers[2].order);

  answers_clear (answers, G_N_ELEMENTS (answers));
}

static gboolean
set_from_source (gpointer data)
{
  Answer *answer = g_object_get_data (data, "answer");

  at_event_set (data);
  /* On the waiter's own context, and yet not inside the call. */
  g_assert_null (answer->result);

  return G_SOURCE_REMOVE;
}

static void
test_never_calls_back_inside (void)
{
  g_autoptr (AtEvent) event = at_event_new ();
  g_auto (Answer) answer = { 0 };

  g_object_set_data (G_OBJECT (event), "answer", &answer);
  at_event_wait_async (event, NULL, on_answer, &answer);
  g_idle_add (set_from_source, event);

  g_assert_true (at_event_wait_finish (event, answer_wait (&answer), NULL));
}

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           gpointer    event)
{
  at_event_set (event);
}

static void
test_set_in_signal_handler (void)
{
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (AtCapacityLimiter) emitter = at_capacity_limiter_new (1);
  Blocked blocked;

  blocked_start (&blocked, at_event_wait, event, NULL);
  wait_for_waiters (event, 1);

  g_signal_connect (emitter, "notify", G_CALLBACK (on_notify), event);
  g_object_notify (G_OBJECT (emitter), "total");

  assert_blocked_got_it (&blocked);
}

static void
test_cancelled (void)
{
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };
  Blocked blocked, patient;

  blocked_start (&patient, at_event_wait, event, NULL);
  blocked_start (&blocked, at_event_wait, event, cancellable);
  at_event_wait_async (event, G_CANCELLABLE (scope), on_answer, &answer);
  wait_for_waiters (event, 3);

  g_cancellable_cancel (cancellable);
  assert_blocked_failed (&blocked, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  at_cancel_scope_cancel_with_reason (scope, "not interested");
  g_assert_cmpuint (count_waiters (event), ==, 1);
  g_assert_false (at_event_wait_finish (event, answer_wait (&answer), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_nonnull (strstr (error->message, "not interested"));
  g_clear_error (&error);

  /* Cancelled before, nothing begins, set or not. */
  at_event_set (event);
  assert_blocked_got_it (&patient);
  g_assert_false (at_event_wait (event, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_deadline (void)
{
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) shielded = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) inner = NULL;
  Blocked blocked;

  /* Moved while somebody waits. */
  at_cancel_scope_set_timeout (scope, G_TIME_SPAN_HOUR);
  blocked_start (&blocked, at_event_wait, event, G_CANCELLABLE (scope));
  wait_for_waiters (event, 1);
  at_cancel_scope_set_timeout (scope, 1000);
  assert_blocked_failed (&blocked, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  /* Behind a shield it does not count, and a cancellation by hand is no deadline. */
  inner = at_cancel_scope_new (G_CANCELLABLE (shielded));
  at_cancel_scope_set_shield (inner, TRUE);
  blocked_start (&blocked, at_event_wait, event, G_CANCELLABLE (inner));
  wait_for_waiters (event, 1);
  at_cancel_scope_set_timeout (shielded, 0);
  while (!g_cancellable_is_cancelled (G_CANCELLABLE (shielded)))
    g_usleep (100);
  g_assert_cmpuint (count_waiters (event), ==, 1);
  g_cancellable_cancel (G_CANCELLABLE (inner));
  assert_blocked_failed (&blocked, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
try_waits_in_portal (gpointer data)
{
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (at_event_wait (event, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_clear_error (&error);

  at_event_set (event);
  g_assert_true (at_event_wait (event, NULL, &error));
  g_assert_no_error (error);
}

static void
test_own_thread (void)
{
  AtPortal *portal = start_portal ();

  invoke_in_portal (portal, try_waits_in_portal, NULL);
  stop_portal (portal);
}

static void
on_waited_in_body (GObject      *source,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (at_event_wait_finish (AT_EVENT (source), result, &error))
    g_task_return_value (task, NULL);
  else
    g_task_return_error (task, error);
}

static void
wait_in_body (GTask   *task,
              gpointer event)
{
  at_event_wait_async (event, g_task_get_cancellable (task), on_waited_in_body,
                       g_object_ref (task));
}

static void
test_in_body (void)
{
  g_autoptr (AtEvent) event = at_event_new ();
  AtPortal *portal = start_portal ();
  g_autoptr (AtFuture) waits = at_portal_spawn (portal, NULL, wait_in_body, event, NULL);
  g_autoptr (AtFuture) gives_up = at_portal_spawn (portal, NULL, wait_in_body, event, NULL);

  wait_for_waiters (event, 2);
  at_future_cancel (gives_up);
  at_future_wait (gives_up, NULL, NULL);
  g_assert_cmpint (at_future_get_state (gives_up), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_cmpint (at_future_get_state (waits), ==, AT_FUTURE_STATE_RUNNING);

  at_event_set (event);
  at_future_wait (waits, NULL, NULL);
  g_assert_cmpint (at_future_get_state (waits), ==, AT_FUTURE_STATE_SUCCEEDED);

  stop_portal (portal);
}

static void
test_waiter_keeps_alive (void)
{
  AtEvent *event = at_event_new ();
  g_auto (Answer) answer = { 0 };
  gpointer alive = event;
  AtEvent *setter = g_object_ref (event);
  Blocked blocked;

  blocked_start (&blocked, at_event_wait, event, NULL);
  at_event_wait_async (event, NULL, on_answer, &answer);
  wait_for_waiters (event, 2);
  g_object_add_weak_pointer (alive, &alive);
  g_object_unref (event);

  at_event_set (setter);
  g_object_unref (setter);
  assert_blocked_got_it (&blocked);
  g_assert_nonnull (alive);
  g_assert_true (at_event_wait_finish (event, answer_wait (&answer), NULL));

  answer_clear (&answer);
  run_pending ();
  g_assert_null (alive);
}

static void
nested_callback (GObject      *source,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  /* The other waiter was granted together with this one: a nested loop gets to it. */
  answer_wait (user_data);
  at_event_wait_finish (AT_EVENT (source), result, NULL);
}

static void
test_nested_loop (void)
{
  g_autoptr (AtEvent) event = at_event_new ();
  g_auto (Answer) answer = { 0 };

  at_event_wait_async (event, NULL, nested_callback, &answer);
  at_event_wait_async (event, NULL, on_answer, &answer);
  at_event_set (event);
  answer_wait (&answer);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/event/bare-object-is-valid", test_bare_object);
  g_test_add_func ("/event/set-before-a-wait-returns-at-once", test_set_before);
  g_test_add_func ("/event/set-wakes-all", test_wakes_all);
  g_test_add_func ("/event/set-never-calls-back-inside", test_never_calls_back_inside);
  g_test_add_func ("/event/set-in-a-signal-handler", test_set_in_signal_handler);
  g_test_add_func ("/event/a-cancelled-wait-fails-and-leaves-the-others", test_cancelled);
  g_test_add_func ("/event/a-deadline-moves-and-shields-keep-it-out", test_deadline);
  g_test_add_func ("/event/own-thread-may-not-block", test_own_thread);
  g_test_add_func ("/event/wait-in-a-body", test_in_body);
  g_test_add_func ("/event/a-waiter-keeps-it-alive", test_waiter_keeps_alive);
  g_test_add_func ("/event/a-nested-loop-stalls-nobody", test_nested_loop);

  return g_test_run ();
}
