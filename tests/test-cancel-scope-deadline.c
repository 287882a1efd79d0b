/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Deadlines: set, moved, inherited, shielded; one thread and one heap for all of them. */

#include "test-common.h"

#include <sys/prctl.h>

static gint64
in (gint64 usec)
{
  return g_get_monotonic_time () + usec;
}

static const gint64 far = G_GINT64_CONSTANT (3600) * G_USEC_PER_SEC;

static gboolean
is_cancelled (AtCancelScope *scope)
{
  return g_cancellable_is_cancelled (G_CANCELLABLE (scope));
}

static void
watch (AtCancelScope *scope,
       TestLatch     *latch)
{
  g_cancellable_connect (G_CANCELLABLE (scope), G_CALLBACK (test_latch_on_cancelled), latch, NULL);
}

static void
assert_timed_out (AtCancelScope *scope)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (is_cancelled (scope));
  g_assert_true (at_cancel_scope_get_timed_out (scope));
  g_assert_true (at_cancel_scope_set_error_if_cancelled (scope, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), ==, G_MININT64);
}

static void
assert_cancelled_by_hand (AtCancelScope *scope,
                          const char    *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (is_cancelled (scope));
  g_assert_false (at_cancel_scope_get_timed_out (scope));
  g_assert_cmpstr (at_cancel_scope_get_reason (scope), ==, reason);
  g_assert_true (at_cancel_scope_set_error_if_cancelled (scope, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static void
test_none_at_first (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);

  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), ==, G_MAXINT64);
  g_assert_cmpint (at_cancel_scope_get_deadline (scope), ==, G_MAXINT64);
  g_assert_false (at_cancel_scope_get_timed_out (scope));
}

/* No loop and no portal anywhere. */
static void
test_passes_without_a_loop (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch passed = { 0 };
  gint64 deadline = in (3000);

  watch (scope, &passed);
  at_cancel_scope_set_deadline (scope, deadline);
  g_assert_cmpint (at_cancel_scope_get_deadline (scope), ==, deadline);
  test_latch_wait (&passed);
  g_assert_cmpint (g_get_monotonic_time (), >=, deadline);
  assert_timed_out (scope);
  g_assert_null (at_cancel_scope_get_reason (scope));
}

static void
test_timeout_counts_from_now (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch passed = { 0 };
  gint64 before = in (0);

  at_cancel_scope_set_timeout (scope, far);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), >=, before + far);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), <=, in (far));

  watch (scope, &passed);
  before = in (0);
  at_cancel_scope_set_timeout (scope, 2000);
  test_latch_wait (&passed);
  g_assert_cmpint (g_get_monotonic_time (), >=, before + 2000);
  assert_timed_out (scope);
}

/* The past, zero, and no time at all. */
static void
test_in_the_past (void)
{
  gint64 deadlines[] = { 0, 1, g_get_monotonic_time () };

  for (guint i = 0; i < G_N_ELEMENTS (deadlines); i++)
    {
      g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
      TestLatch passed = { 0 };

      watch (scope, &passed);
      at_cancel_scope_set_deadline (scope, deadlines[i]);
      test_latch_wait (&passed);
      assert_timed_out (scope);
    }
  for (int i = 0; i < 2; i++)
    {
      g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
      TestLatch passed = { 0 };

      watch (scope, &passed);
      at_cancel_scope_set_timeout (scope, i);
      test_latch_wait (&passed);
      assert_timed_out (scope);
    }
}

/* A deadline that passes for certain, so that others set before it have had their time. */
static void
let_pass (gint64 deadline)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch passed = { 0 };

  watch (scope, &passed);
  at_cancel_scope_set_deadline (scope, deadline);
  test_latch_wait (&passed);
  g_assert_cmpint (g_get_monotonic_time (), >=, deadline);
}

