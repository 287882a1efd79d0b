/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-cancel-scope-private.h"
#include "at-future-struct-private.h"
#include "at-portal-private.h"

/**
 * AtFuture:
 *
 * The caller's end of a task that runs on an [class@At.Portal].
 *
 * A future is done only when its task has really ended: it was returned, its body function has
 * left, and its data was destroyed. Cancelling asks for that; ending is separate.
 *
 * The result can be waited for ([method@At.Future.wait], [method@At.Future.wait_async]) and read
 * as often as one likes ([method@At.Future.get_value]). A body that returned a pointer, an integer
 * or a boolean is read once with the matching `at_future_propagate_*` function.
 *
 * Waiting is not looking: a failure that nobody reads is reported when the future is freed, see
 * [signal@At.Portal::unhandled-error].
 *
 * A future keeps its portal running only until it is done. All methods may be called from any
 * thread.
 *
 * Since: 0.1
 */

/* Everything that races is decided on one word, see at-completion-private.h. What is rare (started
 * values, observers) lives in a part that is made on demand, under one of a few locks that all
 * futures share: a mutex each would cost more than what it guards. */

G_DEFINE_FINAL_TYPE (AtFuture, at_future, G_TYPE_OBJECT)

static void
report_unseen (AtFuture *self)
{
  const char *name = at_future_get_name (self);

  if (self->runtime != NULL)
    at_runtime_report (self->runtime, name, self->error);
  else
    g_message ("Worker task “%s” failed, and nobody looked: %s",
               name != NULL ? name : _ ("unnamed"), self->error->message);
}

static void
at_future_finalize (GObject *object)
{
  AtFuture *self = AT_FUTURE (object);
  uint32_t state = at_atomic_load (&self->word, acquire);

  if ((state & AT_COMPLETION_FAILED) && !(state & AT_COMPLETION_SEEN))
    report_unseen (self);

  at_future_drop_result (self);
  if (self->has_value)
    g_value_unset (&self->value);
  g_clear_error (&self->error);
  if (!(state & AT_COMPLETION_RETIRED))
    g_clear_object ((AtCancelScope **) &self->scope);
  g_clear_object ((AtCancelScope **) &self->late_scope);
  g_clear_object (&self->cancellable);

  if (self->extra != NULL)
    {
      if (G_IS_VALUE (&self->extra->started))
        g_value_unset (&self->extra->started);
      g_clear_pointer (&self->extra->observers, g_array_unref);
      g_free (self->extra);
    }

  if (self->host_class != NULL)
    self->host_class->release (self->host);
  if (self->holds_runtime)
    at_runtime_unref (self->runtime);
  at_thread_drop_revived ();

  G_OBJECT_CLASS (at_future_parent_class)->finalize (object);
}

/* g_object_unref () drops handlers, closures and weak references after this once more. To do it
 * here as well is a fifth of what a GObject's end costs, and of use to g_object_run_dispose ()
 * only. */
static void
at_future_dispose (GObject *object)
{
  if (g_atomic_int_get (&object->ref_count) > 1)
    G_OBJECT_CLASS (at_future_parent_class)->dispose (object);
}

static void
at_future_class_init (AtFutureClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = at_future_dispose;
  G_OBJECT_CLASS (klass)->finalize = at_future_finalize;
}

/* One that nobody has spawned has failed, and never will be anything else. */
static void
at_future_init (AtFuture *self)
{
  self->item.kind = AT_ITEM_TASK;
  at_atomic_init (&self->word, AT_COMPLETION_DONE | AT_COMPLETION_FAILED | AT_COMPLETION_SEEN |
                                 AT_COMPLETION_RETIRED);
}

#define N_LOCKS 16

/* Leaves: nothing is called under them. */
static GMutex locks[N_LOCKS];

GMutex *
at_future_lock (AtFuture *self)
{
  GMutex *lock = &locks[(GPOINTER_TO_SIZE (self) >> 6) % N_LOCKS];

  g_mutex_lock (lock);

  return lock;
}

