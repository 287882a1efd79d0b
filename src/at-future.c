/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-answer-private.h"
#include "at-cancel-scope-private.h"
#include "at-future-private.h"
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

typedef struct
{
  AtFutureObserverFunc func;
  gpointer             data;
  gboolean             wants_start; /* called at the started value already */
} Observer;

typedef struct
{
  GArray *observers;
  GValue  started;
} Extra;

struct _AtFuture
{
  GObject parent_instance;

  AtItem     item;
  AtRuntime *runtime; /* valid until done, unless held */

  /*< atomic >*/
  AtWord                      word;
  AT_ATOMIC (const char *)    name;
  AT_ATOMIC (AtCancelScope *) scope;      /* until it is retired */
  AT_ATOMIC (AtCancelScope *) late_scope; /* for whoever asks after that */

  /*< constant until the task has ended, then gone >*/
  AtTaskFunc     func;
  gpointer       user_data;
  GDestroyNotify destroy;
  GCancellable  *cancellable; /* the caller's */

  /*< the portal's thread, until done >*/
  GTask        *task;      /* held from its making until the body has left */
  AtFutureLinks links;     /* under the runtime's lock */
  guint         in_body : 1;
  guint         was_returned : 1;
  guint         is_watched : 1; /* the task tells when it is dropped */

  /*< constant once done >*/
  GError *error;

  /*< protected by the future's lock, once done >*/
  GTask  *result;          /* not taken yet */
  GValue  value;
  guint   has_value : 1;
  guint   is_parked : 1;   /* result's reference on the portal is put away */
  guint   holds_runtime : 1;

  /*< protected by the future's lock >*/
  Extra *extra;
};

G_DEFINE_FINAL_TYPE (AtFuture, at_future, G_TYPE_OBJECT)

#define N_LOCKS 16

/* Leaves: nothing is called under them. */
static GMutex locks[N_LOCKS];

static GMutex *
future_lock (AtFuture *self)
{
  GMutex *lock = &locks[(GPOINTER_TO_SIZE (self) >> 6) % N_LOCKS];

  g_mutex_lock (lock);

  return lock;
}

void
at_value_free (gpointer value)
{
  g_boxed_free (G_TYPE_VALUE, value);
}

const GValue *
at_value_lend (GValue *value)
{
  AtThread *thread = at_thread_self ();

  if (thread->lent != NULL)
    at_value_free (g_steal_pointer (&thread->lent));

  thread->lent = value;
  /* Language bindings cannot show a value without a type. */
  return value != NULL && G_IS_VALUE (value) ? value : NULL;
}

static Extra *
ensure_extra (AtFuture *self)
{
  if (self->extra == NULL)
    self->extra = g_new0 (Extra, 1);

  return self->extra;
}

static void
drop_result (AtFuture *self)
{
  GTask *task = g_steal_pointer (&self->result);

  if (task == NULL)
    return;

  if (self->is_parked)
    {
      self->is_parked = FALSE;
      at_runtime_unpark (self->runtime, task);
    }
  else
    {
      g_object_unref (task);
    }
}

static void
at_future_finalize (GObject *object)
{
  AtFuture *self = AT_FUTURE (object);
  uint32_t state = at_atomic_load (&self->word, acquire);

  if ((state & AT_COMPLETION_FAILED) && !(state & AT_COMPLETION_SEEN))
    at_runtime_report (self->runtime, at_future_get_name (self), self->error);

  drop_result (self);
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

  if (self->holds_runtime)
    at_runtime_unref (self->runtime);

  G_OBJECT_CLASS (at_future_parent_class)->finalize (object);
}

