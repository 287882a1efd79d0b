/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Blocking functions on threads of their own. */

#include "test-common.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a job meets. Zeroes are a job that returns its number at once. */
typedef struct
{
  int        number;
  TestLatch *hold;
  TestLatch  entered;
  TestLatch  destroyed;
  GThread   *thread;
  GThread   *destroy_thread;
  int        n_bodies;
  int       *n_running;
  int       *n_most;
} Job;

static void
note_one_more (Job *job)
{
  int n = g_atomic_int_add (job->n_running, 1) + 1;
  int most = g_atomic_int_get (job->n_most);

  while (n > most && !g_atomic_int_compare_and_exchange (job->n_most, most, n))
    most = g_atomic_int_get (job->n_most);
}

static void
job_body (GTask *task,
          gpointer user_data)
{
  Job *job = user_data;

  job->n_bodies++;
  job->thread = g_thread_self ();
  if (job->n_running != NULL)
    note_one_more (job);
  test_latch_open (&job->entered);
  if (job->hold != NULL)
    test_latch_wait (job->hold);
  if (job->n_running != NULL)
    g_atomic_int_add (job->n_running, -1);
  test_return_int (task, job->number);
}

static void
job_destroy (gpointer user_data)
{
  Job *job = user_data;

  job->destroy_thread = g_thread_self ();
  test_latch_open (&job->destroyed);
}

static AtFuture *
job_spawn (Job *job,
           AtWorkerPool *pool,
           AtWorkerFlags flags,
           GCancellable *cancellable)
{
  AtFuture *future = at_worker_pool_spawn (pool, flags, cancellable, job_body, job, job_destroy);

  g_assert_true (AT_IS_FUTURE (future));

  return future;
}

static AtWorkerPool *
pool_new (guint total)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (total);

  return at_worker_pool_new (limiter);
}

/* Every thread is gone, and so is every token. */
static void
pool_finish (AtWorkerPool *pool)
{
  g_autoptr (GError) error = NULL;

  at_worker_pool_stop (pool, FALSE);
  g_assert_true (at_worker_pool_wait_stopped (pool, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (at_worker_pool_get_n_threads (pool), ==, 0);
  g_assert_cmpuint (at_capacity_limiter_get_borrowed (at_worker_pool_get_limiter (pool)), ==, 0);
  g_assert_finalize_object (pool);
}

static void
test_returns_the_value (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);

  for (int i = 0; i < 1000; i++)
    {
      Job job = { .number = i };

      test_future_finish_int (job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL), i);
      g_assert_cmpint (job.n_bodies, ==, 1);
      g_assert_true (job.thread != g_thread_self ());
      g_assert_true (job.destroy_thread == job.thread);
    }

  pool_finish (pool);
}

static void
test_default_has_forty_tokens (void)
{
  AtWorkerPool *pool = at_worker_pool_get_default ();
  Job job = { .number = 3 };

  g_assert_true (pool == at_worker_pool_get_default ());
  g_assert_cmpuint (at_capacity_limiter_get_total (at_worker_pool_get_limiter (pool)), ==, 40);
  test_future_finish_int (job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL), 3);
}

static void
test_bare_object_is_valid (void)
{
  AtWorkerPool *pool = g_object_new (AT_TYPE_WORKER_POOL, NULL);
  Job job = { .number = 3 };

  test_future_finish_int (job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL), 3);
  pool_finish (pool);
}

static void
error_body (GTask *task,
            gpointer user_data)
{
  g_task_return_new_error (task, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "no such thing");
}

static void
test_error_keeps_its_domain_code_and_message (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  g_autoptr (AtFuture) future = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, error_body,
                                                      NULL, NULL);
  g_autoptr (GError) error = NULL;

  test_future_wait (future);
  g_assert_null (at_future_get_value (future, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  g_assert_cmpstr (error->message, ==, "no such thing");
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_FAILED);
  pool_finish (pool);
}

static void
test_unseen_failure_is_reported_once (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  AtFuture *future = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, error_body, NULL,
                                           NULL);

  at_future_set_name (future, "unseen");
  test_future_wait (future);
  g_object_unref (future);
  pool_finish (pool);
  test_assert_report ("unseen");
}

static void
pointer_body (GTask *task,
              gpointer user_data)
{
  g_task_return_pointer (task, g_strdup ("text"), g_free);
}

static void
test_pointer_is_taken_once (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  g_autoptr (AtFuture) future = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL,
                                                      pointer_body,
                                                      NULL, NULL);
  AtFuture *dropped = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, pointer_body, NULL,
                                            NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_object_unref (dropped);
  test_future_wait (future);
  text = at_future_propagate_pointer (future, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "text");
  g_assert_null (at_future_propagate_pointer (future, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT);
  pool_finish (pool);
}

static void
forgetful_body (GTask *task,
                gpointer user_data)
{
}

static void
test_body_that_does_not_return_fails (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);

  test_future_finish_error (at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, forgetful_body,
                                                  NULL, NULL),
                            AT_ERROR, AT_ERROR_ABANDONED);
  pool_finish (pool);
}

static gpointer
return_nine (gpointer task)
{
  test_return_int (task, 9);
  return NULL;
}

static void
delegating_body (GTask *task,
                 gpointer user_data)
{
  test_on_thread (return_nine, task);
}

