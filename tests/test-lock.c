/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

static gpointer
release_lock (gpointer data)
{
  at_lock_release (data);

  return NULL;
}

static void
test_bare_object (void)
{
  g_autoptr (AtLock) lock = g_object_new (AT_TYPE_LOCK, NULL);

  g_assert_false (at_lock_is_locked (lock));
  g_assert_true (at_lock_try_acquire (lock));
  g_assert_true (at_lock_is_locked (lock));
  g_assert_false (at_lock_try_acquire (lock));
  at_lock_release (lock);
  g_assert_false (at_lock_is_locked (lock));
}

static void
test_fifo (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  Answer answers[2] = { 0 };
  Blocked blocked[2];

  g_assert_true (at_lock_acquire (lock, NULL, NULL));

  /* Thread, task, thread, task. */
  for (guint i = 0; i < 2; i++)
    {
      blocked_start (&blocked[i], at_lock_acquire, lock, NULL);
      wait_for_waiters (lock, 2 * i + 1);
      at_lock_acquire_async (lock, NULL, on_answer, &answers[i]);
      wait_for_waiters (lock, 2 * i + 2);
    }

  for (guint i = 0; i < 2; i++)
    {
      g_thread_join (g_thread_new ("releaser", release_lock, lock));
      assert_blocked_got_it (&blocked[i]);
      run_pending ();
      g_assert_null (answers[i].result);

      at_lock_release (lock);
      g_assert_true (at_lock_acquire_finish (lock, answer_wait (&answers[i]), NULL));
    }

  at_lock_release (lock);
  g_assert_false (at_lock_is_locked (lock));

  answers_clear (answers, G_N_ELEMENTS (answers));
}

static void
test_try_never_overtakes (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_auto (Answer) answer = { 0 };

  g_assert_true (at_lock_try_acquire (lock));
  at_lock_acquire_async (lock, NULL, on_answer, &answer);
  at_lock_release (lock);

  /* The waiter did not run yet, and has the lock. */
  g_assert_null (answer.result);
  g_assert_false (at_lock_try_acquire (lock));

  g_assert_true (at_lock_acquire_finish (lock, answer_wait (&answer), NULL));
  at_lock_release (lock);
  g_assert_true (at_lock_try_acquire (lock));
  at_lock_release (lock);
}

static void
test_granted_then_cancelled (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };

  g_assert_true (at_lock_try_acquire (lock));
  at_lock_acquire_async (lock, cancellable, on_answer, &answer);
  at_lock_release (lock);
  g_cancellable_cancel (cancellable);

  /* It was granted first, so it holds the lock and knows. */
  g_assert_true (at_lock_acquire_finish (lock, answer_wait (&answer), &error));
  g_assert_no_error (error);
  g_assert_true (at_lock_is_locked (lock));
  at_lock_release (lock);
}

