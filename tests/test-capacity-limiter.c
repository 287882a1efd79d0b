/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

static gboolean
acquire_anonymous (gpointer      object,
                   GCancellable *cancellable,
                   GError      **error)
{
  return at_capacity_limiter_acquire (object, NULL, cancellable, error);
}

static void
test_bare_object (void)
{
  g_autoptr (AtCapacityLimiter) limiter = g_object_new (AT_TYPE_CAPACITY_LIMITER, NULL);

  g_assert_cmpuint (at_capacity_limiter_get_total (limiter), ==, 1);
  g_assert_true (at_capacity_limiter_try_acquire (limiter, NULL));
  g_assert_false (at_capacity_limiter_try_acquire (limiter, NULL));
  at_capacity_limiter_release (limiter, NULL);
}

static void
test_one_token_a_borrower (void)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (3);
  g_autoptr (GObject) borrower = g_object_new (G_TYPE_OBJECT, NULL);
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };

  g_assert_true (at_capacity_limiter_acquire (limiter, borrower, NULL, &error));
  g_assert_no_error (error);

  g_assert_false (at_capacity_limiter_try_acquire (limiter, borrower));
  g_assert_false (at_capacity_limiter_acquire (limiter, borrower, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_LIMIT_EXCEEDED);
  g_clear_error (&error);
  at_capacity_limiter_acquire_async (limiter, borrower, NULL, on_answer, &answer);
  g_assert_false (at_capacity_limiter_acquire_finish (limiter, answer_wait (&answer), &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_LIMIT_EXCEEDED);
  g_assert_cmpuint (at_capacity_limiter_get_borrowed (limiter), ==, 1);

  /* Anonymous ones are as many as there are tokens. */
  g_assert_true (at_capacity_limiter_try_acquire (limiter, NULL));
  g_assert_true (at_capacity_limiter_try_acquire (limiter, NULL));
  g_assert_false (at_capacity_limiter_try_acquire (limiter, NULL));

  at_capacity_limiter_release (limiter, borrower);
  at_capacity_limiter_release (limiter, NULL);
  at_capacity_limiter_release (limiter, NULL);
  g_assert_cmpuint (at_capacity_limiter_get_borrowed (limiter), ==, 0);
}

static void
test_borrower_queued_twice (void)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (0);
  g_autoptr (GObject) borrower = g_object_new (G_TYPE_OBJECT, NULL);
  g_autoptr (GError) error = NULL;
  g_auto (Answer) first = { 0 }, second = { 0 }, other = { 0 };

  at_capacity_limiter_acquire_async (limiter, borrower, NULL, on_answer, &first);
  at_capacity_limiter_acquire_async (limiter, borrower, NULL, on_answer, &second);
  at_capacity_limiter_acquire_async (limiter, NULL, NULL, on_answer, &other);
  at_capacity_limiter_set_total (limiter, 2);

  g_assert_true (at_capacity_limiter_acquire_finish (limiter, answer_wait (&first), NULL));
  g_assert_false (at_capacity_limiter_acquire_finish (limiter, answer_wait (&second), &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_LIMIT_EXCEEDED);
  /* The refused one did not cost the other its token. */
  g_assert_true (at_capacity_limiter_acquire_finish (limiter, answer_wait (&other), NULL));
  g_assert_cmpuint (at_capacity_limiter_get_borrowed (limiter), ==, 2);
}

static void
test_grow_wakes_as_many_as_fit (void)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (1);
  Answer answers[5] = { 0 };

  g_assert_true (at_capacity_limiter_try_acquire (limiter, NULL));
  for (guint i = 0; i < 5; i++)
    at_capacity_limiter_acquire_async (limiter, NULL, NULL, on_answer, &answers[i]);

  at_capacity_limiter_set_total (limiter, 4);
  g_assert_cmpuint (count_waiters (limiter), ==, 2);
  g_assert_cmpuint (at_capacity_limiter_get_borrowed (limiter), ==, 4);
  g_assert_false (at_capacity_limiter_try_acquire (limiter, NULL));

  for (guint i = 0; i < 3; i++)
    g_assert_true (at_capacity_limiter_acquire_finish (limiter, answer_wait (&answers[i]), NULL));
  run_pending ();
  g_assert_null (answers[3].result);
  g_assert_null (answers[4].result);

  /* Through the property too. */
  g_object_set (limiter, "total", 100, NULL);
  g_assert_cmpuint (count_waiters (limiter), ==, 0);
  for (guint i = 3; i < 5; i++)
    g_assert_true (at_capacity_limiter_acquire_finish (limiter, answer_wait (&answers[i]), NULL));

  answers_clear (answers, G_N_ELEMENTS (answers));
}

