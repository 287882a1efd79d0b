/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-future-private.h"
#include "at-runtime-private.h"

G_BEGIN_DECLS

/* For the at-runtime*.c files only. Lock order: lock is a leaf; nothing foreign is called under it. */

struct _AtRuntime
{
  /*< any thread, atomic >*/
  AtInbox                inbox;
  AT_ATOMIC (int)        ref_count;
  AT_ATOMIC (int)        cancels_all;
  AT_ATOMIC (int)        has_returned_scopes;
  AT_ATOMIC (AtThread *) owner;
  AtWord                 ended_word;

  /*< constant >*/
  char         *name;
  GMainContext *context;
  GMainContext *creation_context; /* where failures that nobody saw are reported */
  GSource      *source;
  AtThread     *adopter;
  gboolean      has_own_thread;
  int           wakeup_fd;        /* of an own thread's context */
  guint         generation;

  /*< the portal's thread only >*/
  AtItem    *first;       /* taken from the inbox, oldest first */
  AtItem    *last_ready;  /* up to here tasks are made; NULL: none */
  guint      depth;       /* of dispatches */
  guint      n_active;    /* tasks taken and not ended */
  gpointer   post_chunk;  /* whose posts were run last */
  guint      n_posts_run; /* how many of them are not accounted for */
  GPtrArray *spare_scopes;

  /*< protected by lock >*/
  GMutex    lock;
  AtPortal *portal;       /* not referenced; NULL once it is finalized */
  AtFuture *first_task;   /* taken and not ended */
  GArray   *end_observers; /* of EndObserver, in at-runtime-end.c */
  AtThread *last_owner;    /* of an adopted context, after the end */
  guint     n_late;        /* on their way to the thread: what refused calls brought */
  guint     n_parked;
  GPtrArray *returned_scopes; /* spare ones that other threads brought back; NULL after the end */
  gboolean  is_disposed;   /* the portal lost its last reference once */
  gboolean  is_pinned;
  gboolean  has_ended;

  /*< protected by join_lock >*/
  GMutex   join_lock;
  GThread *thread;
};

/* The portal's thread: everything accepted has run and ended, and nothing more can come. */
static inline gboolean
at_runtime_is_finished (AtRuntime *self)
{
  /* Sealed first: what was accepted before is visible after. */
  return at_inbox_is_sealed (&self->inbox) && self->n_active == 0 && self->depth == 0 &&
         self->first == NULL && !at_inbox_has_items (&self->inbox);
}

/* A post or an invoke; and afterwards, for the last of a batch of them. */
void at_runtime_run_item     (AtRuntime *self,
                              AtItem    *item);
void at_runtime_forget_posts (AtRuntime *self);
void at_runtime_end          (AtRuntime *self);  /* the portal's thread, once */

G_END_DECLS
