/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The tree of scopes: parents, reasons, shields, and what others can do with a scope. */

#include "test-common.h"

#include <gio/gunixinputstream.h>
#include <unistd.h>

static AtCancelScope *
scope_new (gpointer parent)
{
  return at_cancel_scope_new (parent);
}

static gboolean
is_cancelled (AtCancelScope *scope)
{
  return g_cancellable_is_cancelled (G_CANCELLABLE (scope));
}

static void
assert_cancelled (AtCancelScope *scope,
                  const char    *reason)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (is_cancelled (scope));
  g_assert_cmpstr (at_cancel_scope_get_reason (scope), ==, reason);
  g_assert_false (at_cancel_scope_get_timed_out (scope));
  g_assert_true (at_cancel_scope_set_error_if_cancelled (scope, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  if (reason != NULL)
    g_assert_nonnull (strstr (error->message, reason));
  g_assert_true (at_cancel_scope_set_error_if_cancelled (scope, NULL));
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), ==, G_MININT64);
}

static void
assert_not_cancelled (AtCancelScope *scope)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (is_cancelled (scope));
  g_assert_null (at_cancel_scope_get_reason (scope));
  g_assert_false (at_cancel_scope_get_timed_out (scope));
  g_assert_false (at_cancel_scope_set_error_if_cancelled (scope, &error));
  g_assert_no_error (error);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scope), >, G_MININT64);
}

static void
test_new (void)
{
  g_autoptr (AtCancelScope) scope = scope_new (NULL);
  g_autoptr (AtCancelScope) bare = g_object_new (AT_TYPE_CANCEL_SCOPE, NULL);

  g_assert_true (G_IS_CANCELLABLE (scope));
  assert_not_cancelled (scope);
  assert_not_cancelled (bare);
  g_assert_null (at_cancel_scope_get_parent (scope));
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (bare), ==, G_MAXINT64);
  at_cancel_scope_cancel_with_reason (bare, "bare");
  assert_cancelled (bare, "bare");
}

static void
test_first_reason_wins (void)
{
  g_autoptr (AtCancelScope) scope = scope_new (NULL);
  g_autofree char *reason = g_strdup ("first");

  at_cancel_scope_cancel_with_reason (scope, reason);
  reason[0] = 'X';
  assert_cancelled (scope, "first");
  at_cancel_scope_cancel_with_reason (scope, "second");
  at_cancel_scope_cancel_with_reason (scope, NULL);
  g_cancellable_cancel (G_CANCELLABLE (scope));
  assert_cancelled (scope, "first");
}

static void
test_plain_cancel_has_no_reason (void)
{
  g_autoptr (AtCancelScope) scope = scope_new (NULL);
  g_autoptr (AtCancelScope) other = scope_new (NULL);

  g_cancellable_cancel (G_CANCELLABLE (scope));
  assert_cancelled (scope, NULL);
  at_cancel_scope_cancel_with_reason (other, NULL);
  assert_cancelled (other, NULL);
}

static void
test_parent_cancels_its_children (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) child = scope_new (root);
  g_autoptr (AtCancelScope) grandchild = scope_new (child);
  g_autoptr (AtCancelScope) other = scope_new (root);

  g_assert_true (at_cancel_scope_get_parent (child) == G_CANCELLABLE (root));
  at_cancel_scope_cancel_with_reason (child, "enough");
  assert_not_cancelled (root);
  assert_not_cancelled (other);
  assert_cancelled (child, "enough");
  assert_cancelled (grandchild, "enough");
  at_cancel_scope_cancel_with_reason (root, "all of it");
  assert_cancelled (root, "all of it");
  assert_cancelled (other, "all of it");

  /* Who was cancelled before keeps its reason. */
  assert_cancelled (child, "enough");
  assert_cancelled (grandchild, "enough");
}

static void
test_born_cancelled (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) child = NULL;
  g_autoptr (GCancellable) plain = g_cancellable_new ();
  g_autoptr (AtCancelScope) of_plain = NULL;

  at_cancel_scope_cancel_with_reason (root, "too late");
  child = scope_new (root);
  assert_cancelled (child, "too late");
  g_cancellable_cancel (plain);
  of_plain = scope_new (plain);
  assert_cancelled (of_plain, NULL);
}

