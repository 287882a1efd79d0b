/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-future-private.h"
#include "at-portal-private.h"
#include "at-task-group.h"
#include "at-thread-private.h"
#include "at-waiter-private.h"

/**
 * AtTaskGroup:
 *
 * Tasks that end together: a group has ended when every one of its children has really ended.
 *
 * All children run on the group's portal, and the scope of each has the group's scope
 * ([property@At.TaskGroup:scope]) as parent. So cancelling the group, a deadline of its scope, or a
 * cancellation of the parent that the group was made with, cancels every child, except where a
 * child raises a shield; [method@At.TaskGroup.wait] waits for those too. Groups nest: give one the
 * scope of another as parent.
 *
 * The first child that fails cancels the others, unless [property@At.TaskGroup:cancel-on-error] is
 * `FALSE`, and its error is the error of the wait. All failures are in
 * [method@At.TaskGroup.get_errors]. A child that was cancelled, by the group or by hand, has not
 * failed; one whose own deadline has passed, while the group was not cancelled, has.
 *
 * Children may spawn siblings until the group has ended or was closed. Dropping a group neither
 * cancels nor closes anything: its children go on.
 *
 * The idea comes from [trio](https://trio.readthedocs.io/)'s nurseries and
 * [anyio](https://anyio.readthedocs.io/)'s task groups.
 *
 * Thread-safe. Its children and waiters keep the group alive.
 *
 * Since: 0.1
 */
struct _AtTaskGroup
{
  GObject parent_instance;

  /*< fixed at construction >*/
  AtPortal      *portal;
  GCancellable  *parent;
  AtCancelScope *scope;

  GMutex lock;

  /*< protected by lock >*/
  AtHandoverQueue waiters;
  guint           n_running; /* children, and one for each that is about to be */
  GPtrArray      *failed;    /* of AtFuture, the first to fail first; kept until somebody looks */
  gboolean        cancel_on_error;
  gboolean        closed;
};

enum
{
  PROP_0,
  PROP_CANCEL_ON_ERROR,
  PROP_PARENT,
  PROP_PORTAL,
  PROP_SCOPE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtTaskGroup, at_task_group, G_TYPE_OBJECT)

static gboolean
at_task_group_attempt (AtWaiter        *waiter,
                       AtHandoverQueue *woken)
{
  AtTaskGroup *self = waiter->primitive;

  if (self->n_running > 0)
    return FALSE;

  self->closed = TRUE;

  return TRUE;
}

static void
at_task_group_answer (AtWaiter *waiter)
{
  at_waiter_answer_unit (waiter, g_object_unref);
}

static const AtWaitClass group_wait_class = {
  .operation = N_ ("Waiting for a task group"),
  .attempt = at_task_group_attempt,
  .answer = at_task_group_answer,
};

static void
at_task_group_constructed (GObject *object)
{
  AtTaskGroup *self = AT_TASK_GROUP (object);

  G_OBJECT_CLASS (at_task_group_parent_class)->constructed (object);

  if (self->portal == NULL)
    g_set_object (&self->portal, at_portal_get_current ());
  if (self->portal == NULL)
    g_set_object (&self->portal, at_portal_get_main ());

  self->scope = at_cancel_scope_new (self->parent);
}

static void
at_task_group_finalize (GObject *object)
{
  AtTaskGroup *self = AT_TASK_GROUP (object);

  g_clear_pointer (&self->failed, g_ptr_array_unref);
  g_clear_object (&self->scope);
  g_clear_object (&self->parent);
  g_clear_object (&self->portal);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_task_group_parent_class)->finalize (object);
}

