/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-answer-private.h"
#include "at-cancel-scope-private.h"
#include "at-cancel-watch-private.h"
#include "at-timer-private.h"

/**
 * AtCancelScope:
 *
 * A [class@Gio.Cancellable] with a parent, a deadline and a shield.
 *
 * A scope can be passed to every function that takes a [class@Gio.Cancellable]. It is cancelled
 * by hand, by its deadline, or together with its parent:
 *
 * - [method@At.CancelScope.set_deadline] cancels it at a point in time. A deadline needs neither
 *   a portal nor a running main loop, and may be moved while somebody waits.
 * - [method@At.CancelScope.set_shield] keeps the parent's cancellation out, never the scope's own.
 * - [method@At.CancelScope.cancel_with_reason] says why; the reason is inherited by every scope
 *   that is cancelled with it.
 *
 * Every task of a portal has a scope, which is the cancellable of the body's [class@Gio.Task].
 *
 * A scope is thread-safe. Handlers of [signal@Gio.Cancellable::cancelled] run on the cancelling
 * thread, or on the thread `at-timer` after a deadline, and may do nothing but hand the news on:
 * they must not block and must not connect to, disconnect from or cancel other cancellables. Use
 * [method@At.CancelScope.wait_async] to hear of a cancellation on one's own main context.
 *
 * [method@Gio.Cancellable.reset] on a scope is a programmer error.
 *
 * The idea of nested scopes with deadlines and shields comes from
 * [trio](https://trio.readthedocs.io/) and [anyio](https://anyio.readthedocs.io/).
 *
 * Since: 0.1
 */

/* One lock for all trees. A lock per scope would need an order for walking up (deadlines) and
 * down (cancellation) at the same time; what the lock protects takes nanoseconds, and a task
 * without a parent never takes it.
 *
 * Lock order: tree_lock, then the timer heap's. Signals are emitted, watches run and references
 * dropped after both were released. */
static GMutex tree_lock;

typedef enum
{
  CAUSE_NONE,
  CAUSE_BY_HAND,
  CAUSE_DEADLINE,
} Cause;

struct _AtCancelScope
{
  GCancellable parent_instance;

  /*< protected by the timer heap's lock >*/
  AtTimer timer;

  /*< while it is a task's >*/
  AT_ATOMIC (AtFuture *) owner;

  /*< constant once the constructor has returned >*/
  GCancellable *parent;
  AtCancelWatch *parent_watch; /* on a parent that is no scope */

  /*< protected by tree_lock >*/
  AtCancelScope *first_child; /* children hold their parent, not the other way round */
  AtCancelScope *previous;
  AtCancelScope *next;
  AtCancelWatch *first_watch;
  gint64 deadline; /* monotonic microseconds, G_MAXINT64: none */
  char *reason;    /* a GRefString, set at most once */
  Cause cause;
  GWeakRef weak; /* what the timer and an ancestor reach it by */
  guint has_weak : 1;
  guint shield : 1;
  guint cancel_queued : 1; /* somebody is about to cancel it together with an ancestor */
};

G_DEFINE_FINAL_TYPE (AtCancelScope, at_cancel_scope, G_TYPE_CANCELLABLE)

static guint cancelled_signal;

static AtCancelScope *
parent_scope (AtCancelScope *self)
{
  return AT_IS_CANCEL_SCOPE (self->parent) ? AT_CANCEL_SCOPE (self->parent) : NULL;
}

/* With tree_lock held. The first cause stays. */
static void
set_cause (AtCancelScope *self,
           Cause cause,
           char *ref_string)
{
  if (self->cause != CAUSE_NONE)
    return;

  self->cause = cause;
  if (ref_string != NULL)
    self->reason = g_ref_string_acquire (ref_string);
}

/* With tree_lock held. */
static void
inherit_cause (AtCancelScope *self)
{
  AtCancelScope *parent = parent_scope (self);

  if (parent != NULL && parent->cause != CAUSE_NONE)
    set_cause (self, parent->cause, parent->reason);
  else
    set_cause (self, CAUSE_BY_HAND, NULL);
}

/* With tree_lock held. The timer's thread and an ancestor may find a scope whose last reference is
 * being dropped. A plain g_object_ref () would bring it back to life, and g_object_unref () on the
 * other thread touches the object once more after it noticed that; by then the new reference, and
 * the object with it, may be gone. A weak reference tells that it is too late. */