/* A plain GCancellable is a parent too; it learns nothing of its children. */
static void
test_plain_parent (void)
{
  g_autoptr (GCancellable) plain = g_cancellable_new ();
  g_autoptr (AtCancelScope) scope = scope_new (plain);
  g_autoptr (AtCancelScope) child = scope_new (scope);
  g_autoptr (AtCancelScope) other = scope_new (plain);

  g_assert_true (at_cancel_scope_get_parent (scope) == plain);
  at_cancel_scope_cancel_with_reason (other, "mine");
  g_assert_false (g_cancellable_is_cancelled (plain));
  assert_not_cancelled (scope);
  g_cancellable_cancel (plain);
  assert_cancelled (scope, NULL);
  assert_cancelled (child, NULL);
  assert_cancelled (other, "mine");
}

/* The parent lives as long as a child needs it, and no longer. */
static void
test_child_keeps_its_parent (void)
{
  AtCancelScope *root = scope_new (NULL);
  AtCancelScope *child = scope_new (root);
  gpointer weak = root;

  g_object_add_weak_pointer (G_OBJECT (root), &weak);
  g_object_unref (root);
  if (weak != NULL)
    {
      at_cancel_scope_cancel_with_reason (weak, "through the weak pointer");
      assert_cancelled (child, "through the weak pointer");
    }
  g_object_unref (child);
  g_assert_null (weak);
}

static void
test_parent_does_not_keep_its_children (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (GCancellable) plain = g_cancellable_new ();

  for (int i = 0; i < 100; i++)
    {
      AtCancelScope *child = scope_new (root);
      AtCancelScope *of_plain = scope_new (plain);

      g_assert_finalize_object (child);
      g_assert_finalize_object (of_plain);
    }
  g_cancellable_cancel (plain);
  g_cancellable_cancel (G_CANCELLABLE (root));
}

static void
test_shield_keeps_the_parent_out (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) shielded = scope_new (root);
  g_autoptr (AtCancelScope) below = scope_new (shielded);
  g_autoptr (AtCancelScope) beside = scope_new (root);

  g_assert_false (at_cancel_scope_get_shield (shielded));
  at_cancel_scope_set_shield (shielded, TRUE);
  g_assert_true (at_cancel_scope_get_shield (shielded));
  at_cancel_scope_cancel_with_reason (root, "storm");
  assert_cancelled (beside, "storm");
  assert_not_cancelled (shielded);
  assert_not_cancelled (below);
}

static void
test_shield_lets_its_own_cancel_through (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) shielded = scope_new (root);
  g_autoptr (AtCancelScope) below = scope_new (shielded);

  at_cancel_scope_set_shield (shielded, TRUE);
  at_cancel_scope_cancel_with_reason (shielded, "own");
  assert_cancelled (shielded, "own");
  assert_cancelled (below, "own");
  assert_not_cancelled (root);
}

static void
test_lowered_shield_lets_it_in (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) shielded = scope_new (root);
  g_autoptr (AtCancelScope) below = scope_new (shielded);
  g_autoptr (GCancellable) plain = g_cancellable_new ();
  g_autoptr (AtCancelScope) of_plain = scope_new (plain);

  at_cancel_scope_set_shield (shielded, TRUE);
  at_cancel_scope_set_shield (of_plain, TRUE);
  at_cancel_scope_cancel_with_reason (root, "storm");
  g_cancellable_cancel (plain);
  assert_not_cancelled (shielded);
  assert_not_cancelled (of_plain);
  at_cancel_scope_set_shield (shielded, TRUE);
  assert_not_cancelled (shielded);
  at_cancel_scope_set_shield (shielded, FALSE);
  assert_cancelled (shielded, "storm");
  assert_cancelled (below, "storm");
  at_cancel_scope_set_shield (of_plain, FALSE);
  assert_cancelled (of_plain, NULL);
}

