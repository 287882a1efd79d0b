/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_EVENT_BUS (at_event_bus_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtEventBus, at_event_bus, AT, EVENT_BUS, GObject)

/**
 * AtListenFlags:
 * @AT_LISTEN_FLAGS_NONE: every event of exactly this name
 * @AT_LISTEN_FLAGS_ONCE: the first one only
 * @AT_LISTEN_FLAGS_PREFIX: every event whose name begins with this
 * @AT_LISTEN_FLAGS_REPLAY: beginning with the last value, see [method@At.EventBus.keep_last]
 *
 * What [method@At.EventBus.listen_full] listens to.
 *
 * Since: 0.1
 */
typedef enum
{
  AT_LISTEN_FLAGS_NONE = 0,
  AT_LISTEN_FLAGS_ONCE = 1 << 0,
  AT_LISTEN_FLAGS_PREFIX = 1 << 1,
  AT_LISTEN_FLAGS_REPLAY = 1 << 2,
} AtListenFlags;

/**
 * AtOverflow:
 * @AT_OVERFLOW_DROP_OLDEST: the event that waits longest gives way
 * @AT_OVERFLOW_DROP_NEWEST: the new event is not delivered
 *
 * What happens to an event when as many wait for a listener as it has asked for.
 *
 * Since: 0.1
 */
typedef enum
{
  AT_OVERFLOW_DROP_OLDEST,
  AT_OVERFLOW_DROP_NEWEST,
} AtOverflow;

/**
 * AtListenFunc:
 * @bus: the bus
 * @name: the name of the event
 * @payload: (nullable): what was published with it
 * @user_data: the data passed along with the function
 *
 * Hears of an event.
 *
 * Since: 0.1
 */
typedef void (*AtListenFunc) (AtEventBus *bus,
                              const char *name,
                              GVariant   *payload,
                              gpointer    user_data);

/**
 * AtListenTaskFunc:
 * @task: the task, as in [callback@At.TaskFunc]
 * @bus: the bus
 * @name: the name of the event
 * @payload: (nullable): what was published with it
 * @user_data: the data passed along with the function
 *
 * Hears of an event as an asynchronous function. @name and @payload are valid until the task has
 * ended.
 *
 * Since: 0.1
 */
typedef void (*AtListenTaskFunc) (GTask      *task,
                                  AtEventBus *bus,
                                  const char *name,
                                  GVariant   *payload,
                                  gpointer    user_data);

/**
 * AtEventFilterFunc:
 * @target: (nullable): the target that a listener has given
 * @user_data: the data passed along with the function
 *
 * Chooses among listeners, inside of [method@At.EventBus.publish_filtered].
 *
 * Returns: %TRUE to deliver
 *
 * Since: 0.1
 */
typedef gboolean (*AtEventFilterFunc) (const char *target,
                                       gpointer    user_data);

AT_AVAILABLE_IN_ALL
AtEventBus *at_event_bus_new              (void) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
guint       at_event_bus_listen           (AtEventBus        *self,
                                           const char        *name,
                                           AtListenFunc       func,
                                           gpointer           user_data,
                                           GDestroyNotify     destroy);
AT_AVAILABLE_IN_ALL
guint       at_event_bus_once             (AtEventBus        *self,
                                           const char        *name,
                                           AtListenFunc       func,
                                           gpointer           user_data,
                                           GDestroyNotify     destroy);
AT_AVAILABLE_IN_ALL
guint       at_event_bus_listen_full      (AtEventBus        *self,
                                           const char        *name,
                                           const char        *target,
                                           AtListenFlags      flags,
                                           AtListenFunc       func,
                                           gpointer           user_data,
                                           GDestroyNotify     destroy);
AT_AVAILABLE_IN_ALL
guint       at_event_bus_listen_closure   (AtEventBus        *self,
                                           const char        *name,
                                           const char        *target,
                                           AtListenFlags      flags,
                                           GClosure          *closure);
AT_AVAILABLE_IN_ALL
guint       at_event_bus_listen_on_portal (AtEventBus        *self,
                                           const char        *name,
                                           const char        *target,
                                           AtListenFlags      flags,
                                           AtPortal          *portal,
                                           AtListenTaskFunc   func,
                                           gpointer           user_data,
                                           GDestroyNotify     destroy);
AT_AVAILABLE_IN_ALL
void        at_event_bus_set_limit        (AtEventBus        *self,
                                           guint              id,
                                           guint              limit,
                                           AtOverflow         overflow);
AT_AVAILABLE_IN_ALL
gboolean    at_event_bus_unlisten         (AtEventBus        *self,
                                           guint              id);
AT_AVAILABLE_IN_ALL
void        at_event_bus_publish          (AtEventBus        *self,
                                           const char        *name,
                                           GVariant          *payload);
AT_AVAILABLE_IN_ALL
void        at_event_bus_publish_to       (AtEventBus        *self,
                                           const char        *target,
                                           const char        *name,
                                           GVariant          *payload);
AT_AVAILABLE_IN_ALL
void        at_event_bus_publish_filtered (AtEventBus        *self,
                                           const char        *name,
                                           GVariant          *payload,
                                           AtEventFilterFunc  filter,
                                           gpointer           user_data);
AT_AVAILABLE_IN_ALL
void        at_event_bus_keep_last        (AtEventBus        *self,
                                           const char        *name);

G_END_DECLS