static void
ensure_weak (AtCancelScope *self)
{
  if (!self->has_weak)
    g_weak_ref_init (&self->weak, self);

  self->has_weak = TRUE;
}

static void
cancel_with_parent (AtCancelScope *self)
{
  gboolean shielded;

  g_mutex_lock (&tree_lock);
  shielded = self->shield;
  if (!shielded && !g_cancellable_is_cancelled (G_CANCELLABLE (self)))
    inherit_cause (self);
  g_mutex_unlock (&tree_lock);

  if (!shielded)
    g_cancellable_cancel (G_CANCELLABLE (self));
}

/* The class handler runs once, after the connected handlers, on the cancelling thread. Everything
 * below is collected first and cancelled then, from the top down, without recursion: a chain of ten
 * thousand scopes needs no stack. */
static void
at_cancel_scope_cancelled (GCancellable *cancellable)
{
  AtCancelScope *self = AT_CANCEL_SCOPE (cancellable);
  g_autoptr (GPtrArray) descendants = NULL;
  AtCancelWatch *watches;

  g_mutex_lock (&tree_lock);

  set_cause (self, CAUSE_BY_HAND, NULL);

  watches = g_steal_pointer (&self->first_watch);
  for (AtCancelWatch *watch = watches; watch != NULL; watch = watch->next)
    watch->linked = FALSE;

  for (guint i = 0; i == 0 || (descendants != NULL && i <= descendants->len); i++)
    {
      AtCancelScope *scope = i == 0 ? self : g_ptr_array_index (descendants, i - 1);

      for (AtCancelScope *child = scope->first_child; child != NULL; child = child->next)
        {
          AtCancelScope *alive;

          if (child->shield || child->cancel_queued ||
              g_cancellable_is_cancelled (G_CANCELLABLE (child)))
            continue;

          alive = g_weak_ref_get (&child->weak);
          if (alive == NULL)
            continue;

          child->cancel_queued = TRUE;
          set_cause (child, scope->cause, scope->reason);
          if (descendants == NULL)
            descendants = g_ptr_array_new_with_free_func (g_object_unref);
          g_ptr_array_add (descendants, alive);
        }
    }

  g_mutex_unlock (&tree_lock);

  while (watches != NULL)
    {
      AtCancelWatch *next = watches->next;

      at_cancel_watch_fire (watches);
      at_cancel_watch_release (watches);
      watches = next;
    }

  if (descendants != NULL)
    for (guint i = 0; i < descendants->len; i++)
      g_cancellable_cancel (g_ptr_array_index (descendants, i));
}

static gboolean
timer_ref (AtTimer *timer)
{
  AtCancelScope *self =
    (gpointer) G_STRUCT_MEMBER_P (timer, -G_STRUCT_OFFSET (AtCancelScope, timer));

  return g_weak_ref_get (&self->weak) != NULL;
}

static void
cancel_by_deadline (AtCancelScope *self)
{
  g_mutex_lock (&tree_lock);
  /* Moved away in the meantime? */
  if (self->deadline > g_get_monotonic_time ())
    {
      g_mutex_unlock (&tree_lock);
      return;
    }
  if (!g_cancellable_is_cancelled (G_CANCELLABLE (self)))
    set_cause (self, CAUSE_DEADLINE, NULL);
  g_mutex_unlock (&tree_lock);

  g_cancellable_cancel (G_CANCELLABLE (self));
}

static void
timer_fire (AtTimer *timer)
{
  g_autoptr (AtCancelScope) self =
    (gpointer) G_STRUCT_MEMBER_P (timer, -G_STRUCT_OFFSET (AtCancelScope, timer));

  cancel_by_deadline (self);
}

static void
at_cancel_scope_dispose (GObject *object)
{
  AtCancelScope *self = AT_CANCEL_SCOPE (object);
  AtCancelScope *parent = parent_scope (self);

  at_timer_clear (&self->timer);
  g_clear_pointer (&self->parent_watch, at_cancel_watch_free);

  if (parent != NULL)
    {
      g_mutex_lock (&tree_lock);
      if (self->previous != NULL)
        self->previous->next = self->next;
      else if (parent->first_child == self)
        parent->first_child = self->next;
      if (self->next != NULL)
        self->next->previous = self->previous;
      self->previous = NULL;
      self->next = NULL;
      g_mutex_unlock (&tree_lock);
    }

  G_OBJECT_CLASS (at_cancel_scope_parent_class)->dispose (object);
}

