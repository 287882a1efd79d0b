/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Named events, from any thread to any thread. */

#include "test-common.h"

/* What a listener has heard: "name=payload " each. */
typedef struct
{
  AtEventBus *bus;
  GString    *log;
  guint       id;
  guint       other;
  guint       n_heard;
  guint       n_expected;
  gboolean    is_complete;
  GThread    *thread;
  GThread    *destroy_thread;
  TestLatch   destroyed;
  TestLatch   heard;
} Ear;

static void
ear_init (Ear *ear,
          AtEventBus *bus)
{
  *ear = (Ear){ .bus = bus, .log = g_string_new (NULL) };
}

static void
ear_clear (Ear *ear)
{
  g_string_free (ear->log, TRUE);
}

static void
hear (AtEventBus *bus,
      const char *name,
      GVariant *payload,
      gpointer user_data)
{
  Ear *ear = user_data;

  g_assert_true (bus == ear->bus);
  if (payload != NULL)
    g_string_append_printf (ear->log, "%s=%d ", name, g_variant_get_int32 (payload));
  else
    g_string_append_printf (ear->log, "%s ", name);
  ear->thread = g_thread_self ();
  ear->n_heard++;
  test_latch_open (&ear->heard);
}

static void
ear_destroyed (gpointer user_data)
{
  Ear *ear = user_data;

  ear->destroy_thread = g_thread_self ();
  test_latch_open (&ear->destroyed);
}

/* Runs what is ready on this thread. */
static void
settle (void)
{
  while (g_main_context_iteration (g_main_context_get_thread_default (), FALSE))
    ;
}

static void
test_listener_hears_in_order_and_never_inside (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear ear;

  ear_init (&ear, bus);
  g_assert_cmpuint (at_event_bus_listen (bus, "tick", hear, &ear, ear_destroyed), !=, 0);
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (1));
  at_event_bus_publish (bus, "tock", NULL);
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (2));
  at_event_bus_publish (bus, "tick", NULL);
  g_assert_cmpstr (ear.log->str, ==, "");
  settle ();
  g_assert_cmpstr (ear.log->str, ==, "tick=1 tick=2 tick ");

  g_assert_finalize_object (bus);
  g_assert_cmpuint (test_latch_count (&ear.destroyed), ==, 1);
  ear_clear (&ear);
}

static void
test_once_hears_one (void)
{
  AtEventBus *bus = g_object_new (AT_TYPE_EVENT_BUS, NULL);
  Ear ear;
  guint id;

  ear_init (&ear, bus);
  id = at_event_bus_once (bus, "tick", hear, &ear, ear_destroyed);
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (1));
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (2));
  settle ();
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (3));
  settle ();
  g_assert_cmpstr (ear.log->str, ==, "tick=1 ");
  g_assert_cmpuint (test_latch_count (&ear.destroyed), ==, 1);
  g_assert_false (at_event_bus_unlisten (bus, id));
  g_assert_finalize_object (bus);
  ear_clear (&ear);
}

static void
test_prefix_hears_all_that_begin_so (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear ear;

  ear_init (&ear, bus);
  at_event_bus_listen_full (bus, "file-", NULL, AT_LISTEN_FLAGS_PREFIX, hear, &ear, NULL);
  at_event_bus_publish (bus, "file-opened", NULL);
  at_event_bus_publish (bus, "file", NULL);
  at_event_bus_publish (bus, "file-closed", NULL);
  settle ();
  g_assert_cmpstr (ear.log->str, ==, "file-opened file-closed ");
  g_assert_finalize_object (bus);
  ear_clear (&ear);
}

static void
test_unlisten_drops_what_waits (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear ear;
  guint id;

  ear_init (&ear, bus);
  id = at_event_bus_listen (bus, "tick", hear, &ear, ear_destroyed);
  at_event_bus_publish (bus, "tick", NULL);
  g_assert_true (at_event_bus_unlisten (bus, id));
  g_assert_cmpuint (test_latch_count (&ear.destroyed), ==, 1);
  g_assert_false (at_event_bus_unlisten (bus, id));
  settle ();
  g_assert_cmpstr (ear.log->str, ==, "");
  g_assert_finalize_object (bus);
  ear_clear (&ear);
}