/* Raising a shield undoes nothing; lowering one with a quiet parent does nothing. */
static void
test_shield_raised_too_late (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) scope = scope_new (root);
  g_autoptr (AtCancelScope) alone = scope_new (NULL);

  at_cancel_scope_set_shield (scope, TRUE);
  at_cancel_scope_set_shield (scope, FALSE);
  assert_not_cancelled (scope);
  at_cancel_scope_cancel_with_reason (root, "gone");
  at_cancel_scope_set_shield (scope, TRUE);
  assert_cancelled (scope, "gone");
  at_cancel_scope_set_shield (alone, TRUE);
  at_cancel_scope_set_shield (alone, FALSE);
  assert_not_cancelled (alone);
}

/* A new child of a shielded scope is under its shield. */
static void
test_born_under_a_shield (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) shielded = scope_new (root);
  g_autoptr (AtCancelScope) late = NULL;

  at_cancel_scope_set_shield (shielded, TRUE);
  g_cancellable_cancel (G_CANCELLABLE (root));
  late = scope_new (shielded);
  assert_not_cancelled (late);
  at_cancel_scope_set_shield (shielded, FALSE);
  assert_cancelled (late, NULL);
}

/* Two shields in a row: each must be lowered. */
static void
test_shields_nest (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) outer = scope_new (root);
  g_autoptr (AtCancelScope) inner = scope_new (outer);

  at_cancel_scope_set_shield (outer, TRUE);
  at_cancel_scope_set_shield (inner, TRUE);
  at_cancel_scope_cancel_with_reason (root, "storm");
  at_cancel_scope_set_shield (inner, FALSE);
  assert_not_cancelled (inner);
  at_cancel_scope_set_shield (inner, TRUE);
  at_cancel_scope_set_shield (outer, FALSE);
  assert_cancelled (outer, "storm");
  assert_not_cancelled (inner);
  at_cancel_scope_set_shield (inner, FALSE);
  assert_cancelled (inner, "storm");
}

#define DEPTH 10000

static void
test_deep_tree (void)
{
  g_autofree AtCancelScope **scopes = g_new (AtCancelScope *, DEPTH);
  TestLatch told = { 0 };

  for (int i = 0; i < DEPTH; i++)
    scopes[i] = scope_new (i > 0 ? scopes[i - 1] : NULL);
  g_cancellable_connect (G_CANCELLABLE (scopes[DEPTH - 1]), G_CALLBACK (test_latch_on_cancelled),
                         &told, NULL);
  g_assert_cmpint (at_cancel_scope_get_effective_deadline (scopes[DEPTH - 1]), ==, G_MAXINT64);
  at_cancel_scope_cancel_with_reason (scopes[0], "to the bottom");
  g_assert_cmpuint (test_latch_count (&told), ==, 1);
  for (int i = 0; i < DEPTH; i++)
    assert_cancelled (scopes[i], "to the bottom");
  for (int i = 0; i < DEPTH; i++)
    g_object_unref (scopes[i]);
}

/* The last reference on the leaf takes the whole chain with it. */
static gpointer
drop_deep_tree (gpointer data)
{
  AtCancelScope *leaf = scope_new (NULL);

  for (int i = 1; i < DEPTH; i++)
    {
      AtCancelScope *child = scope_new (leaf);

      g_object_unref (leaf);
      leaf = child;
    }
  g_object_unref (leaf);
  return NULL;
}

static void
test_deep_tree_is_dropped (void)
{
  test_on_thread (drop_deep_tree, NULL);
}

static void
test_wide_tree (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autofree AtCancelScope **scopes = g_new (AtCancelScope *, DEPTH);
  TestLatch told = { 0 };

  for (int i = 0; i < DEPTH; i++)
    {
      scopes[i] = scope_new (root);
      g_cancellable_connect (G_CANCELLABLE (scopes[i]), G_CALLBACK (test_latch_on_cancelled), &told,
                             NULL);
    }
  /* Every third leaves before, in an order of its own. */
  for (int i = DEPTH - 1; i >= 0; i -= 3)
    g_clear_object (&scopes[i]);
  at_cancel_scope_cancel_with_reason (root, "all");
  for (int i = 0; i < DEPTH; i++)
    {
      if (scopes[i] != NULL)
        assert_cancelled (scopes[i], "all");
      g_clear_object (&scopes[i]);
    }
  g_assert_cmpuint (test_latch_count (&told), ==, DEPTH - (DEPTH + 2) / 3);
}

