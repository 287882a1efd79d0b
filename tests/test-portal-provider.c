/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

static void
store_thread (gpointer data)
{
  *(GThread **) data = g_thread_self ();
}

static GThread *
thread_of (AtPortal *portal)
{
  GThread *thread = NULL;

  invoke_in_portal (portal, store_thread, &thread);

  return thread;
}

static void
assert_stopped (AtPortal *portal)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (at_portal_wait_stopped (portal, NULL, &error));
  g_assert_no_error (error);
}

static void
test_bare_object (void)
{
  g_autoptr (AtPortalProvider) provider = g_object_new (AT_TYPE_PORTAL_PROVIDER, NULL);
  g_autoptr (AtPortal) portal = NULL;

  g_assert_null (at_portal_provider_get_name (provider));
  portal = at_portal_provider_acquire (provider, NULL);
  g_assert_nonnull (portal);
  at_portal_provider_release (provider);
  assert_stopped (portal);
}

static void
test_leases_share (void)
{
  g_autoptr (AtPortalProvider) provider = at_portal_provider_new ("shared");
  g_autoptr (AtPortal) first = at_portal_provider_acquire (provider, NULL);
  g_autoptr (AtPortal) second = at_portal_provider_acquire (provider, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (first == second);
  g_assert_cmpstr (at_portal_get_name (first), ==, "shared");
  g_assert_cmpuint (at_portal_provider_get_leases (provider), ==, 2);

  at_portal_provider_release (provider);
  thread_of (first);

  at_portal_provider_release (provider);
  g_assert_cmpuint (at_portal_provider_get_leases (provider), ==, 0);
  g_assert_false (at_portal_invoke (first, store_thread, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  assert_stopped (first);
}

static void
test_sequential (void)
{
  g_autoptr (AtPortalProvider) provider = at_portal_provider_new (NULL);
  g_autoptr (AtPortal) first = at_portal_provider_acquire (provider, NULL);
  g_autoptr (AtPortal) second = NULL;

  g_assert_nonnull (thread_of (first));
  at_portal_provider_release (provider);

  second = at_portal_provider_acquire (provider, NULL);
  g_assert_true (first != second);
  g_assert_nonnull (thread_of (second));
  at_portal_provider_release (provider);

  assert_stopped (first);
  assert_stopped (second);
}

static void
finish_later (GTask   *task,
              gpointer user_data)
{
  *(GTask **) user_data = g_object_ref (task);
}

static gboolean
return_task (gpointer data)
{
  g_autoptr (GTask) task = data;

  g_task_return_value (task, NULL);

  return G_SOURCE_REMOVE;
}

static void
test_accepted_work_ends (void)
{
  g_autoptr (AtPortalProvider) provider = at_portal_provider_new (NULL);
  g_autoptr (AtPortal) portal = at_portal_provider_acquire (provider, NULL);
  g_autoptr (AtFuture) future = NULL;
  GTask *task = NULL;
  GThread *thread;

  future = at_portal_spawn (portal, NULL, finish_later, &task, NULL);
  thread = thread_of (portal);
  g_assert_nonnull (thread);
  at_portal_provider_release (provider);
  g_assert_false (at_future_is_done (future));

  g_main_context_invoke (at_portal_get_context (portal), return_task, task);
  assert_stopped (portal);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_SUCCEEDED);
}

typedef struct
{
  AtPortalProvider *provider;
  AtPortal         *portal;
  AtEvent          *go;
} Lease;

static gpointer
lease_once (gpointer data)
{
  Lease *self = data;

  self->portal = at_portal_provider_acquire (self->provider, NULL);
  g_assert_nonnull (thread_of (self->portal));
  at_event_wait (self->go, NULL, NULL);
  at_portal_provider_release (self->provider);

  return NULL;
}

static void
test_many_threads_one_portal (void)
{
  g_autoptr (AtPortalProvider) provider = at_portal_provider_new (NULL);
  g_autoptr (AtEvent) go = at_event_new ();
  Lease leases[16];
  GThread *threads[16];

  for (guint i = 0; i < G_N_ELEMENTS (leases); i++)
    {
      leases[i] = (Lease){ .provider = provider, .go = go };
      threads[i] = g_thread_new ("lease", lease_once, &leases[i]);
    }

  wait_for_waiters (go, G_N_ELEMENTS (leases));
  for (guint i = 1; i < G_N_ELEMENTS (leases); i++)
    g_assert_true (leases[i].portal == leases[0].portal);

  at_event_set (go);
  for (guint i = 0; i < G_N_ELEMENTS (leases); i++)
    g_thread_join (threads[i]);

  g_assert_cmpuint (at_portal_provider_get_leases (provider), ==, 0);
  assert_stopped (leases[0].portal);
  for (guint i = 0; i < G_N_ELEMENTS (leases); i++)
    g_object_unref (leases[i].portal);
}

static gpointer
lease_often (gpointer data)
{
  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (AtPortal) portal = at_portal_provider_acquire (data, NULL);

      g_assert_nonnull (thread_of (portal));
      at_portal_provider_release (data);
    }

  return NULL;
}

static guint
count_threads (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/task", 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;

  return n;
}

static void
test_no_thread_leaks (void)
{
  g_autoptr (AtPortalProvider) provider = at_portal_provider_new (NULL);
  guint n_threads = count_threads ();
  GThread *threads[8];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("lease", lease_often, provider);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  g_assert_cmpuint (at_portal_provider_get_leases (provider), ==, 0);
  /* Threads of stopped portals end by themselves; a leaked one would keep this from ending. */
  while (count_threads () > n_threads)
    g_usleep (1000);
}

static void
test_released_too_often (void)
{
  if (g_test_subprocess ())
    {
      g_autoptr (AtPortalProvider) provider = at_portal_provider_new (NULL);

      at_portal_provider_release (provider);
      return;
    }

  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("*A lease was released that nobody has*");
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/portal-provider/bare-object-is-valid", test_bare_object);
  g_test_add_func ("/portal-provider/leases-share-one-portal", test_leases_share);
  g_test_add_func ("/portal-provider/sequential-leases-get-new-threads", test_sequential);
  g_test_add_func ("/portal-provider/accepted-work-ends-after-the-last-lease",
                   test_accepted_work_ends);
  g_test_add_func ("/portal-provider/many-threads-lease-one-portal", test_many_threads_one_portal);
  g_test_add_func ("/portal-provider/no-thread-leaks", test_no_thread_leaks);
  g_test_add_func ("/portal-provider/releasing-too-often-is-a-critical", test_released_too_often);

  return g_test_run ();
}