static void
test_task_may_be_returned_by_a_thread_of_the_body (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);

  test_future_finish_int (at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, delegating_body,
                                                NULL, NULL),
                          9);
  pool_finish (pool);
}

static void
started_body (GTask *task,
              gpointer hold)
{
  at_task_started (task, NULL);
  test_latch_wait (hold);
  test_return_int (task, 1);
}

static void
test_tells_that_it_has_started (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  TestLatch hold = { 0 };
  AtFuture *future = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, started_body, &hold,
                                           NULL);
  g_autoptr (GError) error = NULL;
  GValue *value = at_future_wait_started (future, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (g_value_get_boolean (value));
  g_boxed_free (G_TYPE_VALUE, value);
  test_latch_open (&hold);
  test_future_finish_int (future, 1);
  pool_finish (pool);
}

/* Admission. */

static void
test_never_more_at_once_than_allowed (void)
{
  const guint totals[] = { 1, 4, 40 };

  for (guint i = 0; i < G_N_ELEMENTS (totals); i++)
    {
      enum
      {
        N = 500
      };
      AtWorkerPool *pool = pool_new (totals[i]);
      g_autofree Job *jobs = g_new0 (Job, N);
      AtFuture *futures[N];
      int n_running = 0;
      int n_most = 0;

      for (int n = 0; n < N; n++)
        {
          jobs[n].number = n;
          jobs[n].n_running = &n_running;
          jobs[n].n_most = &n_most;
          futures[n] = job_spawn (&jobs[n], pool, AT_WORKER_FLAGS_NONE, NULL);
        }
      for (int n = 0; n < N; n++)
        test_future_finish_int (futures[n], n);

      g_assert_cmpint (n_most, >=, 1);
      g_assert_cmpint (n_most, <=, (int) totals[i]);
      g_assert_cmpuint (at_worker_pool_get_n_threads (pool), <=, totals[i]);
      pool_finish (pool);
    }
}

static void
test_all_that_is_allowed_runs_at_once (void)
{
  AtWorkerPool *pool = pool_new (3);
  TestLatch hold = { 0 };
  Job jobs[4] = { 0 };
  AtFuture *futures[4];

  for (int n = 0; n < 4; n++)
    {
      jobs[n].number = n;
      jobs[n].hold = &hold;
      futures[n] = job_spawn (&jobs[n], pool, AT_WORKER_FLAGS_NONE, NULL);
    }
  for (int n = 0; n < 3; n++)
    test_latch_wait (&jobs[n].entered);
  g_assert_cmpint (at_future_get_state (futures[3]), ==, AT_FUTURE_STATE_PENDING);

  test_latch_open (&hold);
  for (int n = 0; n < 4; n++)
    test_future_finish_int (futures[n], n);
  pool_finish (pool);
}

typedef struct
{
  GArray *order;
  int     number;
} Ordered;

static void
ordered_body (GTask *task,
              gpointer user_data)
{
  Ordered *self = user_data;

  g_array_append_val (self->order, self->number);
  test_return_int (task, self->number);
}

static void
test_queue_is_first_in_first_out (void)
{
  AtWorkerPool *pool = pool_new (1);
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (int));
  TestLatch hold = { 0 };
  Job first = { .hold = &hold };
  Ordered ordered[100];
  AtFuture *futures[100];
  AtFuture *blocking = job_spawn (&first, pool, AT_WORKER_FLAGS_NONE, NULL);

  for (int i = 0; i < 100; i++)
    {
      ordered[i] = (Ordered){ order, i };
      futures[i] = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, ordered_body,
                                         &ordered[i],
                                         NULL);
    }
  test_latch_open (&hold);
  test_future_finish_int (blocking, 0);
  for (int i = 0; i < 100; i++)
    test_future_finish_int (futures[i], i);
  for (int i = 0; i < 100; i++)
    g_assert_cmpint (g_array_index (order, int, i), ==, i);
  pool_finish (pool);
}

static void
test_limit_can_be_raised_while_jobs_wait (void)
{
  AtWorkerPool *pool = pool_new (0);
  Job job = { .number = 5 };
  AtFuture *future = job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL);

  g_assert_cmpuint (at_worker_pool_get_n_threads (pool), ==, 0);
  at_capacity_limiter_set_total (at_worker_pool_get_limiter (pool), 1);
  test_future_finish_int (future, 5);
  pool_finish (pool);
}

static void
test_limiter_is_shared_in_order (void)
{
  g_autoptr (AtCapacityLimiter) limiter = at_capacity_limiter_new (1);
  AtWorkerPool *one = at_worker_pool_new (limiter);
  AtWorkerPool *other = at_worker_pool_new (limiter);
  TestLatch hold = { 0 };
  Job blocking = { .number = 1, .hold = &hold };
  Job queued = { .number = 2 };
  AtFuture *first = job_spawn (&blocking, one, AT_WORKER_FLAGS_NONE, NULL);
  AtFuture *second = job_spawn (&queued, other, AT_WORKER_FLAGS_NONE, NULL);

  test_latch_wait (&blocking.entered);
  g_assert_cmpint (at_future_get_state (second), ==, AT_FUTURE_STATE_PENDING);
  test_latch_open (&hold);
  test_future_finish_int (first, 1);
  test_future_finish_int (second, 2);
  pool_finish (one);
  pool_finish (other);
}

/* Cancellation. */