static void
hear_and_unlisten (AtEventBus *bus,
                   const char *name,
                   GVariant *payload,
                   gpointer user_data)
{
  Ear *ear = user_data;

  hear (bus, name, payload, ear);
  g_assert_true (at_event_bus_unlisten (bus, ear->id));
  /* Its data is still in use. */
  g_assert_cmpuint (test_latch_count (&ear->destroyed), ==, 0);
}

static void
test_unlisten_inside_the_listener (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear ear, other;

  ear_init (&ear, bus);
  ear_init (&other, bus);
  ear.id = at_event_bus_listen (bus, "tick", hear_and_unlisten, &ear, ear_destroyed);
  at_event_bus_listen (bus, "tick", hear, &other, NULL);
  for (int i = 0; i < 3; i++)
    at_event_bus_publish (bus, "tick", NULL);
  settle ();
  g_assert_cmpstr (ear.log->str, ==, "tick ");
  g_assert_cmpuint (test_latch_count (&ear.destroyed), ==, 1);
  g_assert_cmpstr (other.log->str, ==, "tick tick tick ");
  g_assert_finalize_object (bus);
  ear_clear (&ear);
  ear_clear (&other);
}

static void
hear_and_publish (AtEventBus *bus,
                  const char *name,
                  GVariant *payload,
                  gpointer user_data)
{
  Ear *ear = user_data;
  guint before = ear->n_heard;
  int n = g_variant_get_int32 (payload);

  hear (bus, name, payload, ear);
  if (n < 3)
    at_event_bus_publish (bus, name, g_variant_new_int32 (n + 1));
  g_assert_cmpuint (ear->n_heard, ==, before + 1);
}

static void
test_publish_inside_a_listener (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear ear;

  ear_init (&ear, bus);
  at_event_bus_listen (bus, "tick", hear_and_publish, &ear, NULL);
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (1));
  settle ();
  g_assert_cmpstr (ear.log->str, ==, "tick=1 tick=2 tick=3 ");
  g_assert_finalize_object (bus);
  ear_clear (&ear);
}

static void
hear_and_iterate (AtEventBus *bus,
                  const char *name,
                  GVariant *payload,
                  gpointer user_data)
{
  hear (bus, name, payload, user_data);
  if (g_variant_get_int32 (payload) == 1)
    settle ();
}

static void
test_nested_loop_goes_on_hearing (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear ear;

  ear_init (&ear, bus);
  at_event_bus_listen (bus, "tick", hear_and_iterate, &ear, NULL);
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (1));
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (2));
  settle ();
  g_assert_cmpstr (ear.log->str, ==, "tick=1 tick=2 ");
  g_assert_finalize_object (bus);
  ear_clear (&ear);
}

static gboolean
is_second (const char *target,
           gpointer user_data)
{
  return g_strcmp0 (target, user_data) == 0;
}

static void
test_targets_are_strict (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear one, two, none;

  ear_init (&one, bus);
  ear_init (&two, bus);
  ear_init (&none, bus);
  at_event_bus_listen_full (bus, "tick", "one", AT_LISTEN_FLAGS_NONE, hear, &one, NULL);
  at_event_bus_listen_full (bus, "tick", "two", AT_LISTEN_FLAGS_NONE, hear, &two, NULL);
  at_event_bus_listen (bus, "tick", hear, &none, NULL);
  at_event_bus_publish_to (bus, "one", "tick", g_variant_new_int32 (1));
  at_event_bus_publish_filtered (bus, "tick", g_variant_new_int32 (2), is_second, (gpointer) "two");
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (3));
  settle ();
  g_assert_cmpstr (one.log->str, ==, "tick=1 tick=3 ");
  g_assert_cmpstr (two.log->str, ==, "tick=2 tick=3 ");
  g_assert_cmpstr (none.log->str, ==, "tick=3 ");
  g_assert_finalize_object (bus);
  ear_clear (&one);
  ear_clear (&two);
  ear_clear (&none);
}

