/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

/* Bodies. Those that last wait for an event, or until they are cancelled. */

static void
succeed (GTask   *task,
         gpointer user_data)
{
  g_task_return_value (task, NULL);
}

static void
fail (GTask   *task,
      gpointer user_data)
{
  g_task_return_new_error (task, G_IO_ERROR, GPOINTER_TO_INT (user_data), "failed with %d",
                           GPOINTER_TO_INT (user_data));
}

static void
on_event (GObject      *source,
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
wait_for_event (GTask   *task,
                gpointer event)
{
  at_event_wait_async (event, g_task_get_cancellable (task), on_event, g_object_ref (task));
}

static void
wait_for_event_shielded (GTask   *task,
                         gpointer event)
{
  at_cancel_scope_set_shield (AT_CANCEL_SCOPE (g_task_get_cancellable (task)), TRUE);
  wait_for_event (task, event);
}

static void
wait_with_deadline (GTask   *task,
                    gpointer event)
{
  at_cancel_scope_set_timeout (AT_CANCEL_SCOPE (g_task_get_cancellable (task)), 1000);
  wait_for_event (task, event);
}

static void
on_event_then_fail (GObject      *source,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;

  at_event_wait_finish (AT_EVENT (source), result, NULL);
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_BUSY, "failed in the clean-up");
}

static void
fail_when_cancelled (GTask   *task,
                     gpointer event)
{
  at_event_wait_async (event, g_task_get_cancellable (task), on_event_then_fail,
                       g_object_ref (task));
}

static void
nothing (gpointer data)
{
}

/* All that was spawned before has run its body. */
static void
settle (AtPortal *portal)
{
  invoke_in_portal (portal, nothing, NULL);
}

static void
spawn (AtTaskGroup *group,
       AtTaskFunc   func,
       gpointer     user_data)
{
  g_object_unref (at_task_group_spawn (group, func, user_data, NULL));
}

static void
assert_group_succeeds (AtTaskGroup *group)
{
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GError) error = NULL;

  at_task_group_wait (group, NULL, &error);
  g_assert_no_error (error);

  errors = at_task_group_get_errors (group);
  g_assert_cmpuint (errors->len, ==, 0);
}

static void
test_bare_object (void)
{
  g_autoptr (AtTaskGroup) group = g_object_new (AT_TYPE_TASK_GROUP, NULL);

  g_assert_true (at_task_group_get_portal (group) == at_portal_get_main ());
  g_assert_true (at_task_group_get_cancel_on_error (group));
  g_assert_nonnull (at_task_group_get_scope (group));
  assert_group_succeeds (group);
}

static void
test_empty (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtFuture) late = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };

  at_task_group_wait_async (group, NULL, on_answer, &answer);
  g_assert_null (answer.result);
  g_assert_true (at_task_group_wait_finish (group, answer_wait (&answer), &error));
  g_assert_no_error (error);
  assert_group_succeeds (group);

  /* The wait has left it closed. */
  late = at_task_group_spawn (group, succeed, NULL, NULL);
  g_assert_null (at_future_get_value (late, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_CLOSED);

  stop_portal (portal);
}

static void
test_waits_for_all (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) first = at_event_new (), second = at_event_new ();
  g_autoptr (AtFuture) late = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };
  Blocked blocked;

  spawn (group, wait_for_event, first);
  spawn (group, wait_for_event, second);
  spawn (group, succeed, NULL);
  at_task_group_wait_async (group, NULL, on_answer, &answer);
  blocked_start (&blocked, at_task_group_wait, group, NULL);

  at_event_set (first);
  settle (portal);
  run_pending ();
  g_assert_null (answer.result);
  g_assert_cmpint (g_atomic_int_get (&blocked.returned), ==, FALSE);

  at_event_set (second);
  assert_blocked_got_it (&blocked);
  g_assert_true (at_task_group_wait_finish (group, answer_wait (&answer), NULL));

  /* Those who waited have left it closed. */
  late = at_task_group_spawn (group, succeed, NULL, NULL);
  g_assert_null (at_future_get_value (late, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_CLOSED);

  stop_portal (portal);
}

