/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-event-listener-private.h"

/**
 * AtEventBus:
 *
 * Named events with a [struct@GLib.Variant] as payload, from any thread to any thread.
 *
 * ```c
 * at_event_bus_listen (bus, "download-progress", on_progress, window, NULL);
 * …
 * at_event_bus_publish (bus, "download-progress", g_variant_new ("(tt)", done, total));
 * ```
 *
 * A listener hears on the main context that was thread-default where it began to listen, never
 * inside of the call that publishes; so a window listens on the main thread, whoever publishes.
 * With [method@At.EventBus.listen_on_portal] it is an asynchronous function instead, whose next
 * event comes when it has ended.
 *
 * Each listener hears its events in the order in which they were published, as far as one happened
 * before the other. A listener may publish, listen and unlisten inside of itself. One that is slow
 * or fails does not disturb the others; how many events wait for it is bounded by
 * [method@At.EventBus.set_limit] if one asks for that.
 *
 * ## Targets
 *
 * A listener may have given a target, a window's name for example.
 * [method@At.EventBus.publish] reaches all listeners of the name, whatever their target;
 * [method@At.EventBus.publish_to] strictly those with that target;
 * [method@At.EventBus.publish_filtered] those that a function chooses.
 *
 * All methods may be called from any thread. What waits to be heard keeps the bus alive.
 *
 * After Tauri's event system.
 *
 * Since: 0.1
 */

struct _AtEventBus
{
  GObject parent_instance;

  /* Taken before a listener's; nothing foreign is called under it. */
  GMutex lock;

  /*< protected by lock >*/
  GHashTable *by_name;   /* of GPtrArray of AtEventListener: the exact ones */
  GPtrArray  *prefixed;  /* of AtEventListener */
  GHashTable *by_id;     /* of AtEventListener, referenced here */
  GHashTable *last;      /* name to GVariant, or NULL: which names to keep, and what came last */
  guint       last_id;
};

G_DEFINE_FINAL_TYPE (AtEventBus, at_event_bus, G_TYPE_OBJECT)

static void
at_event_bus_dispose (GObject *object)
{
  AtEventBus *self = AT_EVENT_BUS (object);
  g_autoptr (GPtrArray) listeners = g_ptr_array_new_with_free_func (at_event_listener_unref);
  GHashTableIter iter;
  gpointer listener;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &listener))
    g_ptr_array_add (listeners, at_event_listener_ref (listener));
  g_hash_table_remove_all (self->by_name);
  g_ptr_array_set_size (self->prefixed, 0);
  g_hash_table_remove_all (self->by_id);
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < listeners->len; i++)
    at_event_listener_remove (g_ptr_array_index (listeners, i));

  G_OBJECT_CLASS (at_event_bus_parent_class)->dispose (object);
}

static void
at_event_bus_finalize (GObject *object)
{
  AtEventBus *self = AT_EVENT_BUS (object);

  g_clear_pointer (&self->by_name, g_hash_table_unref);
  g_clear_pointer (&self->prefixed, g_ptr_array_unref);
  g_clear_pointer (&self->by_id, g_hash_table_unref);
  g_clear_pointer (&self->last, g_hash_table_unref);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_event_bus_parent_class)->finalize (object);
}

static void
at_event_bus_class_init (AtEventBusClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = at_event_bus_dispose;
  object_class->finalize = at_event_bus_finalize;
}

static void
variant_free (gpointer data)
{
  if (data != NULL)
    g_variant_unref (data);
}

static void
at_event_bus_init (AtEventBus *self)
{
  g_mutex_init (&self->lock);
  self->by_name = g_hash_table_new_full (g_str_hash, g_str_equal, g_free,
                                         (GDestroyNotify) g_ptr_array_unref);
  self->prefixed = g_ptr_array_new ();
  self->by_id = g_hash_table_new_full (NULL, NULL, NULL, at_event_listener_unref);
  self->last = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, variant_free);
}

/**
 * at_event_bus_new:
 *
 * Makes a bus that nobody listens on.
 *
 * Returns: (transfer full): a bus
 *
 * Since: 0.1
 */
