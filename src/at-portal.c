/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-answer-private.h"
#include "at-future-private.h"
#include "at-portal-private.h"

/**
 * AtPortal:
 *
 * An asynchronous runtime that other threads can enter.
 *
 * A portal runs one [struct@GLib.MainContext] on one thread. Asynchronous code lives there: GIO
 * operations, timers, everything that answers later. Other threads enter it:
 *
 * - [method@At.Portal.post] runs a plain function there and does not wait;
 * - [method@At.Portal.invoke] runs a plain function there and waits until it has run;
 * - [method@At.Portal.spawn] starts an asynchronous function and returns its [class@At.Future];
 * - [method@At.Portal.call] starts one and waits for its result;
 * - [method@At.Portal.call_async] does so without blocking.
 *
 * They share one queue, first in, first out; in order across threads as far as one happens before
 * the other.
 *
 * [ctor@At.Portal.new] starts a thread of its own. [ctor@At.Portal.new_for_context] adopts a
 * context that somebody else runs, GTK's for example, and [func@At.Portal.get_main] is the shared
 * portal of the default main context.
 *
 * ## Threads
 *
 * All methods may be called from any thread. What would wait on the portal's own thread, or would
 * close a cycle of waiting threads, fails at once with `AT_ERROR_WRONG_THREAD`. Bodies and the
 * functions that destroy their data always run on the portal's thread.
 *
 * ## The end
 *
 * [method@At.Portal.stop] seals the portal: whatever comes later is refused with
 * `AT_ERROR_NOT_RUNNING`, whatever was accepted still runs and completes, or is cancelled where
 * asked. Dropping the last reference stops the portal after its last task; it never blocks.
 *
 * In a forked child every portal of the parent is refused with `AT_ERROR_NOT_RUNNING`.
 *
 * The idea comes from anyio's
 * [blocking portal](https://anyio.readthedocs.io/en/stable/threads.html).
 *
 * Since: 0.1
 */

struct _AtPortal
{
  GObject parent_instance;

  /*< constant after construction >*/
  AtRuntime *runtime;
  char *name;
  GMainContext *context; /* to adopt */
  GError *start_error;
};

enum
{
  PROP_NAME = 1,
  PROP_CONTEXT,
  N_PROPS
};

enum
{
  UNHANDLED_ERROR,
  N_SIGNALS
};

static GParamSpec *properties[N_PROPS];
static guint signals[N_SIGNALS];