static void
at_future_class_init (AtFutureClass *klass)
{
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

/* Observers. */

static void
run_observers (AtFuture *self,
               gboolean  only_started)
{
  g_autoptr (GArray) called = g_array_new (FALSE, FALSE, sizeof (Observer));
  GMutex *lock = future_lock (self);
  GArray *observers = self->extra != NULL ? self->extra->observers : NULL;

  for (guint i = 0; observers != NULL && i < observers->len;)
    {
      Observer *observer = &g_array_index (observers, Observer, i);

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
      Observer *observer = &g_array_index (called, Observer, i);

      observer->func (self, observer->data);
    }
}

static void
add_observer (AtFuture            *self,
              AtFutureObserverFunc func,
              gpointer             data,
              gboolean             wants_start)
{
  guint32 news = AT_COMPLETION_DONE | (wants_start ? AT_COMPLETION_STARTED : 0);
  Observer observer = { func, data, wants_start };
  GMutex *lock = future_lock (self);
  gboolean too_late;

  /* Under the lock: whoever finishes after this takes the lock and finds the observer. */
  too_late = (at_atomic_fetch_or (&self->word, AT_COMPLETION_OBSERVERS, acq_rel) & news) != 0;
  if (!too_late)
    {
      Extra *extra = ensure_extra (self);

      if (extra->observers == NULL)
        extra->observers = g_array_new (FALSE, FALSE, sizeof (Observer));
      g_array_append_val (extra->observers, observer);
    }
  g_mutex_unlock (lock);

  if (too_late)
    func (self, data);
}

void
at_future_add_observer (AtFuture            *self,
                        AtFutureObserverFunc func,
                        gpointer             data)
{
  add_observer (self, func, data, FALSE);
}

gboolean
at_future_remove_observer (AtFuture            *self,
                           AtFutureObserverFunc func,
                           gpointer             data)
{
  GMutex *lock = future_lock (self);
  GArray *observers = self->extra != NULL ? self->extra->observers : NULL;
  gboolean found = FALSE;

  for (guint i = 0; observers != NULL && i < observers->len && !found; i++)
    {
      Observer *observer = &g_array_index (observers, Observer, i);

      found = observer->func == func && observer->data == data;
      if (found)
        g_array_remove_index (observers, i);
    }
  g_mutex_unlock (lock);

  return found;
}

/* The way in. */

AtFuture *
at_future_new (AtRuntime     *runtime,
               GCancellable  *cancellable,
               AtTaskFunc     func,
               gpointer       user_data,
               GDestroyNotify destroy)
{
  AtFuture *self = g_object_new (AT_TYPE_FUTURE, NULL);

  at_atomic_init (&self->word, 0u);
  self->runtime = runtime;
  self->func = func;
  self->user_data = user_data;
  self->destroy = destroy;
  if (cancellable != NULL)
    self->cancellable = g_object_ref (cancellable);

  return self;
}

static void
fail_refused (AtFuture  *self,
              AtRuntime *runtime,
              GError    *error)
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
at_future_new_failed (AtPortal      *portal,
                      GError        *error,
                      gpointer       user_data,
                      GDestroyNotify destroy)
{
  AtRuntime *runtime = at_portal_get_runtime (portal);
  AtFuture *self = at_future_new (runtime, NULL, NULL, user_data, destroy);

  fail_refused (self, runtime, error);

  return self;
}

void
at_future_submit (AtFuture *self)
{
  AtRuntime *runtime = self->runtime;

  g_object_ref (self);
  if (G_LIKELY (at_runtime_push (runtime, &self->item)))
    return;

  fail_refused (self, runtime, at_runtime_refusal (runtime));
  g_object_unref (self);
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
               AtCancelScope               *made)
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

  scope = at_atomic_load (&self->scope, seq_cst);
  if (scope == NULL)
    scope = publish_scope (&self->scope, at_cancel_scope_new (self->cancellable));

  if (at_completion_cancel_requested (&self->word))
    g_cancellable_cancel (G_CANCELLABLE (scope));

  return scope;
}

/* The portal's thread. */

static void on_task_returned (GObject      *source,
                              GAsyncResult *result,
                              gpointer      user_data);

void
at_future_take (AtFuture *self,
                AtPortal *portal)
{
  AtCancelScope *scope = at_atomic_load (&self->scope, seq_cst);
  const char *name = at_atomic_load (&self->name, relaxed);

  if (scope == NULL)
    scope = publish_scope (&self->scope, self->cancellable == NULL
                                             ? at_runtime_take_scope (self->runtime)
                                             : at_cancel_scope_new (self->cancellable));
  at_cancel_scope_set_owner (scope, self);

  self->task = g_task_new (portal, G_CANCELLABLE (scope), on_task_returned, self);
  g_task_set_check_cancellable (self->task, FALSE);
  if (name != NULL)
    g_task_set_name (self->task, name);

  at_runtime_task_taken (self->runtime, self);

  /* Both after the scope was published: see at_completion_request_cancel (). */
  if (at_runtime_cancels_all (self->runtime))
    at_future_cancel (self);
  if (at_completion_cancel_requested (&self->word))
    g_cancellable_cancel (G_CANCELLABLE (scope));
}

