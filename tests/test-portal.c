/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Making portals, and getting work into them: post, invoke, spawn, and their one queue. */

#include "test-common.h"

#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <sys/prctl.h>

static void
test_new_has_own_thread (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .number = 1 };

  g_assert_cmpstr (at_portal_get_name (portal), ==, "io");
  g_assert_nonnull (at_portal_get_context (portal));
  g_assert_true (at_portal_get_context (portal) != g_main_context_default ());
  g_assert_false (at_portal_is_owner (portal));
  g_assert_null (at_portal_get_current ());

  test_future_finish_int (probe_spawn (&probe, portal, NULL), 1);
  g_assert_true (probe.body_thread != g_thread_self ());
  test_portal_finish (portal);
}

static void
read_thread_name (gpointer name)
{
  g_assert_cmpint (prctl (PR_GET_NAME, name), ==, 0);
}

static void
test_new_thread_has_its_name (void)
{
  AtPortal *portal = test_portal_new ("disk reader");
  g_autoptr (GError) error = NULL;
  char name[16] = "";

  at_portal_invoke (portal, read_thread_name, name, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (name, ==, "disk reader");
  test_portal_finish (portal);
}

static void
test_new_long_name_is_cut_for_the_thread_only (void)
{
  AtPortal *portal = test_portal_new ("a-name-longer-than-the-kernel-likes");
  g_autoptr (GError) error = NULL;
  char name[16] = "";

  g_assert_cmpstr (at_portal_get_name (portal), ==, "a-name-longer-than-the-kernel-likes");
  at_portal_invoke (portal, read_thread_name, name, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (name, ==, "a-name-longer-t");
  test_portal_finish (portal);
}

static void
test_new_needs_no_name (void)
{
  AtPortal *portal = test_portal_new (NULL);
  g_autoptr (GError) error = NULL;

  test_assert_int_taken (at_portal_call (portal, NULL, test_body_int, GINT_TO_POINTER (4), &error),
                         4);
  g_assert_no_error (error);
  test_portal_finish (portal);
}

static void
test_new_many_live_side_by_side (void)
{
  AtPortal *portals[32];

  for (guint i = 0; i < G_N_ELEMENTS (portals); i++)
    portals[i] = test_portal_new ("one of many");
  for (guint i = 0; i < G_N_ELEMENTS (portals); i++)
    {
      g_autoptr (GError) error = NULL;
      GValue *value = at_portal_call (portals[i], NULL, test_body_int, GUINT_TO_POINTER (i),
                                      &error);

      g_assert_no_error (error);
      test_assert_int_taken (value, (int) i);
    }
  for (guint i = 0; i < G_N_ELEMENTS (portals); i++)
    test_portal_finish (portals[i]);
}

/* The system's own, except for a test that has no threads left. */
static int no_threads;

int
pthread_create (pthread_t            *thread,
                const pthread_attr_t *attributes,
                void *(*start) (void *),
                void *data)
{
  static int (*next) (pthread_t *, const pthread_attr_t *, void *(*) (void *), void *);

  if (g_atomic_int_get (&no_threads))
    return EAGAIN;

  if (next == NULL)
    *(void **) &next = dlsym (RTLD_NEXT, "pthread_create");

  return next (thread, attributes, start, data);
}

static void
test_new_thread_that_cannot_start_is_an_error (void)
{
  g_autoptr (GError) error = NULL;
  AtPortal *portal;

  g_atomic_int_set (&no_threads, TRUE);
  portal = at_portal_new ("too many", &error);
  g_atomic_int_set (&no_threads, FALSE);

  g_assert_null (portal);
  g_assert_nonnull (error);
  g_assert_nonnull (strstr (error->message, "too many"));

  test_portal_finish (test_portal_new ("the next one starts"));
}

static void
test_new_initable_takes_name_and_context (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GMainContext) context = g_main_context_new ();
  AtPortal *portal;
  g_autofree char *name = NULL;
  g_autoptr (GMainContext) same_context = NULL;

  portal = g_initable_new (AT_TYPE_PORTAL, NULL, &error, "name", "own thread", NULL);
  g_assert_no_error (error);
  g_assert_cmpstr (at_portal_get_name (portal), ==, "own thread");
  g_assert_false (at_portal_is_owner (portal));
  test_assert_int_taken (at_portal_call (portal, NULL, test_body_int, GINT_TO_POINTER (5), &error),
                         5);
  g_object_get (portal, "name", &name, NULL);
  g_assert_cmpstr (name, ==, "own thread");
  test_portal_finish (portal);

  portal = g_initable_new (AT_TYPE_PORTAL, NULL, &error, "name", "adopted", "context", context,
                           NULL);
  g_assert_no_error (error);
  g_assert_cmpstr (at_portal_get_name (portal), ==, "adopted");
  g_assert_true (at_portal_get_context (portal) == context);
  g_object_get (portal, "context", &same_context, NULL);
  g_assert_true (same_context == context);
  g_assert_true (at_portal_is_owner (portal));
  g_object_unref (portal);
}

static void
test_new_bare_object_is_valid (void)
{
  AtPortal *portal = g_object_new (AT_TYPE_PORTAL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (at_portal_get_name (portal));
  g_assert_nonnull (at_portal_get_context (portal));
  g_assert_false (at_portal_is_owner (portal));
  test_assert_int_taken (at_portal_call (portal, NULL, test_body_int, GINT_TO_POINTER (1), &error),
                         1);
  g_assert_no_error (error);
  test_portal_finish (portal);

  g_object_unref (g_object_new (AT_TYPE_PORTAL, NULL));
}

typedef struct
{
  AtPortal     *portal;
  GThread      *func_thread;
  GThread      *destroy_thread;
  GMainContext *context;
  AtPortal     *current;
  gboolean      is_owner;
  gboolean      destroyed_after_func;
  TestLatch     ran;
  TestLatch     destroyed;
} Post;

static void
post_func (gpointer user_data)
{
  Post *post = user_data;
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  post->func_thread = g_thread_self ();
  post->context = context;
  post->current = at_portal_get_current ();
  post->is_owner = at_portal_is_owner (post->portal);
  test_latch_open (&post->ran);
}

static void
post_destroy (gpointer user_data)
{
  Post *post = user_data;

  post->destroy_thread = g_thread_self ();
  post->destroyed_after_func = test_latch_count (&post->ran) == 1;
  test_latch_open (&post->destroyed);
}

static void
test_post_runs_on_the_portals_thread (void)
{
  AtPortal *portal = test_portal_new ("io");
  Post post = { .portal = portal };
  g_autoptr (GError) error = NULL;

  g_assert_true (at_portal_post (portal, post_func, &post, post_destroy, &error));
  g_assert_no_error (error);
  test_latch_wait (&post.destroyed);

  g_assert_true (post.func_thread != g_thread_self ());
  g_assert_true (post.destroy_thread == post.func_thread);
  g_assert_true (post.destroyed_after_func);
  g_assert_true (post.context == at_portal_get_context (portal));
  g_assert_true (post.current == portal);
  g_assert_true (post.is_owner);
  test_portal_finish (portal);
  g_assert_cmpuint (test_latch_count (&post.ran), ==, 1);
  g_assert_cmpuint (test_latch_count (&post.destroyed), ==, 1);
}

static void
test_post_does_not_wait_for_a_busy_portal (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestBlock block = { 0 };
  TestLatch ran = { 0 };
  g_autoptr (GError) error = NULL;

  test_block_portal (&block, portal);
  for (int i = 0; i < 1000; i++)
    g_assert_true (at_portal_post (portal, test_latch_open_func, &ran, NULL, &error));
  g_assert_cmpuint (test_latch_count (&ran), ==, 0);
  test_latch_open (&block.release);
  test_latch_wait_for (&ran, 1000);
  test_portal_finish (portal);
}

typedef struct
{
  AtPortal *portal;
  gboolean  inside; /* of a post or spawn on the portal's own thread, which alone looks at it */
  gboolean  ran_inline;
  TestLatch ran;
} Inline;

static void
inline_inner_func (gpointer user_data)
{
  Inline *data = user_data;

  data->ran_inline |= data->inside;
  test_latch_open (&data->ran);
}

static void
inline_inner_body (GTask   *task,
                   gpointer user_data)
{
  inline_inner_func (user_data);
  test_return_int (task, 0);
}

static void
inline_post (gpointer user_data)
{
  Inline *data = user_data;
  g_autoptr (GError) error = NULL;
  gboolean own = at_portal_is_owner (data->portal);

  if (own)
    data->inside = TRUE;
  g_assert_true (at_portal_post (data->portal, inline_inner_func, data, NULL, &error));
  if (own)
    data->inside = FALSE;
}

static void
inline_spawn (gpointer user_data)
{
  Inline *data = user_data;
  g_autoptr (AtFuture) future = NULL;
  gboolean own = at_portal_is_owner (data->portal);

  if (own)
    data->inside = TRUE;
  future = at_portal_spawn (data->portal, NULL, inline_inner_body, data, NULL);
  if (own)
    {
      g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_PENDING);
      data->inside = FALSE;
    }
}

static void
test_post_from_the_own_thread_is_not_inline (void)
{
  AtPortal *portal = test_portal_new ("io");
  Inline data = { .portal = portal };
  g_autoptr (GError) error = NULL;

  g_assert_true (at_portal_post (portal, inline_post, &data, NULL, &error));
  test_latch_wait (&data.ran);
  g_assert_false (data.ran_inline);
  test_portal_finish (portal);
}

static void
test_spawn_from_the_own_thread_is_not_inline (void)
{
  AtPortal *portal = test_portal_new ("io");
  Inline data = { .portal = portal };
  g_autoptr (GError) error = NULL;

  g_assert_true (at_portal_post (portal, inline_spawn, &data, NULL, &error));
  test_latch_wait (&data.ran);
  g_assert_false (data.ran_inline);
  test_portal_finish (portal);
}

/* A body that is called from GLib's own dispatch, between the portal's batches. */
static gboolean
inline_from_source (gpointer user_data)
{
  inline_spawn (user_data);
  return G_SOURCE_REMOVE;
}

static void
test_spawn_from_a_source_is_not_inline (void)
{
  AtPortal *portal = test_portal_new ("io");
  Inline data = { .portal = portal };

  g_main_context_invoke (at_portal_get_context (portal), inline_from_source, &data);
  test_latch_wait (&data.ran);
  g_assert_false (data.ran_inline);
  test_portal_finish (portal);
}

typedef struct
{
  GObject parent_instance;
  Inline *data;
} Finalizer;

typedef struct
{
  GObjectClass parent_class;
} FinalizerClass;

static GType finalizer_get_type (void);
G_DEFINE_TYPE (Finalizer, finalizer, G_TYPE_OBJECT)

static void
finalizer_finalize (GObject *object)
{
  inline_spawn (((Finalizer *) object)->data);
  inline_post (((Finalizer *) object)->data);
  G_OBJECT_CLASS (finalizer_parent_class)->finalize (object);
}

static void
finalizer_class_init (FinalizerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = finalizer_finalize;
}

static void
finalizer_init (Finalizer *self)
{
}

/* The object dies on the main thread, and as the last reference of a task on the portal. */
static void
test_spawn_from_a_finalizer (void)
{
  AtPortal *portal = test_portal_new ("io");
  Inline on_portal = { .portal = portal };
  Inline on_main = { .portal = portal };
  Finalizer *object;
  g_autoptr (GError) error = NULL;

  object = g_object_new (finalizer_get_type (), NULL);
  object->data = &on_portal;
  g_assert_true (at_portal_post (portal, test_nothing, object, g_object_unref, &error));
  test_latch_wait_for (&on_portal.ran, 2);
  g_assert_false (on_portal.ran_inline);

  object = g_object_new (finalizer_get_type (), NULL);
  object->data = &on_main;
  g_object_unref (object);
  test_latch_wait_for (&on_main.ran, 2);
  test_portal_finish (portal);
}

static void
on_notify (GObject    *object,
           GParamSpec *pspec,
           gpointer    user_data)
{
  inline_spawn (user_data);
}

static void
emit_on_portal (gpointer user_data)
{
  g_object_notify (user_data, "enabled");
}

static void
test_spawn_from_a_signal_handler (void)
{
  AtPortal *portal = test_portal_new ("io");
  g_autoptr (GSimpleAction) action = g_simple_action_new ("act", NULL);
  Inline data = { .portal = portal };
  g_autoptr (GError) error = NULL;

  g_signal_connect (action, "notify::enabled", G_CALLBACK (on_notify), &data);
  g_assert_true (at_portal_invoke (portal, emit_on_portal, action, &error));
  test_latch_wait (&data.ran);
  g_assert_false (data.ran_inline);
  test_portal_finish (portal);
}

static void
test_spawn_never_runs_inside_the_call (void)
{
  AtPortal *portal = test_portal_new ("io");
  TestBlock block = { 0 };
  Probe probe = { .number = 9 };
  AtFuture *future;

  test_block_portal (&block, portal);
  future = probe_spawn (&probe, portal, NULL);
  g_assert_cmpint (g_atomic_int_get (&probe.n_bodies), ==, 0);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_PENDING);
  test_latch_open (&block.release);
  test_future_finish_int (future, 9);
  g_assert_true (probe.body_thread != g_thread_self ());
  test_portal_finish (portal);
}

