/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One mechanism for everything that waits: a lock, a stream, a group, a sleep.
 *
 * A waiter is a thread that is blocked, or a GTask that returns on its own context. A primitive
 * describes itself in an AtWaitClass: how a request is met at once if it can be, and how a task
 * hears of it. All else is written once, here and in at-handover-private.h.
 *
 * A waiter is never told while a lock is held: one that was granted something is collected in a
 * list under the lock and told, with at_waiter_tell_all (), after it.
 *
 * Locks: a primitive's lock is taken alone, and nothing foreign runs while it is held.
 */

#include <gio/gio.h>

#include "at-cancel-scope-private.h"
#include "at-handover-private.h"

G_BEGIN_DECLS

typedef struct _AtWaiter    AtWaiter;
typedef struct _AtWaitClass AtWaitClass;

struct _AtWaitClass
{
  /* Completes "… would block the thread of portal “io”", see at_thread_may_block (). */
  const char *operation;

  /* Lock held: takes it, or finds that it never can be had (see outcome), without waiting. Others
   * who were granted something in turn go to woken. FALSE: it must wait, and nothing was done. */
  gboolean (*attempt) (AtWaiter        *waiter,
                       AtHandoverQueue *woken);

  /* No lock: returns waiter->task, on its context, unless it was cancelled. */
  void     (*answer) (AtWaiter       *waiter);

  /* No lock, optional: it was settled; instead of waking the thread or returning the task.
   * Takes over a reference. */
  void     (*settled) (AtWaiter      *waiter);

  /* Optional: drops payload, on the waiter's own thread or context. */
  GDestroyNotify payload_destroy;
};

struct _AtWaiter
{
  AtHandover         handover;

  gatomicrefcount    ref_count;

  /*< fixed before it is shared >*/
  const AtWaitClass *klass;
  gpointer           primitive; /* a GObject, kept alive by the blocked thread or by the task */
  GMutex            *lock;
  AtHandoverQueue   *queue;
  GTask             *task;      /* NULL: a thread is blocked */
  AtCancelWatch     *watch;

  /*< protected by the lock until it is settled, then its owner's >*/
  gpointer           payload;
  int                outcome;   /* of a granted wait: 0, or a code of the primitive's own */

  /*< protected by the lock of at-delivery.c >*/
  AtWaiter          *next_delivery;
};

/* On the stack this is good for at_waiter_try () only. */
void      at_waiter_init  (AtWaiter          *waiter,
                           const AtWaitClass *klass,
                           gpointer           primitive,
                           GMutex            *lock,
                           AtHandoverQueue   *queue);
AtWaiter *at_waiter_new   (const AtWaitClass *klass,
                           gpointer           primitive,
                           GMutex            *lock,
                           AtHandoverQueue   *queue);
AtWaiter *at_waiter_ref   (AtWaiter          *waiter);
void      at_waiter_unref (AtWaiter          *waiter);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AtWaiter, at_waiter_unref)

/* Takes it if that needs no waiting. */
gboolean at_waiter_try   (AtWaiter     *waiter);

/* Takes it, or blocks this thread until it was granted. After TRUE see outcome and payload. */
gboolean at_waiter_block (AtWaiter     *waiter,
                          GCancellable *cancellable,
                          GError      **error);

/* The same without the question whether this thread may block. */
gboolean at_waiter_block_unchecked (AtWaiter     *waiter,
                                    GCancellable *cancellable,
                                    GError      **error);

/* Takes it, or waits until it was granted, then answers a task on the caller's context, never
 * inside this call. Takes over the reference. */
void     at_waiter_begin (AtWaiter           *waiter,
                          GCancellable       *cancellable,
                          GAsyncReadyCallback callback,
                          gpointer            user_data,
                          gpointer            source_tag);

/* For who puts a wait together in another way. */

/* Listens for a cancellation; before at_waiter_enter (). */
void     at_waiter_watch  (AtWaiter     *waiter,
                           GCancellable *cancellable);
/* Takes it or stands in the queue; TRUE: the queue has taken over a reference, FALSE: settled. */
gboolean at_waiter_enter  (AtWaiter     *waiter);
/* Sleeps until it is settled. TRUE: granted. */
gboolean at_waiter_park   (AtWaiter     *waiter);
/* Stops listening and drops the payload: the end of a wait, on its own thread. */
void     at_waiter_finish (AtWaiter     *waiter);
void     at_waiter_set_cancelled_error (GCancellable *cancellable,
                                        GError      **error);

/* For answer (), and its finish function: the task got a unit of the primitive. If nobody ever
 * asks for the result, give_back () has it, with a reference on the primitive. */
void     at_waiter_answer_unit (AtWaiter      *waiter,
                                GDestroyNotify give_back);
gboolean at_waiter_finish_unit (gpointer       primitive,
                                GAsyncResult  *result,
                                gpointer       source_tag,
                                GError       **error);

/* Tells a waiter that it was settled. Takes over the queue's reference. */
void     at_waiter_tell     (AtWaiter        *waiter);
void     at_waiter_tell_all (AtHandoverQueue *woken);

/* Lock held. As at_handover_grant_first (), for all of them. */
void     at_waiter_grant_all (AtHandoverQueue *queue,
                              AtHandoverQueue *woken);

/* Answers the waiter's task, at-delivery.c on its context. Both take over the reference. */
void     at_waiter_deliver (AtWaiter *waiter);
void     at_waiter_answer  (AtWaiter *waiter);

G_END_DECLS