static void
test_last_value_is_replayed_where_asked (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear early, late;

  ear_init (&early, bus);
  ear_init (&late, bus);
  at_event_bus_keep_last (bus, "level");
  at_event_bus_publish (bus, "level", g_variant_new_int32 (1));
  at_event_bus_publish (bus, "level", g_variant_new_int32 (2));
  at_event_bus_publish (bus, "other", g_variant_new_int32 (9));
  at_event_bus_listen (bus, "level", hear, &early, NULL);
  at_event_bus_listen_full (bus, "level", NULL, AT_LISTEN_FLAGS_REPLAY, hear, &late, NULL);
  at_event_bus_publish (bus, "level", g_variant_new_int32 (3));
  settle ();
  g_assert_cmpstr (early.log->str, ==, "level=3 ");
  g_assert_cmpstr (late.log->str, ==, "level=2 level=3 ");
  g_assert_finalize_object (bus);
  ear_clear (&early);
  ear_clear (&late);
}

static void
test_backlog_can_be_bounded (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear old, new, all;

  ear_init (&old, bus);
  ear_init (&new, bus);
  ear_init (&all, bus);
  at_event_bus_set_limit (bus, at_event_bus_listen (bus, "tick", hear, &new, NULL), 2,
                          AT_OVERFLOW_DROP_OLDEST);
  at_event_bus_set_limit (bus, at_event_bus_listen (bus, "tick", hear, &old, NULL), 2,
                          AT_OVERFLOW_DROP_NEWEST);
  at_event_bus_listen (bus, "tick", hear, &all, NULL);
  for (int i = 0; i < 4; i++)
    at_event_bus_publish (bus, "tick", g_variant_new_int32 (i));
  settle ();
  g_assert_cmpstr (new.log->str, ==, "tick=2 tick=3 ");
  g_assert_cmpstr (old.log->str, ==, "tick=0 tick=1 ");
  g_assert_cmpstr (all.log->str, ==, "tick=0 tick=1 tick=2 tick=3 ");
  g_assert_finalize_object (bus);
  ear_clear (&old);
  ear_clear (&new);
  ear_clear (&all);
}

static void
closure_hear (AtEventBus *bus,
              const char *name,
              GVariant *payload,
              Ear *ear)
{
  hear (bus, name, payload, ear);
}

static void
test_listener_can_be_a_closure (void)
{
  AtEventBus *bus = at_event_bus_new ();
  Ear ear;

  ear_init (&ear, bus);
  at_event_bus_listen_closure (bus, "tick", NULL, AT_LISTEN_FLAGS_NONE,
                               g_cclosure_new (G_CALLBACK (closure_hear), &ear, NULL));
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (4));
  at_event_bus_publish (bus, "tick", NULL);
  settle ();
  g_assert_cmpstr (ear.log->str, ==, "tick=4 tick ");
  g_assert_finalize_object (bus);
  ear_clear (&ear);
}

/* Other threads. */

static void
listen_there (gpointer user_data)
{
  Ear *ear = user_data;

  ear->id = at_event_bus_listen (ear->bus, "tick", hear, ear, ear_destroyed);
}

static gpointer
publish_tick (gpointer bus)
{
  at_event_bus_publish (bus, "tick", g_variant_new_int32 (1));
  return NULL;
}

static void
test_listener_hears_on_its_own_context (void)
{
  AtPortal *portal = test_portal_new ("ears");
  AtEventBus *bus = at_event_bus_new ();
  g_autoptr (GError) error = NULL;
  Ear here, there;

  ear_init (&here, bus);
  ear_init (&there, bus);
  at_event_bus_listen (bus, "tick", hear, &here, NULL);
  at_portal_invoke (portal, listen_there, &there, &error);
  g_assert_no_error (error);

  test_on_thread (publish_tick, bus);
  test_latch_wait (&there.heard);
  g_assert_true (there.thread != g_thread_self ());
  g_assert_cmpuint (here.n_heard, ==, 0);
  settle ();
  g_assert_true (here.thread == g_thread_self ());

  g_assert_true (at_event_bus_unlisten (bus, there.id));
  test_latch_wait (&there.destroyed);
  g_assert_true (there.destroy_thread == there.thread);
  test_portal_finish (portal);
  g_object_unref (bus);
  settle ();
  ear_clear (&here);
  ear_clear (&there);
}