static void initable_iface_init (GInitableIface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (AtPortal, at_portal, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (G_TYPE_INITABLE, initable_iface_init))

static void
at_portal_constructed (GObject *object)
{
  AtPortal *self = AT_PORTAL (object);
  const char *fallback = self->context != NULL ? "adopted" : "at-portal";

  G_OBJECT_CLASS (at_portal_parent_class)->constructed (object);

  at_thread_drop_revived ();

  if (self->name == NULL)
    self->name = g_strdup (fallback);

  self->runtime = at_runtime_new (self, self->name, self->context, &self->start_error);
}

static void
at_portal_dispose (GObject *object)
{
  AtPortal *self = AT_PORTAL (object);

  /* May take the last reference back until the last task has ended. */
  at_runtime_portal_disposed (self->runtime);

  G_OBJECT_CLASS (at_portal_parent_class)->dispose (object);
}

static void
at_portal_finalize (GObject *object)
{
  AtPortal *self = AT_PORTAL (object);

  at_runtime_portal_finalized (self->runtime);
  g_clear_pointer (&self->runtime, at_runtime_unref);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_error (&self->start_error);

  G_OBJECT_CLASS (at_portal_parent_class)->finalize (object);
}

static void
at_portal_get_property (GObject *object,
                        guint id,
                        GValue *value,
                        GParamSpec *pspec)
{
  AtPortal *self = AT_PORTAL (object);

  switch (id)
    {
    case PROP_NAME:
      g_value_set_string (value, self->name);
      break;
    case PROP_CONTEXT:
      g_value_set_boxed (value, at_runtime_get_context (self->runtime));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
at_portal_set_property (GObject *object,
                        guint id,
                        const GValue *value,
                        GParamSpec *pspec)
{
  AtPortal *self = AT_PORTAL (object);

  switch (id)
    {
    case PROP_NAME:
      self->name = g_value_dup_string (value);
      break;
    case PROP_CONTEXT:
      self->context = g_value_dup_boxed (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    }
}

static void
at_portal_class_init (AtPortalClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = at_portal_constructed;
  object_class->dispose = at_portal_dispose;
  object_class->finalize = at_portal_finalize;
  object_class->get_property = at_portal_get_property;
  object_class->set_property = at_portal_set_property;

  /**
   * AtPortal:name:
   *
   * The name of the portal, and of its own thread as far as the system keeps it (15 bytes on
   * Linux).
   *
   * Since: 0.1
   */
  properties[PROP_NAME] =
    g_param_spec_string ("name", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtPortal:context:
   *
   * The main context that the portal runs on. If none is given, the portal makes one, and a thread
   * that iterates it.
   *
   * Since: 0.1
   */
  properties[PROP_CONTEXT] =
    g_param_spec_boxed ("context", NULL, NULL, G_TYPE_MAIN_CONTEXT,
                        G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);

  /**
   * AtPortal::unhandled-error:
   * @self: the portal
   * @error: why the task failed
   * @task_name: (nullable): the name of the task
   *
   * Emitted when the future of a failed task is freed, and nobody has looked at the failure.
   *
   * Emitted on the thread-default main context of the thread that created the portal, after a
   * message in the log domain `AsyncTools`. Cancellations and refusals are not reported.
   *
   * Since: 0.1
   */
  signals[UNHANDLED_ERROR] = g_signal_new ("unhandled-error", AT_TYPE_PORTAL, G_SIGNAL_RUN_LAST, 0,
                                           NULL, NULL, NULL, G_TYPE_NONE, 2,
                                           G_TYPE_ERROR | G_SIGNAL_TYPE_STATIC_SCOPE,
                                           G_TYPE_STRING);
}

static void
at_portal_init (AtPortal *self)
{
}

static gboolean
at_portal_initable_init (GInitable *initable,
                         GCancellable *cancellable,
                         GError **error)
{
  AtPortal *self = AT_PORTAL (initable);

  if (self->start_error == NULL)
    return TRUE;

  g_propagate_error (error, g_error_copy (self->start_error));
  return FALSE;
}

static void
initable_iface_init (GInitableIface *iface)
{
  iface->init = at_portal_initable_init;
}

AtRuntime *
at_portal_get_runtime (AtPortal *self)
{
  return self->runtime;
}

void
at_portal_emit_unhandled (AtPortal *self,
                          const GError *error,
                          const char *task_name)
{
  g_signal_emit (self, signals[UNHANDLED_ERROR], 0, error, task_name);
}

/**
 * at_portal_new: (constructor)
 * @name: (nullable): a name for the portal and its thread
 * @error: return location for an error
 *
 * Starts a portal on a thread of its own.
 *
 * Returns: (transfer full): a running portal; %NULL with `AT_ERROR_NOT_RUNNING` if its thread
 *   cannot be started
 *
 * Since: 0.1
 */
AtPortal *
at_portal_new (const char *name,
               GError **error)
{
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return g_initable_new (AT_TYPE_PORTAL, NULL, error, "name", name, NULL);
}

/**
 * at_portal_new_for_context: (constructor)
 * @context: (nullable): a main context, %NULL for the thread-default one
 *
 * Adopts a main context that somebody else iterates.
 *
 * The context belongs to the calling thread until its loop runs, then to the thread that iterates
 * it. The portal neither runs nor quits that loop: to end in an orderly way, stop the portal, then
 * iterate until [method@At.Portal.wait_stopped_async] answers.
 *
 * Returns: (transfer full): a portal
 *
 * Since: 0.1
 */
AtPortal *
at_portal_new_for_context (GMainContext *context)
{
  g_autoptr (GMainContext) adopted = NULL;

  adopted = context != NULL ? g_main_context_ref (context) : g_main_context_ref_thread_default ();

  return g_object_new (AT_TYPE_PORTAL, "context", adopted, NULL);
}

/**
 * at_portal_get_current:
 *
 * Gets the portal that the calling code runs on: the one whose body or function is running, else
 * the one whose own thread this is, else the one that this thread adopted last.
 *
 * Returns: (transfer none) (nullable): a portal, or %NULL if this thread has none
 *
 * Since: 0.1
 */
AtPortal *
at_portal_get_current (void)
{
  AtThread *thread = at_thread_self ();

  if (thread->current != NULL)
    return at_runtime_get_portal (thread->current);
  if (thread->own != NULL)
    return at_runtime_get_portal (thread->own);

  return at_thread_get_adopted ();
}

/**
 * at_portal_get_main:
 *
 * Gets the portal of the default main context, which is how other threads reach GTK.
 *
 * It is made on the first call and belongs to the thread of `main ()` until a loop runs. All
 * callers share it. It should not be stopped; once somebody did, the next call makes another.
 *
 * Returns: (transfer none): the portal of the default main context
 *
 * Since: 0.1
 */
AtPortal *
at_portal_get_main (void)
{
  static GMutex lock;
  static AtPortal *main_portal;
  static GPtrArray *former; /* handed out without a reference, so kept */
  AtPortal *portal;

  g_mutex_lock (&lock);
  if (main_portal != NULL && at_runtime_is_sealed (main_portal->runtime))
    {
      if (former == NULL)
        former = g_ptr_array_new ();
      g_ptr_array_add (former, g_steal_pointer (&main_portal));
    }
  if (main_portal == NULL)
    {
      AtThread *thread = at_thread_self ();

      thread->adopts_for = at_thread_main ();
      main_portal =
        g_object_new (AT_TYPE_PORTAL, "name", "main", "context", g_main_context_default (), NULL);
      thread->adopts_for = NULL;
    }
  portal = main_portal;
  g_mutex_unlock (&lock);

  return portal;
}

/**
 * at_portal_get_name:
 * @self: a portal
 *
 * Gets the name that the portal was created with, or a general one.
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
at_portal_get_name (AtPortal *self)
{
  g_return_val_if_fail (AT_IS_PORTAL (self), NULL);

  return self->name;
}

/**
 * at_portal_get_context:
 * @self: a portal
 *
 * Gets the main context that the portal runs on. Sources may be attached to it from any thread.
 *
 * Returns: (transfer none): the context
 *
 * Since: 0.1
 */
GMainContext *
at_portal_get_context (AtPortal *self)
{
  g_return_val_if_fail (AT_IS_PORTAL (self), NULL);

  return at_runtime_get_context (self->runtime);
}

/**
 * at_portal_is_owner:
 * @self: a portal
 *
 * Gets whether the calling thread is the portal's own.
 *
 * Returns: %TRUE on the portal's thread
 *
 * Since: 0.1
 */
gboolean
at_portal_is_owner (AtPortal *self)
{
  g_return_val_if_fail (AT_IS_PORTAL (self), FALSE);

  return at_runtime_is_owner (self->runtime);
}

/**
 * at_portal_post:
 * @self: a portal
 * @func: (scope notified) (closure user_data) (destroy destroy): what to run
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on the portal's thread after @func
 * @error: return location for an error
 *
 * Runs a plain function on the portal's thread, and does not wait.
 *
 * May be called from every thread, the portal's own included, and never blocks. After a refusal
 * @destroy runs on the portal's context where its thread still lives, else in the caller.
 *
 * Returns: %TRUE if @func will run; %FALSE with `AT_ERROR_NOT_RUNNING` if it never will
 *
 * Since: 0.1
 */
gboolean
at_portal_post (AtPortal *self,
                AtFunc func,
                gpointer user_data,
                GDestroyNotify destroy,
                GError **error)
{
  g_return_val_if_fail (AT_IS_PORTAL (self), FALSE);
  g_return_val_if_fail (func != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (G_LIKELY (at_runtime_post (self->runtime, func, user_data, destroy)))
    return TRUE;

  g_propagate_error (error, at_runtime_refusal (self->runtime));
  at_runtime_destroy_refused (self->runtime, user_data, destroy);

  return FALSE;
}

/* For a blocking entry. What a stopped portal refuses would not wait, whoever asks. */
static gboolean
begin_wait (AtPortal *self,
            const char *operation,
            GError **error)
{
  GError *local_error = NULL;

  if (G_LIKELY (at_thread_begin_wait (self->runtime, operation, &local_error)))
    return TRUE;

  if (at_runtime_is_sealed (self->runtime) || !at_runtime_lives_here (self->runtime))
    {
      g_error_free (local_error);
      local_error = at_runtime_refusal (self->runtime);
    }

  g_propagate_error (error, local_error);
  return FALSE;
}

/**
 * at_portal_invoke:
 * @self: a portal
 * @func: (scope call) (closure user_data): what to run
 * @user_data: data for @func
 * @error: return location for an error
 *
 * Runs a plain function on the portal's thread, and waits until it has run.
 *
 * @user_data may live on the caller's stack. Blocks; on the portal's own thread, and where the wait
 * would close a cycle, it fails at once with `AT_ERROR_WRONG_THREAD`.
 *
 * Returns: %TRUE if @func has run; %FALSE with `AT_ERROR_NOT_RUNNING` or `AT_ERROR_WRONG_THREAD` if
 *   it did not and never will
 *
 * Since: 0.1
 */
gboolean
at_portal_invoke (AtPortal *self,
                  AtFunc func,
                  gpointer user_data,
                  GError **error)
{
  gboolean accepted;

  g_return_val_if_fail (AT_IS_PORTAL (self), FALSE);
  g_return_val_if_fail (func != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!begin_wait (self, "at_portal_invoke ()", error))
    return FALSE;
  accepted = at_runtime_invoke (self->runtime, func, user_data);
  at_thread_end_wait ();

  if (!accepted)
    g_propagate_error (error, at_runtime_refusal (self->runtime));

  return accepted;
}

/**
 * at_portal_spawn:
 * @self: a portal
 * @cancellable: (nullable): cancels the task
 * @func: (scope notified) (closure user_data) (destroy destroy): the body
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on the portal's thread, once the task has ended
 *
 * Starts an asynchronous function on the portal's thread, and does not wait.
 *
 * May be called from every thread, the portal's own included; never blocks, and never runs @func
 * inside the call. The task runs whether or not the future is kept. A failure that nobody looks at
 * is reported once, when the future is freed: see [signal@At.Portal::unhandled-error].
 *
 * A portal that has been stopped returns a future that has already failed with
 * `AT_ERROR_NOT_RUNNING`; @destroy then runs on the portal's context where its thread still lives,
 * else in the caller.
 *
 * Returns: (transfer full): the task's future
 *
 * Since: 0.1
 */
AtFuture *
at_portal_spawn (AtPortal *self,
                 GCancellable *cancellable,
                 AtTaskFunc func,
                 gpointer user_data,
                 GDestroyNotify destroy)
{
  AtFuture *future;

  g_return_val_if_fail (AT_IS_PORTAL (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (func != NULL, NULL);

  future = at_future_new (self->runtime, cancellable, func, user_data, destroy);
  at_future_submit (future, self);

  return future;
}

static AtFuture *
spawn_and_join (AtPortal *self,
                GCancellable *cancellable,
                AtTaskFunc func,
                gpointer user_data,
                GError **error)
{
  g_autoptr (AtFuture) future = NULL;
  AtFuture *hosted = at_thread_self ()->hosted;

  g_return_val_if_fail (AT_IS_PORTAL (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (func != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!begin_wait (self, "at_portal_call ()", error))
    return NULL;

  /* A worker calls back under its own scope, and so under that of the task it works for. */
  if (cancellable == NULL && hosted != NULL && at_future_get_runtime (hosted) == self->runtime)
    cancellable = at_future_get_cancellable (hosted);

  future = at_portal_spawn (self, cancellable, func, user_data, NULL);
  at_future_join (future);
  at_thread_end_wait ();

  return g_steal_pointer (&future);
}

/**
 * at_portal_call:
 * @self: a portal
 * @cancellable: (nullable): cancels the task; %NULL on a worker that calls back its own portal
 *   ([func@At.worker_get_portal]) stands for the worker's
 * @func: (scope call) (closure user_data): the body; it returns with [method@Gio.Task.return_value]
 * @user_data: data for @func
 * @error: return location for an error
 *
 * Starts an asynchronous function on the portal's thread, and waits for its result.
 *
 * Returns only when the body has really ended, also after a cancellation, so @user_data may live on
 * the caller's stack. Blocks; on the portal's own thread, and where the wait would close a cycle,
 * it fails at once with `AT_ERROR_WRONG_THREAD`.
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`; %NULL
 *   with the body's error, with `AT_ERROR_NOT_RUNNING` or `AT_ERROR_WRONG_THREAD`
 *
 * Since: 0.1
 */
GValue *
at_portal_call (AtPortal *self,
                GCancellable *cancellable,
                AtTaskFunc func,
                gpointer user_data,
                GError **error)
{
  g_autoptr (AtFuture) future = spawn_and_join (self, cancellable, func, user_data, error);

  return future != NULL ? at_future_steal_value (future, error) : NULL;
}

/**
 * at_portal_call_borrowed: (rename-to at_portal_call)
 * @self: a portal
 * @cancellable: (nullable): cancels the task
 * @func: (scope call) (closure user_data): the body; it returns with [method@Gio.Task.return_value]
 * @user_data: data for @func
 * @error: return location for an error
 *
 * [method@At.Portal.call] for language bindings: the value stays the library's.
 *
 * Returns: (transfer none) (nullable): the value, valid until the calling thread's next such call;
 *   one that holds a %NULL pointer if the body returned none; %NULL with an error
 *
 * Since: 0.1
 */
const GValue *
at_portal_call_borrowed (AtPortal *self,
                         GCancellable *cancellable,
                         AtTaskFunc func,
                         gpointer user_data,
                         GError **error)
{
  return at_value_lend (at_portal_call (self, cancellable, func, user_data, error));
}

/**
 * at_portal_call_pointer: (skip)
 * @self: a portal
 * @cancellable: (nullable): cancels the task
 * @func: the body; it returns with [method@Gio.Task.return_pointer]
 * @user_data: data for @func
 * @error: return location for an error
 *
 * [method@At.Portal.call] for a body that returns a pointer.
 *
 * Returns: (transfer full): the pointer, or %NULL with an error
 *
 * Since: 0.1
 */
gpointer
at_portal_call_pointer (AtPortal *self,
                        GCancellable *cancellable,
                        AtTaskFunc func,
                        gpointer user_data,
                        GError **error)
{
  g_autoptr (AtFuture) future = spawn_and_join (self, cancellable, func, user_data, error);

  return future != NULL ? at_future_propagate_pointer (future, error) : NULL;
}

/**
 * at_portal_call_int: (skip)
 * @self: a portal
 * @cancellable: (nullable): cancels the task
 * @func: the body; it returns with [method@Gio.Task.return_int]
 * @user_data: data for @func
 * @error: return location for an error
 *
 * [method@At.Portal.call] for a body that returns an integer.
 *
 * Returns: the integer, or -1 with an error
 *
 * Since: 0.1
 */
gssize
at_portal_call_int (AtPortal *self,
                    GCancellable *cancellable,
                    AtTaskFunc func,
                    gpointer user_data,
                    GError **error)
{
  g_autoptr (AtFuture) future = spawn_and_join (self, cancellable, func, user_data, error);

  return future != NULL ? at_future_propagate_int (future, error) : -1;
}

/**
 * at_portal_call_boolean: (skip)
 * @self: a portal
 * @cancellable: (nullable): cancels the task
 * @func: the body; it returns with [method@Gio.Task.return_boolean]
 * @user_data: data for @func
 * @error: return location for an error
 *
 * [method@At.Portal.call] for a body that returns a boolean.
 *
 * Returns: the boolean, or %FALSE with an error
 *
 * Since: 0.1
 */
gboolean
at_portal_call_boolean (AtPortal *self,
                        GCancellable *cancellable,
                        AtTaskFunc func,
                        gpointer user_data,
                        GError **error)
{
  g_autoptr (AtFuture) future = spawn_and_join (self, cancellable, func, user_data, error);

  return future != NULL ? at_future_propagate_boolean (future, error) : FALSE;
}

static void
on_called (AtFuture *future,
           gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  GValue *value = at_future_steal_value (future, &error);

  if (value != NULL)
    g_task_return_pointer (task, value, at_value_free);
  else
    g_task_return_error (task, error);
}

/**
 * at_portal_call_async:
 * @self: a portal
 * @cancellable: (nullable): cancels the task
 * @func: (scope notified) (closure user_data) (destroy destroy): the body
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on the portal's thread, once the task has ended
 * @callback: (scope async) (closure callback_data): called with the answer
 * @callback_data: data for @callback
 *
 * Starts an asynchronous function on the portal's thread, and answers on the caller's
 * thread-default main context once it has really ended.
 *
 * Since: 0.1
 */
void
at_portal_call_async (AtPortal *self,
                      GCancellable *cancellable,
                      AtTaskFunc func,
                      gpointer user_data,
                      GDestroyNotify destroy,
                      GAsyncReadyCallback callback,
                      gpointer callback_data)
{
  g_autoptr (AtFuture) future = NULL;
  GTask *task;

  g_return_if_fail (AT_IS_PORTAL (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));
  g_return_if_fail (func != NULL);

  task = g_task_new (self, cancellable, callback, callback_data);
  g_task_set_source_tag (task, at_portal_call_async);
  /* The body decides what a cancellation means; a value in spite of it is delivered. */
  g_task_set_check_cancellable (task, FALSE);

  future = at_portal_spawn (self, cancellable, func, user_data, destroy);
  at_future_add_observer (future, on_called, task);
}

/**
 * at_portal_call_finish:
 * @self: a portal
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Portal.call_async].
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`, or
 *   %NULL with an error
 *
 * Since: 0.1
 */
GValue *
at_portal_call_finish (AtPortal *self,
                       GAsyncResult *result,
                       GError **error)
{
  g_return_val_if_fail (AT_IS_PORTAL (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_portal_call_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * at_portal_call_finish_borrowed: (rename-to at_portal_call_finish)
 * @self: a portal
 * @result: what the callback was given
 * @error: return location for an error
 *
 * [method@At.Portal.call_finish] for language bindings: the value stays the library's.
 *
 * Returns: (transfer none) (nullable): the value, valid until the calling thread's next such call;
 *   one that holds a %NULL pointer if the body returned none; %NULL with an error
 *
 * Since: 0.1
 */
const GValue *
at_portal_call_finish_borrowed (AtPortal *self,
                                GAsyncResult *result,
                                GError **error)
{
  return at_value_lend (at_portal_call_finish (self, result, error));
}

/**
 * at_portal_stop:
 * @self: a portal
 * @cancel_remaining: whether to cancel what was accepted and has not ended
 *
 * Seals the portal at once. Does not wait.
 *
 * Every later post, spawn and call is refused with `AT_ERROR_NOT_RUNNING`, those of accepted tasks
 * included. What was accepted still runs and completes; timers, answers and wake-ups arrive until
 * the last accepted task has ended. A second call may add the cancellation. Functions that were
 * posted are not cancelled, but run.
 *
 * Since: 0.1
 */
void
at_portal_stop (AtPortal *self,
                gboolean cancel_remaining)
{
  g_return_if_fail (AT_IS_PORTAL (self));

  at_runtime_stop (self->runtime, cancel_remaining);
}

static void
on_wait_cancelled (gpointer data)
{
  at_runtime_interrupt_wait (data);
}

/**
 * at_portal_wait_stopped:
 * @self: a portal
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * Waits until the portal was stopped, its last accepted task has ended and its own thread is gone.
 *
 * Blocks; on the portal's own thread, and where the wait would close a cycle, it fails at once with
 * `AT_ERROR_WRONG_THREAD` unless the end has come already.
 *
 * Returns: %TRUE after the end; %FALSE with `AT_ERROR_WRONG_THREAD`, `AT_ERROR_NOT_RUNNING` in a
 *   forked child, or the error of @cancellable
 *
 * Since: 0.1
 */
gboolean
at_portal_wait_stopped (AtPortal *self,
                        GCancellable *cancellable,
                        GError **error)
{
  AtCancelWatch *watch;
  gboolean ended;

  g_return_val_if_fail (AT_IS_PORTAL (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!at_runtime_has_ended (self->runtime))
    {
      if (!at_runtime_lives_here (self->runtime))
        {
          g_propagate_error (error, at_runtime_refusal (self->runtime));
          return FALSE;
        }

      if (!at_thread_begin_wait (self->runtime, "at_portal_wait_stopped ()", error))
        return FALSE;

      watch = at_cancel_watch_new (cancellable, on_wait_cancelled, at_runtime_ref (self->runtime),
                                   (GDestroyNotify) at_runtime_unref);
      ended = at_thread_wait_word (at_runtime_get_ended_word (self->runtime), AT_COMPLETION_DONE,
                                   G_MAXINT64, cancellable);
      at_cancel_watch_free (watch);
      at_thread_end_wait ();

      if (!ended)
        {
          at_cancellable_set_error_if_cancelled (cancellable, error);
          return FALSE;
        }
    }

  at_runtime_join (self->runtime);
  return TRUE;
}

static void
on_stopped (gpointer data)
{
  AtAnswer *answer = data;
  g_autoptr (GTask) task = at_answer_claim (answer);

  if (task != NULL)
    g_task_return_boolean (task, TRUE);

  at_answer_unref (answer);
}

static void
forget_stopped (gpointer runtime,
                AtAnswer *answer)
{
  if (at_runtime_remove_end_observer (runtime, on_stopped, answer))
    at_answer_unref (answer);
}

/**
 * at_portal_wait_stopped_async:
 * @self: a portal
 * @cancellable: (nullable): stops the wait, and only the wait
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * Waits without blocking until the portal was stopped and has ended.
 *
 * On the own thread of a portal that has one the answer could never arrive, so it is
 * `AT_ERROR_WRONG_THREAD` there.
 *
 * Since: 0.1
 */
void
at_portal_wait_stopped_async (AtPortal *self,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  AtAnswer *answer;

  g_return_if_fail (AT_IS_PORTAL (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, at_portal_wait_stopped_async);

  if (!at_runtime_lives_here (self->runtime))
    {
      g_task_return_error (task, at_runtime_refusal (self->runtime));
      return;
    }

  if (at_thread_self ()->own == self->runtime)
    {
      g_task_return_new_error (task, AT_ERROR, AT_ERROR_WRONG_THREAD,
                               _ ("The thread of portal “%s” ends with the portal and cannot wait "
                                  "for that; wait on another thread"),
                               self->name);
      return;
    }

  answer = at_answer_new (task);
  at_answer_set_forget (answer, forget_stopped, at_runtime_ref (self->runtime),
                        (GDestroyNotify) at_runtime_unref);
  at_answer_ref (answer);
  if (!at_runtime_add_end_observer (self->runtime, on_stopped, answer))
    on_stopped (answer);
}

/**
 * at_portal_wait_stopped_finish:
 * @self: a portal
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Portal.wait_stopped_async].
 *
 * Returns: %TRUE after the end; %FALSE with an error
 *
 * Since: 0.1
 */
gboolean
at_portal_wait_stopped_finish (AtPortal *self,
                               GAsyncResult *result,
                               GError **error)
{
  g_return_val_if_fail (AT_IS_PORTAL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_portal_wait_stopped_async), FALSE);

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return FALSE;

  /* It is on its way out: nothing is left that could block. */
  at_runtime_join (self->runtime);
  return TRUE;
}
