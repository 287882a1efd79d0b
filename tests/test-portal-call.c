/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* call, its asynchronous pair, and the kinds of result. */

#include "test-common.h"

static AtPortal *io;

static void
test_returns_the_value (void)
{
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 1000; i++)
    {
      Probe probe = { .number = i };
      GValue *value = at_portal_call (io, NULL, probe_body, &probe, &error);

      g_assert_no_error (error);
      test_assert_int_taken (value, i);
      g_assert_cmpint (probe.n_bodies, ==, 1);
    }
}

static void
keep_going (gpointer probe)
{
  test_latch_wait (&((Probe *) probe)->entered);
  probe_return (probe);
}

/* A task that returns later: the portal's thread ends it after the body has left. */
static gpointer
return_later (gpointer probe)
{
  test_latch_wait (&((Probe *) probe)->entered);
  at_portal_post (io, keep_going, probe, NULL, NULL);
  return NULL;
}

static void
test_returns_a_later_value (void)
{
  Probe probe = { .when = PROBE_KEEP, .number = 8 };
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("later", return_later, &probe);
  GValue *value = at_portal_call (io, NULL, probe_body, &probe, &error);

  g_assert_no_error (error);
  test_assert_int_taken (value, 8);
  g_thread_join (thread);
}

static void
test_error_keeps_its_domain_code_and_message (void)
{
  Probe probe = { .result = PROBE_ERROR };
  g_autoptr (GError) error = NULL;

  g_assert_null (at_portal_call (io, NULL, probe_body, &probe, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpstr (error->message, ==, "no such thing");

  /* Nobody needs to want the error. */
  g_assert_null (at_portal_call (io, NULL, probe_body, &probe, NULL));
}

static void
test_no_value_is_a_success (void)
{
  Probe probe = { .result = PROBE_NO_VALUE };
  g_autoptr (GError) error = NULL;
  GValue *value = at_portal_call (io, NULL, probe_body, &probe, &error);

  g_assert_no_error (error);
  g_assert_nonnull (value);
  g_boxed_free (G_TYPE_VALUE, value);
}

static void
string_body (GTask   *task,
             gpointer user_data)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_string (&value, user_data);
  g_task_return_value (task, &value);
}

static void
object_body (GTask   *task,
             gpointer user_data)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_OBJECT);
  g_value_take_object (&value, g_object_new (G_TYPE_OBJECT, NULL));
  g_task_return_value (task, &value);
}

static void
test_values_of_any_type (void)
{
  g_autoptr (GError) error = NULL;
  GValue *value;
  GObject *object;

  value = at_portal_call (io, NULL, string_body, (gpointer) "hello", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (g_value_get_string (value), ==, "hello");
  g_boxed_free (G_TYPE_VALUE, value);

  value = at_portal_call (io, NULL, object_body, NULL, &error);
  g_assert_no_error (error);
  object = g_value_get_object (value);
  g_assert_cmpuint (object->ref_count, ==, 1);
  g_object_add_weak_pointer (object, (gpointer *) &object);
  g_boxed_free (G_TYPE_VALUE, value);
  g_assert_null (object);
}

static void
test_borrowed_lives_until_the_next_one (void)
{
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 100; i++)
    {
      const GValue *value = at_portal_call_borrowed (io, NULL, test_body_int, GINT_TO_POINTER (i),
                                                     &error);

      g_assert_no_error (error);
      test_portal_flush (io);
      test_assert_int (value, i);
      test_assert_int_taken (at_portal_call (io, NULL, test_body_int, GINT_TO_POINTER (-1), &error),
                             -1);
      test_assert_int (value, i);
    }
}

/* What a thread has borrowed last goes with the thread. The leak check looks. */
static gpointer
borrow_on_thread (gpointer data)
{
  const GValue *value = at_portal_call_borrowed (io, NULL, string_body, (gpointer) "borrowed",
                                                 NULL);

  g_assert_cmpstr (g_value_get_string (value), ==, "borrowed");
  return NULL;
}

static void
test_borrowed_goes_with_the_thread (void)
{
  test_on_thread (borrow_on_thread, NULL);
}