AtFutureExtra *
at_future_ensure_extra (AtFuture *self)
{
  if (self->extra == NULL)
    self->extra = g_new0 (AtFutureExtra, 1);

  return self->extra;
}

/* Observers. */

void
at_future_run_observers (AtFuture *self,
                         gboolean only_started)
{
  g_autoptr (GArray) called = g_array_new (FALSE, FALSE, sizeof (AtFutureObserver));
  GMutex *lock = at_future_lock (self);
  GArray *observers = self->extra != NULL ? self->extra->observers : NULL;

  for (guint i = 0; observers != NULL && i < observers->len;)
    {
      AtFutureObserver *observer = &g_array_index (observers, AtFutureObserver, i);

      if (only_started && !observer->wants_start)
        {
          i++;
          continue;
        }

      g_array_append_val (called, *observer);
      g_array_remove_index (observers, i);
    }
  g_mutex_unlock (lock);

  for (guint i = 0; i < called->len; i++)
    {
      AtFutureObserver *observer = &g_array_index (called, AtFutureObserver, i);

      observer->func (self, observer->data);
    }
}

void
at_future_observe (AtFuture *self,
                   AtFutureObserverFunc func,
                   gpointer data,
                   gboolean wants_start)
{
  guint32 news = AT_COMPLETION_DONE | (wants_start ? AT_COMPLETION_STARTED : 0);
  AtFutureObserver observer = { func, data, wants_start };
  GMutex *lock = at_future_lock (self);
  gboolean too_late;

  /* Under the lock: whoever finishes after this takes the lock and finds the observer. Acquire,
   * for an observer that comes too late: the result comes before DONE. */
  too_late = (at_atomic_fetch_or (&self->word, AT_COMPLETION_OBSERVERS, acquire) & news) != 0;
  if (!too_late)
    {
      AtFutureExtra *extra = at_future_ensure_extra (self);

      if (extra->observers == NULL)
        extra->observers = g_array_new (FALSE, FALSE, sizeof (AtFutureObserver));
      g_array_append_val (extra->observers, observer);
    }
  g_mutex_unlock (lock);

  if (too_late)
    func (self, data);
}

void
at_future_add_observer (AtFuture *self,
                        AtFutureObserverFunc func,
                        gpointer data)
{
  at_future_observe (self, func, data, FALSE);
}

gboolean
at_future_remove_observer (AtFuture *self,
                           AtFutureObserverFunc func,
                           gpointer data)
{
  GMutex *lock = at_future_lock (self);
  GArray *observers = self->extra != NULL ? self->extra->observers : NULL;
  gboolean found = FALSE;

  for (guint i = 0; observers != NULL && i < observers->len && !found; i++)
    {
      AtFutureObserver *observer = &g_array_index (observers, AtFutureObserver, i);

      found = observer->func == func && observer->data == data;
      if (found)
        g_array_remove_index (observers, i);
    }
  g_mutex_unlock (lock);

  return found;
}

/* The way in. */

AtFuture *
at_future_new (AtRuntime *runtime,
               GCancellable *cancellable,
               AtTaskFunc func,
               gpointer user_data,
               GDestroyNotify destroy)
{
  AtFuture *self = g_object_new (AT_TYPE_FUTURE, NULL);

  at_atomic_init (&self->word, 0u);
  self->runtime = runtime;
  self->generation = at_thread_get_generation ();
  self->func = func;
  self->user_data = user_data;
  self->destroy = destroy;
  if (cancellable != NULL)
    self->cancellable = g_object_ref (cancellable);

  return self;
}

static void
fail_refused (AtFuture *self,
              AtRuntime *runtime,
              GError *error)
{
  gpointer user_data = g_steal_pointer (&self->user_data);

  self->error = error;
  self->runtime = at_runtime_ref (runtime);
  self->holds_runtime = TRUE;

  at_runtime_destroy_refused (runtime, user_data, self->destroy);
  /* A refusal is not reported: whoever spawned can see it at once. */
  at_completion_finish (&self->word, AT_COMPLETION_FAILED | AT_COMPLETION_SEEN);
}

