/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Portals on a context that somebody else iterates, and which portal is the current one. */

#include "test-common.h"

/* A thread that runs a loop on a context, as an application would. */
typedef struct
{
  GMainContext *context;
  GMainLoop    *loop;
  GThread      *thread;
  TestLatch     running;
} Loop;

static gboolean
loop_runs (gpointer user_data)
{
  test_latch_open (&((Loop *) user_data)->running);
  return G_SOURCE_REMOVE;
}

static gpointer
loop_thread (gpointer user_data)
{
  Loop *loop = user_data;
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, loop_runs, loop, NULL);
  g_source_attach (source, loop->context);
  g_main_context_push_thread_default (loop->context);
  g_main_loop_run (loop->loop);
  g_main_context_pop_thread_default (loop->context);

  return NULL;
}

static void
loop_start (Loop *loop)
{
  loop->context = g_main_context_new ();
  loop->loop = g_main_loop_new (loop->context, FALSE);
  loop->thread = g_thread_new ("loop", loop_thread, loop);
  test_latch_wait (&loop->running);
}

static void
loop_end (Loop *loop)
{
  g_main_loop_quit (loop->loop);
  g_thread_join (loop->thread);
  g_main_loop_unref (loop->loop);
  g_main_context_unref (loop->context);
}

/* Stop, and iterate until it says so, on the thread that runs the context. */
static void
finish_own (AtPortal *portal)
{
  TestAnswer answer = { 0 };
  GMainContext *context = at_portal_get_context (portal);
  g_autoptr (GError) error = NULL;

  at_portal_stop (portal, FALSE);
  g_main_context_push_thread_default (context);
  at_portal_wait_stopped_async (portal, NULL, test_answer_ready, &answer);
  test_iterate_until (context, &answer.called);
  g_main_context_pop_thread_default (context);
  g_assert_true (at_portal_wait_stopped_finish (portal, answer.result, &error));
  g_assert_no_error (error);
  test_answer_clear (&answer);

  /* It has stopped: no need to wait, on this thread either. */
  g_assert_true (at_portal_wait_stopped (portal, NULL, &error));
  g_assert_no_error (error);
  g_assert_finalize_object (portal);
}

static void
test_new_for_context_belongs_to_this_thread (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AtPortal *portal = at_portal_new_for_context (context);
  Probe probe = { .number = 1 };
  g_autoptr (GError) error = NULL;
  AtFuture *future;

  g_assert_true (at_portal_get_context (portal) == context);
  g_assert_true (at_portal_is_owner (portal));
  g_assert_null (at_portal_call (portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);

  /* Nothing runs by itself. */
  future = probe_spawn (&probe, portal, NULL);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_PENDING);
  while (!at_future_is_done (future))
    g_main_context_iteration (context, TRUE);
  g_assert_true (probe.body_thread == g_thread_self ());
  g_assert_true (probe.destroy_thread == g_thread_self ());
  test_future_finish_int (future, 1);
  finish_own (portal);
}

typedef struct
{
  AtPortal     *portal;
  GMainContext *context;
  TestLatch     begun;
  int           finished;
} Foreign;

static void
foreign_body (GTask   *task,
              gpointer user_data)
{
  Foreign *foreign = user_data;
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  g_assert_true (context == foreign->context);
  g_assert_true (at_portal_get_current () == foreign->portal);
  g_assert_true (at_portal_is_owner (foreign->portal));
  test_return_int (task, 5);
}

static gpointer
call_from_thread (gpointer user_data)
{
  Foreign *foreign = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_false (at_portal_is_owner (foreign->portal));
  test_latch_open (&foreign->begun);
  test_assert_int_taken (at_portal_call (foreign->portal, NULL, foreign_body, foreign, &error), 5);
  g_assert_no_error (error);
  g_atomic_int_set (&foreign->finished, TRUE);
  g_main_context_wakeup (foreign->context);

  return NULL;
}