static void
at_cancel_scope_finalize (GObject *object)
{
  AtCancelScope *self = AT_CANCEL_SCOPE (object);

  if (self->has_weak)
    g_weak_ref_clear (&self->weak);
  g_clear_object (&self->parent);
  g_clear_pointer (&self->reason, g_ref_string_release);

  G_OBJECT_CLASS (at_cancel_scope_parent_class)->finalize (object);
}

static void
at_cancel_scope_class_init (AtCancelScopeClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GCancellableClass *cancellable_class = G_CANCELLABLE_CLASS (klass);

  object_class->dispose = at_cancel_scope_dispose;
  object_class->finalize = at_cancel_scope_finalize;
  cancellable_class->cancelled = at_cancel_scope_cancelled;

  cancelled_signal = g_signal_lookup ("cancelled", G_TYPE_CANCELLABLE);
}

static void
at_cancel_scope_init (AtCancelScope *self)
{
  at_timer_init (&self->timer, timer_ref, timer_fire);
  self->deadline = G_MAXINT64;
}

static void
on_parent_cancelled (gpointer data)
{
  g_autoptr (AtCancelScope) self = g_weak_ref_get (data);

  if (self != NULL)
    cancel_with_parent (self);
}

static void
weak_ref_free (gpointer data)
{
  g_weak_ref_clear (data);
  g_free (data);
}

static void
join_parent (AtCancelScope *self,
             GCancellable *cancellable)
{
  AtCancelScope *parent;

  self->parent = g_object_ref (cancellable);
  parent = parent_scope (self);

  if (parent == NULL)
    {
      GWeakRef *weak = g_new0 (GWeakRef, 1);

      g_weak_ref_init (weak, self);
      self->parent_watch = at_cancel_watch_new (cancellable, on_parent_cancelled, weak,
                                                weak_ref_free);
      return;
    }

  g_mutex_lock (&tree_lock);
  ensure_weak (self);
  self->next = parent->first_child;
  if (self->next != NULL)
    self->next->previous = self;
  parent->first_child = self;
  g_mutex_unlock (&tree_lock);

  /* Joined first, looked second: a cancellation in between finds the child, or is found here. */
  if (g_cancellable_is_cancelled (cancellable))
    cancel_with_parent (self);
}

/**
 * at_cancel_scope_new:
 * @parent: (nullable): a cancellable whose cancellation cancels the scope
 *
 * Creates a scope without a deadline or a shield.
 *
 * The scope holds a reference on @parent, which may be any [class@Gio.Cancellable]. If @parent is
 * cancelled already, the new scope is too, with the same reason.
 *
 * Returns: (transfer full): a new scope
 *
 * Since: 0.1
 */
AtCancelScope *
at_cancel_scope_new (GCancellable *parent)
{
  AtCancelScope *self;

  g_return_val_if_fail (parent == NULL || G_IS_CANCELLABLE (parent), NULL);

  self = g_object_new (AT_TYPE_CANCEL_SCOPE, NULL);
  if (parent != NULL)
    join_parent (self, parent);

  return self;
}

/**
 * at_cancel_scope_new_shielded:
 * @parent: (nullable): a cancellable whose cancellation is kept out
 *
 * Creates a scope that is shielded from the start.
 *
 * This is how to clean up under a scope that is cancelled already: a scope from
 * [ctor@At.CancelScope.new] would be cancelled before it could be shielded.
 *
 * Returns: (transfer full): a new scope
 *
 * Since: 0.1
 */
AtCancelScope *
at_cancel_scope_new_shielded (GCancellable *parent)
{
  AtCancelScope *self;

  g_return_val_if_fail (parent == NULL || G_IS_CANCELLABLE (parent), NULL);

  self = g_object_new (AT_TYPE_CANCEL_SCOPE, NULL);
  self->shield = TRUE;
  if (parent != NULL)
    join_parent (self, parent);

  return self;
}

/**
 * at_cancel_scope_get_parent:
 * @self: a scope
 *
 * Gets the cancellable that the scope was created with.
 *
 * Returns: (transfer none) (nullable): the parent
 *
 * Since: 0.1
 */
GCancellable *
at_cancel_scope_get_parent (AtCancelScope *self)
{
  g_return_val_if_fail (AT_IS_CANCEL_SCOPE (self), NULL);

  return self->parent;
}