AtFuture *
at_future_new_failed (AtPortal *portal,
                      GError *error,
                      gpointer user_data,
                      GDestroyNotify destroy)
{
  AtRuntime *runtime = at_portal_get_runtime (portal);
  AtFuture *self = at_future_new (runtime, NULL, NULL, user_data, destroy);

  fail_refused (self, runtime, error);

  return self;
}

void
at_future_submit (AtFuture *self,
                  AtPortal *portal)
{
  AtRuntime *runtime = self->runtime;

  /* Until there is a GTask, which holds it. */
  g_object_ref (portal);
  g_object_ref (self);
  if (G_LIKELY (at_runtime_push (runtime, &self->item)))
    return;

  fail_refused (self, runtime, at_runtime_refusal (runtime));
  g_object_unref (self);
  g_object_unref (portal);
}

AtFuture *
at_future_from_item (AtItem *item)
{
  return (AtFuture *) G_STRUCT_MEMBER_P (item, -G_STRUCT_OFFSET (AtFuture, item));
}

AtFutureLinks *
at_future_get_links (AtFuture *self)
{
  return &self->links;
}

/* The scope. */

/* The first one published stays. Returns it; made is taken, or given back to spare. */
static AtCancelScope *
publish_scope (AT_ATOMIC (AtCancelScope *) *slot,
               AtCancelScope *made)
{
  AtCancelScope *present = NULL;

  if (at_atomic_cas (slot, &present, made, seq_cst, seq_cst))
    return made;

  g_object_unref (made);
  return present;
}

/* For somebody outside. The scope stays with the future from here on. */
static AtCancelScope *
expose_scope (AtFuture *self)
{
  AtCancelScope *scope;

  if (!at_completion_expose (&self->word))
    {
      scope = at_atomic_load (&self->late_scope, acquire);
      return scope != NULL ? scope
                           : publish_scope (&self->late_scope,
                                            at_cancel_scope_new (self->cancellable));
    }

  /* Acquire pairs with publish_scope (), which has the last word if this is out of date. */
  scope = at_atomic_load (&self->scope, acquire);
  if (scope == NULL)
    scope = publish_scope (&self->scope, at_cancel_scope_new (self->cancellable));

  if (at_completion_cancel_requested (&self->word))
    g_cancellable_cancel (G_CANCELLABLE (scope));

  return scope;
}

/* The portal's thread. */

static void on_task_returned (GObject *source,
                              GAsyncResult *result,
                              gpointer user_data);

void
at_future_take (AtFuture *self,
                AtPortal *portal)
{
  /* Acquire, as in expose_scope (). */
  AtCancelScope *scope = at_atomic_load (&self->scope, acquire);
  const char *name = at_atomic_load (&self->name, acquire);

  if (scope == NULL)
    scope = publish_scope (&self->scope, self->cancellable == NULL
                                           ? at_runtime_take_scope (self->runtime)
                                           : at_cancel_scope_new (self->cancellable));
  at_cancel_scope_set_owner (scope, self);

  self->task = g_task_new (portal, G_CANCELLABLE (scope), on_task_returned, self);
  g_task_set_check_cancellable (self->task, FALSE);
  if (name != NULL)
    g_task_set_name (self->task, name);
  g_object_unref (portal);

  at_runtime_task_taken (self->runtime, self);

  /* Both after the scope was published: see at_completion_request_cancel (). */
  if (at_runtime_cancels_all (self->runtime))
    at_future_cancel (self);
  if (at_completion_cancel_requested (&self->word))
    g_cancellable_cancel (G_CANCELLABLE (scope));
}

