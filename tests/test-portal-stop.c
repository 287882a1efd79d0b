/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a portal ends: what is refused, what is still done, and when the thread is gone. */

#include "test-common.h"

/* Every way in, from this thread. */
static void
check_refused (AtPortal *portal)
{
  Probe probe = { .number = 1 };
  TestLatch ran = { 0 };
  g_autoptr (GError) error = NULL;
  g_autoptr (AtFuture) future = NULL;

  g_assert_false (at_portal_post (portal, test_latch_open_func, &ran, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_false (at_portal_post (portal, test_latch_open_func, &ran, NULL, NULL));
  g_assert_false (at_portal_invoke (portal, test_latch_open_func, &ran, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_null (at_portal_call (portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_null (at_portal_call_borrowed (portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_null (at_portal_call_pointer (portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_cmpint (at_portal_call_int (portal, NULL, probe_body, &probe, &error), ==, -1);
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_false (at_portal_call_boolean (portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);

  /* A refused spawn has failed before spawn returns. */
  future = at_portal_spawn (portal, NULL, probe_body, &probe, NULL);
  g_assert_true (AT_IS_FUTURE (future));
  g_assert_true (at_future_is_done (future));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_FAILED);
  g_assert_false (at_future_cancel (future));
  g_assert_true (at_future_wait (future, NULL, &error));
  g_assert_no_error (error);
  g_assert_null (at_future_get_value (future, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_null (at_future_wait_started (future, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);

  /* A refusal that nobody looks at is not reported. */
  g_object_unref (at_portal_spawn (portal, NULL, probe_body, &probe, NULL));
  g_assert_cmpuint (test_n_reports (), ==, 0);

  g_assert_cmpint (probe.n_bodies, ==, 0);
  g_assert_cmpuint (test_latch_count (&ran), ==, 0);
}

static gpointer
check_refused_on_thread (gpointer portal)
{
  check_refused (portal);
  return NULL;
}

static void
test_refused_from_every_thread (void)
{
  AtPortal *portal = test_portal_new ("io");
  g_autoptr (GError) error = NULL;

  at_portal_stop (portal, FALSE);
  check_refused (portal);
  g_assert_true (at_portal_wait_stopped (portal, NULL, &error));
  g_assert_no_error (error);
  check_refused (portal);
  test_on_thread (check_refused_on_thread, portal);
  test_portal_finish (portal);
}

static void
test_refusal_says_what_to_do (void)
{
  AtPortal *portal = test_portal_new ("pick-me-out");
  g_autoptr (GError) error = NULL;

  at_portal_stop (portal, FALSE);
  g_assert_false (at_portal_post (portal, test_nothing, NULL, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_nonnull (strstr (error->message, "pick-me-out"));
  test_portal_finish (portal);
}

typedef struct
{
  AtPortal *portal;
  TestLatch entered;
  TestLatch release;
} Running;

static void
refused_body (GTask   *task,
              gpointer user_data)
{
  Running *running = user_data;

  test_latch_open (&running->entered);
  test_latch_wait (&running->release);
  check_refused (running->portal);
  test_return_int (task, 1);
}

static void
test_refused_from_an_accepted_task (void)
{
  AtPortal *portal = test_portal_new ("io");
  AtPortal *other = test_portal_new ("other");
  Running running = { .portal = portal };
  Running elsewhere = { .portal = portal };
  AtFuture *future = at_portal_spawn (portal, NULL, refused_body, &running, NULL);
  AtFuture *second = at_portal_spawn (other, NULL, refused_body, &elsewhere, NULL);

  test_latch_wait (&running.entered);
  at_portal_stop (portal, FALSE);
  check_refused (portal);
  test_latch_open (&running.release);
  test_latch_open (&elsewhere.release);
  test_future_finish_int (future, 1);
  test_future_finish_int (second, 1);
  test_portal_finish (portal);
  test_portal_finish (other);
}

/* While the portal's thread lives destroy runs there, afterwards in the caller. */
static void
test_refused_destroy (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe running = { .when = PROBE_KEEP };
  Probe posted = { 0 };
  Probe spawned = { 0 };
  Probe called = { 0 };
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;
  AtFuture *future = probe_spawn (&running, portal, NULL);

  test_latch_wait (&running.entered);
  at_portal_stop (portal, FALSE);
  g_assert_false (at_portal_post (portal, test_nothing, &posted, probe_destroy, NULL));
  test_future_finish_error (probe_spawn (&spawned, portal, NULL), AT_ERROR, AT_ERROR_NOT_RUNNING);
  at_portal_call_async (portal, NULL, probe_body, &called, probe_destroy, test_answer_ready,
                        &answer);
  test_latch_wait (&posted.destroyed);
  test_latch_wait (&spawned.destroyed);
  test_latch_wait (&called.destroyed);
  g_assert_true (posted.destroy_thread == running.body_thread);
  g_assert_true (spawned.destroy_thread == running.body_thread);
  g_assert_true (called.destroy_thread == running.body_thread);
  test_iterate_until (NULL, &answer.called);
  g_assert_null (at_portal_call_finish (portal, answer.result, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  test_answer_clear (&answer);
  g_assert_false (at_future_is_done (future));
  probe_return (&running);
  test_future_finish_int (future, 0);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));

  g_assert_false (at_portal_post (portal, test_nothing, &posted, probe_destroy, NULL));
  test_future_finish_error (probe_spawn (&spawned, portal, NULL), AT_ERROR, AT_ERROR_NOT_RUNNING);
  g_assert_cmpint (posted.n_destroys, ==, 2);
  g_assert_cmpint (spawned.n_destroys, ==, 2);
  g_assert_true (posted.destroy_thread == g_thread_self ());
  g_assert_true (spawned.destroy_thread == g_thread_self ());
  g_assert_cmpint (spawned.n_bodies, ==, 0);
  g_assert_cmpint (called.n_bodies, ==, 0);
  test_portal_finish (portal);
}

static void
test_accepted_work_completes (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestBlock block = { 0 };
  Probe probes[100] = { 0 };
  AtFuture *futures[100];
  TestLatch posts = { 0 };

  test_block_portal (&block, portal);
  for (int i = 0; i < 100; i++)
    {
      probes[i].number = i;
      futures[i] = probe_spawn (&probes[i], portal, NULL);
      g_assert_true (at_portal_post (portal, test_latch_open_func, &posts, NULL, NULL));
    }
  at_portal_stop (portal, FALSE);
  g_assert_false (at_future_is_done (futures[0]));
  test_latch_open (&block.release);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
  g_assert_cmpuint (test_latch_count (&posts), ==, 100);
  for (int i = 0; i < 100; i++)
    {
      g_assert_true (at_future_is_done (futures[i]));
      g_assert_cmpint (probes[i].n_bodies, ==, 1);
      g_assert_cmpint (probes[i].n_destroys, ==, 1);
      test_future_finish_int (futures[i], i);
    }
  test_portal_finish (portal);
}

/* A task that is under way when stop comes is awaited, with timers, GIO and wake-ups. */
static gboolean
timer_fired (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  test_return_int (task, 51);
  return G_SOURCE_REMOVE;
}

static void
info_ready (GObject      *source,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GFileInfo) info = g_file_query_info_finish (G_FILE (source), result, &error);
  g_autoptr (GSource) timer = g_timeout_source_new (1);

  g_assert_no_error (error);
  g_assert_nonnull (info);
  g_source_set_callback (timer, timer_fired, g_object_ref (task), NULL);
  g_source_attach (timer, g_task_get_context (task));
}

static void
other_ready (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GFile) file = g_file_new_for_path ("/");

  g_assert_true (at_future_wait_finish (AT_FUTURE (source), result, NULL));
  g_file_query_info_async (file, G_FILE_ATTRIBUTE_STANDARD_TYPE, G_FILE_QUERY_INFO_NONE,
                           G_PRIORITY_DEFAULT, NULL, info_ready, g_object_ref (task));
}

static void
long_body (GTask   *task,
           gpointer user_data)
{
  gpointer *data = user_data;

  at_future_wait_async (data[0], NULL, other_ready, g_object_ref (task));
  test_latch_open (data[1]);
}

static void
test_answers_still_arrive (void)
{
  AtPortal *portal = test_portal_new ("io");
  AtPortal *other = test_portal_new ("other");
  Probe probe = { .when = PROBE_KEEP };
  AtFuture *awaited = probe_spawn (&probe, other, NULL);
  TestLatch entered = { 0 };
  gpointer data[2] = { awaited, &entered };
  AtFuture *future = at_portal_spawn (portal, NULL, long_body, data, NULL);

  test_latch_wait (&probe.entered);
  test_latch_wait (&entered);
  test_portal_flush (portal);
  test_portal_flush (other);
  at_portal_stop (portal, FALSE);
  check_refused (portal);
  g_assert_false (at_future_is_done (future));
  probe_return (&probe);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
  g_assert_true (at_future_is_done (future));
  test_future_finish_int (future, 51);
  test_future_finish_int (awaited, 0);
  test_portal_finish (portal);
  test_portal_finish (other);
}

/* What no accepted task waits for does not hold the portal. */
static gboolean
never (gpointer user_data)
{
  g_assert_not_reached ();
  return G_SOURCE_REMOVE;
}

static void
test_foreign_sources_do_not_hold_it (void)
{
  AtPortal *portal = test_portal_new ("io");
  g_autoptr (GSource) source = g_timeout_source_new_seconds (3600);

  g_source_set_callback (source, never, NULL, NULL);
  g_source_attach (source, at_portal_get_context (portal));
  test_portal_flush (portal);
  test_portal_finish (portal);
}

static gpointer
wait_for_value (gpointer future)
{
  GError *error = NULL;

  g_assert_true (at_future_wait (future, NULL, &error));
  g_assert_no_error (error);
  g_assert_null (at_future_get_value (future, &error));

  return error;
}

static void
test_cancel_wakes_every_waiter (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe running[10] = { 0 };
  Probe queued[10] = { 0 };
  AtFuture *futures[20];
  GThread *threads[20];
  TestBlock block = { 0 };

  for (int i = 0; i < 10; i++)
    {
      running[i].when = PROBE_WHEN_CANCELLED;
      running[i].result = PROBE_CANCELLED;
      futures[i] = probe_spawn (&running[i], portal, NULL);
      test_latch_wait (&running[i].entered);
    }
  test_block_portal (&block, portal);
  for (int i = 0; i < 10; i++)
    futures[10 + i] = probe_spawn (&queued[i], portal, NULL);
  for (int i = 0; i < 20; i++)
    threads[i] = g_thread_new ("waiter", wait_for_value, futures[i]);

  at_portal_stop (portal, TRUE);
  test_latch_open (&block.release);
  for (int i = 0; i < 20; i++)
    {
      g_autoptr (GError) error = g_thread_join (threads[i]);

      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (at_future_get_state (futures[i]), ==, AT_FUTURE_STATE_CANCELLED);
      g_object_unref (futures[i]);
    }
  for (int i = 0; i < 10; i++)
    {
      g_assert_cmpint (queued[i].n_bodies, ==, 0);
      g_assert_cmpint (queued[i].n_destroys, ==, 1);
      g_assert_cmpint (running[i].n_destroys, ==, 1);
      g_assert_true (queued[i].destroy_thread == running[i].body_thread);
    }
  test_portal_finish (portal);
}

/* Stop with cancel must reach a body that keeps the portal's thread to itself. */
static void
polling_body (GTask   *task,
              gpointer user_data)
{
  test_latch_open (user_data);
  while (!g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    g_usleep (500);
  g_task_return_error_if_cancelled (task);
}

static void
test_cancel_reaches_a_body_that_blocks (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestLatch entered = { 0 };
  AtFuture *future = at_portal_spawn (portal, NULL, polling_body, &entered, NULL);

  test_latch_wait (&entered);
  at_portal_stop (portal, TRUE);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_portal_finish (portal);
}

static void
test_second_stop_adds_the_cancellation (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestLatch entered = { 0 };
  Probe queued = { 0 };
  AtFuture *future = at_portal_spawn (portal, NULL, polling_body, &entered, NULL);
  AtFuture *second = probe_spawn (&queued, portal, NULL);

  test_latch_wait (&entered);
  at_portal_stop (portal, FALSE);
  at_portal_stop (portal, FALSE);
  g_assert_false (g_cancellable_is_cancelled (at_future_get_cancellable (future)));
  at_portal_stop (portal, TRUE);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_future_finish_error (second, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (queued.n_bodies, ==, 0);
  at_portal_stop (portal, FALSE);
  at_portal_stop (portal, TRUE);
  test_portal_finish (portal);
}

/* Not cancelled after all: a second stop without it takes nothing back. */
static void
test_second_stop_keeps_the_cancellation (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestBlock block = { 0 };
  Probe queued = { 0 };
  AtFuture *future;

  test_block_portal (&block, portal);
  future = probe_spawn (&queued, portal, NULL);
  at_portal_stop (portal, TRUE);
  at_portal_stop (portal, FALSE);
  test_latch_open (&block.release);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (queued.n_bodies, ==, 0);
  test_portal_finish (portal);
}

/* A value that a cancelled task computed all the same is its result. */
static void
test_cancel_delivers_values_all_the_same (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .when = PROBE_WHEN_CANCELLED, .number = 3 };
  AtFuture *future = probe_spawn (&probe, portal, NULL);

  test_latch_wait (&probe.entered);
  at_portal_stop (portal, TRUE);
  test_future_finish_int (future, 3);
  test_portal_finish (portal);
}

/* Accepted posts are run, or dropped where cancelling was asked for; destroy runs once. */
static void
test_cancel_destroys_posts_once (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestBlock block = { 0 };
  TestLatch destroyed = { 0 };

  test_block_portal (&block, portal);
  for (int i = 0; i < 100; i++)
    at_portal_post (portal, test_nothing, &destroyed, test_latch_open_func, NULL);
  at_portal_stop (portal, TRUE);
  test_latch_open (&block.release);
  test_portal_finish (portal);
  g_assert_cmpuint (test_latch_count (&destroyed), ==, 100);
}

static gpointer
invoke_on_thread (gpointer user_data)
{
  gpointer *data = user_data;
  GError *error = NULL;

  test_latch_open (data[2]);
  if (at_portal_invoke (data[0], test_latch_open_func, data[1], &error))
    g_assert_cmpuint (test_latch_count (data[1]), ==, 1);
  else
    g_assert_cmpuint (test_latch_count (data[1]), ==, 0);

  return error;
}

/* An invoke that waits while stop comes ends either way, and says which. */
static void
test_cancel_wakes_invoke (void)
{
  for (int i = 0; i < 100; i++)
    {
      AtPortal *portal = test_portal_new ("io");
      TestBlock block = { 0 };
      TestLatch ran = { 0 };
      TestLatch begun = { 0 };
      gpointer data[3] = { portal, &ran, &begun };
      GThread *thread;
      g_autoptr (GError) error = NULL;

      test_block_portal (&block, portal);
      thread = g_thread_new ("invoke", invoke_on_thread, data);
      test_latch_wait (&begun);
      at_portal_stop (portal, i % 2 == 0);
      test_latch_open (&block.release);
      error = g_thread_join (thread);
      if (error != NULL && error->domain == G_IO_ERROR)
        g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      else if (error != NULL)
        g_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
      test_portal_finish (portal);
    }
}

static void
stop_func (gpointer portal)
{
  at_portal_stop (portal, FALSE);
}

static void
stop_body (GTask   *task,
           gpointer user_data)
{
  AtPortal *portal = g_task_get_source_object (task);

  at_portal_stop (portal, FALSE);
  check_refused (portal);
  at_portal_stop (portal, TRUE);
  g_assert_true (g_cancellable_is_cancelled (g_task_get_cancellable (task)));
  test_return_int (task, 61);
}

static void
return_62_body (GTask   *task,
                gpointer user_data)
{
  test_return_int (task, 62);
}

static void
test_stop_from_inside (void)
{
  AtPortal *portal;

  portal = test_portal_new ("from a body");
  test_future_finish_int (at_portal_spawn (portal, NULL, stop_body, NULL, NULL), 61);
  test_portal_finish (portal);

  portal = test_portal_new ("from a post");
  g_assert_true (at_portal_invoke (portal, stop_func, portal, NULL));
  check_refused (portal);
  test_portal_finish (portal);

  portal = test_portal_new ("from destroy");
  at_portal_post (portal, test_nothing, portal, stop_func, NULL);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
  test_portal_finish (portal);

  portal = test_portal_new ("from a task's destroy");
  test_future_finish_int (at_portal_spawn (portal, NULL, return_62_body, portal, stop_func), 62);
  test_portal_finish (portal);
}

/* A thread's private data goes when the thread does, before it is joined. */
static GPrivate thread_data = G_PRIVATE_INIT (test_latch_open_func);

static void
set_thread_data (gpointer latch)
{
  g_private_set (&thread_data, latch);
}

static void
test_wait_stopped_joined_the_thread (void)
{
  for (int i = 0; i < 50; i++)
    {
      AtPortal *portal = test_portal_new ("io");
      TestLatch gone = { 0 };

      g_assert_true (at_portal_invoke (portal, set_thread_data, &gone, NULL));
      at_portal_stop (portal, FALSE);
      g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
      g_assert_cmpuint (test_latch_count (&gone), ==, 1);
      test_portal_finish (portal);
    }
}

static gpointer
wait_stopped_on_thread (gpointer user_data)
{
  gpointer *data = user_data;
  g_autoptr (GError) error = NULL;

  test_latch_open (data[1]);
  g_assert_true (at_portal_wait_stopped (data[0], NULL, &error));
  g_assert_no_error (error);
  return NULL;
}

static void
test_wait_stopped_from_many_threads_before_stop (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestLatch begun = { 0 };
  gpointer data[2] = { portal, &begun };
  GThread *threads[8];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("waiter", wait_stopped_on_thread, data);
  test_latch_wait_for (&begun, G_N_ELEMENTS (threads));
  at_portal_stop (portal, FALSE);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  wait_stopped_on_thread (data);
  test_portal_finish (portal);
}

static gpointer
cancel_on_thread (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_wait_stopped_can_be_given_up (void)
{
  AtPortal *portal = test_portal_new ("io");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Probe probe = { .when = PROBE_KEEP, .number = 5 };
  AtFuture *future = probe_spawn (&probe, portal, NULL);
  GThread *thread;
  g_autoptr (GError) error = NULL;

  test_latch_wait (&probe.entered);
  at_portal_stop (portal, FALSE);
  thread = g_thread_new ("cancel", cancel_on_thread, cancellable);
  g_assert_false (at_portal_wait_stopped (portal, cancellable, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);

  g_assert_false (at_future_is_done (future));
  probe_return (&probe);
  test_future_finish_int (future, 5);
  test_portal_finish (portal);
}

static void
test_wait_stopped_async_answers_on_the_callers_context (void)
{
  AtPortal *portal = test_portal_new ("io");
  g_autoptr (GMainContext) context = g_main_context_new ();
  TestAnswer answer = { 0 };
  TestAnswer late = { 0 };
  TestLatch gone = { 0 };
  g_autoptr (GError) error = NULL;

  g_assert_true (at_portal_invoke (portal, set_thread_data, &gone, NULL));
  g_main_context_push_thread_default (context);
  at_portal_wait_stopped_async (portal, NULL, test_answer_ready, &answer);
  while (g_main_context_iteration (context, FALSE))
    continue;
  g_assert_false (answer.called);
  at_portal_stop (portal, FALSE);
  test_iterate_until (context, &answer.called);
  g_assert_true (answer.source == G_OBJECT (portal));
  g_assert_true (at_portal_wait_stopped_finish (portal, answer.result, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (test_latch_count (&gone), ==, 1);

  at_portal_wait_stopped_async (portal, NULL, test_answer_ready, &late);
  g_assert_false (late.called);
  test_iterate_until (context, &late.called);
  g_assert_true (at_portal_wait_stopped_finish (portal, late.result, &error));
  g_main_context_pop_thread_default (context);
  test_answer_clear (&answer);
  test_answer_clear (&late);
  test_portal_finish (portal);
}

static void
test_wait_stopped_async_can_be_given_up (void)
{
  AtPortal *portal = test_portal_new ("io");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;

  at_portal_wait_stopped_async (portal, cancellable, test_answer_ready, &answer);
  test_on_thread (cancel_on_thread, cancellable);
  test_iterate_until (NULL, &answer.called);
  g_assert_false (at_portal_wait_stopped_finish (portal, answer.result, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_answer_clear (&answer);
  test_future_finish_int (at_portal_spawn (portal, NULL, test_body_int, GINT_TO_POINTER (2), NULL),
                          2);
  test_portal_finish (portal);
}

/* Calls that race with stop end either way, each exactly once, and none hangs. */
typedef struct
{
  AtPortal  *portal;
  TestLatch *begun;
  int        accepted;
  int        ran;
  int        destroyed;
} Race;

static void
race_body (GTask   *task,
           gpointer user_data)
{
  g_atomic_int_inc (&((Race *) user_data)->ran);
  test_return_int (task, 1);
}

static void
race_destroy (gpointer user_data)
{
  g_atomic_int_inc (&((Race *) user_data)->destroyed);
}

static gpointer
race_thread (gpointer user_data)
{
  Race *race = user_data;

  test_latch_open (race->begun);
  for (;;)
    {
      g_autoptr (GError) error = NULL;
      GValue *value = at_portal_call (race->portal, NULL, race_body, race, &error);
      g_autoptr (AtFuture) future = NULL;

      if (value != NULL)
        {
          test_assert_int_taken (value, 1);
          race->accepted++;
        }
      else if (error->domain == G_IO_ERROR)
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        }
      else
        {
          g_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
        }
      g_clear_error (&error);

      future = at_portal_spawn (race->portal, NULL, race_body, race, race_destroy);
      if (!at_future_wait (future, NULL, &error))
        g_assert_no_error (error);
      g_assert_true (at_future_is_done (future));
      if (at_future_get_value (future, &error) != NULL)
        {
          race->accepted++;
          continue;
        }
      if (g_error_matches (error, AT_ERROR, AT_ERROR_NOT_RUNNING))
        return NULL;
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
}

static void
test_calls_race_with_stop (void)
{
  for (int i = 0; i < 100; i++)
    {
      AtPortal *portal = test_portal_new ("io");
      TestLatch begun = { 0 };
      Race races[3] = { 0 };
      GThread *threads[3];

      for (int j = 0; j < 3; j++)
        {
          races[j].portal = portal;
          races[j].begun = &begun;
          threads[j] = g_thread_new ("race", race_thread, &races[j]);
        }
      test_latch_wait_for (&begun, 3);
      at_portal_stop (portal, i % 2 == 0);
      for (int j = 0; j < 3; j++)
        {
          g_thread_join (threads[j]);
          g_assert_cmpint (races[j].ran, ==, races[j].accepted);
        }
      test_portal_finish (portal);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/portal/stop/refused-from-every-thread", test_refused_from_every_thread);
  test_add ("/portal/stop/refused-from-an-accepted-task", test_refused_from_an_accepted_task);
  test_add ("/portal/stop/refusal-names-the-portal", test_refusal_says_what_to_do);
  test_add ("/portal/stop/destroy-after-a-refusal", test_refused_destroy);
  test_add ("/portal/stop/accepted-work-completes", test_accepted_work_completes);
  test_add ("/portal/stop/answers-still-arrive", test_answers_still_arrive);
  test_add ("/portal/stop/foreign-sources-do-not-hold-it", test_foreign_sources_do_not_hold_it);
  test_add ("/portal/stop/cancel-wakes-every-waiter", test_cancel_wakes_every_waiter);
  test_add ("/portal/stop/cancel-reaches-a-body-that-blocks",
            test_cancel_reaches_a_body_that_blocks);
  test_add ("/portal/stop/cancel-delivers-values-all-the-same",
            test_cancel_delivers_values_all_the_same);
  test_add ("/portal/stop/cancel-destroys-posts-once", test_cancel_destroys_posts_once);
  test_add ("/portal/stop/cancel-wakes-invoke", test_cancel_wakes_invoke);
  test_add ("/portal/stop/second-stop-adds-the-cancellation",
            test_second_stop_adds_the_cancellation);
  test_add ("/portal/stop/second-stop-keeps-the-cancellation",
            test_second_stop_keeps_the_cancellation);
  test_add ("/portal/stop/from-inside", test_stop_from_inside);
  test_add ("/portal/stop/calls-race-with-stop", test_calls_race_with_stop);
  test_add ("/portal/wait-stopped/joined-the-thread", test_wait_stopped_joined_the_thread);
  test_add ("/portal/wait-stopped/from-many-threads-before-stop",
            test_wait_stopped_from_many_threads_before_stop);
  test_add ("/portal/wait-stopped/can-be-given-up", test_wait_stopped_can_be_given_up);
  test_add ("/portal/wait-stopped-async/answers-on-the-callers-context",
            test_wait_stopped_async_answers_on_the_callers_context);
  test_add ("/portal/wait-stopped-async/can-be-given-up",
            test_wait_stopped_async_can_be_given_up);

  return g_test_run ();
}