/* Sets a near deadline and changes it in time: it must not pass. */
static void
check_moved (gint64 to)
{
  g_autoptr (AtCancelScope) scope = NULL;
  gint64 near_deadline;
  gint64 span = 20000;

  /* On a machine that stands still the deadline may pass before it was moved: once more. */
  do
    {
      g_clear_object (&scope);
      scope = at_cancel_scope_new (NULL);
      near_deadline = in (span);
      at_cancel_scope_set_deadline (scope, near_deadline);
      at_cancel_scope_set_deadline (scope, to);
      span *= 2;
    }
  while (g_get_monotonic_time () >= near_deadline);

  let_pass (near_deadline + 1000);
  g_assert_false (is_cancelled (scope));
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), ==, to < 0 ? G_MAXINT64 : to);
}

static void
test_moved_later (void)
{
  check_moved (in (far));
}

static void
test_removed (void)
{
  check_moved (G_MAXINT64);
  check_moved (-1);
  check_moved (G_MININT64);
}

static void
test_moved_earlier (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch passed = { 0 };

  watch (scope, &passed);
  at_cancel_scope_set_deadline (scope, in (far));
  let_pass (in (1000));
  g_assert_false (is_cancelled (scope));
  at_cancel_scope_set_deadline (scope, in (1000));
  test_latch_wait (&passed);
  assert_timed_out (scope);

  /* Too late for more time. */
  at_cancel_scope_set_deadline (scope, in (far));
  at_cancel_scope_set_timeout (scope, far);
  at_cancel_scope_set_deadline (scope, G_MAXINT64);
  assert_timed_out (scope);
  g_assert_cmpuint (test_latch_count (&passed), ==, 1);
}

static void
test_moved_to_and_fro (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch passed = { 0 };

  watch (scope, &passed);
  for (int i = 0; i < 1000; i++)
    at_cancel_scope_set_deadline (scope, in (i % 2 == 0 ? far : far * 2));
  g_assert_false (is_cancelled (scope));
  at_cancel_scope_set_deadline (scope, G_MAXINT64);
  at_cancel_scope_set_timeout (scope, 1000);
  test_latch_wait (&passed);
  assert_timed_out (scope);
}

/* The largest numbers do not wrap round into the past. */
static void
test_endless (void)
{
  gint64 spans[] = { G_MAXINT64, G_MAXINT64 - 1, G_MAXINT64 / 2 };

  for (guint i = 0; i < G_N_ELEMENTS (spans); i++)
    {
      g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
      g_autoptr (AtCancelScope) other = at_cancel_scope_new (NULL);

      at_cancel_scope_set_timeout (scope, spans[i]);
      at_cancel_scope_set_deadline (other, spans[i]);
      let_pass (in (1000));
      g_assert_false (is_cancelled (scope));
      g_assert_false (is_cancelled (other));
      g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), >, in (far));
      g_assert_cmpint (at_cancel_scope_get_effective_deadline (other), ==, spans[i]);
    }
}

static void
test_earlier_cancel_by_hand_wins (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  gint64 deadline = in (far);

  at_cancel_scope_set_deadline (scope, deadline);
  at_cancel_scope_cancel_with_reason (scope, "by hand");
  at_cancel_scope_set_deadline (scope, in (0));
  let_pass (in (2000));
  assert_cancelled_by_hand (scope, "by hand");
}

static void
test_earlier_deadline_wins (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch passed = { 0 };

  watch (scope, &passed);
  at_cancel_scope_set_timeout (scope, 0);
  test_latch_wait (&passed);
  at_cancel_scope_cancel_with_reason (scope, "by hand");
  assert_timed_out (scope);
  g_assert_null (at_cancel_scope_get_reason (scope));
}

static void
test_inherited (void)
{
  g_autoptr (AtCancelScope) root = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) child = at_cancel_scope_new (G_CANCELLABLE (root));
  g_autoptr (AtCancelScope) grandchild = at_cancel_scope_new (G_CANCELLABLE (child));
  g_autoptr (AtCancelScope) late = NULL;
  TestLatch passed = { 0 };

  watch (grandchild, &passed);
  at_cancel_scope_set_timeout (root, 1000);
  test_latch_wait (&passed);
  assert_timed_out (root);
  assert_timed_out (child);
  assert_timed_out (grandchild);
  late = at_cancel_scope_new (G_CANCELLABLE (root));
  assert_timed_out (late);
}

