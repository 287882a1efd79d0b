/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-common.h"

static void
answer_arguments (AtInvocation *invocation,
                  gpointer user_data)
{
  at_invocation_return_json (invocation, at_invocation_get_arguments (invocation));
}

static void
answer_data (AtInvocation *invocation,
             gpointer user_data)
{
  at_invocation_return_json (invocation, user_data);
}

static const char *
get_text (AtFuture *future)
{
  g_autoptr (GError) error = NULL;
  const GValue *value;

  at_future_wait (future, NULL, &error);
  g_assert_no_error (error);
  value = at_future_get_value (future, &error);
  g_assert_no_error (error);
  return g_value_get_string (value);
}

static void
assert_fails (AtFuture *future,
              GQuark domain,
              int code)
{
  g_autoptr (GError) error = NULL;

  at_future_wait (future, NULL, &error);
  g_assert_no_error (error);
  g_assert_null (at_future_get_value (future, &error));
  g_assert_error (error, domain, code);
}

typedef struct
{
  AtPortal *portal;
  AtCommands *commands;
} World;

static World
world_new (void)
{
  return (World){ test_portal_new ("commands"), at_commands_new () };
}

static void
world_finish (World *world)
{
  test_portal_finish (world->portal);
  g_assert_finalize_object (world->commands);
}

static void
test_answers (void)
{
  World world = world_new ();
  g_autoptr (AtFuture) future = NULL;
  g_autoptr (AtFuture) without = NULL;

  g_assert_true (at_commands_register (world.commands, "echo", answer_arguments, NULL, NULL));
  future = at_commands_invoke (world.commands, world.portal, "echo", " [1, \"ü\"] ", NULL);
  g_assert_cmpstr (get_text (future), ==, " [1, \"ü\"] ");
  without = at_commands_invoke (world.commands, world.portal, "echo", NULL, NULL);
  g_assert_cmpstr (get_text (without), ==, "null");
  world_finish (&world);
}

static void
test_unknown (void)
{
  World world = world_new ();
  g_autoptr (AtFuture) future = NULL;
  g_autoptr (AtFuture) empty = NULL;

  at_commands_register (world.commands, "known", answer_arguments, NULL, NULL);
  future = at_commands_invoke (world.commands, world.portal, "unknown", NULL, NULL);
  assert_fails (future, AT_ERROR, AT_ERROR_UNKNOWN_COMMAND);
  empty = at_commands_invoke (world.commands, world.portal, "", NULL, NULL);
  assert_fails (empty, AT_ERROR, AT_ERROR_UNKNOWN_COMMAND);
  world_finish (&world);
}

static void
count_call (AtInvocation *invocation,
            gpointer user_data)
{
  test_latch_open (user_data);
  at_invocation_return_json (invocation, NULL);
}

static void
test_arguments_are_json (void)
{
  const char *const texts[] = { "", " ", "{", "[1,]", "nul", "1 2", "'a'", "\"\377\"", "// x\n1" };
  World world = world_new ();
  TestLatch calls = { 0 };

  at_commands_register (world.commands, "count", count_call, &calls, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autoptr (AtFuture) future = NULL;

      future = at_commands_invoke (world.commands, world.portal, "count", texts[i], NULL);
      assert_fails (future, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS);
    }
  g_assert_cmpuint (test_latch_count (&calls), ==, 0);
  world_finish (&world);
}

static void
test_names (void)
{
  g_autoptr (AtCommands) commands = at_commands_new ();
  g_auto (GStrv) none = at_commands_list (commands);
  g_auto (GStrv) some = NULL;
  g_autofree char *joined = NULL;

  g_assert_cmpuint (g_strv_length (none), ==, 0);
  g_assert_true (at_commands_register (commands, "b/2", answer_data, NULL, NULL));
  g_assert_true (at_commands_register (commands, "a", answer_data, NULL, NULL));
  g_assert_true (at_commands_register (commands, "ü c", answer_data, NULL, NULL));
  some = at_commands_list (commands);
  joined = g_strjoinv (",", some);
  g_assert_cmpstr (joined, ==, "a,b/2,ü c");

  g_assert_true (at_commands_contains (commands, "a"));
  g_assert_true (at_commands_unregister (commands, "a"));
  g_assert_false (at_commands_unregister (commands, "a"));
  g_assert_false (at_commands_contains (commands, "a"));
}

