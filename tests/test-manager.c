/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state of an application. */

#include "test-common.h"

/* A state that notes its end. */
#define TEST_TYPE_STATE (test_state_get_type ())
G_DECLARE_DERIVABLE_TYPE (TestState, test_state, TEST, STATE, GObject)

struct _TestStateClass
{
  GObjectClass parent_class;
};

typedef struct
{
  GString *log; /* not owned */
} TestStatePrivate;

static void test_state_managed_init (AtManagedInterface *iface);

G_DEFINE_TYPE_WITH_CODE (TestState, test_state, G_TYPE_OBJECT, G_ADD_PRIVATE (TestState)
                         G_IMPLEMENT_INTERFACE (AT_TYPE_MANAGED, test_state_managed_init))

static void
note (TestState *self,
      const char *what)
{
  TestStatePrivate *priv = test_state_get_instance_private (self);

  if (priv->log != NULL)
    g_string_append_printf (priv->log, "%s %s, ", G_OBJECT_TYPE_NAME (self), what);
}

static void
test_state_finalize (GObject *object)
{
  note (TEST_STATE (object), "gone");
  G_OBJECT_CLASS (test_state_parent_class)->finalize (object);
}

static void
test_state_class_init (TestStateClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = test_state_finalize;
}

static void
test_state_init (TestState *self)
{
}

static gboolean
end_later (gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  TestState *self = g_task_get_source_object (task);

  note (self, "ended");
  if (g_str_equal (G_OBJECT_TYPE_NAME (self), "TestSecond"))
    g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_BUSY, "busy");
  else
    g_task_return_boolean (task, TRUE);
  return G_SOURCE_REMOVE;
}

static void
test_state_shut_down_async (AtManaged *managed,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  note (TEST_STATE (managed), "ending");
  g_idle_add (end_later, g_task_new (managed, cancellable, callback, user_data));
}

