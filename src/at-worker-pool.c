/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-answer-private.h"
#include "at-cancel-scope-private.h"
#include "at-thread-private.h"
#include "at-worker-private.h"

/**
 * AtWorkerPool:
 *
 * Runs functions that block, on threads of its own.
 *
 * A portal's thread must not block. What does, a library without asynchronous functions or a long
 * computation, is handed to a pool, and the portal's task awaits its [class@At.Future].
 *
 * ```c
 * static void
 * measure (GTask    *task,
 *          gpointer  path)
 * {
 *   g_auto (GValue) value = G_VALUE_INIT;
 *
 *   g_value_init (&value, G_TYPE_INT64);
 *   g_value_set_int64 (&value, read_it_all_and_count (path));
 *   g_task_return_value (task, &value);
 * }
 *
 * future = at_worker_pool_spawn (at_worker_pool_get_default (), AT_WORKER_FLAGS_NONE, cancellable,
 *                                measure, g_strdup (path), g_free);
 * ```
 *
 * How many run at once is decided by an [class@At.CapacityLimiter], 40 unless another is given; the
 * others wait in the order in which they were spawned. The limiter can be changed at any time, and
 * be shared with other pools and other code.
 *
 * ## The function
 *
 * It runs on a thread of the pool, and has to return its task before it leaves. It may block, wait
 * for futures and primitives, and call back into the portal that it works for, see
 * [func@At.worker_get_portal]. Its task has no source object; the task's cancellable is its
 * [class@At.CancelScope], a child of the cancellable given.
 *
 * ## Cancellation
 *
 * A function that is cancelled while it waits for its turn never runs. One that runs hears of it
 * through its task's cancellable and [func@At.worker_check_cancelled]; its future is done when it
 * has left. With `AT_WORKER_FLAGS_ABANDON_ON_CANCEL` the future is done at once, and what the
 * function returns later is dropped; its place in the limiter stays taken until then.
 *
 * ## Deadlocks
 *
 * If all running functions of a pool wait for functions that are still queued in the same pool,
 * none of them could ever go on. The wait that would make it so fails with
 * `AT_ERROR_WOULD_DEADLOCK`. (Only [method@At.Future.wait] without an end time is seen.) A cycle of
 * workers, portals and the main thread that wait for each other is `AT_ERROR_WRONG_THREAD`.
 *
 * ## Threads
 *
 * All methods may be called from any thread. Threads are started as they are needed, are named
 * `at-worker-N`, used again, and leave after ten seconds without work
 * ([property@At.WorkerPool:idle-time]). Dropping the last reference lets what was accepted run to
 * its end; to wait for that, use [method@At.WorkerPool.stop] and
 * [method@At.WorkerPool.wait_stopped].
 *
 * Since: 0.1
 */

#define DEFAULT_TOTAL 40

struct _AtWorkerPool
{
  GObject parent_instance;

  /*< constant after construction >*/
  AtCapacityLimiter *limiter;
  AtWorkerCore      *core;
};

enum
{
  PROP_LIMITER = 1,
  PROP_IDLE_TIME,
  PROP_N_THREADS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtWorkerPool, at_worker_pool, G_TYPE_OBJECT)

static void
at_worker_pool_constructed (GObject *object)
{
  AtWorkerPool *self = AT_WORKER_POOL (object);

  G_OBJECT_CLASS (at_worker_pool_parent_class)->constructed (object);

  if (self->limiter == NULL)
    self->limiter = at_capacity_limiter_new (DEFAULT_TOTAL);
  self->core = at_worker_core_new (self->limiter);
}

static void
at_worker_pool_dispose (GObject *object)
{
  AtWorkerPool *self = AT_WORKER_POOL (object);

  at_worker_core_stop (self->core, FALSE);

  G_OBJECT_CLASS (at_worker_pool_parent_class)->dispose (object);
}