static void
note_thread (GCancellable *cancellable,
             gpointer      user_data)
{
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  *(GThread **) user_data = g_thread_self ();
}

static gpointer
cancel_on_thread (gpointer cancellable)
{
  g_cancellable_cancel (cancellable);
  return g_thread_self ();
}

static void
test_handlers_run_on_the_cancelling_thread (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) child = scope_new (root);
  GThread *noted[2] = { NULL, NULL };
  gpointer thread;

  g_cancellable_connect (G_CANCELLABLE (root), G_CALLBACK (note_thread), &noted[0], NULL);
  g_cancellable_connect (G_CANCELLABLE (child), G_CALLBACK (note_thread), &noted[1], NULL);
  thread = test_on_thread (cancel_on_thread, root);
  g_assert_true (noted[0] == thread);
  g_assert_true (noted[1] == thread);
}

/* A handler may look at the tree, cancel others, and add to it. */
static void
meddle (GCancellable *cancellable,
        gpointer      user_data)
{
  AtCancelScope *scope = AT_CANCEL_SCOPE (cancellable);
  AtCancelScope **others = user_data;
  g_autoptr (AtCancelScope) child = scope_new (scope);

  assert_cancelled (scope, "first");
  assert_cancelled (child, "first");
  at_cancel_scope_cancel_with_reason (others[0], "second");
  at_cancel_scope_set_shield (others[1], TRUE);
  at_cancel_scope_set_timeout (others[1], G_USEC_PER_SEC);
  g_clear_object (&others[2]);
}

static void
test_handlers_may_use_the_tree (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) scope = scope_new (root);
  AtCancelScope *others[3] = { scope_new (NULL), scope_new (NULL), scope_new (root) };

  g_cancellable_connect (G_CANCELLABLE (scope), G_CALLBACK (meddle), others, NULL);
  at_cancel_scope_cancel_with_reason (scope, "first");
  assert_cancelled (others[0], "second");
  assert_not_cancelled (others[1]);
  assert_not_cancelled (root);
  g_object_unref (others[0]);
  g_object_unref (others[1]);
}

static void
test_handlers_run_once (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) child = scope_new (root);
  TestLatch told = { 0 };
  gulong handler;

  handler = g_cancellable_connect (G_CANCELLABLE (child), G_CALLBACK (test_latch_on_cancelled),
                                   &told, NULL);
  g_cancellable_disconnect (G_CANCELLABLE (child), handler);
  g_cancellable_connect (G_CANCELLABLE (child), G_CALLBACK (test_latch_on_cancelled), &told, NULL);
  g_cancellable_cancel (G_CANCELLABLE (child));
  g_cancellable_cancel (G_CANCELLABLE (root));
  at_cancel_scope_cancel_with_reason (child, "again");
  g_assert_cmpuint (test_latch_count (&told), ==, 1);

  /* Connecting to what is cancelled already calls at once, as GCancellable does. */
  g_cancellable_connect (G_CANCELLABLE (child), G_CALLBACK (test_latch_on_cancelled), &told, NULL);
  g_assert_cmpuint (test_latch_count (&told), ==, 2);
}

/* The scope stands for a GCancellable in blocking and asynchronous GIO. */
static gpointer
blocking_read (gpointer scope)
{
  int fds[2];
  char byte;
  GError *error = NULL;
  g_autoptr (GInputStream) stream = NULL;

  g_assert_cmpint (pipe (fds), ==, 0);
  stream = g_unix_input_stream_new (fds[0], TRUE);
  g_assert_cmpint (g_input_stream_read (stream, &byte, 1, scope, &error), ==, -1);
  close (fds[1]);
  return error;
}