/* What a body's own "cancelled" means is decided by its scope. Returns the outcome. */
static uint32_t
judge_error (AtFuture      *self,
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
          GTask    *task)
{
  AtRuntime *runtime = self->runtime;
  AtCancelScope *scope = at_atomic_load (&self->scope, relaxed);
  gboolean is_shared = g_atomic_int_get (&G_OBJECT (self)->ref_count) > 1;
  uint32_t outcome = 0;
  uint32_t old;

  at_cancel_scope_set_owner (scope, NULL);

  if (g_task_had_error (task))
    {
      g_task_propagate_pointer (task, &self->error);
      outcome = judge_error (self, scope);
    }

  if (self->destroy != NULL)
    self->destroy (g_steal_pointer (&self->user_data));

  /* A result is kept for whoever holds the future. Others see it from DONE on. */
  if (outcome == 0 && is_shared)
    {
      self->result = g_object_ref (task);
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
    run_observers (self, FALSE);

  g_object_unref (task);
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
  g_task_return_new_error ((GTask *) task, AT_ERROR, AT_ERROR_ABANDONED,
                           _ ("The body of task “%s” dropped its GTask without returning it; every "
                              "path has to call one g_task_return function"),
                           at_future_get_name (self) != NULL ? at_future_get_name (self)
                                                             : _ ("unnamed"));
}

static void
on_task_returned (GObject      *source,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  AtFuture *self = user_data;

  self->was_returned = TRUE;

  if (self->is_watched)
    {
      self->is_watched = FALSE;
      g_object_weak_unref (G_OBJECT (result), on_task_dropped, self);
    }

  if (!self->in_body)
    end_task (self, g_object_ref (G_TASK (result)));
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
at_future_set_name (AtFuture   *self,
                    const char *name)
{
  g_return_if_fail (AT_IS_FUTURE (self));

  at_atomic_store (&self->name, g_intern_string (name), release);
}

void
at_future_join (AtFuture *self)
{
  at_thread_wait_word (&self->word, AT_COMPLETION_DONE, G_MAXINT64, NULL);
}

static void
on_wait_cancelled (gpointer data)
{
  AtFuture *self = data;

  at_completion_nudge (&self->word);
}

static gboolean
wait_for_bits (AtFuture     *self,
               guint32       bits,
               const char   *operation,
               gint64        end_time,
               GCancellable *cancellable,
               GError      **error)
{
  AtCancelWatch *watch;
  gboolean came;

  if (at_atomic_load (&self->word, acquire) & bits)
    return TRUE;
  if (at_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (!at_thread_begin_wait_unless (&self->word, bits & ~(guint32) AT_COMPLETION_STARTED,
                                    self->runtime, operation, error))
    return FALSE;

  watch = at_cancel_watch_new (cancellable, on_wait_cancelled,
                               cancellable != NULL ? g_object_ref (self) : NULL,
                               cancellable != NULL ? g_object_unref : NULL);
  came = at_thread_wait_word (&self->word, bits, end_time, cancellable);
  at_cancel_watch_free (watch);
  at_thread_end_wait ();

  if (!came && !at_cancellable_set_error_if_cancelled (cancellable, error))
    g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT,
                         _ ("The task has not ended in time; it goes on"));

  return came;
}

/**
 * at_future_wait:
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * Waits until the task has really ended, whatever the outcome.
 *
 * Blocks; on the portal's own thread, and where the wait would close a cycle, it fails at once with
 * `AT_ERROR_WRONG_THREAD` unless the task has ended already.
 *
 * Returns: %TRUE once the task has ended; %FALSE with `AT_ERROR_WRONG_THREAD` or the error of
 *   @cancellable, never the task's
 *
 * Since: 0.1
 */
gboolean
at_future_wait (AtFuture     *self,
                GCancellable *cancellable,
                GError      **error)
{
  return at_future_wait_until (self, G_MAXINT64, cancellable, error);
}

/**
 * at_future_wait_until:
 * @self: a future
 * @end_time: when to give up, in microseconds of [func@GLib.get_monotonic_time]; %G_MAXINT64 for
 *   never
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * [method@At.Future.wait] with an end. The task goes on after it.
 *
 * Returns: %TRUE once the task has ended; %FALSE with `G_IO_ERROR_TIMED_OUT`,
 *   `AT_ERROR_WRONG_THREAD` or the error of @cancellable
 *
 * Since: 0.1
 */
gboolean
at_future_wait_until (AtFuture     *self,
                      gint64        end_time,
                      GCancellable *cancellable,
                      GError      **error)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return wait_for_bits (self, AT_COMPLETION_DONE, "at_future_wait ()", end_time, cancellable, error);
}

static void
on_news (AtFuture *self,
         gpointer  data)
{
  AtAnswer *answer = data;
  g_autoptr (GTask) task = at_answer_claim (answer);

  if (task != NULL)
    g_task_return_boolean (task, TRUE);

  at_answer_unref (answer);
}

/* A wait that was stopped leaves nothing behind. */
static void
forget_news (gpointer  source,
             AtAnswer *answer)
{
  if (at_future_remove_observer (source, on_news, answer))
    at_answer_unref (answer);
}

static void
wait_async (AtFuture           *self,
            gboolean            wants_start,
            gpointer            tag,
            GCancellable       *cancellable,
            GAsyncReadyCallback callback,
            gpointer            user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  AtAnswer *answer;

  (g_task_set_source_tag) (task, tag);
  answer = at_answer_new (task);
  at_answer_set_forget (answer, forget_news, g_object_ref (self), g_object_unref);
  add_observer (self, on_news, at_answer_ref (answer), wants_start);
}

/**
 * at_future_wait_async:
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * Waits without blocking until the task has really ended. Allowed on every thread.
 *
 * Since: 0.1
 */
void
at_future_wait_async (AtFuture           *self,
                      GCancellable       *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer            user_data)
{
  g_return_if_fail (AT_IS_FUTURE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  wait_async (self, FALSE, at_future_wait_async, cancellable, callback, user_data);
}

/**
 * at_future_wait_finish:
 * @self: a future
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Future.wait_async].
 *
 * Returns: %TRUE once the task has ended; %FALSE with the error of the cancellable, never the task's
 *
 * Since: 0.1
 */
gboolean
at_future_wait_finish (AtFuture     *self,
                       GAsyncResult *result,
                       GError      **error)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_future_wait_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
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

/* TRUE: the task has ended with a result. */
static gboolean
has_succeeded (AtFuture *self,
               GError  **error)
{
  if (!at_future_is_done (self))
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_NOT_DONE,
                           _ ("The task has not ended; wait for its future first"));
      return FALSE;
    }

  if (self->runtime == NULL)
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_NOT_RUNNING,
                           _ ("This future belongs to no task; get one from at_portal_spawn ()"));
      return FALSE;
    }

  if (self->error == NULL)
    return TRUE;

  at_future_mark_seen (self);
  g_propagate_error (error, g_error_copy (self->error));
  return FALSE;
}