/* The inner deadline is nearer: the outer knows nothing of it. */
static void
test_nearer_inner_one (void)
{
  g_autoptr (AtCancelScope) outer = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) inner = at_cancel_scope_new (G_CANCELLABLE (outer));
  TestLatch passed = { 0 };

  watch (inner, &passed);
  at_cancel_scope_set_deadline (outer, in (far));
  at_cancel_scope_set_timeout (inner, 1000);
  test_latch_wait (&passed);
  assert_timed_out (inner);
  g_assert_false (is_cancelled (outer));
  at_cancel_scope_cancel_with_reason (outer, "the outer one's own");
  assert_cancelled_by_hand (outer, "the outer one's own");
  assert_timed_out (inner);
}

static void
test_nearer_outer_one (void)
{
  g_autoptr (AtCancelScope) outer = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) inner = at_cancel_scope_new (G_CANCELLABLE (outer));
  TestLatch passed = { 0 };

  watch (inner, &passed);
  at_cancel_scope_set_deadline (inner, in (far));
  at_cancel_scope_set_timeout (outer, 1000);
  test_latch_wait (&passed);
  assert_timed_out (outer);
  assert_timed_out (inner);
}

/* An inner cancellation by hand, then the outer's time is up. */
static void
test_inner_by_hand_outer_by_time (void)
{
  g_autoptr (AtCancelScope) outer = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) inner = at_cancel_scope_new (G_CANCELLABLE (outer));
  TestLatch passed = { 0 };

  watch (outer, &passed);
  at_cancel_scope_cancel_with_reason (inner, "inner");
  at_cancel_scope_set_timeout (outer, 1000);
  test_latch_wait (&passed);
  assert_timed_out (outer);
  assert_cancelled_by_hand (inner, "inner");
}

static void
test_shield_keeps_the_outer_one_out (void)
{
  g_autoptr (AtCancelScope) outer = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) inner = at_cancel_scope_new (G_CANCELLABLE (outer));
  TestLatch passed = { 0 };
  TestLatch inner_passed = { 0 };

  watch (outer, &passed);
  watch (inner, &inner_passed);
  at_cancel_scope_set_shield (inner, TRUE);
  at_cancel_scope_set_timeout (outer, 1000);
  test_latch_wait (&passed);
  assert_timed_out (outer);
  g_assert_false (is_cancelled (inner));
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (inner), ==, G_MAXINT64);

  at_cancel_scope_set_shield (inner, FALSE);
  test_latch_wait (&inner_passed);
  assert_timed_out (inner);
}

/* A shield does not stop the scope's own deadline. */
static void
test_shield_lets_its_own_pass (void)
{
  g_autoptr (AtCancelScope) outer = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) inner = at_cancel_scope_new (G_CANCELLABLE (outer));
  TestLatch passed = { 0 };

  watch (inner, &passed);
  at_cancel_scope_set_shield (inner, TRUE);
  at_cancel_scope_set_timeout (inner, 1000);
  test_latch_wait (&passed);
  assert_timed_out (inner);
  g_assert_false (is_cancelled (outer));
}

static void
test_effective_one_is_the_nearest (void)
{
  g_autoptr (AtCancelScope) a = at_cancel_scope_new (NULL);
  g_autoptr (AtCancelScope) b = at_cancel_scope_new (G_CANCELLABLE (a));
  g_autoptr (AtCancelScope) c = at_cancel_scope_new (G_CANCELLABLE (b));
  gint64 near_time = in (far);
  gint64 middle_time = near_time + 1;
  gint64 far_time = near_time + 2;

  at_cancel_scope_set_deadline (a, near_time);
  at_cancel_scope_set_deadline (b, far_time);
  at_cancel_scope_set_deadline (c, middle_time);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (a), ==, near_time);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (b), ==, near_time);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (c), ==, near_time);
  g_assert_cmpint (at_cancel_scope_get_deadline (c), ==, middle_time);

  at_cancel_scope_set_shield (b, TRUE);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (b), ==, far_time);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (c), ==, middle_time);
  at_cancel_scope_set_shield (c, TRUE);
  at_cancel_scope_set_deadline (c, -5);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (c), ==, G_MAXINT64);
  at_cancel_scope_set_shield (c, FALSE);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (c), ==, far_time);
  at_cancel_scope_set_shield (b, FALSE);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (c), ==, near_time);

  at_cancel_scope_cancel_with_reason (b, NULL);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (b), ==, G_MININT64);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (c), ==, G_MININT64);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (a), ==, near_time);
}