static void
test_interrupts_blocking_gio (void)
{
  for (int i = 0; i < 4; i++)
    {
      g_autoptr (AtCancelScope) root = scope_new (NULL);
      g_autoptr (AtCancelScope) scope = scope_new (root);
      GThread *thread = g_thread_new ("reader", blocking_read, scope);
      g_autoptr (GError) error = NULL;

      switch (i)
        {
        case 0:
          g_cancellable_cancel (G_CANCELLABLE (scope));
          break;
        case 1:
          at_cancel_scope_cancel_with_reason (root, "stop reading");
          break;
        case 2:
          at_cancel_scope_set_timeout (scope, 1000);
          break;
        default:
          at_cancel_scope_set_timeout (root, 1000);
          break;
        }
      error = g_thread_join (thread);
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
    }
}

static void
test_interrupts_asynchronous_gio (void)
{
  int fds[2];
  char byte;
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) scope = scope_new (root);
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError) error = NULL;
  TestAnswer answer = { 0 };

  g_assert_cmpint (pipe (fds), ==, 0);
  stream = g_unix_input_stream_new (fds[0], TRUE);
  g_input_stream_read_async (stream, &byte, 1, G_PRIORITY_DEFAULT, G_CANCELLABLE (scope),
                             test_answer_ready, &answer);
  test_on_thread (cancel_on_thread, root);
  test_iterate_until (NULL, &answer.called);
  g_assert_cmpint (g_input_stream_read_finish (stream, answer.result, &error), ==, -1);
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_answer_clear (&answer);
  close (fds[1]);
}

static void
test_pollfd_becomes_readable (void)
{
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) scope = scope_new (root);
  GPollFD pollfd;

  g_assert_true (g_cancellable_make_pollfd (G_CANCELLABLE (scope), &pollfd));
  g_assert_cmpint (g_poll (&pollfd, 1, 0), ==, 0);
  g_cancellable_cancel (G_CANCELLABLE (root));
  g_assert_cmpint (g_poll (&pollfd, 1, 0), ==, 1);
  g_cancellable_release_fd (G_CANCELLABLE (scope));
}

static void
test_wait_async_answers_on_the_callers_context (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) scope = scope_new (root);
  TestAnswer answer = { 0 };
  TestAnswer late = { 0 };
  g_autoptr (GError) error = NULL;

  g_main_context_push_thread_default (context);
  at_cancel_scope_wait_async (scope, NULL, test_answer_ready, &answer);
  while (g_main_context_iteration (context, FALSE))
    continue;
  g_assert_false (answer.called);
  test_on_thread (cancel_on_thread, root);
  g_assert_false (answer.called);
  test_iterate_until (context, &answer.called);
  g_assert_true (answer.thread == g_thread_self ());
  g_assert_true (answer.source == G_OBJECT (scope));
  g_assert_true (at_cancel_scope_wait_finish (scope, answer.result, &error));
  g_assert_no_error (error);

  at_cancel_scope_wait_async (scope, NULL, test_answer_ready, &late);
  g_assert_false (late.called);
  test_iterate_until (context, &late.called);
  g_assert_true (at_cancel_scope_wait_finish (scope, late.result, &error));
  g_main_context_pop_thread_default (context);
  test_answer_clear (&answer);
  test_answer_clear (&late);
}