static void
test_spawn_needs_no_destroy (void)
{
  AtPortal *portal = test_portal_new ("io");

  test_future_finish_int (at_portal_spawn (portal, NULL, test_body_int, GINT_TO_POINTER (3), NULL),
                          3);
  test_portal_finish (portal);
}

/* The future may be dropped at once, the task runs all the same. */
static void
test_spawn_and_forget (void)
{
  AtPortal *portal = test_portal_new ("io");
  Probe probe = { .number = 1 };

  g_object_unref (probe_spawn (&probe, portal, NULL));
  test_latch_wait (&probe.destroyed);
  test_portal_finish (portal);
  g_assert_cmpint (probe.n_bodies, ==, 1);
  g_assert_cmpint (probe.n_destroys, ==, 1);
}

static void
test_invoke_returns_when_it_has_run (void)
{
  AtPortal *portal = test_portal_new ("io");
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 1000; i++)
    {
      Post post = { .portal = portal };

      g_assert_true (at_portal_invoke (portal, post_func, &post, &error));
      g_assert_cmpuint (test_latch_count (&post.ran), ==, 1);
      g_assert_true (post.func_thread != g_thread_self ());
      g_assert_true (post.current == portal);
    }
  test_portal_finish (portal);
}

typedef struct
{
  GMutex  mutex;
  GArray *order;
} Order;

