/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-atomic-private.h"
#include "at-event-bus.h"

G_BEGIN_DECLS

/* An event, shared by all who hear of it. */
typedef struct
{
  AT_ATOMIC (int) ref_count;

  AtEventBus *bus; /* referenced: a listener gets it */
  char       *name;
  GVariant   *payload;
} AtEventNote;

AtEventNote *at_event_note_new   (AtEventBus  *bus,
                                  const char  *name,
                                  GVariant    *payload);
AtEventNote *at_event_note_ref   (AtEventNote *self);
void         at_event_note_unref (gpointer     self);

/* Whoever listens; at-event-listener.c has how it hears.
 *
 * Its data lives until it was removed and does not run any more, and is destroyed on its own
 * context. The memory lives as long as a turn of its own is still to come. */
typedef struct _AtEventListener AtEventListener;

typedef struct
{
  const char      *name;
  const char      *target;
  AtListenFlags    flags;
  AtPortal        *portal;    /* where task_func runs */
  AtListenFunc     func;
  AtListenTaskFunc task_func;
  gpointer         user_data;
  GDestroyNotify   destroy;
} AtEventListenerOptions;

AtEventListener *at_event_listener_new       (guint                         id,
                                              const AtEventListenerOptions *options);
AtEventListener *at_event_listener_ref       (AtEventListener              *self);
void             at_event_listener_unref     (gpointer                      self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AtEventListener, at_event_listener_unref)

guint            at_event_listener_get_id    (AtEventListener              *self);
gboolean         at_event_listener_matches   (AtEventListener              *self,
                                              const char                   *name);
const char      *at_event_listener_get_target (AtEventListener             *self);
void             at_event_listener_set_limit (AtEventListener              *self,
                                              guint                         limit,
                                              AtOverflow                    overflow);
/* FALSE: it has been removed, or has heard its only event. */
gboolean         at_event_listener_is_live   (AtEventListener              *self);
/* Never runs it inside the call. TRUE: at_event_listener_start () has to follow, without a lock. */
gboolean         at_event_listener_push      (AtEventListener              *self,
                                              AtEventNote                  *note);
void             at_event_listener_start     (AtEventListener              *self);
/* FALSE: it was removed before. */
gboolean         at_event_listener_remove    (AtEventListener              *self);

G_END_DECLS