static void
test_effective_one_below_a_plain_cancellable (void)
{
  g_autoptr (GCancellable) plain = g_cancellable_new ();
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (plain);
  gint64 deadline = in (far);

  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), ==, G_MAXINT64);
  at_cancel_scope_set_deadline (scope, deadline);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), ==, deadline);
  g_cancellable_cancel (plain);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), ==, G_MININT64);
  assert_cancelled_by_hand (scope, NULL);
}

static void
read_thread_name (GCancellable *cancellable,
                  gpointer      name)
{
  prctl (PR_GET_NAME, name);
}

static void
test_handlers_run_on_the_timers_thread (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch passed = { 0 };
  char name[16] = "";

  g_signal_connect (scope, "cancelled", G_CALLBACK (read_thread_name), name);
  watch (scope, &passed);
  /* Not one that has passed by now: whoever sets that is the one who cancels. */
  at_cancel_scope_set_timeout (scope, 20000);
  test_latch_wait (&passed);
  g_assert_cmpstr (name, ==, "at-timer");
}

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

static void
test_hundred_thousand_wait_on_one_thread (void)
{
  g_autofree AtCancelScope **scopes = g_new (AtCancelScope *, 100000);
  TestLatch passed = { 0 };
  guint n_threads;

  let_pass (in (0));
  n_threads = count_threads ();
  for (int i = 0; i < 100000; i++)
    {
      scopes[i] = at_cancel_scope_new (NULL);
      at_cancel_scope_set_deadline (scopes[i], in (far + (i * 7919) % 100000));
    }
  g_assert_cmpuint (count_threads (), ==, n_threads);

  /* One among all of them is found on time. */
  watch (scopes[54321], &passed);
  at_cancel_scope_set_timeout (scopes[54321], 0);
  test_latch_wait (&passed);
  assert_timed_out (scopes[54321]);
  g_assert_false (is_cancelled (scopes[54320]));
  for (int i = 0; i < 100000; i++)
    g_object_unref (scopes[(i * 7919) % 100000]);
}

/* Deadlines pass in their order. */
typedef struct
{
  GMutex mutex;
  guint  n;
  int    order[20];
} Passed;

typedef struct
{
  Passed *passed;
  int     number;
} Runner;

static void
note_runner (GCancellable *cancellable,
             gpointer      user_data)
{
  Runner *runner = user_data;

  g_mutex_lock (&runner->passed->mutex);
  runner->passed->order[runner->passed->n++] = runner->number;
  g_mutex_unlock (&runner->passed->mutex);
}

static void
test_pass_in_their_order (void)
{
  gint64 span = 20000;
  gint64 start;
  Passed passed;

  /* Once more if the machine stood still, and the first passed before the last was set. */
  do
    {
      AtCancelScope *scopes[20];
      Runner runners[20];

      memset (&passed, 0, sizeof passed);
      start = in (span);
      for (int i = 0; i < 20; i++)
        {
          /* 0, 7, 14, 1, 8, … */
          int number = (i * 7) % 20;

          runners[i].passed = &passed;
          runners[i].number = number;
          scopes[i] = at_cancel_scope_new (NULL);
          g_signal_connect (scopes[i], "cancelled", G_CALLBACK (note_runner), &runners[i]);
          at_cancel_scope_set_deadline (scopes[i], start + number * 100);
        }
      span = g_get_monotonic_time () < start ? 0 : span * 2;
      let_pass (start + 3000);
      g_assert_cmpuint (passed.n, ==, 20);
      for (int i = 0; i < 20; i++)
        {
          assert_timed_out (scopes[i]);
          g_object_unref (scopes[i]);
        }
    }
  while (span > 0);

  for (int i = 0; i < 20; i++)
    g_assert_cmpint (passed.order[i], ==, i);
}

