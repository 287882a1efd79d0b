/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-atomic-private.h"

/**
 * AtManager:
 *
 * The state of an application: at most one object of each type, for all threads.
 *
 * A handler asks for what it needs by type instead of reaching for a global variable:
 *
 * ```c
 * at_manager_manage (manager, MY_TYPE_DATABASE, G_OBJECT (database));
 * …
 * g_autoptr (MyDatabase) database = MY_DATABASE (at_manager_get_state (manager, MY_TYPE_DATABASE,
 *                                                                      &error));
 * ```
 *
 * The type is the key, exactly: an object may be managed as a type that it is derived from, or as
 * an interface, and is then found as that and nothing else.
 *
 * A state that takes time to make is made when it is asked for the first time, see
 * [method@At.Manager.provide]. At the end of the application [method@At.Manager.shut_down_async]
 * lets go of all states, the last one first.
 *
 * All methods may be called from any thread. The objects have to be thread-safe where they are used
 * on more than one.
 *
 * After Tauri's `Manager`, where state is keyed by its Rust type.
 *
 * Since: 0.1
 */

/* A construction is a portal's task, and its future is where all askers wait: so there is one
 * construction and one failure for those who asked meanwhile, and the next one who asks tries
 * again. The state stays in the future until somebody asks for it; a callback to move it would be
 * one more thing that races. */

typedef struct
{
  AT_ATOMIC (int) ref_count;

  AtPortal      *portal;
  AtTaskFunc     func;
  gpointer       user_data;
  GDestroyNotify destroy;
} Provider;

typedef struct
{
  GType     type;
  GObject  *state;
  Provider *provider;
  AtFuture *construction; /* begun last, and its state not taken out yet */
} Entry;

struct _AtManager
{
  GObject parent_instance;

  GMutex lock;

  /*< protected by lock >*/
  GQueue   entries; /* of Entry, in the order in which they came */
  gboolean is_shut;
};

G_DEFINE_FINAL_TYPE (AtManager, at_manager, G_TYPE_OBJECT)

static void
provider_unref (gpointer data)
{
  Provider *self = data;

  /* Release: this thread's use comes before the end. Acquire: on the last one. */
  if (at_atomic_fetch_sub (&self->ref_count, 1, acq_rel) > 1)
    return;

  if (self->destroy != NULL)
    self->destroy (self->user_data);
  g_object_unref (self->portal);
  g_free (self);
}

static void
entry_free (gpointer data)
{
  Entry *self = data;

  g_clear_object (&self->state);
  g_clear_object (&self->construction);
  g_clear_pointer (&self->provider, provider_unref);
  g_free (self);
}

static void
at_manager_finalize (GObject *object)
{
  AtManager *self = AT_MANAGER (object);
  Entry *entry;

  while ((entry = g_queue_pop_tail (&self->entries)) != NULL)
    entry_free (entry);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_manager_parent_class)->finalize (object);
}

static void
at_manager_class_init (AtManagerClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = at_manager_finalize;
}

static void
at_manager_init (AtManager *self)
{
  g_mutex_init (&self->lock);
  g_queue_init (&self->entries);
}

/**
 * at_manager_new:
 *
 * Makes a manager without any state.
 *
 * Returns: (transfer full): a manager
 *
 * Since: 0.1
 */
AtManager *
at_manager_new (void)
{
  return g_object_new (AT_TYPE_MANAGER, NULL);
}

/* An application has few states: a list keeps their order as well. */
static GList *
find_locked (AtManager *self,
             GType type)
{
  for (GList *link = self->entries.head; link != NULL; link = link->next)
    if (((Entry *) link->data)->type == type)
      return link;

  return NULL;
}

/* FALSE: there is one already. */
static gboolean
add_entry (AtManager *self,
           Entry *entry)
{
  gboolean added;

  g_mutex_lock (&self->lock);
  added = !self->is_shut && find_locked (self, entry->type) == NULL;
  if (added)
    g_queue_push_tail (&self->entries, entry);
  g_mutex_unlock (&self->lock);

  if (!added)
    entry_free (entry);

  return added;
}

/**
 * at_manager_manage:
 * @self: a manager
 * @type: the type to find it by: the object's own, one that it is derived from, or an interface
 * @state: the state
 *
 * Manages an object. Holders get references of their own, so it may be unmanaged at any time.
 *
 * Returns: %TRUE if it is managed now; %FALSE if there is a state of that type already, which
 *   stays, or after the shutdown
 *
 * Since: 0.1
 */
