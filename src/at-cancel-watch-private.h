/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-atomic-private.h"
#include "at-cancel-scope-private.h"

G_BEGIN_DECLS

/* What a scope and its watches know of each other; everybody else uses at-cancel-scope-private.h. */

typedef enum
{
  AT_CANCEL_WATCH_ARMED,
  AT_CANCEL_WATCH_FIRED,
  AT_CANCEL_WATCH_DEAD,
} AtCancelWatchState;

struct _AtCancelWatch
{
  AT_ATOMIC (int)                ref_count; /* the owner's, and the registration's */
  AT_ATOMIC (AtCancelWatchState) state;

  /*< constant >*/
  GCancellable     *cancellable;
  AtCancelWatchFunc func;
  gpointer          data;
  GDestroyNotify    destroy;
  gulong            handler; /* on a plain GCancellable */

  /*< protected by the tree's lock >*/
  AtCancelWatch *previous;
  AtCancelWatch *next;
  gboolean       linked;
};

void at_cancel_watch_fire         (AtCancelWatch *self);
void at_cancel_watch_release      (AtCancelWatch *self); /* the registration's reference */

void at_cancel_scope_add_watch    (AtCancelScope *self,
                                   AtCancelWatch *watch);
void at_cancel_scope_remove_watch (AtCancelScope *self,
                                   AtCancelWatch *watch);

G_END_DECLS