typedef struct
{
  Order *order;
  int    number;
} OrderItem;

static void
order_func (gpointer user_data)
{
  OrderItem *item = user_data;

  g_array_append_val (item->order->order, item->number);
}

static void
order_body (GTask   *task,
            gpointer user_data)
{
  order_func (user_data);
  g_task_return_value (task, NULL);
}

static void
order_check (Order *order,
             int    n)
{
  g_assert_cmpuint (order->order->len, ==, (guint) n);
  for (int i = 0; i < n; i++)
    g_assert_cmpint (g_array_index (order->order, int, i), ==, i);
}

static void
test_order_is_one_queue (void)
{
  AtPortal *portal = test_portal_new ("io");
  Order order = { .order = g_array_new (FALSE, FALSE, sizeof (int)) };
  OrderItem items[200];
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 200; i++)
    {
      items[i].order = &order;
      items[i].number = i;
      switch (i % 5)
        {
        case 0:
        case 2:
          g_assert_true (at_portal_post (portal, order_func, &items[i], NULL, &error));
          break;
        case 1:
        case 3:
          g_object_unref (at_portal_spawn (portal, NULL, order_body, &items[i], NULL));
          break;
        default:
          if (i % 2 == 0)
            {
              g_assert_true (at_portal_invoke (portal, order_func, &items[i], &error));
            }
          else
            {
              GValue *value = at_portal_call (portal, NULL, order_body, &items[i], &error);

              g_assert_no_error (error);
              g_boxed_free (G_TYPE_VALUE, value);
            }
          order_check (&order, i + 1);
          break;
        }
    }
  test_portal_finish (portal);
  order_check (&order, 200);
  g_array_unref (order.order);
}