static void
at_task_group_get_property (GObject    *object,
                            guint       prop_id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  AtTaskGroup *self = AT_TASK_GROUP (object);

  switch (prop_id)
    {
    case PROP_CANCEL_ON_ERROR:
      g_value_set_boolean (value, at_task_group_get_cancel_on_error (self));
      break;

    case PROP_PARENT:
      g_value_set_object (value, self->parent);
      break;

    case PROP_PORTAL:
      g_value_set_object (value, self->portal);
      break;

    case PROP_SCOPE:
      g_value_set_object (value, self->scope);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_task_group_set_property (GObject      *object,
                            guint         prop_id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  AtTaskGroup *self = AT_TASK_GROUP (object);

  switch (prop_id)
    {
    case PROP_CANCEL_ON_ERROR:
      at_task_group_set_cancel_on_error (self, g_value_get_boolean (value));
      break;

    case PROP_PARENT:
      self->parent = g_value_dup_object (value);
      break;

    case PROP_PORTAL:
      self->portal = g_value_dup_object (value);
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_task_group_class_init (AtTaskGroupClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = at_task_group_constructed;
  object_class->finalize = at_task_group_finalize;
  object_class->get_property = at_task_group_get_property;
  object_class->set_property = at_task_group_set_property;

  /**
   * AtTaskGroup:cancel-on-error:
   *
   * Whether the first failure of a child cancels the group. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_CANCEL_ON_ERROR] =
    g_param_spec_boolean ("cancel-on-error", NULL, NULL, TRUE,
                          G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_EXPLICIT_NOTIFY |
                            G_PARAM_STATIC_STRINGS);

  /**
   * AtTaskGroup:parent:
   *
   * What cancels the group when it is cancelled.
   *
   * Since: 0.1
   */
  properties[PROP_PARENT] =
    g_param_spec_object ("parent", NULL, NULL, G_TYPE_CANCELLABLE,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtTaskGroup:portal:
   *
   * Where the children run. Without one, it is the caller's current portal, or else the portal of
   * the main context.
   *
   * Since: 0.1
   */
  properties[PROP_PORTAL] =
    g_param_spec_object ("portal", NULL, NULL, AT_TYPE_PORTAL,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtTaskGroup:scope:
   *
   * The group's cancel scope, parent of its children's.
   *
   * Since: 0.1
   */
  properties[PROP_SCOPE] =
    g_param_spec_object ("scope", NULL, NULL, AT_TYPE_CANCEL_SCOPE,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_task_group_init (AtTaskGroup *self)
{
  g_mutex_init (&self->lock);
  at_handover_queue_init (&self->waiters);
  self->failed = g_ptr_array_new_with_free_func (g_object_unref);
}

/**
 * at_task_group_new:
 * @portal: (nullable): where the children run; `NULL`: the caller's current portal, or else the
 *   portal of the main context
 * @parent: (nullable): what cancels the group when it is cancelled
 *
 * Makes a group without children.
 *
 * Returns: (transfer full): the group
 *
 * Since: 0.1
 */
AtTaskGroup *
at_task_group_new (AtPortal     *portal,
                   GCancellable *parent)
{
  g_return_val_if_fail (portal == NULL || AT_IS_PORTAL (portal), NULL);
  g_return_val_if_fail (parent == NULL || G_IS_CANCELLABLE (parent), NULL);

  return g_object_new (AT_TYPE_TASK_GROUP, "portal", portal, "parent", parent, NULL);
}

/**
 * at_task_group_get_portal:
 * @self: a group
 *
 * Where the children run.
 *
 * Returns: (transfer none): the portal
 *
 * Since: 0.1
 */
AtPortal *
at_task_group_get_portal (AtTaskGroup *self)
{
  g_return_val_if_fail (AT_IS_TASK_GROUP (self), NULL);

  return self->portal;
}

/**
 * at_task_group_get_scope:
 * @self: a group
 *
 * The parent of the children's scopes: for deadlines, a shield, or another group's parent.
 *
 * Returns: (transfer none): the scope
 *
 * Since: 0.1
 */
AtCancelScope *
at_task_group_get_scope (AtTaskGroup *self)
{
  g_return_val_if_fail (AT_IS_TASK_GROUP (self), NULL);

  return self->scope;
}

/**
 * at_task_group_set_cancel_on_error:
 * @self: a group
 * @cancel_on_error: whether the first failure of a child cancels the group
 *
 * Chooses what a failure does to the other children. It counts when a child fails.
 *
 * Since: 0.1
 */
void
at_task_group_set_cancel_on_error (AtTaskGroup *self,
                                   gboolean     cancel_on_error)
{
  g_return_if_fail (AT_IS_TASK_GROUP (self));

  g_mutex_lock (&self->lock);
  self->cancel_on_error = cancel_on_error;
  g_mutex_unlock (&self->lock);
}

/**
 * at_task_group_get_cancel_on_error:
 * @self: a group
 *
 * Whether the first failure of a child cancels the group.
 *
 * Returns: whether it does
 *
 * Since: 0.1
 */
gboolean
at_task_group_get_cancel_on_error (AtTaskGroup *self)
{
  gboolean cancel_on_error;

  g_return_val_if_fail (AT_IS_TASK_GROUP (self), FALSE);

  g_mutex_lock (&self->lock);
  cancel_on_error = self->cancel_on_error;
  g_mutex_unlock (&self->lock);

  return cancel_on_error;
}

/* A cancelled child has not failed, unless its own deadline was the cause. */
static gboolean
at_task_group_has_failed (AtTaskGroup *self,
                          AtFuture    *child)
{
  switch (at_future_get_state (child))
    {
    case AT_FUTURE_STATE_FAILED:
      return TRUE;

    case AT_FUTURE_STATE_CANCELLED:
      return g_error_matches (at_future_peek_error (child), G_IO_ERROR, G_IO_ERROR_TIMED_OUT) &&
             !g_cancellable_is_cancelled (G_CANCELLABLE (self->scope));

    default:
      return FALSE;
    }
}

static void
at_task_group_child_failed (AtTaskGroup *self,
                            AtFuture    *child)
{
  g_autofree char *reason = NULL;
  gboolean cancels;

  g_mutex_lock (&self->lock);
  cancels = self->cancel_on_error && self->failed->len == 0;
  g_ptr_array_add (self->failed, g_object_ref (child));
  g_mutex_unlock (&self->lock);

  if (!cancels)
    return;

  reason = g_strdup_printf (_ ("Another task of the group failed: %s"),
                            at_future_peek_error (child)->message);
  at_cancel_scope_cancel_with_reason (self->scope, reason);
}

/* On the portal's thread, or in at_task_group_spawn () if the portal refused the child. */
static void
at_task_group_child_ended (AtFuture *child,
                           gpointer  data)
{
  g_autoptr (AtTaskGroup) self = data;
  AtHandoverQueue woken;

  at_handover_queue_init (&woken);

  /* Before the child is counted off: when the wait is over, all of this is. */
  if (at_task_group_has_failed (self, child))
    at_task_group_child_failed (self, child);

  g_mutex_lock (&self->lock);

  if (--self->n_running == 0)
    {
      at_waiter_grant_all (&self->waiters, &woken);
      self->closed |= woken.first != NULL;
    }

  g_mutex_unlock (&self->lock);

  at_waiter_tell_all (&woken);
}

/**
 * at_task_group_spawn:
 * @self: a group
 * @func: (scope notified) (closure user_data) (destroy destroy): the body
 * @user_data: the data for @func
 * @destroy: (nullable): frees @user_data
 *
 * Starts a child, as [method@At.Portal.spawn] does, under the group's scope.
 *
 * Legal on every thread, in the children's bodies and while somebody waits for the group. In a
 * closed group the future has failed already, with `AT_ERROR_CLOSED`, and is no child. A child
 * that the portal refuses, since it has stopped, is a failure of the group.
 *
 * Returns: (transfer full): the child's future; never `NULL`
 *
 * Since: 0.1
 */
AtFuture *
at_task_group_spawn (AtTaskGroup   *self,
                     AtTaskFunc     func,
                     gpointer       user_data,
                     GDestroyNotify destroy)
{
  AtFuture *child;
  gboolean closed;

  g_return_val_if_fail (AT_IS_TASK_GROUP (self), NULL);
  g_return_val_if_fail (func != NULL, NULL);

  g_mutex_lock (&self->lock);
  closed = self->closed;
  self->n_running += closed ? 0 : 1;
  g_mutex_unlock (&self->lock);

  if (closed)
    return at_future_new_failed (self->portal,
                                 g_error_new_literal (AT_ERROR, AT_ERROR_CLOSED,
                                                      _ ("The task group was closed; spawn before "
                                                         "that, or into another group")),
                                 user_data, destroy);

  child = at_portal_spawn (self->portal, G_CANCELLABLE (self->scope), func, user_data, destroy);
  at_future_add_observer (child, at_task_group_child_ended, g_object_ref (self));

  return child;
}

/**
 * at_task_group_cancel:
 * @self: a group
 * @reason: (nullable): why, for the children's errors
 *
 * Cancels the group's scope, and so every child. The group is not closed by that, but a task that
 * is spawned from now on is cancelled from the start.
 *
 * Since: 0.1
 */
void
at_task_group_cancel (AtTaskGroup *self,
                      const char  *reason)
{
  g_return_if_fail (AT_IS_TASK_GROUP (self));

  at_cancel_scope_cancel_with_reason (self->scope, reason);
}

/**
 * at_task_group_close:
 * @self: a group
 *
 * Refuses further children. Those that run go on.
 *
 * Since: 0.1
 */
void
at_task_group_close (AtTaskGroup *self)
{
  g_return_if_fail (AT_IS_TASK_GROUP (self));

  g_mutex_lock (&self->lock);
  self->closed = TRUE;
  g_mutex_unlock (&self->lock);
}

/* After the end: FALSE, and seen, if a child failed. */
static gboolean
at_task_group_check_failures (AtTaskGroup *self,
                              GError     **error)
{
  g_autoptr (GPtrArray) failed = NULL;

  g_mutex_lock (&self->lock);
  failed = g_ptr_array_copy (self->failed, (GCopyFunc) g_object_ref, NULL);
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < failed->len; i++)
    at_future_mark_seen (g_ptr_array_index (failed, i));

  if (failed->len == 0)
    return TRUE;

  if (error != NULL)
    *error = g_error_copy (at_future_peek_error (g_ptr_array_index (failed, 0)));

  return FALSE;
}

static AtWaiter *
at_task_group_waiter_new (AtTaskGroup *self)
{
  return at_waiter_new (&group_wait_class, self, &self->lock, &self->waiters);
}

/**
 * at_task_group_wait:
 * @self: a group
 * @cancellable: (nullable): stops waiting when it is cancelled; the group goes on
 * @error: return location for an error
 *
 * Blocks the calling thread until every child has really ended, siblings that are spawned
 * meanwhile included; the group is closed then. A group that has no children, or none any more, is
 * closed at once.
 *
 * Fails with the error of the first child that failed. A cancelled @cancellable fails with
 * `G_IO_ERROR_CANCELLED` or `G_IO_ERROR_TIMED_OUT`, and cancels and closes nothing. Where the
 * thread's own portal runs the children, or waits for it in a circle, having to wait fails with
 * `AT_ERROR_WRONG_THREAD`: use [method@At.TaskGroup.wait_async] there.
 *
 * Returns: `TRUE` if all children have ended, and none has failed
 *
 * Since: 0.1
 */
gboolean
at_task_group_wait (AtTaskGroup  *self,
                    GCancellable *cancellable,
                    GError      **error)
{
  g_autoptr (AtTaskGroup) alive = NULL;
  g_autoptr (AtWaiter) waiter = NULL;
  gboolean ended;

  g_return_val_if_fail (AT_IS_TASK_GROUP (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  if (at_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;

  alive = g_object_ref (self);
  waiter = at_task_group_waiter_new (self);
  ended = at_waiter_try (waiter);

  if (!ended)
    {
      /* Known who will end it, unlike for a primitive: only a circle is refused. */
      if (!at_thread_begin_wait (at_portal_get_runtime (self->portal),
                                 _ (group_wait_class.operation), error))
        return FALSE;

      ended = at_waiter_block_unchecked (waiter, cancellable, error);
      at_thread_end_wait ();
    }

  return ended && at_task_group_check_failures (self, error);
}

/**
 * at_task_group_wait_async:
 * @self: a group
 * @cancellable: (nullable): stops waiting when it is cancelled; the group goes on
 * @callback: (nullable) (scope async): called when the group has ended, or the wait was cancelled
 * @user_data: the data for @callback
 *
 * Waits for the end of the group as [method@At.TaskGroup.wait] does, without blocking.
 *
 * @callback runs on the thread-default main context of the caller, never inside this call.
 *
 * Since: 0.1
 */
void
at_task_group_wait_async (AtTaskGroup        *self,
                          GCancellable       *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer            user_data)
{
  g_return_if_fail (AT_IS_TASK_GROUP (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  at_waiter_begin (at_task_group_waiter_new (self), cancellable, callback, user_data,
                   at_task_group_wait_async);
}

/**
 * at_task_group_wait_finish:
 * @self: a group
 * @result: what the callback got
 * @error: return location for an error, as in [method@At.TaskGroup.wait]
 *
 * Finishes [method@At.TaskGroup.wait_async].
 *
 * Returns: `TRUE` if all children have ended, and none has failed
 *
 * Since: 0.1
 */
gboolean
at_task_group_wait_finish (AtTaskGroup  *self,
                           GAsyncResult *result,
                           GError      **error)
{
  g_return_val_if_fail (AT_IS_TASK_GROUP (self), FALSE);

  return at_waiter_finish_unit (self, result, at_task_group_wait_async, error) &&
         at_task_group_check_failures (self, error);
}

/**
 * at_task_group_get_errors:
 * @self: a group
 *
 * The errors of all children that have failed until now, the first to fail first.
 *
 * Returns: (transfer container) (element-type GLib.Error): a snapshot; it owns its errors
 *
 * Since: 0.1
 */
GPtrArray *
at_task_group_get_errors (AtTaskGroup *self)
{
  GPtrArray *errors;

  g_return_val_if_fail (AT_IS_TASK_GROUP (self), NULL);

  errors = g_ptr_array_new_with_free_func ((GDestroyNotify) g_error_free);

  g_mutex_lock (&self->lock);

  for (guint i = 0; i < self->failed->len; i++)
    g_ptr_array_add (errors,
                     g_error_copy (at_future_peek_error (g_ptr_array_index (self->failed, i))));

  g_mutex_unlock (&self->lock);

  return errors;
}