typedef struct
{
  AtTaskGroup *group;
  guint        n_left;
  guint        n_run;
} Siblings;

static void
spawn_sibling (GTask   *task,
               gpointer user_data)
{
  Siblings *siblings = user_data;

  siblings->n_run++;
  if (siblings->n_left-- > 0)
    spawn (siblings->group, spawn_sibling, siblings);

  g_task_return_value (task, NULL);
}

static void
test_siblings (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  Siblings siblings = { group, 100, 0 };

  spawn (group, spawn_sibling, &siblings);
  assert_group_succeeds (group);
  g_assert_cmpuint (siblings.n_run, ==, 101);

  stop_portal (portal);
}

static void
on_cancelled_spawn_sibling (GObject      *source,
                            GAsyncResult *result,
                            gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  Siblings *siblings = g_object_get_data (source, "siblings");
  GError *error = NULL;

  /* Still allowed while the group cancels; the sibling is cancelled from the start. */
  spawn (siblings->group, spawn_sibling, siblings);
  g_assert_false (at_event_wait_finish (AT_EVENT (source), result, &error));
  g_task_return_error (task, error);
}

static void
spawn_sibling_when_cancelled (GTask   *task,
                              gpointer event)
{
  at_event_wait_async (event, g_task_get_cancellable (task), on_cancelled_spawn_sibling,
                       g_object_ref (task));
}

static void
test_sibling_while_cancelling (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) never = at_event_new ();
  Siblings siblings = { group, 0, 0 };

  g_object_set_data (G_OBJECT (never), "siblings", &siblings);
  spawn (group, spawn_sibling_when_cancelled, never);
  settle (portal);
  at_task_group_cancel (group, NULL);
  assert_group_succeeds (group);
  g_assert_cmpuint (siblings.n_run, ==, 0);

  stop_portal (portal);
}