/**
 * at_cancel_scope_set_deadline:
 * @self: a scope
 * @monotonic_us: when to cancel, in microseconds of [func@GLib.get_monotonic_time]; negative or
 *   %G_MAXINT64 for never
 *
 * Cancels the scope at a point in time, with `G_IO_ERROR_TIMED_OUT`.
 *
 * The deadline replaces an earlier one and may be moved while somebody waits. One that has passed
 * already cancels inside the call.
 *
 * Since: 0.1
 */
void
at_cancel_scope_set_deadline (AtCancelScope *self,
                              gint64 monotonic_us)
{
  gint64 deadline = monotonic_us < 0 ? G_MAXINT64 : monotonic_us;
  gboolean passed, useless;

  g_return_if_fail (AT_IS_CANCEL_SCOPE (self));

  g_mutex_lock (&tree_lock);
  self->deadline = deadline;
  passed = deadline <= g_get_monotonic_time ();
  useless = passed || g_cancellable_is_cancelled (G_CANCELLABLE (self));
  if (!useless && deadline != G_MAXINT64)
    ensure_weak (self);
  /* Under both locks, or two callers could leave one's deadline and the other's timer. */
  at_timer_set (&self->timer, useless ? G_MAXINT64 : deadline);
  g_mutex_unlock (&tree_lock);

  if (passed)
    cancel_by_deadline (self);
}

/**
 * at_cancel_scope_get_deadline:
 * @self: a scope
 *
 * Gets the scope's own deadline; see also [method@At.CancelScope.get_effective_deadline].
 *
 * Returns: microseconds of monotonic time, %G_MAXINT64 for none
 *
 * Since: 0.1
 */
gint64
at_cancel_scope_get_deadline (AtCancelScope *self)
{
  gint64 deadline;

  g_return_val_if_fail (AT_IS_CANCEL_SCOPE (self), G_MAXINT64);

  g_mutex_lock (&tree_lock);
  deadline = self->deadline;
  g_mutex_unlock (&tree_lock);

  return deadline;
}

/**
 * at_cancel_scope_set_timeout:
 * @self: a scope
 * @usec: the time from now, in microseconds; negative or %G_MAXINT64 for none
 *
 * Sets the deadline relative to now.
 *
 * Since: 0.1
 */
void
at_cancel_scope_set_timeout (AtCancelScope *self,
                             gint64 usec)
{
  gint64 now = g_get_monotonic_time ();

  at_cancel_scope_set_deadline (self, usec < 0 || usec > G_MAXINT64 - now ? -1 : now + usec);
}

/**
 * at_cancel_scope_set_shield:
 * @self: a scope
 * @shield: whether to keep the parent's cancellation out
 *
 * Raises or lowers the shield.
 *
 * A shield stops the cancellation that comes from the parent, never the scope's own. Lowering it
 * lets a cancellation through that happened in the meantime.
 *
 * Since: 0.1
 */
void
at_cancel_scope_set_shield (AtCancelScope *self,
                            gboolean shield)
{
  g_return_if_fail (AT_IS_CANCEL_SCOPE (self));

  g_mutex_lock (&tree_lock);
  self->shield = shield != FALSE;
  g_mutex_unlock (&tree_lock);

  if (!shield && self->parent != NULL && g_cancellable_is_cancelled (self->parent))
    cancel_with_parent (self);
}

/**
 * at_cancel_scope_get_shield:
 * @self: a scope
 *
 * Gets whether the parent's cancellation is kept out.
 *
 * Returns: %TRUE if the shield is up
 *
 * Since: 0.1
 */
gboolean
at_cancel_scope_get_shield (AtCancelScope *self)
{
  gboolean shield;

  g_return_val_if_fail (AT_IS_CANCEL_SCOPE (self), FALSE);

  g_mutex_lock (&tree_lock);
  shield = self->shield;
  g_mutex_unlock (&tree_lock);

  return shield;
}

/**
 * at_cancel_scope_cancel_with_reason:
 * @self: a scope
 * @reason: (nullable): why, for the person who reads the error
 *
 * Cancels the scope and says why.
 *
 * The first cancellation decides: a reason that comes later, or after the deadline has passed, is
 * ignored. [method@Gio.Cancellable.cancel] gives none.
 *
 * Since: 0.1
 */
