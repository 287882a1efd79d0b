/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Who may wait for whom: never a portal's thread for itself, never in a circle. A test that
 * hangs here has found a deadlock that was not refused. */

#include "test-common.h"

typedef struct _Hop Hop;

/* A body that enters the next portal, and notes what came of it. */
struct _Hop
{
  AtPortal  *portal;
  Hop       *next;
  gboolean   by_wait; /* spawn and wait instead of call */
  GError    *error;
  GValue    *value;
  TestLatch *entered;
  TestLatch *go;
};

static void hop_body (GTask   *task,
                      gpointer user_data);

static void
hop_enter (Hop *next)
{
  if (next->by_wait)
    {
      g_autoptr (AtFuture) future = at_portal_spawn (next->portal, NULL, hop_body, next, NULL);

      if (at_future_wait (future, NULL, &next->error))
        {
          const GValue *value = at_future_get_value (future, &next->error);

          if (value != NULL)
            next->value = g_boxed_copy (G_TYPE_VALUE, value);
        }
      else
        {
          /* The task runs later, when this thread is free again. */
          at_future_cancel (future);
        }
    }
  else
    {
      next->value = at_portal_call (next->portal, NULL, hop_body, next, &next->error);
    }
}

static void
hop_body (GTask   *task,
          gpointer user_data)
{
  Hop *hop = user_data;

  if (hop->entered != NULL)
    test_latch_open (hop->entered);
  if (hop->go != NULL)
    test_latch_wait (hop->go);

  if (hop->next == NULL)
    {
      test_return_int (task, 77);
      return;
    }

  hop_enter (hop->next);
  if (hop->next->error != NULL)
    g_task_return_error (task, g_error_copy (hop->next->error));
  else
    g_task_return_value (task, hop->next->value);
}

static void
hop_clear (Hop *hop)
{
  g_clear_error (&hop->error);
  if (hop->value != NULL)
    g_boxed_free (G_TYPE_VALUE, g_steal_pointer (&hop->value));
}

typedef struct
{
  AtPortal *portal;
  AtFuture *pending;
  AtFuture *done;
} Own;