typedef struct
{
  Ear      *ear;
  GTask    *task;
  guint     n_running;
  TestLatch entered;
} Slow;

static void
slow_body (GTask *task,
           AtEventBus *bus,
           const char *name,
           GVariant *payload,
           gpointer user_data)
{
  Slow *slow = user_data;

  g_assert_cmpuint (slow->n_running, ==, 0);
  slow->n_running++;
  slow->task = g_object_ref (task);
  hear (bus, name, payload, slow->ear);
  test_latch_open (&slow->entered);
}

static void
slow_end (gpointer user_data)
{
  Slow *slow = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&slow->task);

  slow->n_running--;
  if (slow->ear->n_heard == 1)
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_BUSY, "busy");
  else
    g_task_return_value (task, NULL);
}

static void
slow_destroyed (gpointer user_data)
{
  ear_destroyed (((Slow *) user_data)->ear);
}

static void
test_listener_on_a_portal_ends_before_the_next (void)
{
  AtPortal *portal = test_portal_new ("ears");
  AtEventBus *bus = at_event_bus_new ();
  Slow slow = { 0 };
  Ear ear;
  guint id;

  ear_init (&ear, bus);
  slow.ear = &ear;
  id = at_event_bus_listen_on_portal (bus, "tick", NULL, AT_LISTEN_FLAGS_NONE, portal, slow_body,
                                      &slow, slow_destroyed);
  for (int i = 0; i < 3; i++)
    at_event_bus_publish (bus, "tick", g_variant_new_int32 (i));
  for (guint i = 1; i <= 3; i++)
    {
      test_latch_wait_for (&slow.entered, i);
      if (i == 3)
        at_event_bus_unlisten (bus, id);
      at_portal_post (portal, slow_end, &slow, NULL, NULL);
    }
  /* The first one failed, and disturbed nobody. */
  test_latch_wait (&ear.destroyed);
  g_assert_true (ear.destroy_thread == ear.thread);
  g_assert_cmpstr (ear.log->str, ==, "tick=0 tick=1 tick=2 ");
  g_free (test_take_report ());
  g_object_unref (bus);
  test_portal_finish (portal);
  ear_clear (&ear);
}

static void
test_stopped_portal_ends_its_listener (void)
{
  AtPortal *portal = test_portal_new ("ears");
  AtEventBus *bus = at_event_bus_new ();
  Slow slow = { 0 };
  Ear ear;

  ear_init (&ear, bus);
  slow.ear = &ear;
  at_event_bus_listen_on_portal (bus, "tick", NULL, AT_LISTEN_FLAGS_NONE, portal, slow_body, &slow,
                                 slow_destroyed);
  at_portal_stop (portal, FALSE);
  g_assert_true (at_portal_wait_stopped (portal, NULL, NULL));
  at_event_bus_publish (bus, "tick", NULL);
  test_latch_wait (&ear.destroyed);
  g_assert_cmpuint (ear.n_heard, ==, 0);
  g_object_unref (bus);
  g_object_unref (portal);
  ear_clear (&ear);
}

#define N_RACED 20000

static void
hear_number (AtEventBus *bus,
             const char *name,
             GVariant *payload,
             gpointer user_data)
{
  Ear *ear = user_data;

  g_assert_cmpint (g_variant_get_int32 (payload), ==, (int) ear->n_heard);
  ear->n_heard++;
  if (ear->n_heard == ear->n_expected)
    {
      ear->is_complete = TRUE;
      test_latch_open (&ear->heard);
    }
}

static gpointer
publish_numbers (gpointer bus)
{
  for (int i = 0; i < N_RACED; i++)
    at_event_bus_publish (bus, "number", g_variant_new_int32 (i));
  return NULL;
}

static void
listen_numbers (gpointer user_data)
{
  Ear *ear = user_data;

  at_event_bus_listen (ear->bus, "number", hear_number, ear, ear_destroyed);
}

