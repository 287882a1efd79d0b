/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

static void
test_bare_object (void)
{
  g_autoptr (AtSemaphore) semaphore = g_object_new (AT_TYPE_SEMAPHORE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (at_semaphore_try_acquire (semaphore));
  g_assert_true (at_semaphore_release (semaphore, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (at_semaphore_get_value (semaphore), ==, 1);
  g_assert_true (at_semaphore_try_acquire (semaphore));
}

static void
test_counts (void)
{
  g_autoptr (AtSemaphore) semaphore = at_semaphore_new (2, 0);
  g_autoptr (AtStatistics) statistics = NULL;

  g_assert_true (at_semaphore_acquire (semaphore, NULL, NULL));
  g_assert_true (at_semaphore_try_acquire (semaphore));
  g_assert_false (at_semaphore_try_acquire (semaphore));

  statistics = at_semaphore_get_statistics (semaphore);
  g_assert_cmpuint (statistics->borrowed, ==, 2);
  g_assert_cmpuint (statistics->available, ==, 0);

  for (guint i = 0; i < 5; i++)
    g_assert_true (at_semaphore_release (semaphore, NULL));

  g_assert_cmpuint (at_semaphore_get_value (semaphore), ==, 5);
}

static void
test_fifo (void)
{
  g_autoptr (AtSemaphore) semaphore = at_semaphore_new (0, 1);
  Answer answers[3] = { 0 };
  Blocked blocked[3];

  for (guint i = 0; i < 3; i++)
    {
      blocked_start (&blocked[i], at_semaphore_acquire, semaphore, NULL);
      wait_for_waiters (semaphore, 2 * i + 1);
      at_semaphore_acquire_async (semaphore, NULL, on_answer, &answers[i]);
    }

  for (guint i = 0; i < 3; i++)
    {
      g_assert_true (at_semaphore_release (semaphore, NULL));
      assert_blocked_got_it (&blocked[i]);
      run_pending ();
      g_assert_null (answers[i].result);

      g_assert_true (at_semaphore_release (semaphore, NULL));
      /* Handed over already: not free, whoever asks. */
      g_assert_false (at_semaphore_try_acquire (semaphore));
      g_assert_true (at_semaphore_acquire_finish (semaphore, answer_wait (&answers[i]), NULL));
    }

  g_assert_cmpuint (at_semaphore_get_value (semaphore), ==, 0);

  answers_clear (answers, G_N_ELEMENTS (answers));
}

static void
test_release_too_often (void)
{
  g_autoptr (AtSemaphore) semaphore = at_semaphore_new (1, 2);
  g_autoptr (AtSemaphore) unbounded = at_semaphore_new (G_MAXUINT, 0);
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };

  g_assert_true (at_semaphore_release (semaphore, &error));
  g_assert_no_error (error);
  g_assert_false (at_semaphore_release (semaphore, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_LIMIT_EXCEEDED);
  g_clear_error (&error);
  g_assert_cmpuint (at_semaphore_get_value (semaphore), ==, 2);

  g_assert_false (at_semaphore_release (unbounded, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_LIMIT_EXCEEDED);

  at_semaphore_acquire_async (semaphore, NULL, on_answer, &answer);
  g_assert_true (at_semaphore_acquire_finish (semaphore, answer_wait (&answer), NULL));
  g_assert_true (at_semaphore_release (semaphore, NULL));
}

static void
test_cancelled (void)
{
  g_autoptr (AtSemaphore) semaphore = at_semaphore_new (0, 0);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (Answer) gives_up = { 0 }, next = { 0 };
  Blocked blocked;

  blocked_start (&blocked, at_semaphore_acquire, semaphore, G_CANCELLABLE (scope));
  wait_for_waiters (semaphore, 1);
  at_semaphore_acquire_async (semaphore, cancellable, on_answer, &gives_up);
  at_semaphore_acquire_async (semaphore, NULL, on_answer, &next);

  at_cancel_scope_set_timeout (scope, 0);
  assert_blocked_failed (&blocked, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_cancellable_cancel (cancellable);
  g_assert_true (at_semaphore_release (semaphore, NULL));

  g_assert_false (at_semaphore_acquire_finish (semaphore, answer_wait (&gives_up), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (at_semaphore_acquire_finish (semaphore, answer_wait (&next), NULL));
  g_assert_cmpuint (at_semaphore_get_value (semaphore), ==, 0);
}

static void
test_unfetched (void)
{
  g_autoptr (AtSemaphore) semaphore = at_semaphore_new (1, 1);

  at_semaphore_acquire_async (semaphore, NULL, NULL, NULL);
  g_assert_cmpuint (at_semaphore_get_value (semaphore), ==, 0);

  while (at_semaphore_get_value (semaphore) == 0)
    g_main_context_iteration (NULL, TRUE);
}

static void
try_in_portal (gpointer data)
{
  g_autoptr (AtSemaphore) semaphore = at_semaphore_new (1, 1);
  g_autoptr (GError) error = NULL;

  g_assert_true (at_semaphore_acquire (semaphore, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (at_semaphore_acquire (semaphore, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
}

static void
test_own_thread (void)
{
  AtPortal *portal = start_portal ();

  invoke_in_portal (portal, try_in_portal, NULL);
  stop_portal (portal);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/semaphore/bare-object-is-valid", test_bare_object);
  g_test_add_func ("/semaphore/counts-units", test_counts);
  g_test_add_func ("/semaphore/threads-and-tasks-are-served-in-order", test_fifo);
  g_test_add_func ("/semaphore/releasing-too-often-is-an-error", test_release_too_often);
  g_test_add_func ("/semaphore/a-unit-passes-over-the-cancelled", test_cancelled);
  g_test_add_func ("/semaphore/unfetched-acquisition-is-given-back", test_unfetched);
  g_test_add_func ("/semaphore/own-thread-may-not-block", test_own_thread);

  return g_test_run ();
}