static void
set_invalid_result (GError **error)
{
  g_set_error_literal (error, AT_ERROR, AT_ERROR_INVALID_RESULT,
                       _ ("The result was returned as another kind, or was taken before; "
                          "g_task_return_value () goes with at_future_get_value (), pointers, "
                          "integers and booleans with their own pair, once"));
}

/**
 * at_future_get_value:
 * @self: a future
 * @error: return location for an error
 *
 * Gets the result of a task whose body used [method@Gio.Task.return_value]; as often as you like.
 *
 * Returns: (transfer none): the value, as long as the future lives; %NULL with the task's error,
 *   with `AT_ERROR_NOT_DONE` before the end, or with `AT_ERROR_INVALID_RESULT` if the body returned
 *   something else
 *
 * Since: 0.1
 */
const GValue *
at_future_get_value (AtFuture *self,
                     GError  **error)
{
  const GValue *value = NULL;
  GMutex *lock;

  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!has_succeeded (self, error))
    return NULL;

  lock = future_lock (self);
  if (!self->has_value && self->result != NULL)
    self->has_value = g_task_propagate_value (self->result, &self->value, NULL);
  if (self->has_value)
    value = &self->value;
  g_mutex_unlock (lock);

  if (value == NULL)
    set_invalid_result (error);

  return value;
}

static GTask *
take_result (AtFuture *self,
             gboolean *is_parked)
{
  GMutex *lock = future_lock (self);
  GTask *task = self->has_value ? NULL : g_steal_pointer (&self->result);

  *is_parked = self->is_parked;
  if (task != NULL)
    self->is_parked = FALSE;
  g_mutex_unlock (lock);

  return task;
}

static void
release_result (AtFuture *self,
                GTask    *task,
                gboolean  is_parked)
{
  if (is_parked)
    at_runtime_unpark (self->runtime, task);
  else
    g_object_unref (task);
}

