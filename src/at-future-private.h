/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-future.h"
#include "at-runtime-private.h"

G_BEGIN_DECLS

/* func runs exactly once, on the thread that completes the future and after it is done, or inside
 * the call if it is done already. It must be short and must not run foreign code. */
typedef void (*AtFutureObserverFunc) (AtFuture *self,
                                      gpointer  data);

void          at_future_add_observer    (AtFuture             *self,
                                         AtFutureObserverFunc  func,
                                         gpointer              data);
/* FALSE: it has run, or is about to. */
gboolean      at_future_remove_observer (AtFuture             *self,
                                         AtFutureObserverFunc  func,
                                         gpointer              data);

const GError *at_future_peek_error      (AtFuture             *self);   /* of a done one; not a look */
void          at_future_mark_seen       (AtFuture             *self);

AtFuture     *at_future_new             (AtRuntime            *runtime,
                                         GCancellable         *cancellable,
                                         AtTaskFunc            func,
                                         gpointer              user_data,
                                         GDestroyNotify        destroy);
/* A refused task: error is taken, user_data destroyed where the contract says. */
AtFuture     *at_future_new_failed      (AtPortal             *portal,
                                         GError               *error,
                                         gpointer              user_data,
                                         GDestroyNotify        destroy);
/* Accepts the task, or fails it. Consumes nothing. */
void          at_future_submit          (AtFuture             *self);
/* Waits until it has ended, whatever happens; for a caller that checked for cycles before. */
void          at_future_join            (AtFuture             *self);
GValue       *at_future_steal_value     (AtFuture             *self,
                                         GError              **error);

/* The runtime's side, on the portal's thread. */
AtFuture     *at_future_from_item       (AtItem               *item);
void          at_future_take            (AtFuture             *self,
                                         AtPortal             *portal);
void          at_future_run             (AtFuture             *self);

/* The runtime's list of accepted tasks, under the runtime's lock. */
typedef struct
{
  AtFuture *previous;
  AtFuture *next;
} AtFutureLinks;

AtFutureLinks *at_future_get_links      (AtFuture             *self);

void          at_value_free             (gpointer              value);

/* A thread's stash for the borrowed twins: frees the previous one. */
const GValue *at_value_lend             (GValue               *value);  /* (transfer full) */

G_END_DECLS