/* More at once than a bounded batch takes. */
static void
test_order_survives_a_long_queue (void)
{
  AtPortal *portal = test_portal_new ("io");
  Order order = { .order = g_array_new (FALSE, FALSE, sizeof (int)) };
  g_autofree OrderItem *items = g_new (OrderItem, 10000);
  TestBlock block = { 0 };

  test_block_portal (&block, portal);
  for (int i = 0; i < 10000; i++)
    {
      items[i].order = &order;
      items[i].number = i;
      if (i % 3 == 0)
        g_object_unref (at_portal_spawn (portal, NULL, order_body, &items[i], NULL));
      else
        at_portal_post (portal, order_func, &items[i], NULL, NULL);
    }
  test_latch_open (&block.release);
  test_portal_finish (portal);
  order_check (&order, 10000);
  g_array_unref (order.order);
}

typedef struct
{
  AtPortal  *portal;
  OrderItem *items;
  TestLatch *turn;
  guint      remainder;
} OrderThread;

/* Two threads take turns: what was posted before the turn was handed over runs before. */
static gpointer
order_thread (gpointer user_data)
{
  OrderThread *data = user_data;

  for (guint i = data->remainder; i < 1000; i += 2)
    {
      test_latch_wait_for (data->turn, i);
      if (i % 3 == 0)
        g_object_unref (at_portal_spawn (data->portal, NULL, order_body, &data->items[i], NULL));
      else
        at_portal_post (data->portal, order_func, &data->items[i], NULL, NULL);
      test_latch_open (data->turn);
    }

  return NULL;
}