AtEventBus *
at_event_bus_new (void)
{
  return g_object_new (AT_TYPE_EVENT_BUS, NULL);
}

/* Listening. */

/* As at_event_listener_push (). */
static gboolean
replay_locked (AtEventBus *self,
               AtEventListener *listener)
{
  GHashTableIter iter;
  gpointer name, payload;
  gboolean starts = FALSE;

  g_hash_table_iter_init (&iter, self->last);
  while (g_hash_table_iter_next (&iter, &name, &payload))
    {
      AtEventNote *note;

      if (payload == NULL || !at_event_listener_matches (listener, name))
        continue;

      note = at_event_note_new (self, name, payload);
      if (at_event_listener_push (listener, note))
        starts = TRUE;
      at_event_note_unref (note);
    }

  return starts;
}

static guint
add_listener (AtEventBus *self,
              const AtEventListenerOptions *options)
{
  g_autoptr (AtEventListener) listener = NULL;
  gboolean starts;
  guint id;

  g_mutex_lock (&self->lock);
  do
    id = ++self->last_id;
  while (id == 0 || g_hash_table_contains (self->by_id, GUINT_TO_POINTER (id)));

  listener = at_event_listener_new (id, options);
  g_hash_table_insert (self->by_id, GUINT_TO_POINTER (id), at_event_listener_ref (listener));

  if (options->flags & AT_LISTEN_FLAGS_PREFIX)
    {
      g_ptr_array_add (self->prefixed, listener);
    }
  else
    {
      GPtrArray *listeners = g_hash_table_lookup (self->by_name, options->name);

      if (listeners == NULL)
        {
          listeners = g_ptr_array_new ();
          g_hash_table_insert (self->by_name, g_strdup (options->name), listeners);
        }
      g_ptr_array_add (listeners, listener);
    }

  /* Before anything that is published from now on. */
  starts = (options->flags & AT_LISTEN_FLAGS_REPLAY) != 0 && replay_locked (self, listener);
  g_mutex_unlock (&self->lock);

  if (starts)
    at_event_listener_start (listener);

  return id;
}

/**
 * at_event_bus_listen:
 * @self: a bus
 * @name: the name of the events
 * @func: (scope notified) (closure user_data) (destroy destroy): hears of them
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on the listener's main context once it does not run any
 *   more
 *
 * Listens to all events of a name, on the thread-default main context of the caller.
 *
 * Returns: an id for [method@At.EventBus.unlisten], never 0
 *
 * Since: 0.1
 */
guint
at_event_bus_listen (AtEventBus *self,
                     const char *name,
                     AtListenFunc func,
                     gpointer user_data,
                     GDestroyNotify destroy)
{
  return at_event_bus_listen_full (self, name, NULL, AT_LISTEN_FLAGS_NONE, func, user_data,
                                   destroy);
}

/**
 * at_event_bus_once:
 * @self: a bus
 * @name: the name of the event
 * @func: (scope notified) (closure user_data) (destroy destroy): hears of it
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on the listener's main context once it does not run any
 *   more
 *
 * Listens to the next event of a name, and to no other after it.
 *
 * Returns: an id for [method@At.EventBus.unlisten], never 0
 *
 * Since: 0.1
 */
guint
at_event_bus_once (AtEventBus *self,
                   const char *name,
                   AtListenFunc func,
                   gpointer user_data,
                   GDestroyNotify destroy)
{
  return at_event_bus_listen_full (self, name, NULL, AT_LISTEN_FLAGS_ONCE, func, user_data,
                                   destroy);
}

/**
 * at_event_bus_listen_full:
 * @self: a bus
 * @name: the name of the events, or how it begins
 * @target: (nullable): which target the listener is
 * @flags: what to listen to
 * @func: (scope notified) (closure user_data) (destroy destroy): hears of it
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on the listener's main context once it does not run any
 *   more
 *
 * [method@At.EventBus.listen] with all options.
 *
 * Returns: an id for [method@At.EventBus.unlisten], never 0
 *
 * Since: 0.1
 */