static gboolean
test_state_shut_down_finish (AtManaged *managed,
                             GAsyncResult *result,
                             GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
test_state_managed_init (AtManagedInterface *iface)
{
  iface->shut_down_async = test_state_shut_down_async;
  iface->shut_down_finish = test_state_shut_down_finish;
}

typedef TestState TestFirst;
typedef TestStateClass TestFirstClass;
typedef TestState TestSecond;
typedef TestStateClass TestSecondClass;

GType test_first_get_type (void);
GType test_second_get_type (void);

G_DEFINE_TYPE (TestFirst, test_first, TEST_TYPE_STATE)
G_DEFINE_TYPE (TestSecond, test_second, TEST_TYPE_STATE)

static void
test_first_class_init (TestFirstClass *klass)
{
}

static void
test_first_init (TestFirst *self)
{
}

static void
test_second_class_init (TestSecondClass *klass)
{
}

static void
test_second_init (TestSecond *self)
{
}

static GObject *
state_new (GType type,
           GString *log)
{
  GObject *state = g_object_new (type, NULL);
  TestStatePrivate *priv = test_state_get_instance_private (TEST_STATE (state));

  priv->log = log;
  return state;
}

static void
test_state_is_found_by_its_type (void)
{
  g_autoptr (AtManager) manager = at_manager_new ();
  g_autoptr (GObject) first = state_new (test_first_get_type (), NULL);
  g_autoptr (GObject) second = state_new (test_second_get_type (), NULL);
  g_autoptr (GObject) found = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (at_manager_manage (manager, test_first_get_type (), first));
  g_assert_true (at_manager_manage (manager, test_second_get_type (), second));
  found = at_manager_get_state (manager, test_second_get_type (), &error);
  g_assert_no_error (error);
  g_assert_true (found == second);
  g_set_object (&found, NULL);

  /* Not by a type that it is derived from. */
  g_assert_null (at_manager_try_state (manager, TEST_TYPE_STATE));
  g_assert_true (at_manager_manage (manager, AT_TYPE_MANAGED, first));
  found = at_manager_try_state (manager, AT_TYPE_MANAGED);
  g_assert_true (found == first);
}

static void
test_second_of_a_type_is_refused (void)
{
  g_autoptr (AtManager) manager = g_object_new (AT_TYPE_MANAGER, NULL);
  GObject *first = state_new (TEST_TYPE_STATE, NULL);
  GObject *second = state_new (TEST_TYPE_STATE, NULL);
  g_autoptr (GObject) found = NULL;

  g_assert_true (at_manager_manage (manager, TEST_TYPE_STATE, first));
  g_object_unref (first);
  g_assert_false (at_manager_manage (manager, TEST_TYPE_STATE, second));
  g_assert_finalize_object (second);
  found = at_manager_try_state (manager, TEST_TYPE_STATE);
  g_assert_true (found == first);
}

static void
test_missing_state_is_an_error (void)
{
  g_autoptr (AtManager) manager = at_manager_new ();
  g_autoptr (GError) error = NULL;
  TestAnswer answer = { 0 };

  g_assert_null (at_manager_get_state (manager, TEST_TYPE_STATE, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_MISSING_STATE);
  g_assert_nonnull (strstr (error->message, "TestState"));
  g_clear_error (&error);
  g_assert_null (at_manager_try_state (manager, TEST_TYPE_STATE));
  g_assert_null (at_manager_unmanage (manager, TEST_TYPE_STATE));

  at_manager_get_state_async (manager, TEST_TYPE_STATE, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_null (at_manager_get_state_finish (manager, answer.result, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_MISSING_STATE);
  test_answer_clear (&answer);
}

static void
test_unmanaged_while_held_stays_with_its_holder (void)
{
  g_autoptr (AtManager) manager = at_manager_new ();
  GObject *state = state_new (TEST_TYPE_STATE, NULL);
  GObject *held;
  GObject *returned;

  at_manager_manage (manager, TEST_TYPE_STATE, state);
  g_object_unref (state);
  held = at_manager_get_state (manager, TEST_TYPE_STATE, NULL);
  returned = at_manager_unmanage (manager, TEST_TYPE_STATE);
  g_assert_true (returned == held);
  g_assert_null (at_manager_try_state (manager, TEST_TYPE_STATE));
  g_object_unref (returned);
  g_assert_finalize_object (held);

  /* There is room for another. */
  state = state_new (TEST_TYPE_STATE, NULL);
  g_assert_true (at_manager_manage (manager, TEST_TYPE_STATE, state));
  g_object_unref (state);
}

/* Construction. */

typedef struct
{
  int       n_made;
  int       n_failures; /* to come */
  gboolean  wrong;
  GTask    *task; /* kept */
  TestLatch entered;
  TestLatch destroyed;
  TestLatch asked;
  GObject  *found[2];
  AtManager *manager;
} Maker;

static void
return_state (GTask *task,
              GType type)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, type);
  g_value_take_object (&value, g_object_new (type, NULL));
  g_task_return_value (task, &value);
}

static void
make_later (GTask *task,
            gpointer user_data)
{
  Maker *maker = user_data;

  maker->n_made++;
  maker->task = g_object_ref (task);
  test_latch_open (&maker->entered);
}

static void
finish_making (gpointer user_data)
{
  Maker *maker = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&maker->task);

  if (maker->n_failures > 0)
    {
      maker->n_failures--;
      g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no such thing");
    }
  else
    {
      return_state (task, TEST_TYPE_STATE);
    }
}

static void
maker_destroyed (gpointer user_data)
{
  test_latch_open (&((Maker *) user_data)->destroyed);
}

static gpointer
ask (gpointer user_data)
{
  Maker *maker = user_data;

  return at_manager_get_state (maker->manager, TEST_TYPE_STATE, NULL);
}

static void
test_two_askers_share_one_construction (void)
{
  AtPortal *portal = test_portal_new ("make");
  Maker maker = { .manager = at_manager_new () };
  TestAnswer answer = { 0 };
  GThread *thread;
  g_autoptr (GObject) one = NULL;
  g_autoptr (GObject) two = NULL;
  g_autoptr (GObject) three = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (at_manager_provide (maker.manager, TEST_TYPE_STATE, portal, make_later, &maker,
                                     maker_destroyed));
  g_assert_null (at_manager_try_state (maker.manager, TEST_TYPE_STATE));
  g_assert_cmpint (maker.n_made, ==, 0);

  thread = g_thread_new ("asker", ask, &maker);
  at_manager_get_state_async (maker.manager, TEST_TYPE_STATE, NULL, test_answer_ready, &answer);
  test_latch_wait (&maker.entered);
  g_assert_null (at_manager_try_state (maker.manager, TEST_TYPE_STATE));
  at_portal_post (portal, finish_making, &maker, NULL, NULL);

  one = g_thread_join (thread);
  test_iterate_until (NULL, &answer.called);
  two = at_manager_get_state_finish (maker.manager, answer.result, &error);
  g_assert_no_error (error);
  three = at_manager_try_state (maker.manager, TEST_TYPE_STATE);
  g_assert_nonnull (one);
  g_assert_true (one == two);
  g_assert_true (two == three);
  g_assert_cmpint (maker.n_made, ==, 1);

  test_answer_clear (&answer);
  g_object_unref (maker.manager);
  test_latch_wait (&maker.destroyed);
  test_portal_finish (portal);
}

static void
test_failure_reaches_both_askers_and_the_next_tries_again (void)
{
  AtPortal *portal = test_portal_new ("make");
  Maker maker = { .manager = at_manager_new (), .n_failures = 1 };
  TestAnswer answers[3] = { 0 };
  g_autoptr (GObject) state = NULL;
  g_autoptr (GError) error = NULL;

  at_manager_provide (maker.manager, TEST_TYPE_STATE, portal, make_later, &maker, NULL);
  for (int i = 0; i < 2; i++)
    at_manager_get_state_async (maker.manager, TEST_TYPE_STATE, NULL, test_answer_ready,
                                &answers[i]);
  test_latch_wait (&maker.entered);
  at_portal_post (portal, finish_making, &maker, NULL, NULL);
  for (int i = 0; i < 2; i++)
    {
      test_iterate_until (NULL, &answers[i].called);
      g_assert_null (at_manager_get_state_finish (maker.manager, answers[i].result, &error));
      test_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
    }
  g_assert_cmpint (maker.n_made, ==, 1);

  at_manager_get_state_async (maker.manager, TEST_TYPE_STATE, NULL, test_answer_ready, &answers[2]);
  test_latch_wait_for (&maker.entered, 2);
  at_portal_post (portal, finish_making, &maker, NULL, NULL);
  test_iterate_until (NULL, &answers[2].called);
  state = at_manager_get_state_finish (maker.manager, answers[2].result, &error);
  g_assert_no_error (error);
  g_assert_nonnull (state);

  for (int i = 0; i < 3; i++)
    test_answer_clear (&answers[i]);
  g_object_unref (maker.manager);
  test_portal_finish (portal);
}

static void
test_cancelled_asker_leaves_the_construction (void)
{
  AtPortal *portal = test_portal_new ("make");
  Maker maker = { .manager = at_manager_new () };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  TestAnswer answer = { 0 };
  g_autoptr (GObject) state = NULL;
  g_autoptr (GError) error = NULL;

  at_manager_provide (maker.manager, TEST_TYPE_STATE, portal, make_later, &maker, NULL);
  at_manager_get_state_async (maker.manager, TEST_TYPE_STATE, cancellable, test_answer_ready,
                              &answer);
  test_latch_wait (&maker.entered);
  g_cancellable_cancel (cancellable);
  test_iterate_until (NULL, &answer.called);
  g_assert_null (at_manager_get_state_finish (maker.manager, answer.result, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  at_portal_post (portal, finish_making, &maker, NULL, NULL);
  state = at_manager_get_state (maker.manager, TEST_TYPE_STATE, &error);
  g_assert_no_error (error);
  g_assert_nonnull (state);
  g_assert_cmpint (maker.n_made, ==, 1);

  test_answer_clear (&answer);
  g_object_unref (maker.manager);
  test_portal_finish (portal);
}

static void
make_wrong (GTask *task,
            gpointer user_data)
{
  return_state (task, AT_TYPE_MANAGER);
}

static void
test_construction_of_something_else_is_an_error (void)
{
  AtPortal *portal = test_portal_new ("make");
  g_autoptr (AtManager) manager = at_manager_new ();
  g_autoptr (GError) error = NULL;

  at_manager_provide (manager, TEST_TYPE_STATE, portal, make_wrong, NULL, NULL);
  g_assert_null (at_manager_get_state (manager, TEST_TYPE_STATE, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);
  g_clear_object (&manager);
  test_portal_finish (portal);
}

static void
test_unmanaged_while_it_is_made_is_not_kept (void)
{
  AtPortal *portal = test_portal_new ("make");
  Maker maker = { .manager = at_manager_new () };
  TestAnswer answer = { 0 };
  g_autoptr (GObject) state = NULL;

  at_manager_provide (maker.manager, TEST_TYPE_STATE, portal, make_later, &maker, NULL);
  at_manager_get_state_async (maker.manager, TEST_TYPE_STATE, NULL, test_answer_ready, &answer);
  test_latch_wait (&maker.entered);
  g_assert_null (at_manager_unmanage (maker.manager, TEST_TYPE_STATE));
  at_portal_post (portal, finish_making, &maker, NULL, NULL);
  test_iterate_until (NULL, &answer.called);
  state = at_manager_get_state_finish (maker.manager, answer.result, NULL);
  g_assert_nonnull (state);
  g_assert_null (at_manager_try_state (maker.manager, TEST_TYPE_STATE));

  test_answer_clear (&answer);
  g_object_unref (maker.manager);
  test_portal_finish (portal);
}

/* The end. */

static void
test_shutdown_goes_backwards_and_awaits_each (void)
{
  g_autoptr (AtManager) manager = at_manager_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  const GType types[] = { TEST_TYPE_STATE, test_first_get_type () };
  TestAnswer answer = { 0 };
  g_autoptr (GObject) late = state_new (TEST_TYPE_STATE, NULL);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autoptr (GObject) state = state_new (types[i], log);

      at_manager_manage (manager, types[i], state);
    }
  at_manager_shut_down_async (manager, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_true (at_manager_shut_down_finish (manager, answer.result, &error));
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (log->str,
                                   "TestFirst ending, TestFirst ended, TestState ending, "));
  g_assert_nonnull (strstr (log->str, "TestFirst gone"));
  g_assert_nonnull (strstr (log->str, "TestState gone"));
  g_assert_false (at_manager_manage (manager, TEST_TYPE_STATE, late));
  test_answer_clear (&answer);
}

static void
test_failure_does_not_stop_the_shutdown (void)
{
  g_autoptr (AtManager) manager = at_manager_new ();
  g_autoptr (GString) log = g_string_new (NULL);
  const GType types[] = { TEST_TYPE_STATE, test_second_get_type () };
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      g_autoptr (GObject) state = state_new (types[i], log);

      at_manager_manage (manager, types[i], state);
    }
  at_manager_shut_down_async (manager, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_false (at_manager_shut_down_finish (manager, answer.result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_BUSY);
  g_assert_nonnull (strstr (log->str, "TestState gone"));
  test_answer_clear (&answer);
}

static void
make_until_cancelled_ended (GObject *source,
                            GAsyncResult *result,
                            gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  at_cancel_scope_wait_finish (AT_CANCEL_SCOPE (source), result, NULL);
  g_task_return_error_if_cancelled (task);
}

static void
make_until_cancelled (GTask *task,
                      gpointer user_data)
{
  at_cancel_scope_wait_async (AT_CANCEL_SCOPE (g_task_get_cancellable (task)), NULL,
                              make_until_cancelled_ended, g_object_ref (task));
}

static void
test_shutdown_cancels_a_construction (void)
{
  AtPortal *portal = test_portal_new ("make");
  g_autoptr (AtManager) manager = at_manager_new ();
  TestAnswer asked = { 0 };
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;

  at_manager_provide (manager, TEST_TYPE_STATE, portal, make_until_cancelled, NULL, NULL);
  at_manager_get_state_async (manager, TEST_TYPE_STATE, NULL, test_answer_ready, &asked);
  at_manager_shut_down_async (manager, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_true (at_manager_shut_down_finish (manager, answer.result, &error));
  g_assert_no_error (error);
  test_iterate_until (NULL, &asked.called);
  g_assert_null (at_manager_get_state_finish (manager, asked.result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_answer_clear (&asked);
  test_answer_clear (&answer);
  g_clear_object (&manager);
  test_portal_finish (portal);
}

int
main (int argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/manager/state/is-found-by-its-type", test_state_is_found_by_its_type);
  test_add ("/manager/state/second-of-a-type-is-refused", test_second_of_a_type_is_refused);
  test_add ("/manager/state/missing-is-an-error", test_missing_state_is_an_error);
  test_add ("/manager/state/unmanaged-while-held-stays-with-its-holder",
            test_unmanaged_while_held_stays_with_its_holder);
  test_add ("/manager/provide/two-askers-share-one-construction",
            test_two_askers_share_one_construction);
  test_add ("/manager/provide/failure-reaches-both-askers-and-the-next-tries-again",
            test_failure_reaches_both_askers_and_the_next_tries_again);
  test_add ("/manager/provide/cancelled-asker-leaves-the-construction",
            test_cancelled_asker_leaves_the_construction);
  test_add ("/manager/provide/something-else-is-an-error",
            test_construction_of_something_else_is_an_error);
  test_add ("/manager/provide/unmanaged-while-it-is-made-is-not-kept",
            test_unmanaged_while_it_is_made_is_not_kept);
  test_add ("/manager/shut-down/goes-backwards-and-awaits-each",
            test_shutdown_goes_backwards_and_awaits_each);
  test_add ("/manager/shut-down/failure-does-not-stop-it", test_failure_does_not_stop_the_shutdown);
  test_add ("/manager/shut-down/cancels-a-construction", test_shutdown_cancels_a_construction);

  return g_test_run ();
}