static void
test_failure_cancels_the_others (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) never = at_event_new ();
  g_autoptr (AtFuture) other = at_task_group_spawn (group, wait_for_event, never, NULL);
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GError) error = NULL;

  spawn (group, fail, GINT_TO_POINTER (G_IO_ERROR_NOT_FOUND));

  g_assert_false (at_task_group_wait (group, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);
  /* The same, as often as one asks. */
  g_assert_false (at_task_group_wait (group, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_clear_error (&error);

  errors = at_task_group_get_errors (group);
  g_assert_cmpuint (errors->len, ==, 1);
  g_assert_error ((GError *) errors->pdata[0], G_IO_ERROR, G_IO_ERROR_NOT_FOUND);

  g_assert_cmpint (at_future_get_state (other), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_null (at_future_get_value (other, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_nonnull (strstr (error->message, "failed with"));

  stop_portal (portal);
}

static void
test_several_failures (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) never = at_event_new ();
  g_autoptr (GPtrArray) errors = NULL;
  g_autoptr (GError) error = NULL;

  spawn (group, fail_when_cancelled, never);
  spawn (group, wait_for_event, never);
  settle (portal);
  spawn (group, fail, GINT_TO_POINTER (G_IO_ERROR_EXISTS));

  g_assert_false (at_task_group_wait (group, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);

  errors = at_task_group_get_errors (group);
  g_assert_cmpuint (errors->len, ==, 2);
  g_assert_error ((GError *) errors->pdata[0], G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_error ((GError *) errors->pdata[1], G_IO_ERROR, G_IO_ERROR_BUSY);

  stop_portal (portal);
}

static void
test_no_cancel_on_error (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (AtFuture) other = NULL;
  g_autoptr (GError) error = NULL;

  g_object_set (group, "cancel-on-error", FALSE, NULL);
  other = at_task_group_spawn (group, wait_for_event, event, NULL);
  spawn (group, fail, GINT_TO_POINTER (G_IO_ERROR_EXISTS));
  settle (portal);
  g_assert_cmpint (at_future_get_state (other), ==, AT_FUTURE_STATE_RUNNING);

  at_event_set (event);
  g_assert_false (at_task_group_wait (group, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpint (at_future_get_state (other), ==, AT_FUTURE_STATE_SUCCEEDED);

  stop_portal (portal);
}

static void
test_cancel_waits_for_shielded (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (AtFuture) shielded = NULL, other = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };

  shielded = at_task_group_spawn (group, wait_for_event_shielded, event, NULL);
  other = at_task_group_spawn (group, wait_for_event, event, NULL);
  settle (portal);

  at_task_group_cancel (group, "the user closed the window");
  at_future_wait (other, NULL, NULL);
  g_assert_null (at_future_get_value (other, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_nonnull (strstr (error->message, "the user closed the window"));

  at_task_group_wait_async (group, NULL, on_answer, &answer);
  settle (portal);
  run_pending ();
  g_assert_null (answer.result);

  /* A cancellation that the group caused is no error of it. */
  at_event_set (event);
  g_clear_error (&error);
  g_assert_true (at_task_group_wait_finish (group, answer_wait (&answer), &error));
  g_assert_no_error (error);
  g_assert_cmpint (at_future_get_state (shielded), ==, AT_FUTURE_STATE_SUCCEEDED);

  stop_portal (portal);
}

static void
test_cancelled_by_hand (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (AtFuture) child = NULL, other = NULL;

  child = at_task_group_spawn (group, wait_for_event, event, NULL);
  other = at_task_group_spawn (group, wait_for_event, event, NULL);
  settle (portal);
  at_future_cancel (child);
  at_future_wait (child, NULL, NULL);
  settle (portal);
  g_assert_cmpint (at_future_get_state (other), ==, AT_FUTURE_STATE_RUNNING);

  at_event_set (event);
  assert_group_succeeds (group);

  stop_portal (portal);
}

static void
test_deadlines (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) own = at_task_group_new (portal, NULL);
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) never = at_event_new ();
  g_autoptr (AtFuture) child = NULL;
  g_autoptr (GError) error = NULL;

  /* The child's own deadline is its failure. */
  spawn (own, wait_with_deadline, never);
  spawn (own, wait_for_event, never);
  g_assert_false (at_task_group_wait (own, NULL, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_error (&error);

  /* The group's is the group's doing; moved while the child waits. */
  at_cancel_scope_set_timeout (at_task_group_get_scope (group), G_TIME_SPAN_HOUR);
  child = at_task_group_spawn (group, wait_for_event, never, NULL);
  settle (portal);
  at_cancel_scope_set_timeout (at_task_group_get_scope (group), 1000);
  assert_group_succeeds (group);
  g_assert_null (at_future_get_value (child, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  stop_portal (portal);
}

static void
test_nested (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (GCancellable) parent = g_cancellable_new ();
  g_autoptr (AtTaskGroup) outer = at_task_group_new (portal, parent);
  g_autoptr (AtTaskGroup) inner =
    at_task_group_new (portal, G_CANCELLABLE (at_task_group_get_scope (outer)));
  g_autoptr (AtEvent) never = at_event_new ();
  g_autoptr (AtFuture) in_outer = NULL, in_inner = NULL;

  in_outer = at_task_group_spawn (outer, wait_for_event, never, NULL);
  in_inner = at_task_group_spawn (inner, wait_for_event, never, NULL);
  settle (portal);

  g_cancellable_cancel (parent);
  assert_group_succeeds (inner);
  assert_group_succeeds (outer);
  g_assert_cmpint (at_future_get_state (in_outer), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_cmpint (at_future_get_state (in_inner), ==, AT_FUTURE_STATE_CANCELLED);

  stop_portal (portal);
}

static void
test_inner_leaves_outer_alone (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) outer = at_task_group_new (portal, NULL);
  g_autoptr (AtTaskGroup) inner =
    at_task_group_new (portal, G_CANCELLABLE (at_task_group_get_scope (outer)));
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (AtFuture) in_outer = at_task_group_spawn (outer, wait_for_event, event, NULL);

  spawn (inner, wait_for_event, event);
  settle (portal);
  at_task_group_cancel (inner, NULL);
  assert_group_succeeds (inner);
  g_assert_cmpint (at_future_get_state (in_outer), ==, AT_FUTURE_STATE_RUNNING);

  at_event_set (event);
  assert_group_succeeds (outer);
  g_assert_cmpint (at_future_get_state (in_outer), ==, AT_FUTURE_STATE_SUCCEEDED);

  stop_portal (portal);
}

static void
destroyed (gpointer event)
{
  at_event_set (event);
}

static void
test_closed (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) event = at_event_new (), freed = at_event_new ();
  g_autoptr (AtFuture) running = NULL, late = NULL;
  g_autoptr (GError) error = NULL;
  Blocked blocked;

  running = at_task_group_spawn (group, wait_for_event, event, NULL);
  at_task_group_close (group);
  late = at_task_group_spawn (group, succeed, freed, destroyed);
  g_assert_true (at_future_is_done (late));
  g_assert_null (at_future_get_value (late, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_CLOSED);
  blocked_start (&blocked, at_event_wait, freed, NULL);
  assert_blocked_got_it (&blocked);

  /* Not a child: no failure of the group, which goes on. */
  g_assert_false (at_future_is_done (running));
  at_event_set (event);
  assert_group_succeeds (group);
  g_assert_cmpint (at_future_get_state (running), ==, AT_FUTURE_STATE_SUCCEEDED);

  stop_portal (portal);
}

static void
test_interrupted_wait (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  g_autoptr (AtFuture) running = NULL, later = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };

  running = at_task_group_spawn (group, wait_for_event, event, NULL);
  settle (portal);
  at_task_group_wait_async (group, G_CANCELLABLE (scope), on_answer, &answer);
  at_cancel_scope_set_timeout (scope, 1000);
  g_assert_false (at_task_group_wait (group, G_CANCELLABLE (scope), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_clear_error (&error);
  g_assert_false (at_task_group_wait_finish (group, answer_wait (&answer), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);

  g_assert_cmpint (at_future_get_state (running), ==, AT_FUTURE_STATE_RUNNING);
  later = at_task_group_spawn (group, succeed, NULL, NULL);
  at_event_set (event);
  assert_group_succeeds (group);
  g_assert_cmpint (at_future_get_state (later), ==, AT_FUTURE_STATE_SUCCEEDED);

  stop_portal (portal);
}

static void
wait_in_portal (gpointer group)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (at_task_group_wait (group, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
}

static void
wait_in_other_portal (gpointer group)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (at_task_group_wait (group, NULL, &error));
  g_assert_no_error (error);
}

static void
test_own_thread (void)
{
  AtPortal *portal = start_portal (), *other = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (GError) error = NULL;

  spawn (group, wait_for_event, event);
  invoke_in_portal (portal, wait_in_portal, group);

  at_portal_post (other, wait_in_other_portal, group, NULL, &error);
  g_assert_no_error (error);
  at_event_set (event);
  settle (other);
  /* It has ended: that is known without waiting. */
  invoke_in_portal (portal, wait_in_other_portal, group);

  stop_portal (portal);
  stop_portal (other);
}

static void
on_unhandled (AtPortal   *portal,
              GError     *error,
              const char *name,
              gpointer    user_data)
{
  (*(guint *) user_data)++;
}

static void
test_wait_is_looking (void)
{
  AtPortal *portal = start_portal ();
  AtTaskGroup *group = at_task_group_new (portal, NULL);
  guint n_unhandled = 0;

  g_signal_connect (portal, "unhandled-error", G_CALLBACK (on_unhandled), &n_unhandled);

  spawn (group, fail, GINT_TO_POINTER (G_IO_ERROR_EXISTS));
  g_assert_false (at_task_group_wait (group, NULL, NULL));
  g_clear_object (&group);
  run_pending ();
  g_assert_cmpuint (n_unhandled, ==, 0);

  /* Nobody waits for this one. */
  g_test_expect_message ("AsyncTools", G_LOG_LEVEL_MESSAGE, "*failed with*");
  group = at_task_group_new (portal, NULL);
  spawn (group, fail, GINT_TO_POINTER (G_IO_ERROR_EXISTS));
  settle (portal);
  g_clear_object (&group);
  while (n_unhandled == 0)
    g_main_context_iteration (NULL, TRUE);
  g_test_assert_expected_messages ();

  stop_portal (portal);
}

static void
test_stopped_portal (void)
{
  AtPortal *portal = start_portal ();
  g_autoptr (AtTaskGroup) group = at_task_group_new (portal, NULL);
  g_autoptr (GError) error = NULL;

  at_portal_stop (portal, FALSE);
  spawn (group, succeed, NULL);
  g_assert_false (at_task_group_wait (group, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);

  stop_portal (portal);
}

static void
test_children_keep_it_alive (void)
{
  AtPortal *portal = start_portal ();
  AtTaskGroup *group = at_task_group_new (portal, NULL);
  g_autoptr (AtEvent) event = at_event_new ();
  g_autoptr (AtFuture) child = at_task_group_spawn (group, wait_for_event, event, NULL);

  settle (portal);
  g_object_unref (group);
  g_assert_cmpint (at_future_get_state (child), ==, AT_FUTURE_STATE_RUNNING);
  at_event_set (event);
  at_future_wait (child, NULL, NULL);
  g_assert_cmpint (at_future_get_state (child), ==, AT_FUTURE_STATE_SUCCEEDED);

  stop_portal (portal);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/task-group/bare-object-is-valid", test_bare_object);
  g_test_add_func ("/task-group/can-be-empty", test_empty);
  g_test_add_func ("/task-group/waits-for-every-child", test_waits_for_all);
  g_test_add_func ("/task-group/a-child-may-spawn-siblings", test_siblings);
  g_test_add_func ("/task-group/a-sibling-of-a-cancelled-child-never-runs",
                   test_sibling_while_cancelling);
  g_test_add_func ("/task-group/one-failure-cancels-the-others", test_failure_cancels_the_others);
  g_test_add_func ("/task-group/all-failures-are-listed", test_several_failures);
  g_test_add_func ("/task-group/cancel-on-error-can-be-turned-off", test_no_cancel_on_error);
  g_test_add_func ("/task-group/cancelling-waits-for-the-shielded",
                   test_cancel_waits_for_shielded);
  g_test_add_func ("/task-group/a-child-cancelled-by-hand-is-no-failure", test_cancelled_by_hand);
  g_test_add_func ("/task-group/deadlines-of-a-child-and-of-the-group", test_deadlines);
  g_test_add_func ("/task-group/a-parent-cancels-nested-groups", test_nested);
  g_test_add_func ("/task-group/an-inner-group-leaves-the-outer-alone",
                   test_inner_leaves_outer_alone);
  g_test_add_func ("/task-group/spawning-into-a-closed-one-is-a-failed-future", test_closed);
  g_test_add_func ("/task-group/an-interrupted-wait-changes-nothing", test_interrupted_wait);
  g_test_add_func ("/task-group/own-thread-may-not-block", test_own_thread);
  g_test_add_func ("/task-group/waiting-is-looking-at-failures", test_wait_is_looking);
  g_test_add_func ("/task-group/a-refused-child-is-a-failure", test_stopped_portal);
  g_test_add_func ("/task-group/children-keep-it-alive", test_children_keep_it_alive);

  return g_test_run ();
}