GValue *
at_future_steal_value (AtFuture *self,
                       GError  **error)
{
  GValue *value = NULL;
  gboolean is_parked;
  GTask *task;

  if (!has_succeeded (self, error))
    return NULL;

  task = take_result (self, &is_parked);
  if (task != NULL)
    {
      value = g_new0 (GValue, 1);
      if (!g_task_propagate_value (task, value, NULL))
        g_clear_pointer (&value, g_free);
      release_result (self, task, is_parked);
    }

  if (value == NULL)
    set_invalid_result (error);

  return value;
}

/**
 * at_future_propagate_pointer: (skip)
 * @self: a future
 * @error: return location for an error
 *
 * Takes the result of a task whose body used [method@Gio.Task.return_pointer]; once.
 *
 * Returns: (transfer full): the pointer; %NULL with the task's error, `AT_ERROR_NOT_DONE`, or
 *   `AT_ERROR_INVALID_RESULT` if it was taken before
 *
 * Since: 0.1
 */
gpointer
at_future_propagate_pointer (AtFuture *self,
                             GError  **error)
{
  gpointer pointer;
  gboolean is_parked;
  GTask *task;

  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!has_succeeded (self, error))
    return NULL;

  task = take_result (self, &is_parked);
  if (task == NULL)
    {
      set_invalid_result (error);
      return NULL;
    }

  pointer = g_task_propagate_pointer (task, error);
  release_result (self, task, is_parked);

  return pointer;
}

/**
 * at_future_propagate_int: (skip)
 * @self: a future
 * @error: return location for an error
 *
 * Takes the result of a task whose body used [method@Gio.Task.return_int]; once.
 *
 * Returns: the integer; -1 with the task's error, `AT_ERROR_NOT_DONE`, or `AT_ERROR_INVALID_RESULT`
 *   if it was taken before
 *
 * Since: 0.1
 */
gssize
at_future_propagate_int (AtFuture *self,
                         GError  **error)
{
  gssize result;
  gboolean is_parked;
  GTask *task;

  g_return_val_if_fail (AT_IS_FUTURE (self), -1);
  g_return_val_if_fail (error == NULL || *error == NULL, -1);

  if (!has_succeeded (self, error))
    return -1;

  task = take_result (self, &is_parked);
  if (task == NULL)
    {
      set_invalid_result (error);
      return -1;
    }

  result = g_task_propagate_int (task, error);
  release_result (self, task, is_parked);

  return result;
}

/**
 * at_future_propagate_boolean: (skip)
 * @self: a future
 * @error: return location for an error
 *
 * Takes the result of a task whose body used [method@Gio.Task.return_boolean]; once.
 *
 * Returns: the boolean; %FALSE with the task's error, `AT_ERROR_NOT_DONE`, or
 *   `AT_ERROR_INVALID_RESULT` if it was taken before
 *
 * Since: 0.1
 */
gboolean
at_future_propagate_boolean (AtFuture *self,
                             GError  **error)
{
  gboolean result;
  gboolean is_parked;
  GTask *task;

  g_return_val_if_fail (AT_IS_FUTURE (self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  if (!has_succeeded (self, error))
    return FALSE;

  task = take_result (self, &is_parked);
  if (task == NULL)
    {
      set_invalid_result (error);
      return FALSE;
    }

  result = g_task_propagate_boolean (task, error);
  release_result (self, task, is_parked);

  return result;
}

/* Started values. */

static GValue *
dup_started (AtFuture *self,
             GError  **error)
{
  GValue *value = NULL;

  if (at_atomic_load (&self->word, acquire) & AT_COMPLETION_STARTED)
    {
      /* Constant from STARTED on. */
      value = g_new0 (GValue, 1);
      g_value_init (value, G_VALUE_TYPE (&self->extra->started));
      g_value_copy (&self->extra->started, value);
    }
  else if (has_succeeded (self, error))
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_NOT_STARTED,
                           _ ("The task has ended without a started value; its body has to call "
                              "at_task_started () before it returns"));
    }

  return value;
}

/**
 * at_future_wait_started:
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * Waits until the body has called [func@At.task_started], and gets the value that it gave.
 *
 * Blocks; on the portal's own thread, and where the wait would close a cycle, it fails at once with
 * `AT_ERROR_WRONG_THREAD` unless the value is there already.
 *
 * The idea comes from trio's
 * [`nursery.start`](https://trio.readthedocs.io/en/stable/reference-core.html#trio.Nursery.start).
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`; %NULL
 *   with the task's error if it failed before, with `AT_ERROR_NOT_STARTED` if it ended without a
 *   started value, with `AT_ERROR_WRONG_THREAD`, or with the error of @cancellable
 *
 * Since: 0.1
 */