static void
test_cancelled_in_the_queue_never_runs (void)
{
  AtWorkerPool *pool = pool_new (1);
  TestLatch hold = { 0 };
  Job blocking = { .number = 1, .hold = &hold };
  Job queued = { 0 };
  Job next = { .number = 3 };
  AtFuture *first = job_spawn (&blocking, pool, AT_WORKER_FLAGS_NONE, NULL);
  AtFuture *second = job_spawn (&queued, pool, AT_WORKER_FLAGS_NONE, NULL);
  AtFuture *third = job_spawn (&next, pool, AT_WORKER_FLAGS_NONE, NULL);

  g_assert_true (at_future_cancel (second));
  /* Done while the only token is out. */
  test_future_wait (second);
  g_assert_cmpint (at_future_get_state (second), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_cmpuint (test_latch_count (&queued.destroyed), ==, 1);
  g_assert_true (queued.destroy_thread != g_thread_self ());
  test_future_finish_error (second, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  test_latch_open (&hold);
  test_future_finish_int (first, 1);
  test_future_finish_int (third, 3);
  g_assert_cmpint (queued.n_bodies, ==, 0);
  pool_finish (pool);
}

static void
test_cancelled_caller_never_runs (void)
{
  AtWorkerPool *pool = pool_new (1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  const AtWorkerFlags flags[] = { AT_WORKER_FLAGS_NONE, AT_WORKER_FLAGS_ABANDON_ON_CANCEL };

  g_cancellable_cancel (cancellable);

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      Job job = { 0 };
      AtFuture *future = job_spawn (&job, pool, flags[i], cancellable);

      test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      test_latch_wait (&job.destroyed);
      g_assert_cmpint (job.n_bodies, ==, 0);
    }
  pool_finish (pool);
}

static void
test_many_cancelled_in_the_queue_need_one_thread (void)
{
  AtWorkerPool *pool = pool_new (1);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  TestLatch hold = { 0 };
  Job blocking = { .number = 1, .hold = &hold };
  Job queued[1000] = { 0 };
  AtFuture *futures[1000];
  AtFuture *first = job_spawn (&blocking, pool, AT_WORKER_FLAGS_NONE, NULL);

  for (int i = 0; i < 1000; i++)
    futures[i] = job_spawn (&queued[i], pool, AT_WORKER_FLAGS_NONE, cancellable);
  g_cancellable_cancel (cancellable);
  for (int i = 0; i < 1000; i++)
    {
      test_future_finish_error (futures[i], G_IO_ERROR, G_IO_ERROR_CANCELLED);
      g_assert_cmpint (queued[i].n_bodies, ==, 0);
    }
  g_assert_cmpuint (at_worker_pool_get_n_threads (pool), ==, 2);
  test_latch_open (&hold);
  test_future_finish_int (first, 1);
  pool_finish (pool);
}

static void
test_cancelled_caller_waits_for_the_thread (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  TestLatch hold = { 0 };
  Job job = { .number = 7, .hold = &hold };
  AtFuture *future = job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL);

  test_latch_wait (&job.entered);
  at_future_cancel (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLING);
  g_assert_false (at_future_wait_until (future, g_get_monotonic_time (), NULL, NULL));
  test_latch_open (&hold);
  /* Computed in spite of the cancellation, so delivered. */
  test_future_finish_int (future, 7);
  pool_finish (pool);
}

static void
test_abandoned_function_keeps_its_token (void)
{
  AtWorkerPool *pool = pool_new (1);
  AtCapacityLimiter *limiter = at_worker_pool_get_limiter (pool);
  TestLatch hold = { 0 };
  Job job = { .number = 7, .hold = &hold };
  Job next = { .number = 8 };
  AtFuture *future = job_spawn (&job, pool, AT_WORKER_FLAGS_ABANDON_ON_CANCEL, NULL);
  AtFuture *queued;

  test_latch_wait (&job.entered);
  at_cancel_scope_cancel_with_reason (AT_CANCEL_SCOPE (at_future_get_cancellable (future)),
                                      "tired");
  test_future_wait (future);
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
  g_assert_cmpuint (test_latch_count (&job.destroyed), ==, 0);
  g_assert_cmpuint (at_capacity_limiter_get_borrowed (limiter), ==, 1);

  queued = job_spawn (&next, pool, AT_WORKER_FLAGS_NONE, NULL);
  g_assert_cmpint (at_future_get_state (queued), ==, AT_FUTURE_STATE_PENDING);
  g_assert_cmpuint (at_capacity_limiter_get_borrowed (limiter), ==, 1);

  test_latch_open (&hold);
  test_future_finish_int (queued, 8);
  test_latch_wait (&job.destroyed);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  pool_finish (pool);
}

static void
test_abandoned_by_a_deadline_is_timed_out (void)
{
  AtWorkerPool *pool = pool_new (1);
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch hold = { 0 };
  Job job = { .hold = &hold };
  AtFuture *future = job_spawn (&job, pool, AT_WORKER_FLAGS_ABANDON_ON_CANCEL,
                                G_CANCELLABLE (scope));

  test_latch_wait (&job.entered);
  at_cancel_scope_set_timeout (scope, 1);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  test_latch_open (&hold);
  test_latch_wait (&job.destroyed);
  pool_finish (pool);
}

static void
asking_body (GTask *task,
             gpointer user_data)
{
  Job *job = user_data;
  GError *error = NULL;

  g_assert_true (at_worker_check_cancelled (&error));
  g_assert_no_error (error);
  test_latch_open (&job->entered);
  test_latch_wait (job->hold);
  g_assert_false (at_worker_check_cancelled (NULL));
  g_assert_false (at_worker_check_cancelled (&error));
  g_task_return_error (task, error);
}

static void
test_function_can_ask_whether_to_go_on (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  TestLatch hold = { 0 };
  Job job = { .hold = &hold };
  g_autoptr (AtFuture) future = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE,
                                                      G_CANCELLABLE (scope), asking_body, &job,
                                                      NULL);
  g_autoptr (GError) error = NULL;

  test_latch_wait (&job.entered);
  at_cancel_scope_cancel_with_reason (scope, "enough");
  test_latch_open (&hold);
  test_future_wait (future);
  g_assert_null (at_future_get_value (future, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_nonnull (strstr (error->message, "enough"));
  g_assert_cmpint (at_future_get_state (future), ==, AT_FUTURE_STATE_CANCELLED);
  pool_finish (pool);

  /* Elsewhere there is nothing to cancel. */
  g_assert_true (at_worker_check_cancelled (NULL));
  g_assert_null (at_worker_get_portal ());
}

static gpointer
cancel_all (gpointer futures)
{
  for (guint i = 0; i < ((GPtrArray *) futures)->len; i++)
    at_future_cancel (g_ptr_array_index ((GPtrArray *) futures, i));
  return NULL;
}

static void
test_cancellation_racing_with_everything_ends_each_once (void)
{
  for (int round = 0; round < 20; round++)
    {
      AtWorkerPool *pool = pool_new (2);
      g_autoptr (GPtrArray) futures = g_ptr_array_new_with_free_func (g_object_unref);
      Job jobs[200] = { 0 };
      GThread *thread;

      for (int i = 0; i < 200; i++)
        g_ptr_array_add (futures, job_spawn (&jobs[i], pool,
                                             i % 2 ? AT_WORKER_FLAGS_NONE
                                                   : AT_WORKER_FLAGS_ABANDON_ON_CANCEL,
                                             NULL));
      thread = g_thread_new ("canceller", cancel_all, futures);
      for (int i = 0; i < 200; i++)
        {
          AtFuture *future = g_ptr_array_index (futures, i);

          test_future_wait (future);
          test_latch_wait (&jobs[i].destroyed);
          g_assert_cmpuint (test_latch_count (&jobs[i].destroyed), ==, 1);
          g_assert_cmpint (jobs[i].n_bodies, <=, 1);
          if (at_future_get_state (future) == AT_FUTURE_STATE_SUCCEEDED)
            g_assert_cmpint (jobs[i].n_bodies, ==, 1);
        }
      g_thread_join (thread);
      pool_finish (pool);
    }
}

/* The portal. */

typedef struct
{
  AtWorkerPool *pool;
  AtPortal     *portal;
  GThread      *portal_thread;
  GTask        *task;
  AtFuture     *job;
  TestLatch     entered;
  TestLatch     inner_entered;
} Host;

static void
on_job_done (GObject *source,
             GAsyncResult *result,
             gpointer user_data)
{
  Host *host = user_data;
  g_autoptr (GTask) task = g_steal_pointer (&host->task);
  g_autoptr (AtFuture) job = g_steal_pointer (&host->job);
  GError *error = NULL;
  const GValue *value;

  g_assert_true (g_thread_self () == host->portal_thread);
  g_assert_true (at_future_wait_finish (AT_FUTURE (source), result, NULL));
  value = at_future_get_value (job, &error);
  if (value == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_value (task, (GValue *) value);
}

static void
inner_body (GTask *task,
            gpointer user_data)
{
  Host *host = user_data;

  g_assert_true (g_thread_self () == host->portal_thread);
  test_return_int (task, 21);
}

static void
calling_back_body (GTask *task,
                   gpointer user_data)
{
  Host *host = user_data;
  GError *error = NULL;
  GValue *value;

  g_assert_true (at_worker_get_portal () == host->portal);
  g_assert_null (at_portal_get_current ());
  value = at_portal_call (at_worker_get_portal (), NULL, inner_body, host, &error);
  g_assert_no_error (error);
  test_return_int (task, 2 * g_value_get_int (value));
  g_boxed_free (G_TYPE_VALUE, value);
}

static void
host_with (GTask *task,
           Host *host,
           AtTaskFunc func)
{
  host->task = g_object_ref (task);
  host->portal_thread = g_thread_self ();
  host->job = at_worker_pool_spawn (host->pool, AT_WORKER_FLAGS_NONE, g_task_get_cancellable (task),
                                    func, host, NULL);
  at_future_wait_async (host->job, NULL, on_job_done, host);
}

static void
host_body (GTask *task,
           gpointer user_data)
{
  host_with (task, user_data, calling_back_body);
}

static void
test_worker_calls_back_into_its_portal (void)
{
  Host host = { .pool = at_worker_pool_new (NULL), .portal = test_portal_new ("host") };
  g_autoptr (GError) error = NULL;
  GValue *value = at_portal_call (host.portal, NULL, host_body, &host, &error);

  g_assert_no_error (error);
  test_assert_int_taken (value, 42);
  pool_finish (host.pool);
  test_portal_finish (host.portal);
}

static void
inner_cancelled (GObject *source,
                 GAsyncResult *result,
                 gpointer user_data)
{
  g_autoptr (GTask) task = user_data;

  at_cancel_scope_wait_finish (AT_CANCEL_SCOPE (source), result, NULL);
  g_assert_true (g_task_return_error_if_cancelled (task));
}

static void
inner_waiting_body (GTask *task,
                    gpointer user_data)
{
  Host *host = user_data;

  at_cancel_scope_wait_async (AT_CANCEL_SCOPE (g_task_get_cancellable (task)), NULL,
                              inner_cancelled,
                              g_object_ref (task));
  test_latch_open (&host->inner_entered);
}

static void
waiting_back_body (GTask *task,
                   gpointer user_data)
{
  GError *error = NULL;
  GValue *value = at_portal_call (at_worker_get_portal (), NULL, inner_waiting_body, user_data,
                                  &error);

  g_assert_null (value);
  g_task_return_error (task, error);
}

static void
waiting_host_body (GTask *task,
                   gpointer user_data)
{
  host_with (task, user_data, waiting_back_body);
}

static void
test_callback_runs_under_the_scope_of_the_host (void)
{
  Host host = { .pool = at_worker_pool_new (NULL), .portal = test_portal_new ("host") };
  AtFuture *future = at_portal_spawn (host.portal, NULL, waiting_host_body, &host, NULL);

  test_latch_wait (&host.inner_entered);
  at_future_cancel (future);
  test_future_finish_error (future, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  pool_finish (host.pool);
  test_portal_finish (host.portal);
}

static void
refused_body (GTask *task,
              gpointer user_data)
{
  Host *host = user_data;
  g_autoptr (GError) error = NULL;

  test_latch_open (&host->entered);
  test_latch_wait (&host->inner_entered);
  g_assert_null (at_portal_call (at_worker_get_portal (), NULL, inner_body, host, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_NOT_RUNNING);
  test_return_int (task, 4);
}

static void
refused_host_body (GTask *task,
                   gpointer user_data)
{
  host_with (task, user_data, refused_body);
}

static void
test_result_arrives_at_a_stopped_portal_and_callback_is_refused (void)
{
  Host host = { .pool = at_worker_pool_new (NULL), .portal = test_portal_new ("host") };
  AtFuture *future = at_portal_spawn (host.portal, NULL, refused_host_body, &host, NULL);

  test_latch_wait (&host.entered);
  at_portal_stop (host.portal, FALSE);
  test_latch_open (&host.inner_entered);
  test_future_finish_int (future, 4);
  pool_finish (host.pool);
  test_portal_finish (host.portal);
}

static void
blocking_wait_body (GTask *task,
                    gpointer user_data)
{
  Host *host = user_data;
  TestLatch hold = { 0 };
  Job job = { .number = 1, .hold = &hold };
  AtFuture *future = job_spawn (&job, host->pool, AT_WORKER_FLAGS_NONE, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (at_future_wait (future, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  test_latch_open (&hold);
  test_latch_wait (&job.destroyed);
  g_object_unref (future);
  g_task_return_value (task, NULL);
}

static void
test_blocking_wait_on_a_portals_thread_is_refused (void)
{
  Host host = { .pool = at_worker_pool_new (NULL), .portal = test_portal_new ("host") };
  g_autoptr (GError) error = NULL;
  GValue *value = at_portal_call (host.portal, NULL, blocking_wait_body, &host, &error);

  g_assert_no_error (error);
  g_boxed_free (G_TYPE_VALUE, value);
  pool_finish (host.pool);
  test_portal_finish (host.portal);
}

static void
to_main_body (GTask *task,
              gpointer user_data)
{
  g_autoptr (GError) error = NULL;
  GValue *value;

  test_latch_wait (user_data);
  value = at_portal_call (at_portal_get_main (), NULL, test_body_int, NULL, &error);
  if (value == NULL)
    g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  else
    g_boxed_free (G_TYPE_VALUE, value);
  g_task_return_boolean (task, value == NULL);
}

static void
test_cycle_through_the_main_thread_is_refused (void)
{
  if (g_test_subprocess ())
    {
      /* Here the main thread has no portal before the worker asks for one. */
      AtWorkerPool *pool = at_worker_pool_new (NULL);
      TestLatch hold = { 0 };
      AtFuture *future = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, to_main_body,
                                               &hold,
                                               NULL);
      g_autoptr (GError) error = NULL;

      test_latch_open (&hold);
      /* Who comes second is refused, whoever that is. */
      if (at_future_wait (future, NULL, &error))
        {
          g_assert_true (at_future_propagate_boolean (future, &error));
          g_assert_no_error (error);
        }
      else
        {
          g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
          while (!at_future_is_done (future))
            g_main_context_iteration (NULL, FALSE);
        }
      g_object_unref (future);
      g_object_unref (pool);
      return;
    }

  test_assert_subprocess (NULL);
}

/* Deadlocks. */

typedef struct
{
  AtWorkerPool *pool;
  TestLatch     entered;
  TestLatch    *hold;
  AtFuture     *inner;
  GError       *error;
  gboolean      has_end;
} Nested;

static void
nested_body (GTask *task,
             gpointer user_data)
{
  Nested *self = user_data;
  gint64 end_time = self->has_end ? g_get_monotonic_time () + 1000 : G_MAXINT64;

  test_latch_open (&self->entered);
  if (self->hold != NULL)
    test_latch_wait (self->hold);
  self->inner = at_worker_pool_spawn (self->pool, AT_WORKER_FLAGS_NONE, NULL, test_body_int,
                                      GINT_TO_POINTER (6), NULL);
  at_future_wait_until (self->inner, end_time, NULL, &self->error);
  g_task_return_value (task, NULL);
}

static AtFuture *
nested_spawn (Nested *self,
              AtWorkerPool *pool,
              TestLatch *hold)
{
  self->pool = pool;
  self->hold = hold;

  return at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, nested_body, self, NULL);
}

static void
test_wait_of_the_last_admitted_worker_would_deadlock (void)
{
  enum
  {
    N = 4
  };
  AtWorkerPool *pool = pool_new (N);
  TestLatch hold = { 0 };
  Nested nested[N] = { 0 };
  AtFuture *futures[N];
  int n_refused = 0;

  for (int i = 0; i < N; i++)
    futures[i] = nested_spawn (&nested[i], pool, &hold);
  for (int i = 0; i < N; i++)
    test_latch_wait (&nested[i].entered);
  test_latch_open (&hold);

  for (int i = 0; i < N; i++)
    {
      test_future_wait (futures[i]);
      g_object_unref (futures[i]);
      if (nested[i].error != NULL)
        {
          test_assert_error (nested[i].error, AT_ERROR, AT_ERROR_WOULD_DEADLOCK);
          n_refused++;
        }
      test_future_finish_int (nested[i].inner, 6);
    }
  g_assert_cmpint (n_refused, >=, 1);
  g_assert_cmpint (n_refused, <, N);
  pool_finish (pool);
}

static void
test_wait_for_a_running_job_is_allowed (void)
{
  AtWorkerPool *pool = pool_new (2);
  Nested nested = { 0 };
  AtFuture *future = nested_spawn (&nested, pool, NULL);

  test_future_wait (future);
  g_assert_no_error (nested.error);
  test_future_finish_int (nested.inner, 6);
  g_object_unref (future);
  pool_finish (pool);
}

static void
test_wait_for_another_pool_is_allowed (void)
{
  AtWorkerPool *pool = pool_new (1);
  AtWorkerPool *inner = pool_new (1);
  Nested nested = { .pool = inner };
  AtFuture *future = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, nested_body, &nested,
                                           NULL);

  test_future_wait (future);
  g_assert_no_error (nested.error);
  test_future_finish_int (nested.inner, 6);
  g_object_unref (future);
  pool_finish (pool);
  pool_finish (inner);
}

static void
test_wait_with_an_end_is_no_deadlock (void)
{
  AtWorkerPool *pool = pool_new (1);
  Nested nested = { .has_end = TRUE };
  AtFuture *future = nested_spawn (&nested, pool, NULL);

  test_future_wait (future);
  test_assert_error (nested.error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  test_future_finish_int (nested.inner, 6);
  g_object_unref (future);
  pool_finish (pool);
}

static void
test_somebody_elses_token_is_no_deadlock (void)
{
  AtWorkerPool *pool = pool_new (2);
  AtCapacityLimiter *limiter = at_worker_pool_get_limiter (pool);
  Nested nested = { 0 };
  AtFuture *future;

  g_assert_true (at_capacity_limiter_try_acquire (limiter, NULL));
  future = nested_spawn (&nested, pool, NULL);
  test_latch_wait (&nested.entered);
  at_capacity_limiter_release (limiter, NULL);
  test_future_wait (future);
  g_assert_no_error (nested.error);
  test_future_finish_int (nested.inner, 6);
  g_object_unref (future);
  pool_finish (pool);
}

/* Threads. */

static void
test_threads_are_used_again (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  Job first = { 0 };
  Job second = { 0 };

  test_future_finish_int (job_spawn (&first, pool, AT_WORKER_FLAGS_NONE, NULL), 0);
  test_future_finish_int (job_spawn (&second, pool, AT_WORKER_FLAGS_NONE, NULL), 0);
  g_assert_true (first.thread == second.thread);
  g_assert_cmpuint (at_worker_pool_get_n_threads (pool), ==, 1);
  pool_finish (pool);
}

static void
test_idle_threads_leave (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  gint64 idle_time;
  Job job = { 0 };

  g_object_get (pool, "idle-time", &idle_time, NULL);
  g_assert_cmpint (idle_time, ==, 10 * G_USEC_PER_SEC);
  g_object_set (pool, "idle-time", (gint64) 1000, NULL);
  test_future_finish_int (job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL), 0);
  /* Nothing tells of it. */
  while (at_worker_pool_get_n_threads (pool) > 0)
    g_usleep (500);
  /* The next one gets another. */
  test_future_finish_int (job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL), 0);
  pool_finish (pool);
}

static void
name_body (GTask *task,
           gpointer user_data)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/task/%d/comm", gettid ());
  char *text;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_task_return_pointer (task, g_strchomp (text), g_free);
}

static void
test_threads_have_names (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  g_autoptr (AtFuture) future = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, name_body,
                                                      NULL, NULL);
  g_autofree char *name = NULL;

  test_future_wait (future);
  name = at_future_propagate_pointer (future, NULL);
  g_assert_cmpstr (name, ==, "at-worker-1");
  pool_finish (pool);
}

static void
test_last_reference_lets_accepted_work_run (void)
{
  AtWorkerPool *pool = pool_new (1);
  TestLatch hold = { 0 };
  Job blocking = { .number = 1, .hold = &hold };
  Job queued = { .number = 2 };
  AtFuture *first = job_spawn (&blocking, pool, AT_WORKER_FLAGS_NONE, NULL);
  AtFuture *second = job_spawn (&queued, pool, AT_WORKER_FLAGS_NONE, NULL);

  g_assert_finalize_object (pool);
  test_latch_open (&hold);
  test_future_finish_int (first, 1);
  test_future_finish_int (second, 2);
}

/* The end. */

static void
test_stopped_pool_refuses (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  Job job = { 0 };

  at_worker_pool_stop (pool, FALSE);
  test_future_finish_error (job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL), AT_ERROR,
                            AT_ERROR_NOT_RUNNING);
  g_assert_true (job.destroy_thread == g_thread_self ());
  g_assert_cmpint (job.n_bodies, ==, 0);
  pool_finish (pool);
}

static void
test_stop_can_cancel (void)
{
  AtWorkerPool *pool = pool_new (1);
  TestLatch hold = { 0 };
  Job running = { .hold = &hold };
  Job queued = { 0 };
  AtFuture *first = at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL, asking_body, &running,
                                          NULL);
  AtFuture *second = job_spawn (&queued, pool, AT_WORKER_FLAGS_NONE, NULL);

  test_latch_wait (&running.entered);
  at_worker_pool_stop (pool, FALSE);
  at_worker_pool_stop (pool, TRUE);
  test_future_finish_error (second, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_latch_open (&hold);
  test_future_finish_error (first, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  pool_finish (pool);
}

static void
test_wait_for_the_end_can_be_stopped (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  g_autoptr (AtCancelScope) scope = at_cancel_scope_new (NULL);
  g_autoptr (GError) error = NULL;

  at_cancel_scope_set_timeout (scope, 1000);
  g_assert_false (at_worker_pool_wait_stopped (pool, G_CANCELLABLE (scope), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  pool_finish (pool);
}

static void
wait_for_own_end_body (GTask *task,
                       gpointer pool)
{
  GError *error = NULL;

  g_assert_false (at_worker_pool_wait_stopped (pool, NULL, &error));
  g_task_return_error (task, error);
}

static void
test_worker_cannot_wait_for_its_end (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);

  test_future_finish_error (at_worker_pool_spawn (pool, AT_WORKER_FLAGS_NONE, NULL,
                                                  wait_for_own_end_body, pool, NULL),
                            AT_ERROR, AT_ERROR_WRONG_THREAD);
  pool_finish (pool);
}

static void
test_end_is_told_without_blocking (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  TestAnswer answer = { 0 };
  TestAnswer late = { 0 };
  TestAnswer stopped = { 0 };
  Job job = { 0 };

  at_worker_pool_wait_stopped_async (pool, NULL, test_answer_ready, &answer);
  at_worker_pool_wait_stopped_async (pool, cancellable, test_answer_ready, &stopped);
  test_future_finish_int (job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL), 0);
  g_cancellable_cancel (cancellable);
  test_iterate_until (NULL, &stopped.called);
  g_assert_false (at_worker_pool_wait_stopped_finish (pool, stopped.result, &error));
  test_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  at_worker_pool_stop (pool, FALSE);
  test_iterate_until (NULL, &answer.called);
  g_assert_true (at_worker_pool_wait_stopped_finish (pool, answer.result, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (at_worker_pool_get_n_threads (pool), ==, 0);

  at_worker_pool_wait_stopped_async (pool, NULL, test_answer_ready, &late);
  g_assert_false (late.called);
  test_iterate_until (NULL, &late.called);
  g_assert_true (at_worker_pool_wait_stopped_finish (pool, late.result, &error));

  test_answer_clear (&answer);
  test_answer_clear (&late);
  test_answer_clear (&stopped);
  pool_finish (pool);
}

static void
test_forked_child_is_refused (void)
{
  AtWorkerPool *pool = at_worker_pool_new (NULL);
  TestLatch hold = { 0 };
  Job job = { .hold = &hold };
  AtFuture *future = job_spawn (&job, pool, AT_WORKER_FLAGS_NONE, NULL);
  int status = 0;
  pid_t child;

  test_latch_wait (&job.entered);
  child = fork ();
  g_assert_cmpint (child, >=, 0);
  if (child == 0)
    {
      Job other = { 0 };
      g_autoptr (AtFuture) refused = job_spawn (&other, pool, AT_WORKER_FLAGS_NONE, NULL);
      gboolean good = at_future_is_done (refused) &&
                      g_error_matches (NULL, AT_ERROR, AT_ERROR_NOT_RUNNING) == FALSE &&
                      at_future_get_value (refused, NULL) == NULL &&
                      !at_future_wait (future, NULL, NULL);

      if (!good)
        _exit (1);
      /* An ordinary exit would let valgrind look for what the missing threads held. */
      kill (getpid (), SIGKILL);
    }
  g_assert_cmpint (waitpid (child, &status, 0), ==, child);
  if (WIFEXITED (status))
    g_assert_cmpint (WEXITSTATUS (status), ==, 0);
  g_assert_cmpint (WTERMSIG (status), ==, SIGKILL);

  test_latch_open (&hold);
  test_future_finish_int (future, 0);
  pool_finish (pool);
}

int
main (int argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/worker-pool/spawn/returns-the-value", test_returns_the_value);
  test_add ("/worker-pool/spawn/error-keeps-its-domain-code-and-message",
            test_error_keeps_its_domain_code_and_message);
  test_add ("/worker-pool/spawn/unseen-failure-is-reported-once",
            test_unseen_failure_is_reported_once);
  test_add ("/worker-pool/spawn/pointer-is-taken-once", test_pointer_is_taken_once);
  test_add ("/worker-pool/spawn/body-that-does-not-return-fails",
            test_body_that_does_not_return_fails);
  test_add ("/worker-pool/spawn/task-may-be-returned-by-a-thread-of-the-body",
            test_task_may_be_returned_by_a_thread_of_the_body);
  test_add ("/worker-pool/spawn/tells-that-it-has-started", test_tells_that_it_has_started);
  test_add ("/worker-pool/new/default-has-forty-tokens", test_default_has_forty_tokens);
  test_add ("/worker-pool/new/bare-object-is-valid", test_bare_object_is_valid);

  test_add ("/worker-pool/admission/never-more-at-once-than-allowed",
            test_never_more_at_once_than_allowed);
  test_add ("/worker-pool/admission/all-that-is-allowed-runs-at-once",
            test_all_that_is_allowed_runs_at_once);
  test_add ("/worker-pool/admission/queue-is-first-in-first-out", test_queue_is_first_in_first_out);
  test_add ("/worker-pool/admission/limit-can-be-raised-while-jobs-wait",
            test_limit_can_be_raised_while_jobs_wait);
  test_add ("/worker-pool/admission/limiter-is-shared-in-order", test_limiter_is_shared_in_order);

  test_add ("/worker-pool/cancel/in-the-queue-never-runs", test_cancelled_in_the_queue_never_runs);
  test_add ("/worker-pool/cancel/cancelled-caller-never-runs", test_cancelled_caller_never_runs);
  test_add ("/worker-pool/cancel/many-in-the-queue-need-one-thread",
            test_many_cancelled_in_the_queue_need_one_thread);
  test_add ("/worker-pool/cancel/caller-waits-for-the-thread",
            test_cancelled_caller_waits_for_the_thread);
  test_add ("/worker-pool/cancel/abandoned-function-keeps-its-token",
            test_abandoned_function_keeps_its_token);
  test_add ("/worker-pool/cancel/abandoned-by-a-deadline-is-timed-out",
            test_abandoned_by_a_deadline_is_timed_out);
  test_add ("/worker-pool/cancel/function-can-ask-whether-to-go-on",
            test_function_can_ask_whether_to_go_on);
  test_add ("/worker-pool/cancel/racing-with-everything-ends-each-once",
            test_cancellation_racing_with_everything_ends_each_once);

  test_add ("/worker-pool/portal/worker-calls-back", test_worker_calls_back_into_its_portal);
  test_add ("/worker-pool/portal/callback-runs-under-the-scope-of-the-host",
            test_callback_runs_under_the_scope_of_the_host);
  test_add ("/worker-pool/portal/result-arrives-at-a-stopped-portal-and-callback-is-refused",
            test_result_arrives_at_a_stopped_portal_and_callback_is_refused);
  test_add ("/worker-pool/portal/blocking-wait-on-its-thread-is-refused",
            test_blocking_wait_on_a_portals_thread_is_refused);
  test_add ("/worker-pool/portal/cycle-through-the-main-thread-is-refused",
            test_cycle_through_the_main_thread_is_refused);

  test_add ("/worker-pool/deadlock/wait-of-the-last-admitted-worker-is-refused",
            test_wait_of_the_last_admitted_worker_would_deadlock);
  test_add ("/worker-pool/deadlock/wait-for-a-running-job-is-allowed",
            test_wait_for_a_running_job_is_allowed);
  test_add ("/worker-pool/deadlock/wait-for-another-pool-is-allowed",
            test_wait_for_another_pool_is_allowed);
  test_add ("/worker-pool/deadlock/wait-with-an-end-is-none", test_wait_with_an_end_is_no_deadlock);
  test_add ("/worker-pool/deadlock/somebody-elses-token-is-none",
            test_somebody_elses_token_is_no_deadlock);

  test_add ("/worker-pool/threads/are-used-again", test_threads_are_used_again);
  test_add ("/worker-pool/threads/leave-when-idle", test_idle_threads_leave);
  test_add ("/worker-pool/threads/have-names", test_threads_have_names);
  test_add ("/worker-pool/threads/last-reference-lets-accepted-work-run",
            test_last_reference_lets_accepted_work_run);

  test_add ("/worker-pool/end/stopped-pool-refuses", test_stopped_pool_refuses);
  test_add ("/worker-pool/end/stop-can-cancel", test_stop_can_cancel);
  test_add ("/worker-pool/end/wait-can-be-stopped", test_wait_for_the_end_can_be_stopped);
  test_add ("/worker-pool/end/worker-cannot-wait-for-it", test_worker_cannot_wait_for_its_end);
  test_add ("/worker-pool/end/is-told-without-blocking", test_end_is_told_without_blocking);
  test_add ("/worker-pool/end/forked-child-is-refused", test_forked_child_is_refused);

  return g_test_run ();
}