guint
at_event_bus_listen_full (AtEventBus *self,
                          const char *name,
                          const char *target,
                          AtListenFlags flags,
                          AtListenFunc func,
                          gpointer user_data,
                          GDestroyNotify destroy)
{
  AtEventListenerOptions options = {
    .name = name,
    .target = target,
    .flags = flags,
    .func = func,
    .user_data = user_data,
    .destroy = destroy,
  };

  g_return_val_if_fail (AT_IS_EVENT_BUS (self), 0);
  g_return_val_if_fail (name != NULL, 0);
  g_return_val_if_fail (func != NULL, 0);

  return add_listener (self, &options);
}

static void
call_closure (AtEventBus *bus,
              const char *name,
              GVariant *payload,
              gpointer user_data)
{
  GValue values[3] = { G_VALUE_INIT, G_VALUE_INIT, G_VALUE_INIT };

  g_value_init (&values[0], AT_TYPE_EVENT_BUS);
  g_value_set_object (&values[0], bus);
  g_value_init (&values[1], G_TYPE_STRING);
  g_value_set_string (&values[1], name);
  g_value_init (&values[2], G_TYPE_VARIANT);
  g_value_set_variant (&values[2], payload);

  g_closure_invoke (user_data, NULL, G_N_ELEMENTS (values), values, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (values); i++)
    g_value_unset (&values[i]);
}

/**
 * at_event_bus_listen_closure:
 * @self: a bus
 * @name: the name of the events, or how it begins
 * @target: (nullable): which target the listener is
 * @flags: what to listen to
 * @closure: hears of it, with the arguments of [callback@At.ListenFunc]
 *
 * [method@At.EventBus.listen_full] with a closure.
 *
 * Returns: an id for [method@At.EventBus.unlisten], never 0
 *
 * Since: 0.1
 */
guint
at_event_bus_listen_closure (AtEventBus *self,
                             const char *name,
                             const char *target,
                             AtListenFlags flags,
                             GClosure *closure)
{
  g_return_val_if_fail (AT_IS_EVENT_BUS (self), 0);
  g_return_val_if_fail (name != NULL, 0);
  g_return_val_if_fail (closure != NULL, 0);

  g_closure_ref (closure);
  g_closure_sink (closure);
  if (G_CLOSURE_NEEDS_MARSHAL (closure))
    g_closure_set_marshal (closure, g_cclosure_marshal_generic);

  return at_event_bus_listen_full (self, name, target, flags, call_closure, closure,
                                   (GDestroyNotify) g_closure_unref);
}

/**
 * at_event_bus_listen_on_portal:
 * @self: a bus
 * @name: the name of the events, or how it begins
 * @target: (nullable): which target the listener is
 * @flags: what to listen to
 * @portal: where @func runs
 * @func: (scope notified) (closure user_data) (destroy destroy): hears of it, as an asynchronous
 *   function
 * @user_data: data for @func
 * @destroy: (nullable): frees @user_data, on the portal's thread where that still lives
 *
 * Listens with an asynchronous function, whose next event comes when it has ended.
 *
 * A failure of its task is reported as any that nobody saw, see
 * [signal@At.Portal::unhandled-error]. Once the portal has been stopped, nothing is heard any more.
 *
 * Returns: an id for [method@At.EventBus.unlisten], never 0
 *
 * Since: 0.1
 */
guint
at_event_bus_listen_on_portal (AtEventBus *self,
                               const char *name,
                               const char *target,
                               AtListenFlags flags,
                               AtPortal *portal,
                               AtListenTaskFunc func,
                               gpointer user_data,
                               GDestroyNotify destroy)
{
  AtEventListenerOptions options = {
    .name = name,
    .target = target,
    .flags = flags,
    .portal = portal,
    .task_func = func,
    .user_data = user_data,
    .destroy = destroy,
  };

  g_return_val_if_fail (AT_IS_EVENT_BUS (self), 0);
  g_return_val_if_fail (name != NULL, 0);
  g_return_val_if_fail (AT_IS_PORTAL (portal), 0);
  g_return_val_if_fail (func != NULL, 0);

  return add_listener (self, &options);
}