GValue *
at_future_wait_started (AtFuture     *self,
                        GCancellable *cancellable,
                        GError      **error)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!wait_for_bits (self, AT_COMPLETION_STARTED | AT_COMPLETION_DONE,
                      "at_future_wait_started ()", G_MAXINT64, cancellable, error))
    return NULL;

  return dup_started (self, error);
}

/**
 * at_future_wait_started_borrowed: (rename-to at_future_wait_started)
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @error: return location for an error
 *
 * [method@At.Future.wait_started] for language bindings: the value stays the library's.
 *
 * Returns: (transfer none): the value, valid until the calling thread's next such call
 *
 * Since: 0.1
 */
const GValue *
at_future_wait_started_borrowed (AtFuture     *self,
                                 GCancellable *cancellable,
                                 GError      **error)
{
  return at_value_lend (at_future_wait_started (self, cancellable, error));
}

/**
 * at_future_wait_started_async:
 * @self: a future
 * @cancellable: (nullable): stops the wait, and only the wait
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * Waits without blocking until the body has called [func@At.task_started]. Allowed on every thread.
 *
 * Since: 0.1
 */
void
at_future_wait_started_async (AtFuture           *self,
                              GCancellable       *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer            user_data)
{
  g_return_if_fail (AT_IS_FUTURE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  wait_async (self, TRUE, at_future_wait_started_async, cancellable, callback, user_data);
}

/**
 * at_future_wait_started_finish:
 * @self: a future
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Future.wait_started_async].
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`; %NULL
 *   with an error, as [method@At.Future.wait_started]
 *
 * Since: 0.1
 */
GValue *
at_future_wait_started_finish (AtFuture     *self,
                               GAsyncResult *result,
                               GError      **error)
{
  g_return_val_if_fail (AT_IS_FUTURE (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_future_wait_started_async), NULL);

  if (!g_task_propagate_boolean (G_TASK (result), error))
    return NULL;

  return dup_started (self, error);
}

/**
 * at_future_wait_started_finish_borrowed: (rename-to at_future_wait_started_finish)
 * @self: a future
 * @result: what the callback was given
 * @error: return location for an error
 *
 * [method@At.Future.wait_started_finish] for language bindings: the value stays the library's.
 *
 * Returns: (transfer none): the value, valid until the calling thread's next such call
 *
 * Since: 0.1
 */
const GValue *
at_future_wait_started_finish_borrowed (AtFuture     *self,
                                        GAsyncResult *result,
                                        GError      **error)
{
  return at_value_lend (at_future_wait_started_finish (self, result, error));
}

/**
 * at_task_started:
 * @task: the task of a body
 * @value: (nullable): what to tell the starter, %NULL for the boolean %TRUE
 *
 * Tells whoever waits with [method@At.Future.wait_started] that the task is ready: a server
 * listens, a file is open.
 *
 * To be called at most once, before the task is returned, on any thread. @value is copied.
 *
 * Since: 0.1
 */
void
at_task_started (GTask        *task,
                 const GValue *value)
{
  GCancellable *scope;
  AtFuture *self;
  GMutex *lock;
  uint32_t old;

  g_return_if_fail (G_IS_TASK (task));
  g_return_if_fail (value == NULL || G_IS_VALUE (value));

  scope = g_task_get_cancellable (task);
  self = AT_IS_CANCEL_SCOPE (scope) ? at_cancel_scope_get_owner (AT_CANCEL_SCOPE (scope)) : NULL;
  if (self == NULL)
    {
      g_critical ("at_task_started () is for the task of a portal's body, before it has ended");
      return;
    }

  lock = future_lock (self);
  if (at_atomic_load (&self->word, relaxed) & AT_COMPLETION_STARTED)
    {
      g_mutex_unlock (lock);
      g_critical ("at_task_started () was called twice on one task; the first value stays");
      return;
    }

  ensure_extra (self);
  if (value != NULL)
    {
      g_value_init (&self->extra->started, G_VALUE_TYPE (value));
      g_value_copy (value, &self->extra->started);
    }
  else
    {
      g_value_init (&self->extra->started, G_TYPE_BOOLEAN);
      g_value_set_boolean (&self->extra->started, TRUE);
    }
  old = at_completion_start (&self->word);
  g_mutex_unlock (lock);

  if (old & AT_COMPLETION_OBSERVERS)
    run_observers (self, TRUE);
}