void
at_cancel_scope_cancel_with_reason (AtCancelScope *self,
                                    const char *reason)
{
  g_return_if_fail (AT_IS_CANCEL_SCOPE (self));

  g_mutex_lock (&tree_lock);
  if (!g_cancellable_is_cancelled (G_CANCELLABLE (self)))
    {
      char *ref_string = reason != NULL ? g_ref_string_new (reason) : NULL;

      set_cause (self, CAUSE_BY_HAND, ref_string);
      g_clear_pointer (&ref_string, g_ref_string_release);
    }
  g_mutex_unlock (&tree_lock);

  g_cancellable_cancel (G_CANCELLABLE (self));
}

/**
 * at_cancel_scope_get_effective_deadline:
 * @self: a scope
 *
 * Gets the nearest deadline among the scope's own and those of its parents, as far as no shield
 * is in between.
 *
 * Returns: microseconds of monotonic time; %G_MAXINT64 if there is none, %G_MININT64 once the
 *   scope is cancelled
 *
 * Since: 0.1
 */
gint64
at_cancel_scope_get_effective_deadline (AtCancelScope *self)
{
  gint64 nearest = G_MAXINT64;

  g_return_val_if_fail (AT_IS_CANCEL_SCOPE (self), G_MAXINT64);

  g_mutex_lock (&tree_lock);
  for (AtCancelScope *scope = self; scope != NULL; scope = parent_scope (scope))
    {
      if (g_cancellable_is_cancelled (G_CANCELLABLE (scope)))
        {
          nearest = G_MININT64;
          break;
        }

      nearest = MIN (nearest, scope->deadline);
      if (scope->shield)
        break;

      if (scope->parent != NULL && g_cancellable_is_cancelled (scope->parent))
        {
          nearest = G_MININT64;
          break;
        }
    }
  g_mutex_unlock (&tree_lock);

  return nearest;
}

/**
 * at_cancel_scope_get_reason:
 * @self: a scope
 *
 * Gets why the scope was cancelled; inherited from the parent that cancelled it.
 *
 * Returns: (transfer none) (nullable): the reason; %NULL if none was given, or the scope is not
 *   cancelled
 *
 * Since: 0.1
 */
const char *
at_cancel_scope_get_reason (AtCancelScope *self)
{
  const char *reason = NULL;

  g_return_val_if_fail (AT_IS_CANCEL_SCOPE (self), NULL);

  g_mutex_lock (&tree_lock);
  if (g_cancellable_is_cancelled (G_CANCELLABLE (self)))
    reason = self->reason;
  g_mutex_unlock (&tree_lock);

  return reason;
}

/**
 * at_cancel_scope_get_timed_out:
 * @self: a scope
 *
 * Gets whether it was a deadline that cancelled the scope, its own or that of the parent that
 * cancelled it.
 *
 * Returns: %TRUE after a passed deadline
 *
 * Since: 0.1
 */
gboolean
at_cancel_scope_get_timed_out (AtCancelScope *self)
{
  gboolean timed_out;

  g_return_val_if_fail (AT_IS_CANCEL_SCOPE (self), FALSE);

  g_mutex_lock (&tree_lock);
  timed_out = self->cause == CAUSE_DEADLINE && g_cancellable_is_cancelled (G_CANCELLABLE (self));
  g_mutex_unlock (&tree_lock);

  return timed_out;
}

/**
 * at_cancel_scope_set_error_if_cancelled:
 * @self: a scope
 * @error: return location for an error
 *
 * Sets `G_IO_ERROR_CANCELLED` with the reason, or `G_IO_ERROR_TIMED_OUT` after a passed deadline.
 *
 * Unlike [method@Gio.Cancellable.set_error_if_cancelled] it tells the two apart.
 *
 * Returns: %TRUE if the scope is cancelled
 *
 * Since: 0.1
 */
gboolean
at_cancel_scope_set_error_if_cancelled (AtCancelScope *self,
                                        GError **error)
{
  g_return_val_if_fail (AT_IS_CANCEL_SCOPE (self), FALSE);

  if (!g_cancellable_is_cancelled (G_CANCELLABLE (self)))
    return FALSE;

  if (at_cancel_scope_get_timed_out (self))
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT, _ ("The deadline has passed"));
    }
  else
    {
      const char *reason = at_cancel_scope_get_reason (self);

      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED,
                           reason != NULL ? reason : _ ("Operation was cancelled"));
    }

  return TRUE;
}

