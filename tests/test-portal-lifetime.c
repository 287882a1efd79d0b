/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* References: who keeps a portal alive, what the last unref does, and what a fork leaves. */

#include "test-common.h"

#include <signal.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

/* The thread's private data goes when the thread does: how to hear that it really ended. */
static GPrivate thread_data = G_PRIVATE_INIT (test_latch_open_func);

static void
set_thread_data (gpointer latch)
{
  g_private_set (&thread_data, latch);
}

/* ended opens when the thread is gone. */
static void
watch_portal (AtPortal  *portal,
              TestLatch *ended)
{
  g_assert_true (at_portal_invoke (portal, set_thread_data, ended, NULL));
}

static void
on_weak_notify (gpointer latch,
                GObject *where_the_object_was)
{
  test_latch_open (latch);
}

static void
test_last_unref_stops_an_idle_portal (void)
{
  for (int i = 0; i < 50; i++)
    {
      AtPortal *portal = test_portal_new ("io");
      TestLatch ended = { 0 };

      watch_portal (portal, &ended);
      g_object_unref (portal);
      test_latch_wait (&ended);
    }
}

static void
test_last_unref_of_a_portal_that_never_worked (void)
{
  for (int i = 0; i < 50; i++)
    g_object_unref (test_portal_new ("io"));
}

static void
test_last_unref_after_stop (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestLatch ended = { 0 };

  watch_portal (portal, &ended);
  at_portal_stop (portal, TRUE);
  g_object_unref (portal);
  test_latch_wait (&ended);
}

/* What was accepted is done, although nobody holds the portal any more. */
static void
test_last_unref_runs_what_was_accepted (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestLatch ended = { 0 };
  TestLatch posts = { 0 };
  TestBlock block = { 0 };
  Probe later = { .when = PROBE_KEEP, .number = 1 };
  Probe probe = { .number = 2 };
  AtFuture *first;
  AtFuture *second;

  watch_portal (portal, &ended);
  first = probe_spawn (&later, portal, NULL);
  test_latch_wait (&later.entered);
  test_block_portal (&block, portal);
  second = probe_spawn (&probe, portal, NULL);
  for (int i = 0; i < 100; i++)
    at_portal_post (portal, test_latch_open_func, &posts, NULL, NULL);
  g_object_unref (portal);
  test_latch_open (&block.release);

  test_future_finish_int (second, 2);
  test_latch_wait_for (&posts, 100);
  g_assert_cmpuint (test_latch_count (&ended), ==, 0);
  g_assert_false (at_future_is_done (first));
  g_assert_true (AT_IS_PORTAL (g_task_get_source_object (later.task)));
  probe_return (&later);
  test_future_finish_int (first, 1);
  test_latch_wait (&ended);
}

/* A task that lives on may use its portal: the last reference is its own. */
static void
spawn_again_body (GTask   *task,
                  gpointer user_data)
{
  Probe *probe = user_data;
  AtPortal *portal = g_task_get_source_object (task);

  test_latch_open (&probe->entered);
  test_latch_wait (probe->hold);
  if (probe->number-- > 0)
    g_object_unref (at_portal_spawn (portal, NULL, spawn_again_body, probe, NULL));
  else
    at_portal_post (portal, test_latch_open_func, &probe->destroyed, NULL, NULL);
  g_task_return_value (task, NULL);
}

static void
test_running_task_may_spawn_after_the_last_unref (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestLatch hold = { 0 };
  TestLatch ended = { 0 };
  Probe probe = { .hold = &hold, .number = 0 };

  /* Dropping the last reference is no stop: the task's own reference counts. */
  watch_portal (portal, &ended);
  g_object_unref (at_portal_spawn (portal, NULL, spawn_again_body, &probe, NULL));
  test_latch_wait (&probe.entered);
  g_object_unref (portal);
  test_latch_open (&hold);
  test_latch_wait (&probe.destroyed);
  test_latch_wait (&ended);
}

static void
test_future_keeps_the_portal_only_until_it_is_done (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestLatch gone = { 0 };
  TestLatch ended = { 0 };
  Probe probe = { .when = PROBE_KEEP, .number = 3 };
  AtFuture *future;

  watch_portal (portal, &ended);
  g_object_weak_ref (G_OBJECT (portal), on_weak_notify, &gone);
  future = probe_spawn (&probe, portal, NULL);
  test_latch_wait (&probe.entered);
  test_portal_flush (portal);
  g_object_unref (portal);
  g_assert_cmpuint (test_latch_count (&gone), ==, 0);
  probe_return (&probe);
  test_future_wait (future);
  test_latch_wait (&gone);
  test_latch_wait (&ended);
  test_future_finish_int (future, 3);
}