uint32_t
at_future_judge_error (AtFuture *self,
                       AtCancelScope *scope)
{
  GError *reason = NULL;
  gboolean is_cancellation =
    g_error_matches (self->error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
    (g_error_matches (self->error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT) &&
     at_cancel_scope_get_timed_out (scope));

  if (!is_cancellation || !at_cancel_scope_set_error_if_cancelled (scope, &reason))
    return AT_COMPLETION_FAILED;

  g_error_free (self->error);
  self->error = reason;

  return AT_COMPLETION_CANCELLED;
}

/* The task was returned, and the body has left. Takes the task's reference on itself. */
static void
end_task (AtFuture *self,
          GTask *task)
{
  AtRuntime *runtime = self->runtime;
  AtCancelScope *scope = at_atomic_load (&self->scope, relaxed);
  /* In this order: whoever adds an observer holds the future meanwhile. */
  gboolean is_shared = g_atomic_int_get (&G_OBJECT (self)->ref_count) > 1 ||
                       (at_atomic_load (&self->word, relaxed) & AT_COMPLETION_OBSERVERS) != 0;
  uint32_t outcome = 0;
  uint32_t old;

  at_cancel_scope_set_owner (scope, NULL);

  if (g_task_had_error (task))
    {
      g_task_propagate_pointer (task, &self->error);
      outcome = at_future_judge_error (self, scope);
    }

  if (self->destroy != NULL)
    self->destroy (g_steal_pointer (&self->user_data));

  /* A result is kept for whoever holds the future. Others see it from DONE on. */
  if (outcome == 0 && is_shared)
    {
      self->result = g_steal_pointer (&task);
      self->is_parked = at_runtime_task_ended (runtime, self, TRUE);
    }
  else
    {
      at_runtime_task_ended (runtime, self, FALSE);
    }
  if (self->is_parked || outcome == AT_COMPLETION_FAILED)
    {
      at_runtime_ref (runtime);
      self->holds_runtime = TRUE;
    }

  old = at_completion_finish (&self->word, outcome);

  if (old & AT_COMPLETION_OBSERVERS)
    at_future_run_observers (self, FALSE);

  g_clear_object (&task);
  if (!(old & (AT_COMPLETION_CANCEL | AT_COMPLETION_EXPOSED)))
    at_runtime_give_scope (runtime, scope);

  g_object_unref (self);
}

static void
on_task_dropped (gpointer data,
                 GObject *task)
{
  AtFuture *self = data;

  self->is_watched = FALSE;

  at_thread_begin_revival ();
  at_thread_keep_revived (task);
  g_task_return_new_error ((GTask *) task, AT_ERROR, AT_ERROR_ABANDONED,
                           _ ("The body of task “%s” dropped its GTask without returning it; every "
                              "path has to call one g_task_return function"),
                           at_future_get_name (self) != NULL ? at_future_get_name (self)
                                                             : _ ("unnamed"));
  at_thread_end_revival ();
}

static void
on_task_returned (GObject *source,
                  GAsyncResult *result,
                  gpointer user_data)
{
  AtFuture *self = user_data;

  self->was_returned = TRUE;

  if (self->is_watched)
    {
      self->is_watched = FALSE;
      g_object_weak_unref (G_OBJECT (result), on_task_dropped, self);
    }

  /* A result is handed on once GTask is done with itself. */
  if (!self->in_body && g_task_had_error (G_TASK (result)))
    end_task (self, g_object_ref (G_TASK (result)));
}

/* GTask writes to itself after its callback, in a word that it shares with the flag which says that
 * there is a result: whoever takes that on another thread would race with it. */
static void
on_task_completed (GTask *task,
                   GParamSpec *pspec,
                   gpointer user_data)
{
  if (!g_task_had_error (task))
    end_task (user_data, g_object_ref (task));
}

void
at_future_run (AtFuture *self)
{
  GTask *task = self->task;
  AtCancelScope *scope = at_atomic_load (&self->scope, relaxed);
  GError *error = NULL;

  self->in_body = TRUE;

  if (at_cancel_scope_set_error_if_cancelled (scope, &error))
    {
      g_task_return_error (task, error);
    }
  else
    {
      /* Relaxed: only told to those who ask for the state. */
      at_atomic_fetch_or (&self->word, AT_COMPLETION_RUNNING, relaxed);
      self->func (task, self->user_data);
    }

  self->in_body = FALSE;
  self->task = NULL;

  if (self->was_returned)
    {
      end_task (self, task);
    }
  else
    {
      /* Whoever drops the last reference without a return completes it with an error. */
      self->is_watched = TRUE;
      g_object_weak_ref (G_OBJECT (task), on_task_dropped, self);
      g_signal_connect (task, "notify::completed", G_CALLBACK (on_task_completed), self);
      g_object_unref (task);
    }
}

/* The caller's side. */

/**
 * at_future_get_state:
 * @self: a future
 *
 * Gets where the task is on its way.
 *
 * Returns: the state; only the last three are final
 *
 * Since: 0.1
 */
AtFutureState
at_future_get_state (AtFuture *self)
{
  uint32_t state;

  g_return_val_if_fail (AT_IS_FUTURE (self), AT_FUTURE_STATE_FAILED);

  state = at_atomic_load (&self->word, acquire);

  if (state & AT_COMPLETION_DONE)
    {
      if (state & AT_COMPLETION_CANCELLED)
        return AT_FUTURE_STATE_CANCELLED;
      return state & AT_COMPLETION_FAILED ? AT_FUTURE_STATE_FAILED : AT_FUTURE_STATE_SUCCEEDED;
    }

  if ((state & AT_COMPLETION_CANCEL) || g_cancellable_is_cancelled (self->cancellable) ||
      ((state & AT_COMPLETION_EXPOSED) &&
       g_cancellable_is_cancelled (G_CANCELLABLE (expose_scope (self)))))
    return AT_FUTURE_STATE_CANCELLING;

  return state & AT_COMPLETION_RUNNING ? AT_FUTURE_STATE_RUNNING : AT_FUTURE_STATE_PENDING;
}

/**
 * at_future_is_done:
 * @self: a future
 *
 * Gets whether the task has really ended.
 *
 * Returns: %TRUE once it has, whatever the outcome
 *
 * Since: 0.1
 */
gboolean
at_future_is_done (AtFuture *self)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), TRUE);

  return (at_atomic_load (&self->word, acquire) & AT_COMPLETION_DONE) != 0;
}

