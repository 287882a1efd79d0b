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
void          at_future_submit          (AtFuture             *self,
                                         AtPortal             *portal);
/* Waits until it has ended, whatever happens; for a caller that checked for cycles before. */
void          at_future_join            (AtFuture             *self);
GValue       *at_future_steal_value     (AtFuture             *self,
                                         GError              **error);

/* The runtime's side, on the portal's thread. */
AtFuture     *at_future_from_item       (AtItem               *item);
void          at_future_take            (AtFuture             *self,
                                         AtPortal             *portal);
void          at_future_run             (AtFuture             *self);

/* A task that does not run on a portal but on a thread of its host: of a pool of workers. What it
 * has in common with a portal's is told apart in at-future-hosted.c. */
typedef struct
{
  /* What somebody in a forked child is told. */
  GError  *(*refusal)    (gpointer     host);
  /* Around a blocking wait for the future, on the waiting thread. FALSE: it must not wait. */
  gboolean (*begin_wait) (gpointer     host,
                          gint64       end_time,
                          const char  *operation,
                          GError     **error);
  void     (*end_wait)   (gpointer     host);
  /* The future is gone. */
  void     (*release)    (gpointer     host);
} AtFutureHostClass;

/* runtime: of the portal that the task may call back, and that hears of a failure which nobody saw. */
AtFuture     *at_future_new_hosted      (const AtFutureHostClass *klass,
                                         gpointer              host,
                                         AtRuntime            *runtime,       /* (nullable) */
                                         GCancellable         *cancellable,
                                         AtTaskFunc            func,
                                         gpointer              user_data,
                                         GDestroyNotify        destroy);
AtRuntime    *at_future_get_runtime     (AtFuture             *self);
gpointer      at_future_get_host        (AtFuture             *self);  /* NULL: a portal's task */
/* On the thread that runs it: outside of a dispatch of the context, then inside of one.
 * before_done runs when all of the task is over but the news of it. */
void          at_future_take_hosted     (AtFuture             *self);
void          at_future_run_hosted      (AtFuture             *self,
                                         GMainContext         *context,
                                         AtFunc                before_done,
                                         gpointer              data);
/* Ends it in spite of a body that still runs, after a cancellation. */
void          at_future_abandon_hosted  (AtFuture             *self);
/* Ends it without its body: cancelled, or with an error, that counts as seen. */
void          at_future_end_hosted      (AtFuture             *self,
                                         GError               *error);     /* (transfer full) */
/* The thread that runs it; under the graph's lock. */
AtThread     *at_future_get_runner      (AtFuture             *self);

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
