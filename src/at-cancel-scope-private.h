/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-cancel-scope.h"

G_BEGIN_DECLS

/* A watch hears of a cancellation without a GSource, and on any GCancellable.
 *
 * func runs at most once, on the cancelling thread, with no lock of ours held; inside
 * at_cancel_watch_new () if the cancellable is cancelled already. It must be short, must not
 * run foreign code, and may run, or still be running, while at_cancel_watch_free () is called
 * on another thread; it never begins after that. destroy drops data once neither can happen
 * any more. A NULL cancellable gives a NULL watch, and destroys data at once.
 */
typedef struct _AtCancelWatch AtCancelWatch;
typedef void (*AtCancelWatchFunc) (gpointer data);

AtCancelWatch *at_cancel_watch_new  (GCancellable     *cancellable,
                                     AtCancelWatchFunc func,
                                     gpointer          data,
                                     GDestroyNotify    destroy);
void           at_cancel_watch_free (AtCancelWatch    *watch);   /* NULL is fine */

/* As g_cancellable_set_error_if_cancelled (), with the scope's reason and deadline if it is one. */
gboolean       at_cancellable_set_error_if_cancelled (GCancellable *cancellable,
                                                      GError      **error);

/* Reset for the next task. FALSE if anybody could still notice: held, cancelled, connected to. */
gboolean       at_cancel_scope_recycle   (AtCancelScope *self);
void           at_cancel_scope_set_owner (AtCancelScope *self,
                                          AtFuture      *future);  /* not referenced */
AtFuture      *at_cancel_scope_get_owner (AtCancelScope *self);

/* Around fork (). */
void           at_cancel_scope_lock_tree   (void);
void           at_cancel_scope_unlock_tree (void);

G_END_DECLS