static void
test_wait_async_can_be_given_up (void)
{
  g_autoptr (AtCancelScope) scope = scope_new (NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;

  at_cancel_scope_wait_async (scope, cancellable, test_answer_ready, &answer);
  test_on_thread (cancel_on_thread, cancellable);
  test_iterate_until (NULL, &answer.called);
  g_assert_false (at_cancel_scope_wait_finish (scope, answer.result, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  assert_not_cancelled (scope);
  test_answer_clear (&answer);
}

static void
test_wait_async_hears_of_a_deadline (void)
{
  g_autoptr (AtCancelScope) scope = scope_new (NULL);
  TestAnswer answer = { 0 };
  g_autoptr (GError) error = NULL;

  at_cancel_scope_wait_async (scope, NULL, test_answer_ready, &answer);
  at_cancel_scope_set_timeout (scope, 1000);
  test_iterate_until (NULL, &answer.called);
  g_assert_true (at_cancel_scope_wait_finish (scope, answer.result, &error));
  g_assert_no_error (error);
  g_assert_true (at_cancel_scope_get_timed_out (scope));
  test_answer_clear (&answer);
}

/* Children come and go while their parent is cancelled. */
typedef struct
{
  AtCancelScope *root;
  GCancellable  *plain;
  TestLatch     *go;
} Family;

static gpointer
come_and_go (gpointer user_data)
{
  Family *family = user_data;

  test_latch_wait (family->go);
  for (int i = 0; i < 50; i++)
    {
      g_autoptr (AtCancelScope) child = scope_new (family->root);
      g_autoptr (AtCancelScope) grandchild = scope_new (child);
      g_autoptr (AtCancelScope) of_plain = scope_new (family->plain);

      at_cancel_scope_set_timeout (child, i * 10);
      at_cancel_scope_set_shield (grandchild, i % 2 == 0);
      at_cancel_scope_get_effective_deadline (grandchild);
      at_cancel_scope_set_shield (of_plain, i % 3 == 0);
    }
  return NULL;
}

static void
test_children_go_while_the_parent_is_cancelled (void)
{
  for (int i = 0; i < 100; i++)
    {
      g_autoptr (AtCancelScope) root = scope_new (NULL);
      g_autoptr (GCancellable) plain = g_cancellable_new ();
      TestLatch go = { 0 };
      Family family = { root, plain, &go };
      GThread *threads[2];

      for (int j = 0; j < 2; j++)
        threads[j] = g_thread_new ("family", come_and_go, &family);
      test_latch_open (&go);
      for (int j = 0; j < i * 5; j++)
        g_object_unref (scope_new (root));
      at_cancel_scope_cancel_with_reason (root, "race");
      g_cancellable_cancel (plain);
      for (int j = 0; j < 2; j++)
        g_thread_join (threads[j]);
      assert_cancelled (root, "race");
    }
}

static gpointer
cancel_with_my_reason (gpointer user_data)
{
  gpointer *data = user_data;

  test_latch_wait (data[1]);
  at_cancel_scope_cancel_with_reason (data[0], data[2]);
  return NULL;
}

static void
test_racing_cancels_agree_on_one_reason (void)
{
  for (int i = 0; i < 200; i++)
    {
      g_autoptr (AtCancelScope) scope = scope_new (NULL);
      g_autoptr (AtCancelScope) child = scope_new (scope);
      TestLatch go = { 0 };
      TestLatch told = { 0 };
      gpointer first[3] = { scope, &go, (gpointer) "one" };
      gpointer second[3] = { scope, &go, (gpointer) "two" };
      GThread *threads[2];
      const char *reason;

      g_cancellable_connect (G_CANCELLABLE (child), G_CALLBACK (test_latch_on_cancelled), &told,
                             NULL);
      threads[0] = g_thread_new ("one", cancel_with_my_reason, first);
      threads[1] = g_thread_new ("two", cancel_with_my_reason, second);
      test_latch_open (&go);
      g_thread_join (threads[0]);
      g_thread_join (threads[1]);
      reason = at_cancel_scope_get_reason (scope);
      g_assert_true (g_str_equal (reason, "one") || g_str_equal (reason, "two"));
      assert_cancelled (scope, reason);
      assert_cancelled (child, reason);
      g_assert_cmpuint (test_latch_count (&told), ==, 1);
    }
}

/* A portal's future can be cancelled by a tree it does not know. */
static void
test_cancels_tasks_below_it (void)
{
  AtPortal *portal = test_portal_new ("io");
  g_autoptr (AtCancelScope) root = scope_new (NULL);
  g_autoptr (AtCancelScope) shielded = scope_new (root);
  Probe obeys = { .when = PROBE_WHEN_CANCELLED, .result = PROBE_CANCELLED };
  Probe goes_on = { .when = PROBE_KEEP, .number = 3 };
  AtFuture *first = probe_spawn (&obeys, portal, G_CANCELLABLE (root));
  AtFuture *second = probe_spawn (&goes_on, portal, G_CANCELLABLE (shielded));
  g_autoptr (GError) error = NULL;

  at_cancel_scope_set_shield (shielded, TRUE);
  test_latch_wait (&obeys.entered);
  test_latch_wait (&goes_on.entered);
  test_portal_flush (portal);
  at_cancel_scope_cancel_with_reason (root, "closing");
  test_future_wait (first);
  g_assert_null (at_future_get_value (first, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_nonnull (strstr (error->message, "closing"));
  g_object_unref (first);
  g_assert_false (g_cancellable_is_cancelled (at_future_get_cancellable (second)));
  probe_return (&goes_on);
  test_future_finish_int (second, 3);
  test_portal_finish (portal);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/cancel-scope/new", test_new);
  test_add ("/cancel-scope/reason/first-wins", test_first_reason_wins);
  test_add ("/cancel-scope/reason/plain-cancel-has-none", test_plain_cancel_has_no_reason);
  test_add ("/cancel-scope/reason/racing-cancels-agree-on-one",
            test_racing_cancels_agree_on_one_reason);
  test_add ("/cancel-scope/parent/cancels-its-children", test_parent_cancels_its_children);
  test_add ("/cancel-scope/parent/cancelled-before", test_born_cancelled);
  test_add ("/cancel-scope/parent/may-be-a-plain-cancellable", test_plain_parent);
  test_add ("/cancel-scope/parent/goes-with-its-last-child", test_child_keeps_its_parent);
  test_add ("/cancel-scope/parent/does-not-keep-its-children",
            test_parent_does_not_keep_its_children);
  test_add ("/cancel-scope/parent/is-cancelled-while-children-come-and-go",
            test_children_go_while_the_parent_is_cancelled);
  test_add ("/cancel-scope/shield/keeps-the-parent-out", test_shield_keeps_the_parent_out);
  test_add ("/cancel-scope/shield/lets-its-own-cancel-through",
            test_shield_lets_its_own_cancel_through);
  test_add ("/cancel-scope/shield/lowered-lets-an-earlier-cancellation-in",
            test_lowered_shield_lets_it_in);
  test_add ("/cancel-scope/shield/raised-too-late-undoes-nothing", test_shield_raised_too_late);
  test_add ("/cancel-scope/shield/covers-later-children", test_born_under_a_shield);
  test_add ("/cancel-scope/shield/nests", test_shields_nest);
  test_add ("/cancel-scope/tree/deep", test_deep_tree);
  test_add ("/cancel-scope/tree/deep-is-dropped", test_deep_tree_is_dropped);
  test_add ("/cancel-scope/tree/wide", test_wide_tree);
  test_add ("/cancel-scope/tree/cancels-tasks-below-it", test_cancels_tasks_below_it);
  test_add ("/cancel-scope/handlers/run-on-the-cancelling-thread",
            test_handlers_run_on_the_cancelling_thread);
  test_add ("/cancel-scope/handlers/run-once", test_handlers_run_once);
  test_add ("/cancel-scope/handlers/may-use-the-tree", test_handlers_may_use_the_tree);
  test_add ("/cancel-scope/gio/interrupts-blocking-reads", test_interrupts_blocking_gio);
  test_add ("/cancel-scope/gio/interrupts-asynchronous-reads", test_interrupts_asynchronous_gio);
  test_add ("/cancel-scope/gio/pollfd-becomes-readable", test_pollfd_becomes_readable);
  test_add ("/cancel-scope/wait-async/answers-on-the-callers-context",
            test_wait_async_answers_on_the_callers_context);
  test_add ("/cancel-scope/wait-async/can-be-given-up", test_wait_async_can_be_given_up);
  test_add ("/cancel-scope/wait-async/hears-of-a-deadline", test_wait_async_hears_of_a_deadline);

  return g_test_run ();
}