static void
test_order_across_threads_is_happens_before (void)
{
  AtPortal *portal = test_portal_new ("io");
  Order order = { .order = g_array_new (FALSE, FALSE, sizeof (int)) };
  g_autofree OrderItem *items = g_new (OrderItem, 1000);
  TestLatch turn = { 0 };
  OrderThread even = { portal, items, &turn, 0 };
  OrderThread odd = { portal, items, &turn, 1 };
  GThread *thread;

  for (int i = 0; i < 1000; i++)
    {
      items[i].order = &order;
      items[i].number = i;
    }
  thread = g_thread_new ("odd", order_thread, &odd);
  order_thread (&even);
  g_thread_join (thread);
  test_portal_finish (portal);
  order_check (&order, 1000);
  g_array_unref (order.order);
}

typedef struct
{
  AtPortal *portal;
  int       stop;
  guint     n_rounds;
  TestLatch ended;
} Flood;

static void
flood_func (gpointer user_data)
{
  Flood *flood = user_data;

  flood->n_rounds++;
  if (!g_atomic_int_get (&flood->stop))
    at_portal_post (flood->portal, flood_func, flood, NULL, NULL);
}

static gboolean
flood_end (gpointer user_data)
{
  Flood *flood = user_data;

  g_atomic_int_set (&flood->stop, TRUE);
  test_latch_open (&flood->ended);
  return G_SOURCE_REMOVE;
}

/* Work that posts itself again and again leaves time for the other sources of the context. */
static void
test_post_without_end_does_not_starve_sources (void)
{
  AtPortal *portal = test_portal_new ("io");
  Flood flood = { .portal = portal };
  g_autoptr (GSource) source = g_timeout_source_new (5);

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, flood_end, &flood, NULL);
  at_portal_post (portal, flood_func, &flood, NULL, NULL);
  g_source_attach (source, at_portal_get_context (portal));
  test_latch_wait (&flood.ended);
  test_portal_finish (portal);
  g_assert_cmpuint (flood.n_rounds, >, 0);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/portal/new/has-its-own-thread", test_new_has_own_thread);
  test_add ("/portal/new/thread-has-its-name", test_new_thread_has_its_name);
  test_add ("/portal/new/long-name-is-cut-for-the-thread-only",
            test_new_long_name_is_cut_for_the_thread_only);
  test_add ("/portal/new/needs-no-name", test_new_needs_no_name);
  test_add ("/portal/new/many-live-side-by-side", test_new_many_live_side_by_side);
  test_add ("/portal/new/thread-that-cannot-start-is-an-error",
            test_new_thread_that_cannot_start_is_an_error);
  test_add ("/portal/new/initable-takes-name-and-context",
            test_new_initable_takes_name_and_context);
  test_add ("/portal/new/bare-object-is-valid", test_new_bare_object_is_valid);
  test_add ("/portal/post/runs-on-the-portals-thread", test_post_runs_on_the_portals_thread);
  test_add ("/portal/post/does-not-wait-for-a-busy-portal",
            test_post_does_not_wait_for_a_busy_portal);
  test_add ("/portal/post/from-the-own-thread-is-not-inline",
            test_post_from_the_own_thread_is_not_inline);
  test_add ("/portal/post/without-end-does-not-starve-sources",
            test_post_without_end_does_not_starve_sources);
  test_add ("/portal/invoke/returns-when-it-has-run", test_invoke_returns_when_it_has_run);
  test_add ("/portal/spawn/never-runs-inside-the-call", test_spawn_never_runs_inside_the_call);
  test_add ("/portal/spawn/from-the-own-thread-is-not-inline",
            test_spawn_from_the_own_thread_is_not_inline);
  test_add ("/portal/spawn/from-a-source-is-not-inline", test_spawn_from_a_source_is_not_inline);
  test_add ("/portal/spawn/from-a-finalizer", test_spawn_from_a_finalizer);
  test_add ("/portal/spawn/from-a-signal-handler", test_spawn_from_a_signal_handler);
  test_add ("/portal/spawn/needs-no-destroy", test_spawn_needs_no_destroy);
  test_add ("/portal/spawn/and-forget", test_spawn_and_forget);
  test_add ("/portal/order/is-one-queue", test_order_is_one_queue);
  test_add ("/portal/order/survives-a-long-queue", test_order_survives_a_long_queue);
  test_add ("/portal/order/across-threads-is-happens-before",
            test_order_across_threads_is_happens_before);

  return g_test_run ();
}
