/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-completion-private.h"
#include "at-inbox-private.h"
#include "at-thread-private.h"
#include "at-types.h"

G_BEGIN_DECLS

/* What an AtPortal runs on: the inbox, the source that drains it, the thread, the end.
 *
 * It is apart from the object since it outlives the last reference on the portal until the last
 * accepted task has ended, and since a portal is only a handle for everybody else. */

typedef enum
{
  AT_ITEM_POST,
  AT_ITEM_INVOKE,
  AT_ITEM_TASK,
} AtItemKind;

/* What stands in an inbox. */
typedef struct
{
  AtInboxNode node; /* first */
  AtItemKind  kind;
} AtItem;

AtRuntime    *at_runtime_new              (AtPortal       *portal,
                                           const char     *name,
                                           GMainContext   *context,    /* NULL: own thread */
                                           GError        **error);
AtRuntime    *at_runtime_ref              (AtRuntime      *self);
void          at_runtime_unref            (AtRuntime      *self);

const char   *at_runtime_get_name         (AtRuntime      *self);
GMainContext *at_runtime_get_context      (AtRuntime      *self);
gboolean      at_runtime_is_owner         (AtRuntime      *self);
AtThread     *at_runtime_get_owner        (AtRuntime      *self);
AtPortal     *at_runtime_get_portal       (AtRuntime      *self);     /* (transfer none) (nullable) */
AtPortal     *at_runtime_ref_portal       (AtRuntime      *self);     /* (transfer full) (nullable) */

/* TRUE: the item belongs to the runtime. FALSE: refused. */
gboolean      at_runtime_push             (AtRuntime      *self,
                                           AtItem         *item);
gboolean      at_runtime_post             (AtRuntime      *self,
                                           AtFunc          func,
                                           gpointer        user_data,
                                           GDestroyNotify  destroy);
gboolean      at_runtime_invoke           (AtRuntime      *self,
                                           AtFunc          func,
                                           gpointer        user_data);
void          at_post_chunk_release       (gpointer        chunk,       /* (nullable) */
                                           guint           used);
GError       *at_runtime_refusal          (AtRuntime      *self);
/* Destroys what a refused call brought: on the portal's context where its thread lives. */
void          at_runtime_destroy_refused  (AtRuntime      *self,
                                           gpointer        user_data,
                                           GDestroyNotify  destroy);

void          at_runtime_stop             (AtRuntime      *self,
                                           gboolean        cancel_remaining);
void          at_runtime_portal_disposed  (AtRuntime      *self);
void          at_runtime_portal_finalized (AtRuntime      *self);
gboolean      at_runtime_has_ended        (AtRuntime      *self);
gboolean      at_runtime_is_sealed        (AtRuntime      *self);
gboolean      at_runtime_lives_here       (AtRuntime      *self);     /* FALSE in a forked child */
AtWord       *at_runtime_get_ended_word   (AtRuntime      *self);
void          at_runtime_interrupt_wait   (AtRuntime      *self);
void          at_runtime_join             (AtRuntime      *self);
/* func runs on the portal's thread at the end; FALSE: it has ended already. */
gboolean      at_runtime_add_end_observer (AtRuntime      *self,
                                           AtFunc          func,
                                           gpointer        data);
/* FALSE: it has run, or is about to. */
gboolean      at_runtime_remove_end_observer (AtRuntime   *self,
                                           AtFunc          func,
                                           gpointer        data);
void          at_runtime_report           (AtRuntime      *self,
                                           const char     *task_name,
                                           const GError   *error);

/* The tasks, called by at-future.c on the portal's thread. */
void           at_runtime_task_taken      (AtRuntime      *self,
                                           AtFuture       *future);
/* Returns TRUE if the task's reference on the portal was put away until at_runtime_unpark (). */
gboolean       at_runtime_task_ended      (AtRuntime      *self,
                                           AtFuture       *future,
                                           gboolean        park);
void           at_runtime_unpark          (AtRuntime      *self,
                                           GTask          *task);     /* (transfer full) */
gboolean       at_runtime_cancels_all     (AtRuntime      *self);
AtCancelScope *at_runtime_take_scope      (AtRuntime      *self);     /* (transfer full) */
void           at_runtime_give_scope      (AtRuntime      *self,
                                           AtCancelScope  *scope);    /* (transfer full) */

G_END_DECLS
