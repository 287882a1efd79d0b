/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <asynctools.h>

G_BEGIN_DECLS

/* What a document's channels have for their page, in order, until the page asks for it.
 *
 * A lane is the place of one channel in it. A lane that has AT_WEBKIT_WINDOW bytes waiting takes no
 * more before the page has fetched them, whatever the size of one message.
 */
#define AT_WEBKIT_WINDOW (256 * 1024)

typedef struct _AtWebKitOutbox AtWebKitOutbox;
typedef struct _AtWebKitLane   AtWebKitLane;

/* ready runs on the main thread, when the page has asked and there is something for it, until
 * at_webkit_outbox_close (). */
AtWebKitOutbox *at_webkit_outbox_new         (guint            max_message_size,
                                              AtFunc           ready,
                                              gpointer         user_data);
AtWebKitOutbox *at_webkit_outbox_ref         (AtWebKitOutbox  *outbox);
void            at_webkit_outbox_unref       (AtWebKitOutbox  *outbox);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AtWebKitOutbox, at_webkit_outbox_unref)

/* Any thread. */
AtWebKitLane   *at_webkit_outbox_open_lane   (AtWebKitOutbox  *outbox,
                                              guint            id);
AtWebKitLane   *at_webkit_lane_ref           (AtWebKitLane    *lane);
void            at_webkit_lane_unref         (AtWebKitLane    *lane);
gboolean        at_webkit_lane_try_send      (AtWebKitLane    *lane,
                                              const char      *json,
                                              GError         **error);
void            at_webkit_lane_send          (AtWebKitLane    *lane,
                                              const char      *json,
                                              GTask           *task);
void            at_webkit_lane_close         (AtWebKitLane    *lane,
                                              const GError    *reason);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AtWebKitLane, at_webkit_lane_unref)

/* The main thread only. */

/* What there is, as JSON; NULL if there is nothing, and then ready will be called. */
char           *at_webkit_outbox_take        (AtWebKitOutbox  *outbox);
gboolean        at_webkit_outbox_is_empty    (AtWebKitOutbox  *outbox);
/* The page wants no more of this lane. */
void            at_webkit_outbox_break_lane  (AtWebKitOutbox  *outbox,
                                              guint            id);
/* Nobody is left to ask. */
void            at_webkit_outbox_close       (AtWebKitOutbox  *outbox,
                                              const char      *reason);

/* {"domain", "code", "message"} */
char           *at_webkit_error_to_json      (const GError    *error);

G_END_DECLS