static void
test_borrowed_error (void)
{
  Probe probe = { .result = PROBE_ERROR };
  g_autoptr (GError) error = NULL;

  g_assert_null (at_portal_call_borrowed (io, NULL, probe_body, &probe, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

static void
test_pointer_int_and_boolean (void)
{
  Probe probe = { .number = 42 };
  g_autoptr (GError) error = NULL;
  g_autofree char *pointer = NULL;

  probe.result = PROBE_POINTER;
  pointer = at_portal_call_pointer (io, NULL, probe_body, &probe, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (pointer, ==, "42");

  probe.result = PROBE_INT;
  g_assert_cmpint (at_portal_call_int (io, NULL, probe_body, &probe, &error), ==, 42);
  g_assert_no_error (error);

  probe.result = PROBE_BOOLEAN;
  g_assert_true (at_portal_call_boolean (io, NULL, probe_body, &probe, &error));
  g_assert_no_error (error);
  probe.number = 0;
  g_assert_false (at_portal_call_boolean (io, NULL, probe_body, &probe, &error));
  g_assert_no_error (error);
}

static void
test_pointer_int_and_boolean_errors (void)
{
  Probe probe = { .result = PROBE_ERROR };
  g_autoptr (GError) error = NULL;

  g_assert_null (at_portal_call_pointer (io, NULL, probe_body, &probe, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpint (at_portal_call_int (io, NULL, probe_body, &probe, &error), ==, -1);
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_false (at_portal_call_boolean (io, NULL, probe_body, &probe, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
}

/* A pointer is no value: a mistake in the program, as with GTask. It is freed all the same. */
static void
test_kinds_must_match (void)
{
  if (g_test_subprocess ())
    {
      Probe probe = { .result = PROBE_POINTER };
      g_autoptr (GError) error = NULL;

      test_survive_criticals ();
      g_assert_null (at_portal_call (io, NULL, probe_body, &probe, &error));
      test_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);
      return;
    }

  test_assert_subprocess ("*CRITICAL*");
}

static void
test_cancelled_before_never_runs (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Probe probe = { .number = 1 };
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (at_portal_call (io, cancellable, probe_body, &probe, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (probe.n_bodies, ==, 0);
  g_assert_cmpint (at_portal_call_int (io, cancellable, probe_body, &probe, &error), ==, -1);
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (probe.n_bodies, ==, 0);
}

typedef struct
{
  Probe         probe;
  GCancellable *cancellable;
  int           returned;
} Cancelled;

static gpointer
cancel_when_entered (gpointer user_data)
{
  Cancelled *data = user_data;

  test_latch_wait (&data->probe.entered);
  g_cancellable_cancel (data->cancellable);
  return NULL;
}

static void
test_cancellable_cancels_the_task (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Cancelled data = { .probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED },
                     .cancellable = cancellable };
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_when_entered, &data);

  g_assert_null (at_portal_call (io, cancellable, probe_body, &data.probe, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_thread_join (thread);
}

static void
test_scope_cancels_with_its_reason (void)
{
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  Probe probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
  g_autoptr (GError) error = NULL;

  at_cancel_scope_set_timeout (scope, 1000);
  g_assert_null (at_portal_call (io, G_CANCELLABLE (scope), probe_body, &probe, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
}

/* The caller asked to stop; the body goes on for a while, and may touch the caller's stack. */
static gpointer
cancel_and_end_later (gpointer user_data)
{
  Cancelled *data = user_data;

  test_latch_wait (&data->probe.entered);
  g_cancellable_cancel (data->cancellable);
  test_portal_flush (io);
  g_assert_false (g_atomic_int_get (&data->returned));
  g_assert_true (g_cancellable_is_cancelled (g_task_get_cancellable (data->probe.task)));
  probe_return (&data->probe);
  return NULL;
}

static void
test_returns_only_when_the_body_has_ended (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Cancelled data = { .probe = { .when = PROBE_KEEP, .number = 5 }, .cancellable = cancellable };
  g_autoptr (GError) error = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_and_end_later, &data);
  GValue *value = at_portal_call (io, cancellable, probe_body, &data.probe, &error);

  g_atomic_int_set (&data.returned, TRUE);
  g_assert_no_error (error);
  test_assert_int_taken (value, 5);
  g_thread_join (thread);
}

static void
check_value_in_spite_of_cancellation (ProbeResult result)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Cancelled data = { .probe = { .when = PROBE_WHEN_CANCELLED, .result = result, .number = 6 },
                     .cancellable = cancellable };
  g_autoptr (GError) error = NULL;
  g_autofree char *pointer = NULL;
  GThread *thread = g_thread_new ("cancel", cancel_when_entered, &data);

  switch (result)
    {
    case PROBE_VALUE:
      test_assert_int_taken (at_portal_call (io, cancellable, probe_body, &data.probe, &error), 6);
      break;
    case PROBE_POINTER:
      pointer = at_portal_call_pointer (io, cancellable, probe_body, &data.probe, &error);
      g_assert_cmpstr (pointer, ==, "6");
      break;
    case PROBE_INT:
      g_assert_cmpint (at_portal_call_int (io, cancellable, probe_body, &data.probe, &error), ==,
                       6);
      break;
    default:
      g_assert_true (at_portal_call_boolean (io, cancellable, probe_body, &data.probe, &error));
      break;
    }
  g_assert_no_error (error);
  g_thread_join (thread);
}

static void
test_value_in_spite_of_cancellation (void)
{
  check_value_in_spite_of_cancellation (PROBE_VALUE);
  check_value_in_spite_of_cancellation (PROBE_POINTER);
  check_value_in_spite_of_cancellation (PROBE_INT);
  check_value_in_spite_of_cancellation (PROBE_BOOLEAN);
}

static gpointer
call_many (gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 500; i++)
    {
      int number = GPOINTER_TO_INT (user_data) * 1000 + i;

      test_assert_int_taken (at_portal_call (io, NULL, test_body_int, GINT_TO_POINTER (number),
                                             &error),
                             number);
    }
  return NULL;
}

static void
test_many_threads_at_once (void)
{
  GThread *threads[8];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("caller", call_many, GUINT_TO_POINTER (i));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
}

static void
test_async_answers_on_the_callers_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  TestAnswer answer = { 0 };
  Probe probe = { .number = 21 };
  g_autoptr (GError) error = NULL;

  g_main_context_push_thread_default (context);
  at_portal_call_async (io, NULL, probe_body, &probe, probe_destroy, test_answer_ready, &answer);
  g_assert_false (answer.called);
  test_latch_wait (&probe.destroyed);
  test_portal_flush (io);
  g_assert_false (answer.called);
  test_iterate_until (context, &answer.called);
  g_main_context_pop_thread_default (context);

  g_assert_true (answer.thread == g_thread_self ());
  g_assert_true (answer.source == G_OBJECT (io));
  test_assert_int_taken (at_portal_call_finish (io, answer.result, &error), 21);
  g_assert_no_error (error);
  g_assert_true (probe.destroy_thread == probe.body_thread);
  g_assert_true (probe.body_thread != g_thread_self ());
  test_answer_clear (&answer);
  g_assert_cmpint (probe.n_destroys, ==, 1);
}

static void
test_async_error (void)
{
  TestAnswer answer = { 0 };
  Probe probe = { .result = PROBE_ERROR };
  g_autoptr (GError) error = NULL;

  at_portal_call_async (io, NULL, probe_body, &probe, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  g_assert_null (at_portal_call_finish (io, answer.result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpstr (error->message, ==, "no such thing");
  test_answer_clear (&answer);
}

static void
test_async_borrowed (void)
{
  TestAnswer answer = { 0 };
  Probe probe = { .number = 22 };
  g_autoptr (GError) error = NULL;

  at_portal_call_async (io, NULL, probe_body, &probe, NULL, test_answer_ready, &answer);
  test_iterate_until (NULL, &answer.called);
  test_assert_int (at_portal_call_finish_borrowed (io, answer.result, &error), 22);
  g_assert_no_error (error);
  test_answer_clear (&answer);
}

static void
test_async_cancelled (void)
{
  TestAnswer answer = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Probe probe = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
  g_autoptr (GError) error = NULL;

  at_portal_call_async (io, cancellable, probe_body, &probe, probe_destroy, test_answer_ready,
                        &answer);
  test_latch_wait (&probe.entered);
  g_cancellable_cancel (cancellable);
  test_iterate_until (NULL, &answer.called);
  g_assert_cmpint (probe.n_destroys, ==, 1);
  g_assert_null (at_portal_call_finish (io, answer.result, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_answer_clear (&answer);
}

/* The value beats the cancellation on this way too. */
static void
test_async_value_in_spite_of_cancellation (void)
{
  TestAnswer answer = { 0 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Probe probe = { .when = PROBE_WHEN_CANCELLED, .number = 23 };
  g_autoptr (GError) error = NULL;

  at_portal_call_async (io, cancellable, probe_body, &probe, NULL, test_answer_ready, &answer);
  test_latch_wait (&probe.entered);
  g_cancellable_cancel (cancellable);
  test_iterate_until (NULL, &answer.called);
  test_assert_int_taken (at_portal_call_finish (io, answer.result, &error), 23);
  g_assert_no_error (error);
  test_answer_clear (&answer);
}

static void
test_async_without_a_callback (void)
{
  Probe probe = { .number = 1 };

  at_portal_call_async (io, NULL, probe_body, &probe, probe_destroy, NULL, NULL);
  test_latch_wait (&probe.destroyed);
  g_assert_cmpint (probe.n_bodies, ==, 1);
  test_portal_flush (io);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

typedef struct
{
  GTask *task;
  int    inside;
} Chain;

static void
chain_ready (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Chain *chain = user_data;
  g_autoptr (GTask) task = NULL;
  g_autoptr (GError) error = NULL;
  GValue *value = at_portal_call_finish (AT_PORTAL (source), result, &error);

  g_assert_no_error (error);
  g_assert_false (chain->inside);
  g_assert_true (at_portal_is_owner (AT_PORTAL (source)));
  /* The chain goes with the return. */
  task = g_steal_pointer (&chain->task);
  g_task_return_value (task, value);
  g_boxed_free (G_TYPE_VALUE, value);
}

static void
chain_body (GTask   *task,
            gpointer user_data)
{
  Chain *chain = user_data;

  chain->task = g_object_ref (task);
  chain->inside = TRUE;
  at_portal_call_async (g_task_get_source_object (task), NULL, test_body_int, GINT_TO_POINTER (31),
                        NULL, chain_ready, chain);
  chain->inside = FALSE;
}

static void
test_async_from_the_own_thread (void)
{
  Chain chain = { 0 };
  g_autoptr (GError) error = NULL;

  test_assert_int_taken (at_portal_call (io, NULL, chain_body, &chain, &error), 31);
  g_assert_no_error (error);
}

int
main (int    argc,
      char **argv)
{
  int status;

  test_init (&argc, &argv);
  io = test_portal_new ("io");

  test_add ("/portal/call/returns-the-value", test_returns_the_value);
  test_add ("/portal/call/returns-a-later-value", test_returns_a_later_value);
  test_add ("/portal/call/error-keeps-its-domain-code-and-message",
            test_error_keeps_its_domain_code_and_message);
  test_add ("/portal/call/no-value-is-a-success", test_no_value_is_a_success);
  test_add ("/portal/call/values-of-any-type", test_values_of_any_type);
  test_add ("/portal/call/borrowed-lives-until-the-next-one",
            test_borrowed_lives_until_the_next_one);
  test_add ("/portal/call/borrowed-goes-with-the-thread", test_borrowed_goes_with_the_thread);
  test_add ("/portal/call/borrowed-error", test_borrowed_error);
  test_add ("/portal/call/pointer-int-and-boolean", test_pointer_int_and_boolean);
  test_add ("/portal/call/pointer-int-and-boolean-errors", test_pointer_int_and_boolean_errors);
  test_add ("/portal/call/kinds-must-match", test_kinds_must_match);
  test_add ("/portal/call/cancelled-before-never-runs", test_cancelled_before_never_runs);
  test_add ("/portal/call/cancellable-cancels-the-task", test_cancellable_cancels_the_task);
  test_add ("/portal/call/deadline-of-its-scope-times-out", test_scope_cancels_with_its_reason);
  test_add ("/portal/call/returns-only-when-the-body-has-ended",
            test_returns_only_when_the_body_has_ended);
  test_add ("/portal/call/value-in-spite-of-cancellation", test_value_in_spite_of_cancellation);
  test_add ("/portal/call/many-threads-at-once", test_many_threads_at_once);
  test_add ("/portal/call-async/answers-on-the-callers-context",
            test_async_answers_on_the_callers_context);
  test_add ("/portal/call-async/error", test_async_error);
  test_add ("/portal/call-async/borrowed", test_async_borrowed);
  test_add ("/portal/call-async/cancelled", test_async_cancelled);
  test_add ("/portal/call-async/value-in-spite-of-cancellation",
            test_async_value_in_spite_of_cancellation);
  test_add ("/portal/call-async/without-a-callback", test_async_without_a_callback);
  test_add ("/portal/call-async/from-the-own-thread", test_async_from_the_own_thread);

  status = g_test_run ();
  test_portal_finish (io);
  return status;
}
