/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* all, any, race. */

#include "test-common.h"

static AtPortal *io;

typedef AtFuture *(*Combine) (AtPortal  *portal,
                              AtFuture **futures,
                              gsize      n_futures);

static gint64
index_of (AtFuture *future)
{
  g_autoptr (GError) error = NULL;
  g_auto (GValue) number = G_VALUE_INIT;
  const GValue *value;

  test_future_wait (future);
  value = at_future_get_value (future, &error);
  g_assert_no_error (error);
  g_assert_nonnull (value);
  g_value_init (&number, G_TYPE_INT64);
  g_assert_true (g_value_transform (value, &number));

  return g_value_get_int64 (&number);
}

static void
assert_true_value (AtFuture *future)
{
  g_autoptr (GError) error = NULL;
  const GValue *value;

  test_future_wait (future);
  value = at_future_get_value (future, &error);
  g_assert_no_error (error);
  g_assert_nonnull (value);
  g_assert_true (G_VALUE_HOLDS_BOOLEAN (value));
  g_assert_true (g_value_get_boolean (value));
}

/* Tasks that are kept; entered. */
static void
spawn_kept (Probe     *probes,
            AtFuture **futures,
            guint      n)
{
  for (guint i = 0; i < n; i++)
    {
      probes[i].when = PROBE_KEEP;
      probes[i].number = (int) i;
      futures[i] = probe_spawn (&probes[i], io, NULL);
      test_latch_wait (&probes[i].entered);
    }
  test_portal_flush (io);
}

/* Opens the latch when the input is told to stop. */
static void
watch_cancellation (AtFuture  *input,
                    TestLatch *latch)
{
  g_cancellable_connect (at_future_get_cancellable (input), G_CALLBACK (test_latch_on_cancelled),
                         latch, NULL);
}

static void
unref_all (AtFuture **futures,
           guint      n)
{
  for (guint i = 0; i < n; i++)
    {
      at_future_get_value (futures[i], NULL);
      g_object_unref (futures[i]);
    }
}

static void
test_all_waits_for_every_input (void)
{
  Probe probes[3] = { 0 };
  AtFuture *futures[3];
  g_autoptr (AtFuture) all = NULL;

  spawn_kept (probes, futures, 3);
  all = at_future_all (io, futures, 3);
  g_assert_true (AT_IS_FUTURE (all));
  for (int i = 2; i >= 0; i--)
    {
      g_assert_false (at_future_is_done (all));
      probe_return (&probes[i]);
      test_future_wait (futures[i]);
      test_portal_flush (io);
    }
  assert_true_value (all);
  g_assert_cmpint (at_future_get_state (all), ==, AT_FUTURE_STATE_SUCCEEDED);

  /* The inputs keep their order and their values. */
  for (int i = 0; i < 3; i++)
    test_future_finish_int (futures[i], i);
}

static void
test_all_of_what_is_done_already (void)
{
  AtFuture *futures[4];
  g_autoptr (AtFuture) all = NULL;

  for (int i = 0; i < 4; i++)
    {
      futures[i] = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (i), NULL);
      test_future_wait (futures[i]);
    }
  all = at_future_all (io, futures, 4);
  assert_true_value (all);
  unref_all (futures, 4);
}

static void
test_all_of_nothing_succeeds (void)
{
  g_autoptr (AtFuture) all = at_future_all (io, NULL, 0);

  assert_true_value (all);
}

static void
test_any_and_race_of_nothing_are_errors (void)
{
  test_future_finish_error (at_future_any (io, NULL, 0), AT_ERROR, AT_ERROR_INVALID_ARGUMENTS);
  test_future_finish_error (at_future_race (io, NULL, 0), AT_ERROR, AT_ERROR_INVALID_ARGUMENTS);
}