static void
test_no_event_is_lost_between_threads (void)
{
  AtPortal *portals[2] = { test_portal_new ("ears-1"), test_portal_new ("ears-2") };
  AtEventBus *bus = at_event_bus_new ();
  Ear ears[6];
  GThread *thread;

  for (int i = 0; i < 6; i++)
    {
      ear_init (&ears[i], bus);
      ears[i].n_expected = N_RACED;
      if (i < 2)
        listen_numbers (&ears[i]);
      else
        at_portal_invoke (portals[i % 2], listen_numbers, &ears[i], NULL);
    }
  thread = g_thread_new ("publisher", publish_numbers, bus);
  test_iterate_until (NULL, &ears[0].is_complete);
  test_iterate_until (NULL, &ears[1].is_complete);
  for (int i = 2; i < 6; i++)
    test_latch_wait (&ears[i].heard);
  g_thread_join (thread);
  /* Any thread may drop the last event, and with it the bus. */
  g_object_unref (bus);
  for (int i = 0; i < 6; i++)
    {
      while (i < 2 && test_latch_count (&ears[i].destroyed) == 0)
        g_main_context_iteration (NULL, TRUE);
      test_latch_wait (&ears[i].destroyed);
      ear_clear (&ears[i]);
    }
  test_portal_finish (portals[0]);
  test_portal_finish (portals[1]);
}

typedef struct
{
  AtEventBus *bus;
  gboolean    is_listening;
  gboolean    stop;
} Racer;

static void
hear_if_listening (AtEventBus *bus,
                   const char *name,
                   GVariant *payload,
                   gpointer user_data)
{
  g_assert_true (((Racer *) user_data)->is_listening);
}

static gpointer
publish_until_stopped (gpointer user_data)
{
  Racer *racer = user_data;

  while (!g_atomic_int_get (&racer->stop))
    at_event_bus_publish (racer->bus, "tick", NULL);
  return NULL;
}

/* On the listener's own context no call follows unlisten. */
static void
test_unlisten_races_with_publish (void)
{
  Racer racer = { .bus = at_event_bus_new () };
  GThread *thread = g_thread_new ("publisher", publish_until_stopped, &racer);

  for (int i = 0; i < 2000; i++)
    {
      guint id;

      racer.is_listening = TRUE;
      id = at_event_bus_listen (racer.bus, "tick", hear_if_listening, &racer, NULL);
      g_main_context_iteration (NULL, FALSE);
      g_assert_true (at_event_bus_unlisten (racer.bus, id));
      racer.is_listening = FALSE;
      g_main_context_iteration (NULL, FALSE);
    }
  g_atomic_int_set (&racer.stop, TRUE);
  g_thread_join (thread);
  g_assert_finalize_object (racer.bus);
}

int
main (int argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/event-bus/listen/hears-in-order-and-never-inside",
            test_listener_hears_in_order_and_never_inside);
  test_add ("/event-bus/listen/once-hears-one", test_once_hears_one);
  test_add ("/event-bus/listen/prefix-hears-all-that-begin-so",
            test_prefix_hears_all_that_begin_so);
  test_add ("/event-bus/listen/last-value-is-replayed-where-asked",
            test_last_value_is_replayed_where_asked);
  test_add ("/event-bus/listen/backlog-can-be-bounded", test_backlog_can_be_bounded);
  test_add ("/event-bus/listen/can-be-a-closure", test_listener_can_be_a_closure);
  test_add ("/event-bus/listen/on-its-own-context", test_listener_hears_on_its_own_context);
  test_add ("/event-bus/unlisten/drops-what-waits", test_unlisten_drops_what_waits);
  test_add ("/event-bus/unlisten/inside-the-listener", test_unlisten_inside_the_listener);
  test_add ("/event-bus/unlisten/races-with-publish", test_unlisten_races_with_publish);
  test_add ("/event-bus/publish/inside-a-listener", test_publish_inside_a_listener);
  test_add ("/event-bus/publish/nested-loop-goes-on-hearing", test_nested_loop_goes_on_hearing);
  test_add ("/event-bus/publish/targets-are-strict", test_targets_are_strict);
  test_add ("/event-bus/publish/no-event-is-lost-between-threads",
            test_no_event_is_lost_between_threads);
  test_add ("/event-bus/portal/listener-ends-before-the-next",
            test_listener_on_a_portal_ends_before_the_next);
  test_add ("/event-bus/portal/stopped-one-ends-its-listener",
            test_stopped_portal_ends_its_listener);

  return g_test_run ();
}