/**
 * at_event_bus_set_limit:
 * @self: a bus
 * @id: what listening has returned
 * @limit: how many events may wait for the listener; 0: as many as come
 * @overflow: what gives way when there are more
 *
 * Bounds how many events wait for a listener that is slower than its publishers.
 *
 * Since: 0.1
 */
void
at_event_bus_set_limit (AtEventBus *self,
                        guint id,
                        guint limit,
                        AtOverflow overflow)
{
  AtEventListener *listener;

  g_return_if_fail (AT_IS_EVENT_BUS (self));

  g_mutex_lock (&self->lock);
  listener = g_hash_table_lookup (self->by_id, GUINT_TO_POINTER (id));
  if (listener != NULL)
    at_event_listener_set_limit (listener, limit, overflow);
  g_mutex_unlock (&self->lock);
}

/* With the lock. Returns what is to be released without it. */
static AtEventListener *
forget_locked (AtEventBus *self,
               AtEventListener *listener)
{
  GHashTableIter iter;
  gpointer listeners;

  at_event_listener_ref (listener);
  g_hash_table_remove (self->by_id, GUINT_TO_POINTER (at_event_listener_get_id (listener)));
  if (g_ptr_array_remove (self->prefixed, listener))
    return listener;

  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, NULL, &listeners))
    {
      if (!g_ptr_array_remove (listeners, listener))
        continue;

      if (((GPtrArray *) listeners)->len == 0)
        g_hash_table_iter_remove (&iter);
      break;
    }

  return listener;
}

/**
 * at_event_bus_unlisten:
 * @self: a bus
 * @id: what listening has returned
 *
 * Stops listening. What waits to be heard is dropped.
 *
 * On the listener's own main context it does not run any more from here on, except that one which
 * is running ends. On another thread it may have begun to run in this very moment.
 *
 * Returns: %TRUE if it was listening
 *
 * Since: 0.1
 */
gboolean
at_event_bus_unlisten (AtEventBus *self,
                       guint id)
{
  AtEventListener *listener;
  gboolean was_listening;

  g_return_val_if_fail (AT_IS_EVENT_BUS (self), FALSE);

  g_mutex_lock (&self->lock);
  listener = g_hash_table_lookup (self->by_id, GUINT_TO_POINTER (id));
  if (listener != NULL)
    forget_locked (self, listener);
  g_mutex_unlock (&self->lock);

  if (listener == NULL)
    return FALSE;

  was_listening = at_event_listener_remove (listener);
  at_event_listener_unref (listener);

  return was_listening;
}

/* Publishing. */

typedef enum
{
  REACH_ALL,
  REACH_TARGET,
  REACH_FILTERED,
} Reach;

/* Those who shall hear, referenced; and those who have heard their only event, to be forgotten. */
static void
collect_locked (GPtrArray *listeners,
                const char *name,
                GPtrArray *found,
                GPtrArray *spent)
{
  for (guint i = 0; i < listeners->len; i++)
    {
      AtEventListener *listener = g_ptr_array_index (listeners, i);

      if (!at_event_listener_matches (listener, name))
        continue;

      g_ptr_array_add (at_event_listener_is_live (listener) ? found : spent,
                       at_event_listener_ref (listener));
    }
}

static gboolean
reaches (AtEventListener *listener,
         Reach reach,
         const char *target,
         AtEventFilterFunc filter,
         gpointer user_data)
{
  switch (reach)
    {
    case REACH_ALL:
      return TRUE;
    case REACH_TARGET:
      return g_strcmp0 (at_event_listener_get_target (listener), target) == 0;
    case REACH_FILTERED:
      return filter (at_event_listener_get_target (listener), user_data);
    default:
      g_assert_not_reached ();
    }
}