/* The rest is cancelled, and awaited: a loser that takes its time holds the end up. */
static void
check_losers (Combine  combine,
              gboolean winner_fails)
{
  Probe probes[3] = { 0 };
  AtFuture *futures[3];
  TestLatch told = { 0 };
  g_autoptr (AtFuture) future = NULL;

  spawn_kept (probes, futures, 3);
  watch_cancellation (futures[0], &told);
  watch_cancellation (futures[2], &told);
  future = combine (io, futures, 3);
  test_portal_flush (io);
  g_assert_cmpuint (test_latch_count (&told), ==, 0);

  probes[1].result = winner_fails ? PROBE_ERROR : PROBE_VALUE;
  probe_return (&probes[1]);
  test_latch_wait_for (&told, 2);
  test_portal_flush (io);
  g_assert_false (at_future_is_done (future));
  probes[0].result = PROBE_CANCELLED;
  probe_return (&probes[0]);
  test_future_wait (futures[0]);
  test_portal_flush (io);
  g_assert_false (at_future_is_done (future));

  /* One that computed a value all the same changes nothing. */
  probe_return (&probes[2]);
  test_future_wait (future);
  g_assert_true (at_future_is_done (futures[0]));
  g_assert_true (at_future_is_done (futures[2]));
  g_assert_cmpint (at_future_get_state (futures[0]), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_cmpint (at_future_get_state (futures[2]), ==, AT_FUTURE_STATE_SUCCEEDED);
  if (combine == at_future_all)
    test_future_finish_error (g_steal_pointer (&future), G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  else
    g_assert_cmpint (index_of (future), ==, 1);
  unref_all (futures, 3);
}

static void
test_all_cancels_the_rest_on_a_failure (void)
{
  check_losers (at_future_all, TRUE);
}

static void
test_any_cancels_the_losers (void)
{
  check_losers (at_future_any, FALSE);
}

static void
test_race_cancels_the_losers (void)
{
  check_losers (at_future_race, FALSE);
}

/* The first end is the first end, be it good or bad. */
static void
test_race_is_won_by_a_failure_too (void)
{
  check_losers (at_future_race, TRUE);
}

static void
test_any_passes_over_failures (void)
{
  Probe probes[4] = { 0 };
  AtFuture *futures[4];
  g_autoptr (AtFuture) any = NULL;

  spawn_kept (probes, futures, 4);
  any = at_future_any (io, futures, 4);
  for (int i = 0; i < 3; i++)
    {
      probes[i].result = PROBE_ERROR;
      probe_return (&probes[i]);
      test_future_wait (futures[i]);
      test_portal_flush (io);
      g_assert_false (at_future_is_done (any));
    }
  g_assert_false (g_cancellable_is_cancelled (at_future_get_cancellable (futures[3])));
  probe_return (&probes[3]);
  g_assert_cmpint (index_of (any), ==, 3);
  unref_all (futures, 4);
}

static void
test_any_fails_when_all_failed (void)
{
  Probe probes[3] = { 0 };
  AtFuture *futures[3];
  AtFuture *any;

  spawn_kept (probes, futures, 3);
  any = at_future_any (io, futures, 3);
  for (int i = 0; i < 3; i++)
    {
      probes[i].result = PROBE_ERROR;
      probe_return (&probes[i]);
    }
  test_future_finish_error (any, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  unref_all (futures, 3);
}

/* An input that ended before is a winner at once. */
static void
test_first_may_be_done_already (void)
{
  for (int race = 0; race < 2; race++)
    {
      Probe probes[2] = { 0 };
      AtFuture *futures[3];
      TestLatch told = { 0 };
      g_autoptr (AtFuture) future = NULL;

      spawn_kept (probes, futures, 2);
      futures[2] = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (2), NULL);
      test_future_wait (futures[2]);
      watch_cancellation (futures[0], &told);
      watch_cancellation (futures[1], &told);
      future = (race ? at_future_race : at_future_any) (io, futures, 3);
      test_latch_wait_for (&told, 2);
      probe_return (&probes[0]);
      probe_return (&probes[1]);
      g_assert_cmpint (index_of (future), ==, 2);
      unref_all (futures, 3);
    }
}

static void
test_one_input (void)
{
  AtFuture *futures[1];
  AtFuture *future;

  futures[0] = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (1), NULL);
  future = at_future_all (io, futures, 1);
  assert_true_value (future);
  g_object_unref (future);
  future = at_future_any (io, futures, 1);
  g_assert_cmpint (index_of (future), ==, 0);
  g_object_unref (future);
  future = at_future_race (io, futures, 1);
  g_assert_cmpint (index_of (future), ==, 0);
  g_object_unref (future);
  unref_all (futures, 1);
}

/* all is over with the first failure, and says which it was, even if others fail after. */
static void
test_all_has_the_first_failure (void)
{
  Probe probes[3] = { 0 };
  AtFuture *futures[3];
  TestLatch told = { 0 };
  AtFuture *all;

  spawn_kept (probes, futures, 3);
  watch_cancellation (futures[0], &told);
  watch_cancellation (futures[2], &told);
  all = at_future_all (io, futures, 3);
  g_object_unref (g_steal_pointer (&probes[1].task));
  test_latch_wait_for (&told, 2);
  probes[0].result = PROBE_ERROR;
  probe_return (&probes[0]);
  probes[2].result = PROBE_CANCELLED;
  probe_return (&probes[2]);
  test_future_finish_error (all, AT_ERROR, AT_ERROR_ABANDONED);
  unref_all (futures, 3);
}

/* What the combination was told is not reported a second time for its input. */
static void
test_failure_that_all_told_was_seen (void)
{
  Probe probe = { .result = PROBE_ERROR };
  AtFuture *future = probe_spawn (&probe, io, NULL);
  AtFuture *all = at_future_all (io, &future, 1);

  g_object_unref (future);
  test_future_finish_error (all, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  test_portal_flush (io);
  g_assert_cmpuint (test_n_reports (), ==, 0);
}

/* The caller's array and references are its own business after the call. */
static void
test_inputs_are_kept (void)
{
  Combine functions[] = { at_future_all, at_future_any, at_future_race };

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    {
      Combine combine = functions[i];
      Probe probes[2] = { 0 };
      AtFuture *futures[2];
      AtFuture *future;

      spawn_kept (probes, futures, 2);
      future = combine (io, futures, 2);
      g_clear_object (&futures[0]);
      g_clear_object (&futures[1]);
      test_portal_flush (io);
      probe_return (&probes[0]);
      test_portal_flush (io);
      probe_return (&probes[1]);
      test_future_wait (future);
      g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
      g_object_unref (future);
    }
}

static void
test_inputs_of_several_portals (void)
{
  AtPortal *portals[4];
  AtFuture *futures[4];
  g_autoptr (AtFuture) all = NULL;

  for (int i = 0; i < 4; i++)
    {
      portals[i] = test_portal_new ("other");
      futures[i] = at_portal_spawn (portals[i], NULL, test_body_int, GINT_TO_POINTER (i), NULL);
    }
  all = at_future_all (io, futures, 4);
  assert_true_value (all);
  for (int i = 0; i < 4; i++)
    {
      test_future_finish_int (futures[i], i);
      test_portal_finish (portals[i]);
    }
}

static void
test_cancelling_it_ends_it (void)
{
  Combine functions[] = { at_future_all, at_future_any, at_future_race };

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    {
      Combine combine = functions[i];
      Probe probes[2] = { 0 };
      AtFuture *futures[2];
      AtFuture *future;
      g_autoptr (GError) error = NULL;

      for (int j = 0; j < 2; j++)
        {
          probes[j].when = PROBE_WHEN_CANCELLED;
          probes[j].result = PROBE_CANCELLED;
          futures[j] = probe_spawn (&probes[j], io, NULL);
        }
      future = combine (io, futures, 2);
      test_portal_flush (io);
      g_assert_true (at_future_cancel (future));
      test_future_wait (future);
      /* A race has a winner all the same: the input that ended first. */
      if (combine != at_future_race)
        {
          g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
          g_assert_null (at_future_get_value (future, &error));
          test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
        }
      g_object_unref (future);
      at_future_cancel (futures[0]);
      at_future_cancel (futures[1]);
      test_future_wait (futures[0]);
      test_future_wait (futures[1]);
      unref_all (futures, 2);
    }
}

static void
test_of_a_combination (void)
{
  AtFuture *leaves[4];
  AtFuture *pairs[2];
  AtFuture *all;

  for (int i = 0; i < 4; i++)
    leaves[i] = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (i), NULL);
  pairs[0] = at_future_all (io, leaves, 2);
  pairs[1] = at_future_any (io, leaves + 2, 2);
  all = at_future_all (io, pairs, 2);
  assert_true_value (all);
  g_object_unref (all);
  unref_all (pairs, 2);
  unref_all (leaves, 4);
}

static void
test_thousands_of_inputs (void)
{
  g_autofree AtFuture **futures = g_new (AtFuture *, 3000);
  AtFuture *all;

  for (int i = 0; i < 3000; i++)
    futures[i] = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (i), NULL);
  all = at_future_all (io, futures, 3000);
  assert_true_value (all);
  g_object_unref (all);
  for (int i = 0; i < 3000; i++)
    test_future_finish_int (futures[i], i);
}