static void
test_registered_twice (void)
{
  World world = world_new ();
  TestLatch first = { 0 }, second = { 0 };
  g_autoptr (AtFuture) future = NULL;

  g_assert_true (at_commands_register (world.commands, "count", count_call, &first,
                                       test_latch_open_func));
  g_assert_false (at_commands_register (world.commands, "count", count_call, &second,
                                        test_latch_open_func));
  /* The refused one's data is freed at once, the other's not yet. */
  g_assert_cmpuint (test_latch_count (&second), ==, 1);
  future = at_commands_invoke (world.commands, world.portal, "count", NULL, NULL);
  get_text (future);
  g_assert_cmpuint (test_latch_count (&first), ==, 1);
  world_finish (&world);
  g_assert_cmpuint (test_latch_count (&first), ==, 2);
  g_assert_cmpuint (test_latch_count (&second), ==, 1);
}

/* A handler that hands its invocation to the test. */
typedef struct
{
  TestLatch entered;
  AtInvocation *invocation;
  GMainContext *context;
  AtPortal *portal;
} Held;

static void
hold (AtInvocation *invocation,
      gpointer user_data)
{
  Held *held = user_data;

  held->context = g_main_context_get_thread_default ();
  held->portal = at_portal_get_current ();
  held->invocation = g_object_ref (invocation);
  test_latch_open (&held->entered);
}

static void
test_runs_on_the_portal (void)
{
  World world = world_new ();
  Held held = { 0 };
  g_autoptr (AtFuture) future = NULL;

  at_commands_register (world.commands, "hold", hold, &held, NULL);
  future = at_commands_invoke (world.commands, world.portal, "hold", NULL, NULL);
  test_latch_wait (&held.entered);
  g_assert_true (held.context == at_portal_get_context (world.portal));
  g_assert_true (held.portal == world.portal);
  g_assert_true (at_invocation_get_portal (held.invocation) == world.portal);
  g_assert_false (at_future_is_done (future));
  at_invocation_return_json (held.invocation, "1");
  g_clear_object (&held.invocation);
  g_assert_cmpstr (get_text (future), ==, "1");
  world_finish (&world);
}

static void
test_unregistered_while_running (void)
{
  World world = world_new ();
  Held held = { 0 };
  g_autoptr (AtFuture) future = NULL;
  g_autoptr (AtFuture) after = NULL;

  /* The latch at the head of the data is opened by the handler, and again when the data is
   * freed. */
  at_commands_register (world.commands, "hold", hold, &held, test_latch_open_func);
  future = at_commands_invoke (world.commands, world.portal, "hold", NULL, NULL);
  test_latch_wait (&held.entered);
  g_assert_true (at_commands_unregister (world.commands, "hold"));
  after = at_commands_invoke (world.commands, world.portal, "hold", NULL, NULL);
  assert_fails (after, AT_ERROR, AT_ERROR_UNKNOWN_COMMAND);

  g_assert_cmpuint (test_latch_count (&held.entered), ==, 1);
  at_invocation_return_json (held.invocation, "1");
  g_assert_cmpstr (get_text (future), ==, "1");
  test_portal_flush (world.portal);
  g_assert_cmpuint (test_latch_count (&held.entered), ==, 1);
  g_clear_object (&held.invocation);
  g_assert_cmpuint (test_latch_count (&held.entered), ==, 2);
  world_finish (&world);
}

static void
test_cancelled_before (void)
{
  World world = world_new ();
  TestLatch calls = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AtFuture) future = NULL;

  at_commands_register (world.commands, "count", count_call, &calls, NULL);
  g_cancellable_cancel (cancellable);
  future = at_commands_invoke (world.commands, world.portal, "count", NULL, cancellable);
  assert_fails (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_portal_flush (world.portal);
  g_assert_cmpuint (test_latch_count (&calls), ==, 0);
  world_finish (&world);
}

static void
test_cancelled_while_running (void)
{
  World world = world_new ();
  Held held = { 0 };
  TestLatch cancelled = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AtFuture) future = NULL;

  at_commands_register (world.commands, "hold", hold, &held, NULL);
  future = at_commands_invoke (world.commands, world.portal, "hold", NULL, cancellable);
  test_latch_wait (&held.entered);
  g_signal_connect (at_invocation_get_cancellable (held.invocation), "cancelled",
                    G_CALLBACK (test_latch_on_cancelled), &cancelled);
  g_cancellable_cancel (cancellable);
  test_latch_wait (&cancelled);
  g_assert_false (at_future_is_done (future));
  /* What was computed in spite of it is delivered. */
  at_invocation_return_json (held.invocation, "1");
  g_clear_object (&held.invocation);
  g_assert_cmpstr (get_text (future), ==, "1");
  world_finish (&world);
}