/**
 * at_future_cancel:
 * @self: a future
 *
 * Asks the task to end. Does not wait.
 *
 * A task whose body did not run yet never runs it. A running body hears of it through its task's
 * cancellable; what it makes of it is its own choice, and a value that it returns all the same is
 * delivered.
 *
 * Returns: %TRUE if this was the first request, and the task has not ended
 *
 * Since: 0.1
 */
gboolean
at_future_cancel (AtFuture *self)
{
  AtCancelScope *scope;

  g_return_val_if_fail (AT_IS_FUTURE (self), FALSE);

  if (!at_completion_request_cancel (&self->word))
    return FALSE;

  /* Since the request stands in the word, the scope is not retired any more. */
  scope = at_atomic_load (&self->scope, seq_cst);
  if (scope != NULL)
    g_cancellable_cancel (G_CANCELLABLE (scope));

  return TRUE;
}

/**
 * at_future_get_cancellable:
 * @self: a future
 *
 * Gets the task's scope, an [class@At.CancelScope].
 *
 * Returns: (transfer none): the cancellable that the body sees
 *
 * Since: 0.1
 */
GCancellable *
at_future_get_cancellable (AtFuture *self)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);

  return G_CANCELLABLE (expose_scope (self));
}

/**
 * at_future_get_name:
 * @self: a future
 *
 * Gets the name of the task.
 *
 * Returns: (transfer none) (nullable): the name, if one was set
 *
 * Since: 0.1
 */
const char *
at_future_get_name (AtFuture *self)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);

  return at_atomic_load (&self->name, acquire);
}

/**
 * at_future_set_name:
 * @self: a future
 * @name: (nullable): a name, from a small set: it is interned
 *
 * Names the task for debuggers and for the report of a failure that nobody saw.
 *
 * Since: 0.1
 */
void
at_future_set_name (AtFuture *self,
                    const char *name)
{
  g_return_if_fail (AT_IS_FUTURE (self));

  at_atomic_store (&self->name, g_intern_string (name), release);
}

const GError *
at_future_peek_error (AtFuture *self)
{
  return self->error;
}

void
at_future_mark_seen (AtFuture *self)
{
  /* Relaxed: only the finalizer looks. */
  at_atomic_fetch_or (&self->word, AT_COMPLETION_SEEN, relaxed);
}