static void
test_on_the_own_thread_func (gpointer user_data)
{
  AtFuture **result = user_data;
  AtFuture *futures[2];

  futures[0] = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (1), NULL);
  futures[1] = at_portal_spawn (io, NULL, test_body_int, GINT_TO_POINTER (2), NULL);
  *result = at_future_all (io, futures, 2);
  g_assert_false (at_future_is_done (*result));
  unref_all (futures, 2);
}

static void
test_from_the_own_thread (void)
{
  AtFuture *all = NULL;

  g_assert_true (at_portal_invoke (io, test_on_the_own_thread_func, &all, NULL));
  assert_true_value (all);
  g_object_unref (all);
}

/* On a portal that has stopped nobody hangs, and the inputs are left to themselves or cancelled. */
static void
test_on_a_stopped_portal_ends (void)
{
  Combine functions[] = { at_future_all, at_future_any, at_future_race };
  AtPortal *stopped = test_portal_new ("stopped");

  at_portal_stop (stopped, FALSE);
  g_assert_true (at_portal_wait_stopped (stopped, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    {
      Combine combine = functions[i];
      AtFuture *input = at_portal_spawn (io, NULL, test_body_int, NULL, NULL);

      test_future_finish_error (combine (stopped, &input, 1), AT_ERROR, AT_ERROR_NOT_RUNNING);
      test_future_wait (input);
      g_object_unref (input);
    }
  test_portal_finish (stopped);
}

int
main (int    argc,
      char **argv)
{
  int status;

  test_init (&argc, &argv);
  io = test_portal_new ("io");

  test_add ("/future/all/waits-for-every-input", test_all_waits_for_every_input);
  test_add ("/future/all/of-what-is-done-already", test_all_of_what_is_done_already);
  test_add ("/future/all/of-nothing-succeeds", test_all_of_nothing_succeeds);
  test_add ("/future/all/cancels-the-rest-on-a-failure", test_all_cancels_the_rest_on_a_failure);
  test_add ("/future/all/has-the-first-failure", test_all_has_the_first_failure);
  test_add ("/future/all/failure-that-it-told-was-seen", test_failure_that_all_told_was_seen);
  test_add ("/future/any/cancels-the-losers-and-awaits-them", test_any_cancels_the_losers);
  test_add ("/future/any/passes-over-failures", test_any_passes_over_failures);
  test_add ("/future/any/fails-when-all-failed", test_any_fails_when_all_failed);
  test_add ("/future/race/cancels-the-losers-and-awaits-them", test_race_cancels_the_losers);
  test_add ("/future/race/is-won-by-a-failure-too", test_race_is_won_by_a_failure_too);
  test_add ("/future/combined/of-nothing-any-and-race-are-errors",
            test_any_and_race_of_nothing_are_errors);
  test_add ("/future/combined/first-may-be-done-already", test_first_may_be_done_already);
  test_add ("/future/combined/one-input", test_one_input);
  test_add ("/future/combined/inputs-are-kept", test_inputs_are_kept);
  test_add ("/future/combined/inputs-of-several-portals", test_inputs_of_several_portals);
  test_add ("/future/combined/cancelling-it-ends-it", test_cancelling_it_ends_it);
  test_add ("/future/combined/of-a-combination", test_of_a_combination);
  test_add ("/future/combined/thousands-of-inputs", test_thousands_of_inputs);
  test_add ("/future/combined/from-the-own-thread", test_from_the_own_thread);
  test_add ("/future/combined/on-a-stopped-portal-ends", test_on_a_stopped_portal_ends);

  status = g_test_run ();
  test_portal_finish (io);
  return status;
}