static void
unref_func (gpointer portal)
{
  g_object_unref (portal);
}

/* The last reference goes in func, in destroy, in a body: all on the portal's own thread. */
static void
test_last_unref_on_the_own_thread (void)
{
  for (int i = 0; i < 30; i++)
    {
      AtPortal *portal = test_portal_new ("io");
      TestLatch ended = { 0 };
      TestBlock block = { 0 };

      watch_portal (portal, &ended);
      test_block_portal (&block, portal);
      switch (i % 3)
        {
        case 0:
          at_portal_post (portal, unref_func, g_object_ref (portal), NULL, NULL);
          break;
        case 1:
          at_portal_post (portal, test_nothing, g_object_ref (portal), g_object_unref, NULL);
          break;
        default:
          g_object_unref (at_portal_spawn (portal, NULL, test_body_int, g_object_ref (portal),
                                           g_object_unref));
          break;
        }
      g_object_unref (portal);
      test_latch_open (&block.release);
      test_latch_wait (&ended);
    }
}

static void
test_last_unref_on_another_portals_thread (void)
{
  AtPortal *other = test_portal_new ("other");

  for (int i = 0; i < 30; i++)
    {
      AtPortal *portal = test_portal_new ("io");
      TestLatch ended = { 0 };

      watch_portal (portal, &ended);
      g_assert_true (at_portal_invoke (other, unref_func, portal, NULL));
      test_latch_wait (&ended);
    }
  test_portal_finish (other);
}

/* The last unref does not wait for a thread that is busy. */
static void
test_last_unref_does_not_join (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestLatch ended = { 0 };
  TestBlock block = { 0 };

  watch_portal (portal, &ended);
  test_block_portal (&block, portal);
  g_object_unref (portal);
  g_assert_cmpuint (test_latch_count (&ended), ==, 0);
  test_latch_open (&block.release);
  test_latch_wait (&ended);
}

/* Dropped futures, done and not done, from several threads while the portal ends. */
static gpointer
drop_futures (gpointer user_data)
{
  GPtrArray *futures = user_data;

  g_ptr_array_unref (futures);
  return NULL;
}

/* The last reference is taken back for the posts that are left, and dropped by the portal's thread
 * while this one may not have left g_object_unref () yet. */
static void
test_posts_are_left_at_the_last_unref (void)
{
  for (int i = 0; i < 200; i++)
    {
      AtPortal *portal = test_portal_new ("io");
      TestLatch run = { 0 };
      TestLatch ended = { 0 };

      watch_portal (portal, &ended);
      for (int k = 0; k < 5; k++)
        g_assert_true (at_portal_post (portal, test_latch_open_func, &run, NULL, NULL));
      g_object_unref (portal);
      test_latch_wait_for (&run, 5);
      test_latch_wait (&ended);
    }
}

static void
test_futures_are_dropped_while_it_ends (void)
{
  for (int i = 0; i < 50; i++)
    {
      AtPortal *portal = test_portal_new ("io");
      TestLatch ended = { 0 };
      GThread *threads[2];

      watch_portal (portal, &ended);
      for (int j = 0; j < 2; j++)
        {
          GPtrArray *futures = g_ptr_array_new_with_free_func (g_object_unref);

          for (int k = 0; k < 50; k++)
            g_ptr_array_add (futures, at_portal_spawn (portal, NULL, test_body_int, NULL, NULL));
          threads[j] = g_thread_new ("drop", drop_futures, futures);
        }
      g_object_unref (portal);
      g_thread_join (threads[0]);
      g_thread_join (threads[1]);
      test_latch_wait (&ended);
    }
}

/* A result that nobody fetched is freed with its future. */
static void
object_body (GTask   *task,
             gpointer user_data)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_OBJECT);
  g_value_set_object (&value, user_data);
  g_task_return_value (task, &value);
}

static void
pointer_body (GTask   *task,
              gpointer user_data)
{
  g_task_return_pointer (task, g_object_ref (user_data), g_object_unref);
}

static void
test_unfetched_results_are_freed (void)
{
  AtPortal *portal = test_portal_new ("io");
  GObject *object = g_object_new (G_TYPE_OBJECT, NULL);
  AtFuture *first = at_portal_spawn (portal, NULL, object_body, object, NULL);
  AtFuture *second = at_portal_spawn (portal, NULL, pointer_body, object, NULL);

  test_future_wait (first);
  test_future_wait (second);
  g_object_unref (at_portal_spawn (portal, NULL, object_body, object, NULL));
  g_object_unref (at_portal_spawn (portal, NULL, pointer_body, object, NULL));
  test_portal_finish (portal);
  g_object_unref (first);
  g_object_unref (second);
  g_assert_finalize_object (object);
}