gboolean
at_manager_manage (AtManager *self,
                   GType type,
                   GObject *state)
{
  Entry *entry;

  g_return_val_if_fail (AT_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (G_IS_OBJECT (state), FALSE);
  g_return_val_if_fail (g_type_is_a (G_OBJECT_TYPE (state), type), FALSE);

  entry = g_new0 (Entry, 1);
  entry->type = type;
  entry->state = g_object_ref (state);

  return add_entry (self, entry);
}

/**
 * at_manager_provide:
 * @self: a manager
 * @type: the type to find the state by
 * @portal: where to make it
 * @func: (scope notified) (closure user_data) (destroy destroy): the body that makes it; it returns
 *   the object with [method@Gio.Task.return_value]
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on the thread that lets go of it last
 *
 * Manages a state that is made when it is asked for the first time.
 *
 * Whoever asks while it is being made waits for the same construction, and gets the same failure.
 * After a failure the next who asks begins another.
 *
 * Returns: %TRUE if it is managed now; %FALSE if there is a state of that type already, which
 *   stays, or after the shutdown
 *
 * Since: 0.1
 */
gboolean
at_manager_provide (AtManager *self,
                    GType type,
                    AtPortal *portal,
                    AtTaskFunc func,
                    gpointer user_data,
                    GDestroyNotify destroy)
{
  Provider *provider;
  Entry *entry;

  g_return_val_if_fail (AT_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (AT_IS_PORTAL (portal), FALSE);
  g_return_val_if_fail (func != NULL, FALSE);

  provider = g_new0 (Provider, 1);
  at_atomic_init (&provider->ref_count, 1);
  provider->portal = g_object_ref (portal);
  provider->func = func;
  provider->user_data = user_data;
  provider->destroy = destroy;

  entry = g_new0 (Entry, 1);
  entry->type = type;
  entry->provider = provider;

  return add_entry (self, entry);
}

static void
set_missing (GType type,
             GError **error)
{
  g_set_error (error, AT_ERROR, AT_ERROR_MISSING_STATE,
               _ ("No state of type “%s” is managed; manage one before it is asked for"),
               g_type_name (type));
}

/* What a construction returned, if it is what was promised. */
static GObject *
take_constructed (AtFuture *future,
                  GType type,
                  GError **error)
{
  const GValue *value = at_future_get_value (future, error);
  GObject *object;

  if (value == NULL)
    return NULL;

  object = G_VALUE_HOLDS_OBJECT (value) ? g_value_get_object (value) : NULL;
  if (object != NULL && g_type_is_a (G_OBJECT_TYPE (object), type))
    return g_object_ref (object);

  g_set_error (error, AT_ERROR, AT_ERROR_INVALID_RESULT,
               _ ("The function that makes the state “%s” has returned something else"),
               g_type_name (type));
  return NULL;
}

static void
construct (GTask *task,
           gpointer user_data)
{
  Provider *provider = user_data;

  provider->func (task, provider->user_data);
}

/* Moves a state that has been made to where it belongs; forgets a failure. */
static void
settle_locked (Entry *entry,
               AtFuture **ended)
{
  if (entry->construction == NULL || !at_future_is_done (entry->construction))
    return;

  *ended = g_steal_pointer (&entry->construction);
  entry->state = take_constructed (*ended, entry->type, NULL);
}

/* Returns the state (transfer full), or the future of it (transfer full), or neither. */
static GObject *
look_up (AtManager *self,
         GType type,
         gboolean may_construct,
         AtFuture **construction)
{
  g_autoptr (AtFuture) ended = NULL;
  GObject *state = NULL;
  GList *link;

  g_mutex_lock (&self->lock);
  link = find_locked (self, type);
  if (link != NULL)
    {
      Entry *entry = link->data;

      settle_locked (entry, &ended);
      if (entry->state == NULL && entry->construction == NULL && may_construct)
        {
          Provider *provider = entry->provider;

          at_atomic_fetch_add (&provider->ref_count, 1, relaxed);
          entry->construction = at_portal_spawn (provider->portal, NULL, construct, provider,
                                                 provider_unref);
        }

      if (entry->state != NULL)
        state = g_object_ref (entry->state);
      else if (entry->construction != NULL)
        *construction = g_object_ref (entry->construction);
    }
  g_mutex_unlock (&self->lock);

  return state;
}

/**
 * at_manager_get_state:
 * @self: a manager
 * @type: the type that it is managed as
 * @error: return location for an error
 *
 * Gets a state, and waits for it where it has to be made first.
 *
 * Only that wait blocks; on the own thread of the portal that makes it, it fails at once with
 * `AT_ERROR_WRONG_THREAD`: use [method@At.Manager.get_state_async] there.
 *
 * Returns: (transfer full): the state; %NULL with `AT_ERROR_MISSING_STATE`, with the failure of the
 *   function that makes it, or with `AT_ERROR_WRONG_THREAD`
 *
 * Since: 0.1
 */
GObject *
at_manager_get_state (AtManager *self,
                      GType type,
                      GError **error)
{
  g_autoptr (AtFuture) construction = NULL;
  GObject *state;

  g_return_val_if_fail (AT_IS_MANAGER (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  state = look_up (self, type, TRUE, &construction);
  if (state != NULL)
    return state;

  if (construction == NULL)
    {
      set_missing (type, error);
      return NULL;
    }

  if (!at_future_wait (construction, NULL, error))
    return NULL;

  return take_constructed (construction, type, error);
}

static void
on_constructed (GObject *source,
                GAsyncResult *result,
                gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GType type = GPOINTER_TO_SIZE (g_task_get_task_data (task));
  GError *error = NULL;
  GObject *state = NULL;

  if (at_future_wait_finish (AT_FUTURE (source), result, &error))
    state = take_constructed (AT_FUTURE (source), type, &error);

  if (state != NULL)
    g_task_return_pointer (task, state, g_object_unref);
  else
    g_task_return_error (task, error);
}

/**
 * at_manager_get_state_async:
 * @self: a manager
 * @type: the type that it is managed as
 * @cancellable: (nullable): stops the wait; a construction that has begun goes on
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * [method@At.Manager.get_state] without blocking. Allowed on every thread.
 *
 * Since: 0.1
 */
void
at_manager_get_state_async (AtManager *self,
                            GType type,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (AtFuture) construction = NULL;
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;
  GObject *state;

  g_return_if_fail (AT_IS_MANAGER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, at_manager_get_state_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, GSIZE_TO_POINTER (type), NULL);

  state = look_up (self, type, TRUE, &construction);
  if (state != NULL)
    {
      g_task_return_pointer (task, state, g_object_unref);
    }
  else if (construction != NULL)
    {
      at_future_wait_async (construction, cancellable, on_constructed, g_steal_pointer (&task));
    }
  else
    {
      set_missing (type, &error);
      g_task_return_error (task, error);
    }
}

/**
 * at_manager_get_state_finish:
 * @self: a manager
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Manager.get_state_async].
 *
 * Returns: (transfer full): the state; %NULL with an error, as [method@At.Manager.get_state], or
 *   with that of the cancellable
 *
 * Since: 0.1
 */
GObject *
at_manager_get_state_finish (AtManager *self,
                             GAsyncResult *result,
                             GError **error)
{
  g_return_val_if_fail (AT_IS_MANAGER (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_manager_get_state_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * at_manager_try_state:
 * @self: a manager
 * @type: the type that it is managed as
 *
 * Gets a state that is there. Never waits, and makes none.
 *
 * Returns: (transfer full) (nullable): the state, or %NULL if there is none, or none yet
 *
 * Since: 0.1
 */
GObject *
at_manager_try_state (AtManager *self,
                      GType type)
{
  g_autoptr (AtFuture) construction = NULL;

  g_return_val_if_fail (AT_IS_MANAGER (self), NULL);

  return look_up (self, type, FALSE, &construction);
}

/**
 * at_manager_unmanage:
 * @self: a manager
 * @type: the type that it is managed as
 *
 * Forgets a state, or the function that would make it. Who holds it keeps it. A construction that
 * has begun goes on for those who wait for it, and is not kept.
 *
 * Returns: (transfer full) (nullable): the state, or %NULL if there was none
 *
 * Since: 0.1
 */
GObject *
at_manager_unmanage (AtManager *self,
                     GType type)
{
  g_autoptr (AtFuture) ended = NULL;
  GObject *state = NULL;
  Entry *entry = NULL;
  GList *link;

  g_return_val_if_fail (AT_IS_MANAGER (self), NULL);

  g_mutex_lock (&self->lock);
  link = find_locked (self, type);
  if (link != NULL)
    {
      entry = link->data;
      g_queue_delete_link (&self->entries, link);
      settle_locked (entry, &ended);
      state = g_steal_pointer (&entry->state);
    }
  g_mutex_unlock (&self->lock);

  if (entry != NULL)
    entry_free (entry);

  return state;
}

/* The shutdown. The task's data is the state that is asked to end. */

static void shut_down_next (GTask *task);

typedef struct
{
  Entry  *entry; /* off the list */
  GError *error; /* the first one */
} ShutDown;

static void
shut_down_free (gpointer data)
{
  ShutDown *self = data;

  g_clear_pointer (&self->entry, entry_free);
  g_clear_error (&self->error);
  g_free (self);
}

static void
shut_down_went (GTask *task,
                GError *error)
{
  ShutDown *self = g_task_get_task_data (task);

  if (self->error == NULL)
    self->error = error;
  else if (error != NULL)
    g_error_free (error);

  g_clear_pointer (&self->entry, entry_free);
  shut_down_next (task);
}

static void
on_shut_down (GObject *source,
              GAsyncResult *result,
              gpointer user_data)
{
  GError *error = NULL;

  at_managed_shut_down_finish (AT_MANAGED (source), result, &error);
  shut_down_went (user_data, error);
}

static void
shut_down_state (GTask *task)
{
  ShutDown *self = g_task_get_task_data (task);

  if (AT_IS_MANAGED (self->entry->state))
    at_managed_shut_down_async (AT_MANAGED (self->entry->state), g_task_get_cancellable (task),
                                on_shut_down, task);
  else
    shut_down_went (task, NULL);
}

static void
on_construction_ended (GObject *source,
                       GAsyncResult *result,
                       gpointer user_data)
{
  GTask *task = user_data;
  ShutDown *self = g_task_get_task_data (task);
  g_autoptr (AtFuture) ended = NULL;

  settle_locked (self->entry, &ended);
  shut_down_state (task);
}

/* Takes over the reference. */
static void
shut_down_next (GTask *task)
{
  AtManager *manager = g_task_get_source_object (task);
  ShutDown *self = g_task_get_task_data (task);

  g_mutex_lock (&manager->lock);
  self->entry = g_queue_pop_tail (&manager->entries);
  g_mutex_unlock (&manager->lock);

  if (self->entry == NULL)
    {
      if (self->error != NULL)
        g_task_return_error (task, g_steal_pointer (&self->error));
      else
        g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
  else if (self->entry->construction != NULL)
    {
      at_future_cancel (self->entry->construction);
      at_future_wait_async (self->entry->construction, NULL, on_construction_ended, task);
    }
  else
    {
      shut_down_state (task);
    }
}

/**
 * at_manager_shut_down_async:
 * @self: a manager
 * @cancellable: (nullable): passed on to every state that is asked to end
 * @callback: (scope async): called with the answer
 * @user_data: data for @callback
 *
 * Lets go of all states, one after the other, the last one first.
 *
 * A state that is an [iface@At.Managed] is asked to end, and awaited, before the next one's turn:
 * so each can use those that were there before it. One that is being made is cancelled and
 * awaited. A failure stops nothing. From now on nothing more is managed.
 *
 * Since: 0.1
 */
void
at_manager_shut_down_async (AtManager *self,
                            GCancellable *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer user_data)
{
  GTask *task;

  g_return_if_fail (AT_IS_MANAGER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, at_manager_shut_down_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, g_new0 (ShutDown, 1), shut_down_free);

  g_mutex_lock (&self->lock);
  self->is_shut = TRUE;
  g_mutex_unlock (&self->lock);

  shut_down_next (task);
}

/**
 * at_manager_shut_down_finish:
 * @self: a manager
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@At.Manager.shut_down_async].
 *
 * Returns: %TRUE if all states ended in order; %FALSE with the first failure
 *
 * Since: 0.1
 */
gboolean
at_manager_shut_down_finish (AtManager *self,
                             GAsyncResult *result,
                             GError **error)
{
  g_return_val_if_fail (AT_IS_MANAGER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_manager_shut_down_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