static void
own_func (gpointer user_data)
{
  Own *own = user_data;
  Probe probe = { .number = 1 };
  g_autoptr (GError) error = NULL;
  const GValue *value;

  g_assert_null (at_portal_call (own->portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_null (at_portal_call_borrowed (own->portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_null (at_portal_call_pointer (own->portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_cmpint (at_portal_call_int (own->portal, NULL, probe_body, &probe, &error), ==, -1);
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_false (at_portal_call_boolean (own->portal, NULL, probe_body, &probe, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_false (at_portal_invoke (own->portal, test_latch_open_func, &probe.entered, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_false (at_portal_wait_stopped (own->portal, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_cmpint (probe.n_bodies, ==, 0);
  g_assert_cmpuint (test_latch_count (&probe.entered), ==, 0);

  g_assert_false (at_future_wait (own->pending, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_false (at_future_wait_until (own->pending, G_MAXINT64, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_null (at_future_wait_started (own->pending, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_null (at_future_wait_started_borrowed (own->pending, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);

  /* What is done already does not wait. */
  g_assert_true (at_future_wait (own->done, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (at_future_wait_until (own->done, 0, NULL, &error));
  g_assert_no_error (error);
  value = at_future_get_value (own->done, &error);
  g_assert_no_error (error);
  test_assert_int (value, 1);
}

static void
test_own_thread_is_refused (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe done = { .number = 1 };
  Probe pending = { .when = PROBE_KEEP, .number = 2 };
  Own own = { .portal = portal };
  TestLatch ended = { 0 };
  g_autoptr (GError) error = NULL;

  own.done = probe_spawn (&done, portal, NULL);
  own.pending = probe_spawn (&pending, portal, NULL);
  test_future_wait (own.done);
  at_portal_post (portal, own_func, &own, NULL, &error);
  at_portal_post (portal, test_latch_open_func, &ended, NULL, &error);
  test_latch_wait (&ended);

  /* The refusals have left nothing behind. */
  probe_return (&pending);
  test_future_finish_int (own.pending, 2);
  test_future_finish_int (own.done, 1);
  test_portal_finish (portal);
}

static void
wrong_thread_message_func (gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (at_portal_call (user_data, NULL, test_body_int, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_nonnull (strstr (error->message, "pick-me-out"));
}

static void
test_refusal_names_the_portal (void)
{
  AtPortal *portal = test_portal_new ("pick-me-out");

  at_portal_invoke (portal, wrong_thread_message_func, portal, NULL);
  test_portal_finish (portal);
}

/* Started already: nothing to wait for, on any thread. */
static void
started_body (GTask   *task,
              gpointer user_data)
{
  g_auto (GValue) value = G_VALUE_INIT;
  Probe *probe = user_data;

  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, 5);
  at_task_started (task, &value);
  probe_body (task, probe);
}

static void
read_started (gpointer future)
{
  g_autoptr (GError) error = NULL;

  test_assert_int_taken (at_future_wait_started (future, NULL, &error), 5);
  g_assert_no_error (error);
}

static void
test_what_is_started_succeeds_on_the_own_thread (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .when = PROBE_KEEP };
  AtFuture *future = at_portal_spawn (portal, NULL, started_body, &probe, NULL);

  test_latch_wait (&probe.entered);
  at_portal_invoke (portal, read_started, future, NULL);
  probe_return (&probe);
  test_future_finish_int (future, 0);
  test_portal_finish (portal);
}

static void
test_another_portal_is_allowed (void)
{
  for (int by_wait = 0; by_wait < 2; by_wait++)
    {
      AtPortal *portals[4];
      Hop hops[4] = { 0 };

      for (guint i = 0; i < 4; i++)
        {
          portals[i] = test_portal_new ("chain");
          hops[i].portal = portals[i];
          hops[i].by_wait = by_wait;
          hops[i].next = i + 1 < 4 ? &hops[i + 1] : NULL;
        }
      hop_enter (&hops[0]);
      g_assert_no_error (hops[0].error);
      test_assert_int (hops[0].value, 77);
      for (guint i = 0; i < 4; i++)
        {
          hop_clear (&hops[i]);
          test_portal_finish (portals[i]);
        }
    }
}

/* main → 0 → 1 → … → n - 1 → 0 */
static void
check_circle (guint    n,
              gboolean by_wait)
{
  AtPortal *portals[3];
  Hop hops[4] = { 0 };

  for (guint i = 0; i < n; i++)
    portals[i] = test_portal_new ("circle");
  for (guint i = 0; i <= n; i++)
    {
      hops[i].portal = portals[i % n];
      hops[i].by_wait = by_wait;
      hops[i].next = i < n ? &hops[i + 1] : NULL;
    }
  hop_enter (&hops[0]);
  /* A wait follows its spawn, so each of them may be the one that closes the circle. */
  if (!by_wait)
    g_assert_error (hops[n].error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_error (hops[0].error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  for (guint i = 0; i < n; i++)
    {
      /* Nobody is left waiting: each still works. */
      test_future_finish_int (at_portal_spawn (portals[i], NULL, test_body_int, GINT_TO_POINTER (3),
                                               NULL),
                              3);
      test_portal_finish (portals[i]);
    }
  for (guint i = 0; i <= n; i++)
    hop_clear (&hops[i]);
}

static void
test_circle_of_one (void)
{
  check_circle (1, FALSE);
  check_circle (1, TRUE);
}

static void
test_circle_of_two (void)
{
  check_circle (2, FALSE);
  check_circle (2, TRUE);
}

static void
test_circle_of_three (void)
{
  check_circle (3, FALSE);
  check_circle (3, TRUE);
}

static void
invoke_back (gpointer user_data)
{
  gpointer *data = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_false (at_portal_invoke (data[0], test_nothing, NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_false (at_portal_wait_stopped (data[0], NULL, &error));
  test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  *(gboolean *) data[2] = TRUE;
}

static void
invoke_forth (gpointer user_data)
{
  gpointer *data = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_true (at_portal_invoke (data[1], invoke_back, data, &error));
  g_assert_no_error (error);
}

static void
test_circle_of_invoke_and_wait_stopped (void)
{
  AtPortal *a = test_portal_new ("a");
  AtPortal *b = test_portal_new ("b");
  gboolean ran = FALSE;
  gpointer data[3] = { a, b, &ran };

  g_assert_true (at_portal_invoke (a, invoke_forth, data, NULL));
  g_assert_true (ran);
  test_portal_finish (a);
  test_portal_finish (b);
}

/* Both start at the same time; whoever closes the circle is refused, and never both hang. */
static void
test_circle_closed_from_both_sides_at_once (void)
{
  AtPortal *a = test_portal_new ("a");
  AtPortal *b = test_portal_new ("b");
  guint n_refused = 0;

  for (int i = 0; i < 300; i++)
    {
      TestLatch entered = { 0 };
      TestLatch go = { 0 };
      Hop to_b = { .portal = b };
      Hop to_a = { .portal = a };
      Hop in_a = { .portal = a, .next = &to_b, .entered = &entered, .go = &go };
      Hop in_b = { .portal = b, .next = &to_a, .entered = &entered, .go = &go };
      g_autoptr (AtFuture) first = at_portal_spawn (a, NULL, hop_body, &in_a, NULL);
      g_autoptr (AtFuture) second = at_portal_spawn (b, NULL, hop_body, &in_b, NULL);
      Hop *hops[2] = { &to_a, &to_b };

      test_latch_wait_for (&entered, 2);
      test_latch_open (&go);
      test_future_wait (first);
      test_future_wait (second);
      for (int j = 0; j < 2; j++)
        {
          if (hops[j]->error != NULL)
            {
              g_assert_error (hops[j]->error, AT_ERROR, AT_ERROR_WRONG_THREAD);
              n_refused++;
            }
          else
            {
              test_assert_int (hops[j]->value, 77);
            }
          hop_clear (hops[j]);
        }
      at_future_get_value (first, NULL);
      at_future_get_value (second, NULL);
    }
  g_test_message ("%u of 600 were refused", n_refused);
  test_portal_finish (a);
  test_portal_finish (b);
}

/* Waiting for a busy portal, or behind somebody who waits, is no circle. */
static gpointer
call_hop (gpointer hop)
{
  hop_enter (hop);
  return NULL;
}

static void
test_shared_targets_are_no_circle (void)
{
  AtPortal *a = test_portal_new ("a");
  AtPortal *b = test_portal_new ("b");
  AtPortal *c = test_portal_new ("c");

  for (int i = 0; i < 50; i++)
    {
      TestLatch go = { 0 };
      Hop in_c[3] = { { .portal = c, .go = &go }, { .portal = c }, { .portal = c } };
      Hop in_a = { .portal = a, .next = &in_c[0] };
      Hop in_b = { .portal = b, .next = &in_c[1] };
      GThread *threads[3];

      threads[0] = g_thread_new ("a", call_hop, &in_a);
      threads[1] = g_thread_new ("b", call_hop, &in_b);
      threads[2] = g_thread_new ("c", call_hop, &in_c[2]);
      test_latch_open (&go);
      for (int j = 0; j < 3; j++)
        {
          g_thread_join (threads[j]);
          g_assert_no_error (in_c[j].error);
          test_assert_int (in_c[j].value, 77);
        }
      test_assert_int (in_a.value, 77);
      test_assert_int (in_b.value, 77);
      hop_clear (&in_a);
      hop_clear (&in_b);
      for (int j = 0; j < 3; j++)
        hop_clear (&in_c[j]);
    }
  test_portal_finish (a);
  test_portal_finish (b);
  test_portal_finish (c);
}

/* A wait that was broken off no longer counts. */
static void
give_up_body (GTask   *task,
              gpointer user_data)
{
  AtFuture *future = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_false (at_future_wait_until (future, g_get_monotonic_time (), NULL, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  test_return_int (task, 1);
}

static void
test_a_wait_that_ended_is_forgotten (void)
{
  AtPortal *a = test_portal_new ("a");
  AtPortal *b = test_portal_new ("b");
  Probe pending = { .when = PROBE_KEEP };
  AtFuture *future = probe_spawn (&pending, b, NULL);
  Hop to_a = { .portal = a };
  Hop in_b = { .portal = b, .next = &to_a };

  test_latch_wait (&pending.entered);
  test_future_finish_int (at_portal_spawn (a, NULL, give_up_body, future, NULL), 1);
  hop_enter (&in_b);
  g_assert_no_error (in_b.error);
  test_assert_int (in_b.value, 77);
  hop_clear (&in_b);
  hop_clear (&to_a);
  probe_return (&pending);
  test_future_finish_int (future, 0);
  test_portal_finish (a);
  test_portal_finish (b);
}

/* The main thread waits for a, whose body must not wait for the main thread. */
static void
test_circle_through_the_main_thread (void)
{
  AtPortal *a = test_portal_new ("a");
  AtPortal *b = test_portal_new ("b");
  Hop in_main = { .portal = at_portal_get_main () };
  Hop in_b = { .portal = b, .next = &in_main };
  Hop in_a = { .portal = a, .next = &in_b };

  g_assert_true (at_portal_is_owner (at_portal_get_main ()));
  hop_enter (&in_a);
  g_assert_error (in_main.error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_assert_error (in_a.error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  hop_clear (&in_main);
  hop_clear (&in_b);
  hop_clear (&in_a);

  /* What was refused does not run now. */
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  test_portal_finish (a);
  test_portal_finish (b);
}

/* Nobody has adopted the main context before a worker asks for it. */
static void
main_later_body (GTask   *task,
                 gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (at_portal_call (at_portal_get_main (), NULL, test_body_int, NULL, &error));
  g_task_return_error (task, g_steal_pointer (&error));
}

static void
test_circle_through_a_main_thread_adopted_later (void)
{
  if (g_test_subprocess ())
    {
      AtPortal *a = test_portal_new ("a");
      g_autoptr (GError) error = NULL;

      g_assert_null (at_portal_call (a, NULL, main_later_body, NULL, &error));
      test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
      test_portal_finish (a);
      return;
    }

  test_assert_subprocess (NULL);
}

/* While the main loop runs, the main thread answers. */
static void
call_main_body (GTask   *task,
                gpointer user_data)
{
  Hop *in_main = user_data;

  hop_enter (in_main);
  g_assert_no_error (in_main->error);
  g_task_return_value (task, in_main->value);
}

static void
test_main_thread_that_iterates_answers (void)
{
  AtPortal *a = test_portal_new ("a");
  Hop in_main = { .portal = at_portal_get_main () };
  AtFuture *future = at_portal_spawn (a, NULL, call_main_body, &in_main, NULL);
  TestAnswer answer = { 0 };

  at_future_wait_async (future, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_true (at_future_wait_finish (future, answer.result, NULL));
  test_future_finish_int (future, 77);
  hop_clear (&in_main);
  test_answer_clear (&answer);
  test_portal_finish (a);
}

/* Two portals on one thread: what blocks one blocks both. */
static gpointer
two_on_one_thread (gpointer data)
{
  g_autoptr (GMainContext) first_context = g_main_context_new ();
  g_autoptr (GMainContext) second_context = g_main_context_new ();
  g_autoptr (AtPortal) first = at_portal_new_for_context (first_context);
  g_autoptr (AtPortal) second = at_portal_new_for_context (second_context);
  g_autoptr (AtPortal) twin = at_portal_new_for_context (first_context);
  AtPortal *portals[3] = { first, second, twin };
  Probe probe = { .number = 4 };

  for (int i = 0; i < 3; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (AtFuture) future = NULL;

      g_assert_true (at_portal_is_owner (portals[i]));
      g_assert_null (at_portal_call (portals[i], NULL, probe_body, &probe, &error));
      test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
      future = probe_spawn (&probe, portals[i], NULL);
      g_assert_false (at_future_wait (future, NULL, &error));
      test_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
      while (!at_future_is_done (future))
        g_main_context_iteration (at_portal_get_context (portals[i]), TRUE);
      test_future_finish_int (g_steal_pointer (&future), 4);
    }
  return NULL;
}

static void
test_checks_compare_threads (void)
{
  test_on_thread (two_on_one_thread, NULL);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/portal/waiting/own-thread-is-refused", test_own_thread_is_refused);
  test_add ("/portal/waiting/refusal-names-the-portal", test_refusal_names_the_portal);
  test_add ("/portal/waiting/what-is-started-succeeds-on-the-own-thread",
            test_what_is_started_succeeds_on_the_own_thread);
  test_add ("/portal/waiting/another-portal-is-allowed", test_another_portal_is_allowed);
  test_add ("/portal/waiting/circle-of-one-is-refused", test_circle_of_one);
  test_add ("/portal/waiting/circle-of-two-is-refused", test_circle_of_two);
  test_add ("/portal/waiting/circle-of-three-is-refused", test_circle_of_three);
  test_add ("/portal/waiting/circle-of-invoke-and-wait-stopped-is-refused",
            test_circle_of_invoke_and_wait_stopped);
  test_add ("/portal/waiting/circle-closed-from-both-sides-at-once",
            test_circle_closed_from_both_sides_at_once);
  test_add ("/portal/waiting/shared-targets-are-no-circle", test_shared_targets_are_no_circle);
  test_add ("/portal/waiting/a-wait-that-ended-is-forgotten", test_a_wait_that_ended_is_forgotten);
  test_add ("/portal/waiting/circle-through-the-main-thread-is-refused",
            test_circle_through_the_main_thread);
  test_add ("/portal/waiting/circle-through-a-main-thread-adopted-later-is-refused",
            test_circle_through_a_main_thread_adopted_later);
  test_add ("/portal/waiting/main-thread-that-iterates-answers",
            test_main_thread_that_iterates_answers);
  test_add ("/portal/waiting/checks-compare-threads-not-portals", test_checks_compare_threads);

  return g_test_run ();
}