gboolean
at_cancellable_set_error_if_cancelled (GCancellable *cancellable,
                                       GError **error)
{
  if (cancellable == NULL)
    return FALSE;
  if (AT_IS_CANCEL_SCOPE (cancellable))
    return at_cancel_scope_set_error_if_cancelled (AT_CANCEL_SCOPE (cancellable), error);

  return g_cancellable_set_error_if_cancelled (cancellable, error);
}

static void
on_awaited_scope_cancelled (gpointer data)
{
  g_autoptr (GTask) task = at_answer_claim (data);

  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

/**
 * at_cancel_scope_wait_async:
 * @self: a scope
 * @cancellable: (nullable): stops the wait, and only the wait
 * @callback: (scope async): called when the scope is cancelled
 * @user_data: data for @callback
 *
 * Waits until the scope is cancelled, and says so on the caller's thread-default main context.
 *
 * The wait keeps the scope alive. Unless it is certain that the scope will be cancelled, give a
 * @cancellable, and cancel it when the answer no longer matters.
 *
 * Since: 0.1
 */
void
at_cancel_scope_wait_async (AtCancelScope *self,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  AtAnswer *answer;

  g_return_if_fail (AT_IS_CANCEL_SCOPE (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, at_cancel_scope_wait_async);

  answer = at_answer_new (task);
  at_answer_watch (answer, G_CANCELLABLE (self), on_awaited_scope_cancelled);
}

/**
 * at_cancel_scope_wait_finish:
 * @self: a scope
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.CancelScope.wait_async].
 *
 * Returns: %TRUE once the scope was cancelled; %FALSE with `G_IO_ERROR_CANCELLED` if the wait was
 *   stopped
 *
 * Since: 0.1
 */
gboolean
at_cancel_scope_wait_finish (AtCancelScope *self,
                             GAsyncResult *result,
                             GError **error)
{
  g_return_val_if_fail (AT_IS_CANCEL_SCOPE (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_cancel_scope_wait_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
at_cancel_scope_add_watch (AtCancelScope *self,
                           AtCancelWatch *watch)
{
  gboolean too_late;

  g_mutex_lock (&tree_lock);
  /* The class handler has taken the list, or is about to. */
  too_late = g_cancellable_is_cancelled (G_CANCELLABLE (self)) && self->cause != CAUSE_NONE;
  if (!too_late)
    {
      watch->next = self->first_watch;
      if (watch->next != NULL)
        watch->next->previous = watch;
      self->first_watch = watch;
      watch->linked = TRUE;
    }
  g_mutex_unlock (&tree_lock);

  if (too_late)
    at_cancel_watch_release (watch);
}

void
at_cancel_scope_remove_watch (AtCancelScope *self,
                              AtCancelWatch *watch)
{
  gboolean was_linked;

  g_mutex_lock (&tree_lock);
  was_linked = watch->linked;
  if (was_linked)
    {
      if (watch->previous != NULL)
        watch->previous->next = watch->next;
      else
        self->first_watch = watch->next;
      if (watch->next != NULL)
        watch->next->previous = watch->previous;
      watch->previous = NULL;
      watch->next = NULL;
      watch->linked = FALSE;
    }
  g_mutex_unlock (&tree_lock);

  if (was_linked)
    at_cancel_watch_release (watch);
}

/* A task's scope is most of what a task costs, and nearly no body looks at it. Nobody else holds it
 * here (so there are no children and no watches), it has no parent, and nobody else can reach
 * it. */
gboolean
at_cancel_scope_recycle (AtCancelScope *self)
{
  if (g_atomic_int_get (&G_OBJECT (self)->ref_count) != 1 || self->parent != NULL || self->shield ||
      self->deadline != G_MAXINT64 || g_cancellable_is_cancelled (G_CANCELLABLE (self)) ||
      g_signal_has_handler_pending (self, cancelled_signal, 0, TRUE))
    return FALSE;

  return TRUE;
}

void
at_cancel_scope_set_owner (AtCancelScope *self,
                           AtFuture *future)
{
  /* Release and acquire: whoever finds the future finds it complete. */
  at_atomic_store (&self->owner, future, release);
}

AtFuture *
at_cancel_scope_get_owner (AtCancelScope *self)
{
  return at_atomic_load (&self->owner, acquire);
}

void
at_cancel_scope_lock_tree (void)
{
  g_mutex_lock (&tree_lock);
}

void
at_cancel_scope_unlock_tree (void)
{
  g_mutex_unlock (&tree_lock);
}