static void
at_worker_pool_finalize (GObject *object)
{
  AtWorkerPool *self = AT_WORKER_POOL (object);

  g_clear_pointer (&self->core, at_worker_core_unref);
  g_clear_object (&self->limiter);

  G_OBJECT_CLASS (at_worker_pool_parent_class)->finalize (object);
}

static void
at_worker_pool_get_property (GObject *object,
                             guint id,
                             GValue *value,
                             GParamSpec *pspec)
{
  AtWorkerPool *self = AT_WORKER_POOL (object);

  switch (id)
    {
    case PROP_LIMITER:
      g_value_set_object (value, self->limiter);
      break;
    case PROP_IDLE_TIME:
      g_mutex_lock (&self->core->lock);
      g_value_set_int64 (value, self->core->idle_time);
      g_mutex_unlock (&self->core->lock);
      break;
    case PROP_N_THREADS:
      g_value_set_uint (value, at_worker_pool_get_n_threads (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
at_worker_pool_set_property (GObject *object,
                             guint id,
                             const GValue *value,
                             GParamSpec *pspec)
{
  AtWorkerPool *self = AT_WORKER_POOL (object);

  switch (id)
    {
    case PROP_LIMITER:
      self->limiter = g_value_dup_object (value);
      break;
    case PROP_IDLE_TIME:
      g_mutex_lock (&self->core->lock);
      self->core->idle_time = g_value_get_int64 (value);
      g_mutex_unlock (&self->core->lock);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
at_worker_pool_class_init (AtWorkerPoolClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = at_worker_pool_constructed;
  object_class->dispose = at_worker_pool_dispose;
  object_class->finalize = at_worker_pool_finalize;
  object_class->get_property = at_worker_pool_get_property;
  object_class->set_property = at_worker_pool_set_property;

  /**
   * AtWorkerPool:limiter:
   *
   * What admits functions to threads. If none is given, the pool makes one with 40 tokens.
   *
   * Since: 0.1
   */
  properties[PROP_LIMITER] =
    g_param_spec_object ("limiter", NULL, NULL, AT_TYPE_CAPACITY_LIMITER,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtWorkerPool:idle-time:
   *
   * How long a thread waits for work before it leaves, in microseconds; counted from when it became
   * idle. A change counts for threads that become idle after it.
   *
   * Since: 0.1
   */
  properties[PROP_IDLE_TIME] =
    g_param_spec_int64 ("idle-time", NULL, NULL, 0, G_MAXINT64 / 2, 10 * G_USEC_PER_SEC,
                        G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * AtWorkerPool:n-threads:
   *
   * How many threads the pool has, at work and idle. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_N_THREADS] =
    g_param_spec_uint ("n-threads", NULL, NULL, 0, G_MAXUINT, 0,
                       G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_worker_pool_init (AtWorkerPool *self)
{
}

/**
 * at_worker_pool_new:
 * @limiter: (nullable): what admits functions to threads; %NULL for one with 40 tokens
 *
 * Makes a pool. It starts no thread before it has work.
 *
 * Returns: (transfer full): a pool
 *
 * Since: 0.1
 */
AtWorkerPool *
at_worker_pool_new (AtCapacityLimiter *limiter)
{
  g_return_val_if_fail (limiter == NULL || AT_IS_CAPACITY_LIMITER (limiter), NULL);

  return g_object_new (AT_TYPE_WORKER_POOL, "limiter", limiter, NULL);
}

/**
 * at_worker_pool_get_default:
 *
 * Gets the pool that everybody shares. It should not be stopped.
 *
 * Returns: (transfer none): the pool of the process, with 40 tokens unless somebody changed that
 *
 * Since: 0.1
 */
AtWorkerPool *
at_worker_pool_get_default (void)
{
  static AtWorkerPool *pool;

  if (g_once_init_enter (&pool))
    g_once_init_leave (&pool, at_worker_pool_new (NULL));

  return pool;
}

/**
 * at_worker_pool_get_limiter:
 * @self: a pool
 *
 * Gets what admits functions to threads.
 *
 * Returns: (transfer none): the limiter
 *
 * Since: 0.1
 */
AtCapacityLimiter *
at_worker_pool_get_limiter (AtWorkerPool *self)
{
  g_return_val_if_fail (AT_IS_WORKER_POOL (self), NULL);

  return self->limiter;
}

/**
 * at_worker_pool_get_n_threads:
 * @self: a pool
 *
 * Counts the pool's threads, at work and idle. That may have changed when you know it.
 *
 * Returns: the number of threads
 *
 * Since: 0.1
 */
guint
at_worker_pool_get_n_threads (AtWorkerPool *self)
{
  guint n_threads;

  g_return_val_if_fail (AT_IS_WORKER_POOL (self), 0);

  g_mutex_lock (&self->core->lock);
  n_threads = self->core->n_threads;
  g_mutex_unlock (&self->core->lock);

  return n_threads;
}

/**
 * at_worker_pool_spawn:
 * @self: a pool
 * @flags: what a cancellation does to a function that runs
 * @cancellable: (nullable): cancels the task; inside of a portal's task, that task's
 * @func: (scope notified) (closure user_data) (destroy destroy): the function; it may block, and
 *   returns its task before it leaves
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on a thread of the pool, once @func has left or is known
 *   never to run
 *
 * Runs a function that blocks, and does not wait for it.
 *
 * May be called from every thread, a portal's own and a worker's included, and never blocks. The
 * future can be used as any other; on a portal's own thread it is awaited with
 * [method@At.Future.wait_async], since a blocking wait is `AT_ERROR_WRONG_THREAD` there. If the
 * function leaves without having returned its task, the task fails with `AT_ERROR_ABANDONED`. A
 * failure that nobody looks at is reported as that of a task of the portal the function works for.
 *
 * @destroy runs before the future is done, unless that was abandoned. A pool that has been stopped
 * returns a future that has already failed with `AT_ERROR_NOT_RUNNING`; @destroy then runs in the
 * caller.
 *
 * Returns: (transfer full): the task's future
 *
 * Since: 0.1
 */
AtFuture *
at_worker_pool_spawn (AtWorkerPool *self,
                      AtWorkerFlags flags,
                      GCancellable *cancellable,
                      AtTaskFunc func,
                      gpointer user_data,
                      GDestroyNotify destroy)
{
  g_return_val_if_fail (AT_IS_WORKER_POOL (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (func != NULL, NULL);

  return at_worker_job_spawn (self->core, flags, cancellable, func, user_data, destroy);
}

/**
 * at_worker_pool_stop:
 * @self: a pool
 * @cancel_remaining: whether to cancel what runs and what is queued
 *
 * Takes no more work, from this moment on and from any thread.
 *
 * What was accepted runs to its end, or is cancelled where asked; a second stop may add that. Then
 * the threads leave. Does not wait for any of it.
 *
 * Since: 0.1
 */
void
at_worker_pool_stop (AtWorkerPool *self,
                     gboolean cancel_remaining)
{
  g_return_if_fail (AT_IS_WORKER_POOL (self));

  at_worker_core_stop (self->core, cancel_remaining);
}

static gboolean
check_wait (AtWorkerPool *self,
            GError **error)
{
  if (self->core->generation != at_thread_get_generation ())
    g_set_error_literal (error, AT_ERROR, AT_ERROR_NOT_RUNNING,
                         _ ("The worker pool belongs to the parent of this forked process; wait "
                            "for it there"));
  else if (at_worker_threads_get_core () == self->core)
    g_set_error_literal (error, AT_ERROR, AT_ERROR_WRONG_THREAD,
                         _ ("A worker ends with its pool and cannot wait for that; wait on another "
                            "thread"));
  else
    return TRUE;

  return FALSE;
}

static void
on_wait_cancelled (gpointer core)
{
  at_completion_nudge (&((AtWorkerCore *) core)->ended_word);
}

/**
 * at_worker_pool_wait_stopped:
 * @self: a pool
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * Waits until the pool was stopped, its last function has ended, and its threads are gone.
 *
 * Blocks; on a portal's own thread and on a worker of the pool it fails at once with
 * `AT_ERROR_WRONG_THREAD`.
 *
 * Returns: %TRUE after the end; %FALSE with `AT_ERROR_WRONG_THREAD` or the error of @cancellable
 *
 * Since: 0.1
 */
gboolean
at_worker_pool_wait_stopped (AtWorkerPool *self,
                             GCancellable *cancellable,
                             GError **error)
{
  AtCancelWatch *watch;
  AtWorkerCore *core;
  gboolean ended;

  g_return_val_if_fail (AT_IS_WORKER_POOL (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  core = self->core;
  ended = (at_atomic_load (&core->ended_word, acquire) & AT_COMPLETION_DONE) != 0;

  if (!ended)
    {
      if (!check_wait (self, error) ||
          !at_thread_may_block ("at_worker_pool_wait_stopped ()", error))
        return FALSE;

      watch = at_cancel_watch_new (cancellable, on_wait_cancelled,
                                   cancellable != NULL ? at_worker_core_ref (core) : NULL,
                                   cancellable != NULL ? (GDestroyNotify) at_worker_core_unref
                                                       : NULL);
      ended = at_thread_wait_word (&core->ended_word, AT_COMPLETION_DONE, G_MAXINT64, cancellable);
      at_cancel_watch_free (watch);
    }

  if (ended)
    at_worker_core_join (core);
  else
    at_cancellable_set_error_if_cancelled (cancellable, error);

  return ended;
}

static void
on_stopped (gpointer data)
{
  g_autoptr (GTask) task = at_answer_claim (data);

  if (task != NULL)
    g_task_return_boolean (task, TRUE);
  at_answer_unref (data);
}

/* A wait that was stopped leaves nothing behind. */
static void
forget_stopped (gpointer core,
                AtAnswer *answer)
{
  if (at_worker_core_remove_observer (core, on_stopped, answer))
    at_answer_unref (answer);
}

/**
 * at_worker_pool_wait_stopped_async:
 * @self: a pool
 * @cancellable: (nullable): stops the wait, and only the wait
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * Waits without blocking until the pool was stopped, its last function has ended, and its threads
 * are gone.
 *
 * Since: 0.1
 */
void
at_worker_pool_wait_stopped_async (AtWorkerPool *self,
                                   GCancellable *cancellable,
                                   GAsyncReadyCallback callback,
                                   gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;
  AtAnswer *answer;

  g_return_if_fail (AT_IS_WORKER_POOL (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, at_worker_pool_wait_stopped_async);

  if (!check_wait (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  answer = at_answer_new (task);
  at_answer_set_forget (answer, forget_stopped, at_worker_core_ref (self->core),
                        (GDestroyNotify) at_worker_core_unref);
  at_answer_ref (answer);
  if (!at_worker_core_add_observer (self->core, on_stopped, answer))
    on_stopped (answer);
}

/**
 * at_worker_pool_wait_stopped_finish:
 * @self: a pool
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.WorkerPool.wait_stopped_async].
 *
 * Returns: %TRUE after the end; %FALSE with an error
 *
 * Since: 0.1
 */
gboolean
at_worker_pool_wait_stopped_finish (AtWorkerPool *self,
                                    GAsyncResult *result,
                                    GError **error)
{
  g_return_val_if_fail (AT_IS_WORKER_POOL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_worker_pool_wait_stopped_async),
                        FALSE);

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return FALSE;

  /* They are on their way out: nothing is left that could block. */
  at_worker_core_join (self->core);
  return TRUE;
}