/* A call from elsewhere waits until the loop runs. The context need not be pushed by hand. */
static void
check_call_waits_for_the_loop (GMainContext *context)
{
  AtPortal *portal = at_portal_new_for_context (context);
  Foreign foreign = { .portal = portal, .context = at_portal_get_context (portal) };
  GThread *thread = g_thread_new ("caller", call_from_thread, &foreign);
  TestAnswer answer = { 0 };
  AtFuture *last;

  test_latch_wait (&foreign.begun);
  last = at_portal_spawn (portal, NULL, foreign_body, &foreign, NULL);
  at_future_wait_async (last, NULL, test_answer_ready, &answer);
  while (!at_future_is_done (last))
    g_main_context_iteration (foreign.context, TRUE);
  g_object_unref (last);

  /* The answer of wait_async is for the default context of this thread. */
  test_iterate_until (NULL, &answer.called);
  test_answer_clear (&answer);

  /* The call may have come after last. */
  while (!g_atomic_int_get (&foreign.finished))
    g_main_context_iteration (foreign.context, TRUE);
  g_thread_join (thread);
  finish_own (portal);
}

static void
test_call_waits_for_the_loop (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  check_call_waits_for_the_loop (context);
}

static void
test_null_is_the_thread_default_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AtPortal *portal;

  portal = at_portal_new_for_context (NULL);
  g_assert_true (at_portal_get_context (portal) == g_main_context_default ());
  finish_own (portal);

  g_main_context_push_thread_default (context);
  portal = at_portal_new_for_context (NULL);
  g_assert_true (at_portal_get_context (portal) == context);
  g_main_context_pop_thread_default (context);
  finish_own (portal);
}

