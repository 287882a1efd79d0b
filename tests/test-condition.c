/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

/* Holds the lock around the wait, and passes it on. */
static gboolean
wait_with_lock (gpointer      object,
                GCancellable *cancellable,
                GError      **error)
{
  AtCondition *condition = object;
  AtLock *lock = at_condition_get_lock (condition);
  gboolean woken;

  g_assert_true (at_lock_acquire (lock, NULL, NULL));
  woken = at_condition_wait (condition, cancellable, error);
  g_assert_true (at_lock_is_locked (lock));
  at_lock_release (lock);

  return woken;
}

static void
test_bare_object (void)
{
  g_autoptr (AtCondition) condition = g_object_new (AT_TYPE_CONDITION, NULL);
  g_autoptr (AtCondition) other = at_condition_new (NULL);

  g_assert_true (AT_IS_LOCK (at_condition_get_lock (condition)));
  g_assert_true (at_condition_get_lock (condition) != at_condition_get_lock (other));
  at_condition_wake (condition, 1);
  at_condition_wake_all (condition);
}

static void
test_gives_up_the_lock (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (AtCondition) condition = at_condition_new (lock);
  Blocked blocked;

  blocked_start (&blocked, wait_with_lock, condition, NULL);
  wait_for_waiters (condition, 1);

  g_assert_true (at_lock_acquire (lock, NULL, NULL));
  at_condition_wake (condition, 1);
  /* Woken, but it has to have the lock first. */
  wait_for_waiters (lock, 1);
  at_lock_release (lock);

  assert_blocked_got_it (&blocked);
  g_assert_false (at_lock_is_locked (lock));
}

static void
test_wakes_in_order (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (AtCondition) condition = at_condition_new (lock);
  Answer answers[4] = { 0 };

  for (guint i = 0; i < 4; i++)
    {
      g_assert_true (at_lock_try_acquire (lock));
      at_condition_wait_async (condition, NULL, on_answer, &answers[i]);
      g_assert_false (at_lock_is_locked (lock));
    }

  at_condition_wake (condition, 2);
  g_assert_cmpuint (count_waiters (condition), ==, 2);
  /* Nobody comes between a wake-up and the lock. */
  g_assert_false (at_lock_try_acquire (lock));

  for (guint i = 0; i < 2; i++)
    {
      g_assert_true (at_condition_wait_finish (condition, answer_wait (&answers[i]), NULL));
      run_pending ();
      g_assert_null (answers[i + 1].result);
      g_assert_true (at_lock_is_locked (lock));
      at_lock_release (lock);
    }

  g_assert_false (at_lock_is_locked (lock));
  run_pending ();
  g_assert_null (answers[2].result);

  at_condition_wake_all (condition);
  at_condition_wake_all (condition);
  for (guint i = 2; i < 4; i++)
    {
      g_assert_true (at_condition_wait_finish (condition, answer_wait (&answers[i]), NULL));
      at_lock_release (lock);
    }

  g_assert_false (at_lock_is_locked (lock));

  answers_clear (answers, G_N_ELEMENTS (answers));
}