/* In a child, nothing of the parent's threads is left: it must be told, and never hang. */
static int
child_of_fork (AtPortal *portal,
               AtFuture *pending)
{
  GError *error = NULL;
  AtFuture *future;

  if (at_portal_post (portal, test_nothing, NULL, NULL, &error) ||
      !g_error_matches (error, AT_ERROR, AT_ERROR_NOT_RUNNING))
    return 1;
  g_clear_error (&error);
  if (at_portal_invoke (portal, test_nothing, NULL, &error) ||
      !g_error_matches (error, AT_ERROR, AT_ERROR_NOT_RUNNING))
    return 2;
  g_clear_error (&error);
  if (at_portal_call (portal, NULL, test_body_int, NULL, &error) != NULL ||
      !g_error_matches (error, AT_ERROR, AT_ERROR_NOT_RUNNING))
    return 3;
  g_clear_error (&error);
  future = at_portal_spawn (portal, NULL, test_body_int, NULL, NULL);
  if (!at_future_is_done (future) || at_future_get_value (future, &error) != NULL ||
      !g_error_matches (error, AT_ERROR, AT_ERROR_NOT_RUNNING))
    return 4;
  g_clear_error (&error);
  g_object_unref (future);
  if (at_portal_wait_stopped (portal, NULL, &error) ||
      !g_error_matches (error, AT_ERROR, AT_ERROR_NOT_RUNNING))
    return 5;
  g_clear_error (&error);
  if (pending != NULL &&
      (at_future_wait (pending, NULL, &error) ||
       !g_error_matches (error, AT_ERROR, AT_ERROR_NOT_RUNNING)))
    return 6;
  g_clear_error (&error);
  at_portal_stop (portal, TRUE);
  if (pending != NULL)
    g_object_unref (pending);
  g_object_unref (portal);
  return 0;
}

static void
check_fork (AtPortal *portal,
            AtFuture *pending)
{
  pid_t pid = fork ();
  int status = 0;

  g_assert_cmpint (pid, >=, 0);
  if (pid == 0)
    {
      int failed;

      alarm (60);
      failed = child_of_fork (portal, pending);
      if (failed != 0)
        _exit (failed);
      /* An ordinary exit would let valgrind look for what the missing threads held. */
      kill (getpid (), SIGKILL);
    }
  g_assert_cmpint (waitpid (pid, &status, 0), ==, pid);
  if (WIFEXITED (status))
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_cmpint (WTERMSIG (status), ==, SIGKILL);
}

static void
test_fork_child_is_not_running (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .when = PROBE_KEEP, .number = 4 };
  AtFuture *future;

  check_fork (portal, NULL);
  future = probe_spawn (&probe, portal, NULL);
  test_latch_wait (&probe.entered);
  test_portal_flush (portal);
  check_fork (portal, future);

  /* The parent goes on as if nothing had happened. */
  probe_return (&probe);
  test_future_finish_int (future, 4);
  test_portal_finish (portal);
}

static void
test_fork_child_of_an_adopted_portal (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  AtPortal *portal = at_portal_new_for_context (context);

  check_fork (portal, NULL);
  g_object_unref (portal);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/portal/last-unref/stops-an-idle-portal", test_last_unref_stops_an_idle_portal);
  test_add ("/portal/last-unref/of-a-portal-that-never-worked",
            test_last_unref_of_a_portal_that_never_worked);
  test_add ("/portal/last-unref/after-stop", test_last_unref_after_stop);
  test_add ("/portal/last-unref/runs-what-was-accepted", test_last_unref_runs_what_was_accepted);
  test_add ("/portal/last-unref/running-task-may-spawn-after-it",
            test_running_task_may_spawn_after_the_last_unref);
  test_add ("/portal/last-unref/on-the-own-thread", test_last_unref_on_the_own_thread);
  test_add ("/portal/last-unref/on-another-portals-thread",
            test_last_unref_on_another_portals_thread);
  test_add ("/portal/last-unref/does-not-join", test_last_unref_does_not_join);
  test_add ("/portal/last-unref/posts-are-left-at-the-last-unref",
            test_posts_are_left_at_the_last_unref);
  test_add ("/portal/last-unref/futures-are-dropped-while-it-ends",
            test_futures_are_dropped_while_it_ends);
  test_add ("/portal/lifetime/future-keeps-it-only-until-it-is-done",
            test_future_keeps_the_portal_only_until_it_is_done);
  test_add ("/portal/lifetime/unfetched-results-are-freed", test_unfetched_results_are_freed);
  test_add ("/portal/fork/child-is-not-running", test_fork_child_is_not_running);
  test_add ("/portal/fork/child-of-an-adopted-portal-is-not-running",
            test_fork_child_of_an_adopted_portal);

  return g_test_run ();
}
