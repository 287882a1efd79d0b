/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-park-private.h"
#include "at-types.h"

G_BEGIN_DECLS

typedef struct _AtRuntime AtRuntime;

/* What the library knows about a thread: which portals are its own, and for whom it waits.
 * A portal's runtime holds a reference on its owner, so comparing pointers is safe. */
typedef struct _AtThread AtThread;

struct _AtThread
{
  AT_ATOMIC (int) ref_count;
  AT_ATOMIC (int) n_owned; /* portals that live and whose own thread this is */
  AT_ATOMIC (int) exited;

  /*< constant >*/
  gboolean is_main;

  /*< this thread only >*/
  AtRuntime *current;      /* whose item runs */
  AtRuntime *own;          /* whose thread was started for it */
  gpointer   post_chunk;
  guint      post_chunk_used;
  AtThread  *adopts_for;   /* the thread that a new portal's context belongs to; NULL: this one */
  int        spin_credit;
  GValue    *lent;
  AtFuture  *hosted;       /* the task of a pool of workers that runs here */

  GSList *revived;  /* of GObject, referenced: see at_thread_keep_revived () */
  guint   n_reviving;

  /*< protected by the graph's lock >*/
  AtRuntime *waits_for;        /* referenced */
  AtFuture  *waits_for_hosted; /* or this, a worker's; referenced */
  GSList    *adopted;      /* of AtRuntime, the last one first; not referenced */
};

AtThread *at_thread_self  (void);                 /* (transfer none), made on first use */
AtThread *at_thread_ref   (AtThread *thread);
void      at_thread_unref (AtThread *thread);
AtThread *at_thread_main  (void);                 /* (transfer none): of main () */

/* Counts the forks that led here: what an earlier generation started does not run any more. */
guint     at_thread_get_generation (void);

/* Whose thread a runtime is, changed together with the thread's count. NULL: nobody's any more. */
void      at_thread_change_owner   (AT_ATOMIC (AtThread *) *owner,
                                    AtThread               *thread);
void      at_thread_add_adopted    (AtThread               *thread,
                                    AtRuntime              *runtime);
void      at_thread_remove_adopted (AtThread               *thread,
                                    AtRuntime              *runtime);
/* The portal adopted last on this thread that still lives. */
AtPortal *at_thread_get_adopted    (void);

/* Parks until one of the bits is set in the word. FALSE: end_time has passed, or the cancellable
 * was cancelled; a watch of the caller's has to nudge the word then. */
gboolean  at_thread_wait_word      (AtWord                 *word,
                                    guint32                 bits,
                                    gint64                  end_time,
                                    GCancellable           *cancellable);
/* Around a loop that spins for a moment, as long as that has paid off lately: when to give up, or 0
 * for not at all; a few rounds, FALSE when time is up; what came of it. */
gint64    at_thread_spin_begin     (void);
gboolean  at_thread_spin_on        (gint64                  until);
void      at_thread_spin_end       (gboolean                paid_off);

/* g_object_unref () touches an object that was given a reference in its dispose once more after it
 * has let go of it. So that nobody else frees it by then, whoever revives an object in dispose, or in
 * a weak notification, keeps it on the disposing thread until that is certainly out of there: until
 * it enters the library again, iterates its main context, or ends. Between begin and end. */
void at_thread_begin_revival (void);
void at_thread_keep_revived  (gpointer object);
void at_thread_end_revival   (void);
/* Where this thread enters the library and holds no lock. */
void at_thread_drop_revived  (void);

/* May this thread block until somebody else acts, without knowing who (a primitive, a stream)?
 * FALSE with AT_ERROR_WRONG_THREAD on a portal's own thread. operation completes the sentence
 * "… would block the thread of portal “io”". */
gboolean at_thread_may_block (const char *operation,
                              GError    **error);

/* The same for waiting for a given portal: allowed on another portal's thread, unless that closes
 * a cycle. After TRUE, at_thread_end_wait () must follow. */
gboolean at_thread_begin_wait (AtRuntime  *target,
                               const char *operation,
                               GError    **error);
void     at_thread_end_wait   (void);
/* The same where the target is only known to live until one of the bits is set. */
gboolean at_thread_begin_wait_unless (AtWord     *word,
                                      guint32     bits,
                                      AtRuntime  *target,
                                      const char *operation,
                                      GError    **error);
/* The same for a worker's task. A portal's own thread waits for portals only. */
gboolean at_thread_begin_wait_hosted (AtFuture    *future,
                                      AtWord      *word,
                                      guint32      bits,
                                      const char  *operation,
                                      GError     **error);
/* Excludes every look at a runtime through at_thread_begin_wait_unless (). */
void     at_thread_lock_graph   (void);
void     at_thread_unlock_graph (void);

G_END_DECLS