static void
test_timeout (void)
{
  World world = world_new ();
  Held held = { 0 };
  g_autoptr (AtFuture) future = NULL;

  g_assert_false (at_commands_set_timeout (world.commands, "hold", 1));
  at_commands_register (world.commands, "hold", hold, &held, NULL);
  g_assert_true (at_commands_set_timeout (world.commands, "hold", 1000));
  future = at_commands_invoke (world.commands, world.portal, "hold", NULL, NULL);
  assert_fails (future, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  test_latch_wait (&held.entered);
  g_assert_true (g_cancellable_is_cancelled (at_invocation_get_cancellable (held.invocation)));
  /* Too late, which is no mistake. */
  at_invocation_return_json (held.invocation, "1");
  g_clear_object (&held.invocation);
  world_finish (&world);
}

static void
test_timeout_not_reached (void)
{
  World world = world_new ();
  Held held = { 0 };
  g_autoptr (AtFuture) answered = NULL;
  g_autoptr (AtFuture) dropped = NULL;
  g_autoptr (AtFuture) unlimited = NULL;

  at_commands_register (world.commands, "data", answer_data, (gpointer) "1", NULL);
  at_commands_register (world.commands, "hold", hold, &held, NULL);
  at_commands_set_timeout (world.commands, "data", 100 * G_USEC_PER_SEC);
  at_commands_set_timeout (world.commands, "hold", 100 * G_USEC_PER_SEC);
  answered = at_commands_invoke (world.commands, world.portal, "data", NULL, NULL);
  g_assert_cmpstr (get_text (answered), ==, "1");

  dropped = at_commands_invoke (world.commands, world.portal, "hold", NULL, NULL);
  test_latch_wait (&held.entered);
  g_clear_object (&held.invocation);
  assert_fails (dropped, AT_ERROR, AT_ERROR_NOT_ANSWERED);

  at_commands_set_timeout (world.commands, "data", -1);
  unlimited = at_commands_invoke (world.commands, world.portal, "data", NULL, NULL);
  g_assert_cmpstr (get_text (unlimited), ==, "1");
  world_finish (&world);
}

static void
test_stopped_portal (void)
{
  World world = world_new ();
  TestLatch calls = { 0 };
  g_autoptr (AtFuture) future = NULL;

  at_commands_register (world.commands, "count", count_call, &calls, NULL);
  at_portal_stop (world.portal, FALSE);
  future = at_commands_invoke (world.commands, world.portal, "count", NULL, NULL);
  assert_fails (future, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_clear_object (&future);
  world_finish (&world);
  g_assert_cmpuint (test_latch_count (&calls), ==, 0);
}

static void
on_inner_done (GObject *source,
               GAsyncResult *result,
               gpointer user_data)
{
  g_autoptr (AtInvocation) outer = user_data;

  at_future_wait_finish (AT_FUTURE (source), result, NULL);
  at_invocation_return_json (outer, get_text (AT_FUTURE (source)));
}

static void
call_other (AtInvocation *invocation,
            gpointer user_data)
{
  g_autoptr (AtFuture) inner = NULL;

  inner = at_commands_invoke (user_data, at_invocation_get_portal (invocation), "data", NULL,
                              at_invocation_get_cancellable (invocation));
  at_future_wait_async (inner, NULL, on_inner_done, g_object_ref (invocation));
}

static void
test_command_calls_command (void)
{
  World world = world_new ();
  g_autoptr (AtFuture) future = NULL;

  at_commands_register (world.commands, "data", answer_data, (gpointer) "[2]", NULL);
  at_commands_register (world.commands, "other", call_other, world.commands, NULL);
  future = at_commands_invoke (world.commands, world.portal, "other", NULL, NULL);
  g_assert_cmpstr (get_text (future), ==, "[2]");
  world_finish (&world);
}

static void
run_body (GTask *task,
          gpointer user_data)
{
  g_autoptr (AtInvocation) invocation = at_invocation_new ("data", NULL);

  at_commands_run (user_data, invocation, task);
}

static void
answer_state (AtInvocation *invocation,
              gpointer user_data)
{
  AtManager *manager = at_invocation_get_manager (invocation);
  g_autoptr (GObject) state = NULL;

  if (manager != NULL)
    state = at_manager_get_state (manager, AT_TYPE_COMMANDS, NULL);
  at_invocation_return_json (invocation, state == user_data ? "true" : "false");
}

static void
test_state (void)
{
  World world = world_new ();
  g_autoptr (AtManager) manager = at_manager_new ();
  g_autoptr (AtFuture) without = NULL;
  g_autoptr (AtFuture) with = NULL;

  g_assert_null (at_commands_get_manager (world.commands));
  at_manager_manage (manager, AT_TYPE_COMMANDS, G_OBJECT (world.commands));
  at_commands_register (world.commands, "state", answer_state, world.commands, NULL);
  without = at_commands_invoke (world.commands, world.portal, "state", NULL, NULL);
  g_assert_cmpstr (get_text (without), ==, "false");

  at_commands_set_manager (world.commands, manager);
  g_assert_true (at_commands_get_manager (world.commands) == manager);
  with = at_commands_invoke (world.commands, world.portal, "state", NULL, NULL);
  g_assert_cmpstr (get_text (with), ==, "true");
  g_clear_object (&with);

  at_commands_set_manager (world.commands, NULL);
  test_portal_flush (world.portal);
  g_assert_finalize_object (g_steal_pointer (&manager));
  world_finish (&world);
}

static void
test_within_a_task (void)
{
  World world = world_new ();
  g_autoptr (AtFuture) known = NULL;
  g_autoptr (AtFuture) unknown = NULL;

  unknown = at_portal_spawn (world.portal, NULL, run_body, world.commands, NULL);
  assert_fails (unknown, AT_ERROR, AT_ERROR_UNKNOWN_COMMAND);
  at_commands_register (world.commands, "data", answer_data, (gpointer) "[2]", NULL);
  known = at_portal_spawn (world.portal, NULL, run_body, world.commands, NULL);
  g_assert_cmpstr (get_text (known), ==, "[2]");
  world_finish (&world);
}

static void
test_dispatched_twice (void)
{
  if (g_test_subprocess ())
    {
      World world = world_new ();
      g_autoptr (AtInvocation) invocation = at_invocation_new ("data", NULL);
      g_autoptr (AtFuture) first = NULL;
      g_autoptr (AtFuture) second = NULL;

      test_survive_criticals ();
      at_commands_register (world.commands, "data", answer_data, (gpointer) "1", NULL);
      first = at_commands_dispatch (world.commands, world.portal, invocation, NULL);
      g_assert_cmpstr (get_text (first), ==, "1");
      second = at_commands_dispatch (world.commands, world.portal, invocation, NULL);
      assert_fails (second, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS);
      g_clear_object (&invocation);
      g_clear_object (&first);
      g_clear_object (&second);
      world_finish (&world);
      return;
    }

  test_assert_subprocess ("*CRITICAL*was used before*");
}

typedef struct
{
  World world;
  TestLatch calls;
} Churn;

static gpointer
churn_thread (gpointer data)
{
  Churn *churn = data;

  for (int i = 0; i < 500; i++)
    {
      g_autoptr (AtFuture) future = NULL;
      g_autoptr (GError) error = NULL;

      if (!at_commands_register (churn->world.commands, "churn", count_call, &churn->calls, NULL))
        at_commands_unregister (churn->world.commands, "churn");
      future = at_commands_invoke (churn->world.commands, churn->world.portal, "churn", "{}", NULL);
      g_assert_true (at_future_wait (future, NULL, NULL));
      if (at_future_get_value (future, &error) == NULL)
        g_assert_error (error, AT_ERROR, AT_ERROR_UNKNOWN_COMMAND);
    }

  return NULL;
}

static void
test_churn (void)
{
  Churn churn = { .world = world_new () };
  GThread *threads[4];

  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("churn", churn_thread, &churn);
  for (gsize i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (test_latch_count (&churn.calls), >, 0);
  world_finish (&churn.world);
}

int
main (int argc,
      char *argv[])
{
  test_init (&argc, &argv);

  test_add ("/commands/invoke/answers", test_answers);
  test_add ("/commands/invoke/unknown-command-fails", test_unknown);
  test_add ("/commands/invoke/arguments-that-are-no-json-fail", test_arguments_are_json);
  test_add ("/commands/invoke/runs-on-the-portal", test_runs_on_the_portal);
  test_add ("/commands/invoke/stopped-portal-refuses", test_stopped_portal);
  test_add ("/commands/invoke/from-a-command", test_command_calls_command);
  test_add ("/commands/cancel/before-the-handler-ran", test_cancelled_before);
  test_add ("/commands/cancel/while-the-handler-runs", test_cancelled_while_running);
  test_add ("/commands/timeout/stuck-handler-times-out", test_timeout);
  test_add ("/commands/timeout/not-reached-changes-nothing", test_timeout_not_reached);
  test_add ("/commands/registry/names", test_names);
  test_add ("/commands/registry/second-registration-is-refused", test_registered_twice);
  test_add ("/commands/registry/data-lasts-as-long-as-its-calls", test_unregistered_while_running);
  test_add ("/commands/registry/changes-while-calls-run", test_churn);
  test_add ("/commands/state/handlers-find-it", test_state);
  test_add ("/commands/run/within-a-task", test_within_a_task);
  test_add ("/commands/dispatch/invocation-is-used-once", test_dispatched_twice);

  return g_test_run ();
}