static void
test_cancelled_takes_lock_back (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (AtCondition) condition = at_condition_new (lock);
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };
  Blocked blocked;

  blocked_start (&blocked, wait_with_lock, condition, G_CANCELLABLE (scope));
  wait_for_waiters (condition, 1);
  g_assert_true (at_lock_acquire (lock, NULL, NULL));
  at_condition_wait_async (condition, G_CANCELLABLE (scope), on_answer, &answer);
  g_assert_true (at_lock_acquire (lock, NULL, NULL));

  at_cancel_scope_cancel_with_reason (scope, "enough");
  g_assert_cmpuint (count_waiters (condition), ==, 0);
  wait_for_waiters (lock, 2);
  run_pending ();
  g_assert_null (answer.result);

  at_lock_release (lock);
  g_assert_false (at_condition_wait_finish (condition, answer_wait (&answer), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_nonnull (strstr (error->message, "enough"));
  g_assert_true (at_lock_is_locked (lock));
  at_lock_release (lock);

  assert_blocked_failed (&blocked, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (at_lock_is_locked (lock));
}

static void
test_cancelled_before (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (AtCondition) condition = at_condition_new (lock);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };

  g_cancellable_cancel (cancellable);
  g_assert_true (at_lock_acquire (lock, NULL, NULL));

  g_assert_false (at_condition_wait (condition, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (at_lock_is_locked (lock));
  g_clear_error (&error);

  at_condition_wait_async (condition, cancellable, on_answer, &answer);
  g_assert_false (at_condition_wait_finish (condition, answer_wait (&answer), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (at_lock_is_locked (lock));

  at_lock_release (lock);
}

static void
test_wake_up_of_cancelled_goes_on (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (AtCondition) condition = at_condition_new (lock);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Answer) gives_up = { 0 }, next = { 0 };

  g_assert_true (at_lock_try_acquire (lock));
  at_condition_wait_async (condition, cancellable, on_answer, &gives_up);
  g_assert_true (at_lock_try_acquire (lock));
  at_condition_wait_async (condition, NULL, on_answer, &next);

  g_cancellable_cancel (cancellable);
  at_condition_wake (condition, 1);

  g_assert_false (at_condition_wait_finish (condition, answer_wait (&gives_up), NULL));
  at_lock_release (lock);
  g_assert_true (at_condition_wait_finish (condition, answer_wait (&next), NULL));
  at_lock_release (lock);
}

/* A bounded buffer of numbers, as conditions are used for. */
typedef struct
{
  AtLock      *lock;
  AtCondition *not_empty;
  AtCondition *not_full;
  guint        buffer[4];
  guint        n;
  guint64      sum;
} Buffer;

#define N_NUMBERS 2000

static gpointer
produce (gpointer data)
{
  Buffer *self = data;

  for (guint i = 1; i <= N_NUMBERS; i++)
    {
      g_assert_true (at_lock_acquire (self->lock, NULL, NULL));
      while (self->n == G_N_ELEMENTS (self->buffer))
        g_assert_true (at_condition_wait (self->not_full, NULL, NULL));
      self->buffer[self->n++] = i;
      at_condition_wake (self->not_empty, 1);
      at_lock_release (self->lock);
    }

  return NULL;
}

static gpointer
consume (gpointer data)
{
  Buffer *self = data;

  for (guint i = 1; i <= N_NUMBERS; i++)
    {
      g_assert_true (at_lock_acquire (self->lock, NULL, NULL));
      while (self->n == 0)
        g_assert_true (at_condition_wait (self->not_empty, NULL, NULL));
      self->sum += self->buffer[--self->n];
      at_condition_wake (self->not_full, 1);
      at_lock_release (self->lock);
    }

  return NULL;
}

static void
test_bounded_buffer (void)
{
  g_autoptr (AtLock) lock = at_lock_new ();
  g_autoptr (AtCondition) not_empty = at_condition_new (lock);
  g_autoptr (AtCondition) not_full = at_condition_new (lock);
  Buffer buffer = { .lock = lock, .not_empty = not_empty, .not_full = not_full };
  GThread *threads[4];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("buffer", i % 2 == 0 ? produce : consume, &buffer);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  g_assert_cmpuint (buffer.sum, ==, N_NUMBERS * (N_NUMBERS + 1));
}

static void
try_in_portal (gpointer data)
{
  g_autoptr (AtCondition) condition = at_condition_new (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (at_lock_try_acquire (at_condition_get_lock (condition)));
  g_assert_false (at_condition_wait (condition, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_true (at_lock_is_locked (at_condition_get_lock (condition)));
}

static void
test_own_thread (void)
{
  AtPortal *portal = start_portal ();

  invoke_in_portal (portal, try_in_portal, NULL);
  stop_portal (portal);
}

static void
test_without_lock (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (AtCondition) condition = at_condition_new (NULL);

      at_condition_wait (condition, NULL, NULL);
      return;
    }

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*at_lock_is_locked*");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/condition/bare-object-is-valid", test_bare_object);
  g_test_add_func ("/condition/wait-gives-up-the-lock-and-takes-it-back", test_gives_up_the_lock);
  g_test_add_func ("/condition/wakes-in-order", test_wakes_in_order);
  g_test_add_func ("/condition/cancelled-takes-the-lock-back", test_cancelled_takes_lock_back);
  g_test_add_func ("/condition/cancelled-before-keeps-the-lock", test_cancelled_before);
  g_test_add_func ("/condition/a-wake-up-of-a-cancelled-waiter-goes-to-the-next",
                   test_wake_up_of_cancelled_goes_on);
  g_test_add_func ("/condition/bounded-buffer", test_bounded_buffer);
  g_test_add_func ("/condition/own-thread-may-not-block", test_own_thread);
  g_test_add_func ("/condition/waiting-without-the-lock-is-a-critical", test_without_lock);

  return g_test_run ();
}
