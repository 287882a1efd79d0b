/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-future-private.h"

G_BEGIN_DECLS

/* For the at-future*.c files only. */

typedef struct
{
  AtFutureObserverFunc func;
  gpointer             data;
  gboolean             wants_start; /* called at the started value already */
} AtFutureObserver;

typedef struct
{
  GArray *observers;
  GValue  started;
} AtFutureExtra;

struct _AtFuture
{
  GObject parent_instance;

  AtItem     item;
  AtRuntime *runtime;    /* valid until done, unless held */
  guint      generation; /* of the process; in a forked child the task never ends */

  /*< atomic >*/
  AtWord                      word;
  AT_ATOMIC (const char *)    name;
  AT_ATOMIC (AtCancelScope *) scope;      /* until it is retired */
  AT_ATOMIC (AtCancelScope *) late_scope; /* for whoever asks after that */

  /*< constant >*/
  const AtFutureHostClass *host_class; /* NULL: it runs on the portal */
  gpointer                 host;

  /*< a hosted one's >*/
  AT_ATOMIC (int) is_settled; /* somebody ends it, or has */
  AtThread       *runner;     /* protected by the graph's lock */

  /*< constant until the task has ended, then gone >*/
  AtTaskFunc     func;
  gpointer       user_data;
  GDestroyNotify destroy;
  GCancellable  *cancellable; /* the caller's */

  /*< the portal's thread, until done >*/
  GTask        *task;      /* held from its making until the body has left */
  AtFutureLinks links;     /* under the runtime's lock */
  guint         in_body : 1;
  guint         was_returned : 1;
  guint         is_watched : 1; /* the task tells when it is dropped */

  /*< constant once done >*/
  GError *error;

  /*< protected by the future's lock, once done >*/
  GTask  *result;          /* not taken yet */
  GValue  value;
  guint   has_value : 1;
  guint   is_parked : 1;   /* result's reference on the portal is put away */
  guint   holds_runtime : 1;

  /*< protected by the future's lock >*/
  AtFutureExtra *extra;
};

/* The lock that the future shares with a few others, taken. A leaf: nothing is called under it. */
GMutex        *at_future_lock          (AtFuture             *self);
/* Under that lock. */
AtFutureExtra *at_future_ensure_extra  (AtFuture             *self);

/* As at_future_add_observer (); wants_start: at the started value, if that comes first. */
void           at_future_observe       (AtFuture             *self,
                                        AtFutureObserverFunc  func,
                                        gpointer              data,
                                        gboolean              wants_start);
void           at_future_run_observers (AtFuture             *self,
                                        gboolean              only_started);

/* What a body's own "cancelled" means is decided by its scope. Returns the outcome. */
uint32_t       at_future_judge_error   (AtFuture             *self,
                                        AtCancelScope        *scope);

/* TRUE: the task has ended with a result. FALSE: the error says otherwise, and counts as seen. */
gboolean       at_future_check_success (AtFuture             *self,
                                        GError              **error);
/* Frees the result that nobody took. */
void           at_future_drop_result   (AtFuture             *self);

G_END_DECLS