static void
test_shrink_revokes_nothing (void)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (3);
  g_autoptr (AtStatistics) statistics = NULL;
  Blocked blocked;

  for (guint i = 0; i < 3; i++)
    g_assert_true (at_capacity_limiter_try_acquire (limiter, NULL));

  at_capacity_limiter_set_total (limiter, 1);
  statistics = at_capacity_limiter_get_statistics (limiter);
  g_assert_cmpuint (statistics->borrowed, ==, 3);
  g_assert_cmpuint (statistics->total, ==, 1);
  g_assert_cmpuint (statistics->available, ==, 0);

  blocked_start (&blocked, acquire_anonymous, limiter, NULL);
  wait_for_waiters (limiter, 1);

  /* Two tokens come back and vanish, the third goes to the waiter. */
  at_capacity_limiter_release (limiter, NULL);
  at_capacity_limiter_release (limiter, NULL);
  g_assert_cmpuint (count_waiters (limiter), ==, 1);
  at_capacity_limiter_release (limiter, NULL);
  assert_blocked_got_it (&blocked);
  g_assert_cmpuint (at_capacity_limiter_get_borrowed (limiter), ==, 1);
}

static void
test_cancelled (void)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GObject) borrower = g_object_new (G_TYPE_OBJECT, NULL);
  g_autoptr (GError) error = NULL;
  g_auto (Answer) gives_up = { 0 }, next = { 0 };
  Blocked blocked;

  g_assert_true (at_capacity_limiter_try_acquire (limiter, NULL));
  blocked_start (&blocked, acquire_anonymous, limiter, cancellable);
  wait_for_waiters (limiter, 1);
  at_capacity_limiter_acquire_async (limiter, borrower, cancellable, on_answer, &gives_up);
  at_capacity_limiter_acquire_async (limiter, NULL, NULL, on_answer, &next);

  g_cancellable_cancel (cancellable);
  assert_blocked_failed (&blocked, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  at_capacity_limiter_release (limiter, NULL);

  g_assert_false (at_capacity_limiter_acquire_finish (limiter, answer_wait (&gives_up), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (at_capacity_limiter_acquire_finish (limiter, answer_wait (&next), NULL));

  /* It has no token and does not stand in the queue: it may ask again. */
  at_capacity_limiter_release (limiter, NULL);
  g_assert_true (at_capacity_limiter_try_acquire (limiter, borrower));
  at_capacity_limiter_release (limiter, borrower);
}

static void
test_keeps_borrower_alive (void)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (1);
  GObject *borrower = g_object_new (G_TYPE_OBJECT, NULL);
  gpointer alive = borrower;

  g_object_add_weak_pointer (borrower, &alive);
  g_assert_true (at_capacity_limiter_try_acquire (limiter, borrower));
  g_object_unref (borrower);
  g_assert_nonnull (alive);

  at_capacity_limiter_release (limiter, borrower);
  g_assert_null (alive);
}

static void
test_unfetched (void)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (1);
  g_autoptr (GObject) borrower = g_object_new (G_TYPE_OBJECT, NULL);

  at_capacity_limiter_acquire_async (limiter, borrower, NULL, NULL, NULL);
  at_capacity_limiter_acquire_async (limiter, NULL, NULL, NULL, NULL);

  while (at_capacity_limiter_get_borrowed (limiter) > 0)
    g_main_context_iteration (NULL, TRUE);

  g_assert_cmpuint (count_waiters (limiter), ==, 0);
}

static void
test_release_without_token (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (1);

      at_capacity_limiter_release (limiter, G_OBJECT (limiter));
      return;
    }

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*borrower that has none*");
}

static void
try_in_portal (gpointer data)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (1);
  g_autoptr (GError) error = NULL;

  g_assert_true (at_capacity_limiter_acquire (limiter, NULL, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (at_capacity_limiter_acquire (limiter, NULL, NULL, &error));
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

  g_test_add_func ("/capacity-limiter/bare-object-is-valid", test_bare_object);
  g_test_add_func ("/capacity-limiter/one-token-a-borrower", test_one_token_a_borrower);
  g_test_add_func ("/capacity-limiter/a-borrower-queued-twice-gets-one-token",
                   test_borrower_queued_twice);
  g_test_add_func ("/capacity-limiter/growing-wakes-as-many-as-fit",
                   test_grow_wakes_as_many_as_fit);
  g_test_add_func ("/capacity-limiter/shrinking-revokes-nothing", test_shrink_revokes_nothing);
  g_test_add_func ("/capacity-limiter/a-token-passes-over-the-cancelled", test_cancelled);
  g_test_add_func ("/capacity-limiter/keeps-the-borrower-alive", test_keeps_borrower_alive);
  g_test_add_func ("/capacity-limiter/unfetched-acquisition-is-given-back", test_unfetched);
  g_test_add_func ("/capacity-limiter/releasing-without-a-token-is-a-critical",
                   test_release_without_token);
  g_test_add_func ("/capacity-limiter/own-thread-may-not-block", test_own_thread);

  return g_test_run ();
}