static void
test_cancelled_then_granted (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Answer) gives_up = { 0 }, next = { 0 };

  g_assert_true (at_lock_try_acquire (lock));
  at_lock_acquire_async (lock, cancellable, on_answer, &gives_up);
  at_lock_acquire_async (lock, NULL, on_answer, &next);
  g_cancellable_cancel (cancellable);
  g_assert_cmpuint (count_waiters (lock), ==, 1);
  at_lock_release (lock);

  g_assert_false (at_lock_acquire_finish (lock, answer_wait (&gives_up), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (at_lock_acquire_finish (lock, answer_wait (&next), NULL));
  at_lock_release (lock);
}

static void
test_cancelled_thread (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Blocked gives_up, next;

  g_assert_true (at_lock_try_acquire (lock));
  blocked_start (&gives_up, at_lock_acquire, lock, cancellable);
  wait_for_waiters (lock, 1);
  blocked_start (&next, at_lock_acquire, lock, NULL);
  wait_for_waiters (lock, 2);

  g_cancellable_cancel (cancellable);
  assert_blocked_failed (&gives_up, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  at_lock_release (lock);
  assert_blocked_got_it (&next);
  at_lock_release (lock);
  g_assert_true (at_lock_try_acquire (lock));
  at_lock_release (lock);
}

static void
test_unfetched (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();

  g_assert_true (at_lock_try_acquire (lock));
  at_lock_acquire_async (lock, NULL, NULL, NULL);
  at_lock_acquire_async (lock, NULL, NULL, NULL);
  at_lock_release (lock);
  g_assert_true (at_lock_is_locked (lock));

  while (at_lock_is_locked (lock))
    g_main_context_iteration (NULL, TRUE);

  g_assert_cmpuint (count_waiters (lock), ==, 0);
}

static void
pass_on (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  guint *n_left = user_data;

  g_assert_true (at_lock_acquire_finish (AT_LOCK (source), result, NULL));
  (*n_left)--;
  at_lock_release (AT_LOCK (source));
}

static void
test_long_chain (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  guint n_left = 50000;

  g_assert_true (at_lock_try_acquire (lock));
  for (guint i = n_left; i > 0; i--)
    at_lock_acquire_async (lock, NULL, pass_on, &n_left);

  at_lock_release (lock);
  while (n_left > 0)
    g_main_context_iteration (NULL, TRUE);

  g_assert_false (at_lock_is_locked (lock));
}

static void
test_release_too_often (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (AtLock) lock = at_lock_new ();

      at_lock_release (lock);
      return;
    }

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*A lock was released that nobody holds*");
}

static void
try_in_portal (gpointer data)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (GError) error = NULL;

  g_assert_true (at_lock_acquire (lock, NULL, &error));
  g_assert_no_error (error);

  g_assert_false (at_lock_acquire (lock, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_cmpuint (count_waiters (lock), ==, 0);

  at_lock_release (lock);
}

static void
test_own_thread (void)
{
  AtPortal *portal = start_portal ();

  invoke_in_portal (portal, try_in_portal, NULL);
  stop_portal (portal);
}

static void
test_statistics (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (AtStatistics) free_lock = at_lock_get_statistics (lock);
  g_autoptr (AtStatistics) held = NULL;
  g_auto (Answer) answer = { 0 };

  g_assert_true (at_lock_try_acquire (lock));
  at_lock_acquire_async (lock, NULL, on_answer, &answer);
  held = at_lock_get_statistics (lock);

  g_assert_cmpuint (free_lock->borrowed, ==, 0);
  g_assert_cmpuint (free_lock->available, ==, 1);
  g_assert_cmpuint (held->borrowed, ==, 1);
  g_assert_cmpuint (held->available, ==, 0);
  g_assert_cmpuint (held->waiters, ==, 1);

  at_lock_release (lock);
  g_assert_true (at_lock_acquire_finish (lock, answer_wait (&answer), NULL));
}

static void
test_waiter_keeps_alive (void)
{
  AtLock *lock = at_lock_new ();
  gpointer alive = lock;
  g_auto (Answer) answer = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_object_add_weak_pointer (alive, &alive);
  g_assert_true (at_lock_try_acquire (lock));
  at_lock_acquire_async (lock, cancellable, on_answer, &answer);
  g_object_unref (lock);
  g_assert_nonnull (alive);

  g_cancellable_cancel (cancellable);
  answer_wait (&answer);
  answer_clear (&answer);
  run_pending ();
  g_assert_null (alive);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/lock/bare-object-is-valid", test_bare_object);
  g_test_add_func ("/lock/threads-and-tasks-are-served-in-order", test_fifo);
  g_test_add_func ("/lock/try-never-overtakes-a-granted-waiter", test_try_never_overtakes);
  g_test_add_func ("/lock/granted-then-cancelled-has-it", test_granted_then_cancelled);
  g_test_add_func ("/lock/cancelled-then-granted-passes-on", test_cancelled_then_granted);
  g_test_add_func ("/lock/cancelled-thread-leaves-the-queue", test_cancelled_thread);
  g_test_add_func ("/lock/unfetched-acquisition-is-given-back", test_unfetched);
  g_test_add_func ("/lock/a-long-chain-of-holders-needs-no-stack", test_long_chain);
  g_test_add_func ("/lock/releasing-too-often-is-a-critical", test_release_too_often);
  g_test_add_func ("/lock/own-thread-may-not-block", test_own_thread);
  g_test_add_func ("/lock/statistics", test_statistics);
  g_test_add_func ("/lock/a-waiter-keeps-it-alive", test_waiter_keeps_alive);

  return g_test_run ();
}