static void
publish (AtEventBus *self,
         const char *name,
         GVariant *payload,
         Reach reach,
         const char *target,
         AtEventFilterFunc filter,
         gpointer user_data)
{
  g_autoptr (GVariant) sunk = payload != NULL ? g_variant_ref_sink (payload) : NULL;
  g_autoptr (GPtrArray) found = g_ptr_array_new_with_free_func (at_event_listener_unref);
  g_autoptr (GPtrArray) spent = g_ptr_array_new_with_free_func (at_event_listener_unref);
  AtEventNote *note = at_event_note_new (self, name, sunk);
  GPtrArray *exact;

  g_mutex_lock (&self->lock);
  exact = g_hash_table_lookup (self->by_name, name);
  if (exact != NULL)
    collect_locked (exact, name, found, spent);
  collect_locked (self->prefixed, name, found, spent);

  for (guint i = 0; i < spent->len; i++)
    at_event_listener_unref (forget_locked (self, g_ptr_array_index (spent, i)));

  if (reach == REACH_ALL && sunk != NULL && g_hash_table_contains (self->last, name))
    g_hash_table_insert (self->last, g_strdup (name), g_variant_ref (sunk));

  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < found->len; i++)
    {
      AtEventListener *listener = g_ptr_array_index (found, i);

      if (reaches (listener, reach, target, filter, user_data) &&
          at_event_listener_push (listener, note))
        at_event_listener_start (listener);
    }

  at_event_note_unref (note);
}

/**
 * at_event_bus_publish:
 * @self: a bus
 * @name: the name of the event
 * @payload: (nullable): what to publish with it; a floating one is taken
 *
 * Publishes an event to all listeners of its name. Runs none of them inside of the call.
 *
 * Since: 0.1
 */
void
at_event_bus_publish (AtEventBus *self,
                      const char *name,
                      GVariant *payload)
{
  g_return_if_fail (AT_IS_EVENT_BUS (self));
  g_return_if_fail (name != NULL);

  publish (self, name, payload, REACH_ALL, NULL, NULL, NULL);
}

/**
 * at_event_bus_publish_to:
 * @self: a bus
 * @target: the target
 * @name: the name of the event
 * @payload: (nullable): what to publish with it; a floating one is taken
 *
 * Publishes an event strictly to those listeners of its name that have given this target.
 *
 * Since: 0.1
 */
void
at_event_bus_publish_to (AtEventBus *self,
                         const char *target,
                         const char *name,
                         GVariant *payload)
{
  g_return_if_fail (AT_IS_EVENT_BUS (self));
  g_return_if_fail (target != NULL);
  g_return_if_fail (name != NULL);

  publish (self, name, payload, REACH_TARGET, target, NULL, NULL);
}

/**
 * at_event_bus_publish_filtered:
 * @self: a bus
 * @name: the name of the event
 * @payload: (nullable): what to publish with it; a floating one is taken
 * @filter: (scope call) (closure user_data): chooses, inside of the call and without a lock
 * @user_data: data for @filter
 *
 * Publishes an event to those listeners of its name that a function chooses by their target.
 *
 * Since: 0.1
 */
void
at_event_bus_publish_filtered (AtEventBus *self,
                               const char *name,
                               GVariant *payload,
                               AtEventFilterFunc filter,
                               gpointer user_data)
{
  g_return_if_fail (AT_IS_EVENT_BUS (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (filter != NULL);

  publish (self, name, payload, REACH_FILTERED, NULL, filter, user_data);
}

/**
 * at_event_bus_keep_last:
 * @self: a bus
 * @name: the name of events
 *
 * Keeps the payload that was last published to everybody under a name, for those who will listen
 * with `AT_LISTEN_FLAGS_REPLAY`. Counts from the next event on.
 *
 * Since: 0.1
 */
void
at_event_bus_keep_last (AtEventBus *self,
                        const char *name)
{
  g_return_if_fail (AT_IS_EVENT_BUS (self));
  g_return_if_fail (name != NULL);

  g_mutex_lock (&self->lock);
  if (!g_hash_table_contains (self->last, name))
    g_hash_table_insert (self->last, g_strdup (name), NULL);
  g_mutex_unlock (&self->lock);
}