/* Adopted here, run elsewhere: it belongs to the thread that iterates it. */
static void
test_loop_in_another_thread_takes_it_over (void)
{
  Loop loop = { 0 };
  AtPortal *portal;
  Probe probe = { .number = 6 };
  g_autoptr (GError) error = NULL;

  loop_start (&loop);
  portal = at_portal_new_for_context (loop.context);

  for (int i = 0; i < 100; i++)
    {
      AtFuture *future = probe_spawn (&probe, portal, NULL);

      test_latch_wait_for (&probe.destroyed, (guint) i + 1);
      test_future_finish_int (future, 6);
    }
  g_assert_false (at_portal_is_owner (portal));
  g_assert_true (probe.body_thread == loop.thread);
  test_assert_int_taken (at_portal_call (portal, NULL, probe_body, &probe, &error), 6);
  g_assert_no_error (error);
  g_assert_true (at_portal_invoke (portal, test_nothing, NULL, &error));
  g_assert_no_error (error);

  at_portal_stop (portal, FALSE);
  g_assert_true (at_portal_wait_stopped (portal, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (at_portal_invoke (portal, test_nothing, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_object_unref (portal);
  g_assert_true (g_main_loop_is_running (loop.loop));
  loop_end (&loop);
}

/* The first call comes before anything else told the portal where its loop runs. */
static void
test_first_call_into_a_loop_that_runs_elsewhere (void)
{
  for (int i = 0; i < 50; i++)
    {
      Loop loop = { 0 };
      AtPortal *portal;
      g_autoptr (GError) error = NULL;

      loop_start (&loop);
      portal = at_portal_new_for_context (loop.context);
      test_assert_int_taken (at_portal_call (portal, NULL, test_body_int, GINT_TO_POINTER (7),
                                             &error),
                             7);
      g_assert_no_error (error);
      at_portal_stop (portal, FALSE);
      g_assert_true (at_portal_wait_stopped (portal, NULL, &error));
      g_object_unref (portal);
      loop_end (&loop);
    }
}

static void
nested_call_func (gpointer portal)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (at_portal_is_owner (portal));
  g_assert_null (at_portal_call (portal, NULL, test_body_int, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
}

static gboolean
call_from_source (gpointer user_data)
{
  gpointer *data = user_data;

  nested_call_func (data[0]);
  test_latch_open (data[1]);
  return G_SOURCE_REMOVE;
}

static void
test_own_thread_is_refused_on_the_loops_thread (void)
{
  Loop loop = { 0 };
  AtPortal *portal;
  TestLatch ran = { 0 };
  gpointer data[2];

  loop_start (&loop);
  portal = at_portal_new_for_context (loop.context);
  g_assert_true (at_portal_invoke (portal, nested_call_func, portal, NULL));

  /* From the application's own source as well, between the portal's batches. */
  data[0] = portal;
  data[1] = &ran;
  g_main_context_invoke (loop.context, call_from_source, data);
  test_latch_wait (&ran);
  at_portal_stop (portal, FALSE);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
  g_object_unref (portal);
  loop_end (&loop);
}

static void
test_stop_runs_what_was_accepted (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AtPortal *portal = at_portal_new_for_context (context);
  Probe probe = { .number = 8 };
  Probe cancelled = { .number = 9 };
  AtFuture *future = probe_spawn (&probe, portal, NULL);
  AtFuture *second = probe_spawn (&cancelled, portal, NULL);
  g_autoptr (GError) error = NULL;

  at_future_cancel (second);
  at_portal_stop (portal, FALSE);
  g_assert_false (at_portal_post (portal, test_nothing, NULL, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_false (at_portal_wait_stopped (portal, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_false (at_future_is_done (future));
  finish_own (portal);
  test_future_finish_int (future, 8);
  test_future_finish_error (second, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (cancelled.n_bodies, ==, 0);
  g_assert_cmpint (cancelled.n_destroys, ==, 1);
}

/* The loop goes on when its portal has ended, and can be adopted again. */
static void
test_adopted_again (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();

  for (int i = 0; i < 3; i++)
    {
      AtPortal *portal = at_portal_new_for_context (context);
      AtFuture *future = at_portal_spawn (portal, NULL, test_body_int, GINT_TO_POINTER (i), NULL);

      while (!at_future_is_done (future))
        g_main_context_iteration (context, TRUE);
      test_future_finish_int (future, i);
      finish_own (portal);
      g_assert_false (g_main_context_pending (context));
    }
}

static void
test_last_unref_leaves_accepted_work_to_the_loop (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AtPortal *portal = at_portal_new_for_context (context);
  Probe probe = { .number = 8 };
  AtFuture *future = probe_spawn (&probe, portal, NULL);

  g_object_unref (portal);
  while (!at_future_is_done (future))
    g_main_context_iteration (context, TRUE);
  test_future_finish_int (future, 8);
  g_assert_cmpint (probe.n_destroys, ==, 1);

  /* Nothing of the portal stays behind on the context. */
  while (g_main_context_iteration (context, FALSE))
    continue;
}

static void
set_flag (gpointer flag)
{
  *(gboolean *) flag = TRUE;
}

static gpointer
get_main_on_thread (gpointer user_data)
{
  gpointer *data = user_data;
  AtPortal *portal = at_portal_get_main ();
  g_autoptr (GError) error = NULL;

  g_assert_true (AT_IS_PORTAL (portal));
  g_assert_true (portal == at_portal_get_main ());
  g_assert_true (at_portal_get_context (portal) == g_main_context_default ());
  g_assert_false (at_portal_is_owner (portal));
  g_assert_null (at_portal_get_current ());
  test_assert_int_taken (at_portal_call (portal, NULL, probe_body, data[0], &error), 3);
  g_assert_no_error (error);
  at_portal_post (portal, set_flag, data[1], NULL, &error);
  g_assert_no_error (error);

  return NULL;
}

static void
test_main_from_a_worker (void)
{
  Probe probe = { .number = 3 };
  gboolean flag = FALSE;
  gpointer data[2] = { &probe, &flag };
  GThread *thread = g_thread_new ("worker", get_main_on_thread, data);

  test_iterate_until (NULL, &flag);
  g_thread_join (thread);
  g_assert_true (probe.body_thread == g_thread_self ());
  g_assert_true (at_portal_is_owner (at_portal_get_main ()));
}

/* The worker is the first of all to ask for it. */
static void
test_main_from_a_worker_first (void)
{
  if (g_test_subprocess ())
    {
      test_main_from_a_worker ();
      return;
    }
  test_assert_subprocess (NULL);
}

static gpointer
main_is_not_the_workers (gpointer data)
{
  AtPortal *portal = at_portal_get_main ();

  g_assert_false (at_portal_is_owner (portal));
  g_assert_null (at_portal_get_current ());
  return portal;
}

static void
test_main_never_belongs_to_the_worker_that_asked (void)
{
  if (g_test_subprocess ())
    {
      AtPortal *portal = test_on_thread (main_is_not_the_workers, NULL);

      g_assert_true (portal == at_portal_get_main ());
      g_assert_true (at_portal_is_owner (portal));
      return;
    }
  test_assert_subprocess (NULL);
}

static gpointer
current_on_thread (gpointer data)
{
  g_autoptr (GMainContext) first_context = g_main_context_new ();
  g_autoptr (GMainContext) second_context = g_main_context_new ();
  AtPortal *first;
  AtPortal *second;
  Foreign foreign = { 0 };
  AtFuture *future;

  g_assert_null (at_portal_get_current ());
  first = at_portal_new_for_context (first_context);
  g_assert_true (at_portal_get_current () == first);
  second = at_portal_new_for_context (second_context);
  g_assert_true (at_portal_get_current () == second);

  /* In a body: the body's. */
  foreign.portal = first;
  foreign.context = first_context;
  future = at_portal_spawn (first, NULL, foreign_body, &foreign, NULL);
  while (!at_future_is_done (future))
    g_main_context_iteration (first_context, TRUE);
  test_future_finish_int (future, 5);
  g_assert_true (at_portal_get_current () == second);

  finish_own (second);
  g_assert_true (at_portal_get_current () == first || at_portal_get_current () == NULL);
  finish_own (first);
  g_assert_null (at_portal_get_current ());

  /* Gone without a stop. */
  first = at_portal_new_for_context (first_context);
  g_object_unref (first);
  while (g_main_context_iteration (first_context, FALSE))
    continue;
  g_assert_null (at_portal_get_current ());

  return NULL;
}

static void
test_current (void)
{
  test_on_thread (current_on_thread, NULL);
}

/* A body that waits for another portal's body: each sees its own. */
static void
inner_current (gpointer portal)
{
  g_assert_true (at_portal_get_current () == portal);
}

static void
outer_current (gpointer user_data)
{
  AtPortal **portals = user_data;

  g_assert_true (at_portal_get_current () == portals[0]);
  g_assert_true (at_portal_invoke (portals[1], inner_current, portals[1], NULL));
  g_assert_true (at_portal_get_current () == portals[0]);
}

static void
test_current_of_nested_calls (void)
{
  AtPortal *portals[2] = { test_portal_new ("outer"), test_portal_new ("inner") };

  g_assert_true (at_portal_invoke (portals[0], outer_current, portals, NULL));
  test_portal_finish (portals[0]);
  test_portal_finish (portals[1]);
}

/* Many portals on one loop each get their own work, in their own order. */
static void
test_many_on_one_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AtPortal *portals[10];
  Probe probes[10] = { 0 };
  AtFuture *futures[10];

  for (int i = 0; i < 10; i++)
    {
      portals[i] = at_portal_new_for_context (context);
      probes[i].number = i;
      futures[i] = probe_spawn (&probes[i], portals[i], NULL);
    }
  for (int i = 0; i < 10; i++)
    {
      while (!at_future_is_done (futures[i]))
        g_main_context_iteration (context, TRUE);
      test_future_finish_int (futures[i], i);
      finish_own (portals[i]);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/portal/adopted/belongs-to-the-adopting-thread",
            test_new_for_context_belongs_to_this_thread);
  test_add ("/portal/adopted/call-waits-for-the-loop", test_call_waits_for_the_loop);
  test_add ("/portal/adopted/null-is-the-thread-default-context",
            test_null_is_the_thread_default_context);
  test_add ("/portal/adopted/loop-in-another-thread-takes-it-over",
            test_loop_in_another_thread_takes_it_over);
  test_add ("/portal/adopted/first-call-into-a-loop-that-runs-elsewhere",
            test_first_call_into_a_loop_that_runs_elsewhere);
  test_add ("/portal/adopted/own-thread-is-refused-on-the-loops-thread",
            test_own_thread_is_refused_on_the_loops_thread);
  test_add ("/portal/adopted/stop-runs-what-was-accepted", test_stop_runs_what_was_accepted);
  test_add ("/portal/adopted/again", test_adopted_again);
  test_add ("/portal/adopted/last-unref-leaves-accepted-work-to-the-loop",
            test_last_unref_leaves_accepted_work_to_the_loop);
  test_add ("/portal/adopted/many-on-one-context", test_many_on_one_context);
  test_add ("/portal/main/from-a-worker", test_main_from_a_worker);
  test_add ("/portal/main/from-a-worker-first", test_main_from_a_worker_first);
  test_add ("/portal/main/never-belongs-to-the-worker-that-asked",
            test_main_never_belongs_to_the_worker_that_asked);
  test_add ("/portal/current/is-the-bodys-or-the-last-adopted", test_current);
  test_add ("/portal/current/of-nested-calls", test_current_of_nested_calls);

  return g_test_run ();
}