/* Deadlines, cancellations and last references at the same time. */
static gpointer
race_thread (gpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (GPOINTER_TO_UINT (data));

  for (int i = 0; i < 3000; i++)
    {
      g_autoptr (AtCancelScope) root = at_cancel_scope_new (NULL);
      g_autoptr (AtCancelScope) child = at_cancel_scope_new (G_CANCELLABLE (root));

      at_cancel_scope_set_timeout (root, g_rand_int_range (rand, 0, 50));
      at_cancel_scope_set_timeout (child, g_rand_int_range (rand, 0, 50));
      if (g_rand_boolean (rand))
        at_cancel_scope_cancel_with_reason (g_rand_boolean (rand) ? root : child, "race");
      if (g_rand_boolean (rand))
        at_cancel_scope_set_deadline (root, G_MAXINT64);
      if (is_cancelled (root) && at_cancel_scope_get_timed_out (root))
        g_assert_null (at_cancel_scope_get_reason (root));
    }
  return NULL;
}

static void
test_race_with_cancel_and_unref (void)
{
  GThread *threads[3];

  for (guint i = 0; i < 3; i++)
    threads[i] = g_thread_new ("race", race_thread, GUINT_TO_POINTER (i + 1));
  for (guint i = 0; i < 3; i++)
    g_thread_join (threads[i]);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/cancel-scope/deadline/none-at-first", test_none_at_first);
  test_add ("/cancel-scope/deadline/passes-without-a-loop", test_passes_without_a_loop);
  test_add ("/cancel-scope/deadline/timeout-counts-from-now", test_timeout_counts_from_now);
  test_add ("/cancel-scope/deadline/in-the-past", test_in_the_past);
  test_add ("/cancel-scope/deadline/moved-later", test_moved_later);
  test_add ("/cancel-scope/deadline/moved-earlier", test_moved_earlier);
  test_add ("/cancel-scope/deadline/moved-to-and-fro", test_moved_to_and_fro);
  test_add ("/cancel-scope/deadline/removed", test_removed);
  test_add ("/cancel-scope/deadline/endless", test_endless);
  test_add ("/cancel-scope/deadline/earlier-cancel-by-hand-wins",
            test_earlier_cancel_by_hand_wins);
  test_add ("/cancel-scope/deadline/earlier-deadline-wins", test_earlier_deadline_wins);
  test_add ("/cancel-scope/deadline/is-inherited", test_inherited);
  test_add ("/cancel-scope/deadline/nearer-inner-one", test_nearer_inner_one);
  test_add ("/cancel-scope/deadline/nearer-outer-one", test_nearer_outer_one);
  test_add ("/cancel-scope/deadline/inner-by-hand-outer-by-time",
            test_inner_by_hand_outer_by_time);
  test_add ("/cancel-scope/deadline/shield-keeps-the-outer-one-out",
            test_shield_keeps_the_outer_one_out);
  test_add ("/cancel-scope/deadline/shield-lets-its-own-pass", test_shield_lets_its_own_pass);
  test_add ("/cancel-scope/deadline/effective-one-is-the-nearest",
            test_effective_one_is_the_nearest);
  test_add ("/cancel-scope/deadline/effective-one-below-a-plain-cancellable",
            test_effective_one_below_a_plain_cancellable);
  test_add ("/cancel-scope/deadline/handlers-run-on-the-timers-thread",
            test_handlers_run_on_the_timers_thread);
  test_add ("/cancel-scope/deadline/hundred-thousand-wait-on-one-thread",
            test_hundred_thousand_wait_on_one_thread);
  test_add ("/cancel-scope/deadline/pass-in-their-order", test_pass_in_their_order);
  test_add ("/cancel-scope/deadline/race-with-cancel-and-unref", test_race_with_cancel_and_unref);

  return g_test_run ();
}
