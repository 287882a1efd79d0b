/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-capacity-limiter-private.h"
#include "at-future-private.h"
#include "at-worker-pool.h"

G_BEGIN_DECLS

/* What an AtWorkerPool runs on. It is apart from the object since it outlives the last reference on
 * it until the last accepted job has ended and the last thread has left.
 *
 * at-worker-jobs.c has the way of a job: admission, cancellation, the end, and who is stuck.
 * at-worker-threads.c has the threads. */

typedef struct _AtWorkerCore   AtWorkerCore;
typedef struct _AtWorkerJob    AtWorkerJob;
typedef struct _AtWorkerThread AtWorkerThread;

typedef enum
{
  AT_WORKER_JOB_NEW,
  AT_WORKER_JOB_QUEUED,    /* its request stands in the limiter's queue */
  AT_WORKER_JOB_ADMITTED,  /* it has a token */
  AT_WORKER_JOB_WITHDRAWN, /* cancelled in the queue */
  AT_WORKER_JOB_ENDED,     /* its token is on the way back */
} AtWorkerJobState;

struct _AtWorkerJob
{
  AT_ATOMIC (int) ref_count; /* of the core until it has ended, of the future, of the watch */

  /*< constant >*/
  AtWorkerCore *core;
  gboolean      may_abandon;

  /*< until it has ended >*/
  AtFuture      *future;
  AtPortal      *portal;
  AtCancelWatch *watch;

  /*< of the thread that runs it >*/
  gboolean is_stuck; /* it waits for a queued job, and counts as such */

  /*< protected by the core's lock >*/
  AtWorkerJobState state;
  AtWaiter        *request;
  AtWorkerJob     *previous; /* of all that have not ended */
  AtWorkerJob     *next;
  guint            n_stuck;  /* jobs whose threads wait for this one */
};

struct _AtWorkerCore
{
  AT_ATOMIC (int) ref_count;
  AtWord          ended_word;

  /*< constant >*/
  AtCapacityLimiter *limiter;
  guint              generation;

  /* Taken before the limiter's; nothing foreign is called under it. */
  GMutex lock;

  /*< protected by lock >*/
  AtWorkerJob    *first_job;
  AtWorkerThread *first_idle; /* the last one that became idle */
  GQueue          ready;      /* of AtWorkerJob: admitted, but its thread could not be started */
  GQueue          unsettled;  /* of AtFuture, referenced: cancelled, a thread has to tell it */
  GSList         *left;       /* of GThread: to be joined */
  GArray         *observers;  /* of the end */
  gint64          idle_time;
  guint           n_jobs;     /* accepted and not ended */
  guint           n_admitted; /* with a token */
  guint           n_stuck;    /* of those, how many wait for a queued one */
  guint           n_threads;
  guint           n_started;  /* to name them */
  gboolean        has_settler;
  gboolean        is_sealed;
};

/* What is to be done once the lock is released. */
typedef struct
{
  AtWorkerThread *wake;
  AtWorkerThread *start;
  guint           number; /* of the one to start */
} AtWorkerErrand;

AtWorkerCore *at_worker_core_new             (AtCapacityLimiter   *limiter);
AtWorkerCore *at_worker_core_ref             (AtWorkerCore        *self);
void          at_worker_core_unref           (AtWorkerCore        *self);
/* Releases the lock where the last job may have ended, or the last thread left: then says so. */
void          at_worker_core_unlock          (AtWorkerCore        *self);
void          at_worker_core_stop            (AtWorkerCore        *self,
                                              gboolean             cancel_remaining);
/* func runs on the thread that ends it; FALSE: it has ended already. */
gboolean      at_worker_core_add_observer    (AtWorkerCore        *self,
                                              AtFunc               func,
                                              gpointer             data);
/* FALSE: it has run, or is about to. */
gboolean      at_worker_core_remove_observer (AtWorkerCore        *self,
                                              AtFunc               func,
                                              gpointer             data);
/* After the end. */
void          at_worker_core_join            (AtWorkerCore        *self);

AtFuture     *at_worker_job_spawn            (AtWorkerCore        *core,
                                              AtWorkerFlags        flags,
                                              GCancellable        *cancellable,
                                              AtTaskFunc           func,
                                              gpointer             user_data,
                                              GDestroyNotify       destroy);
/* On its thread, inside of a dispatch of the context. */
void          at_worker_job_run              (AtWorkerJob         *self,
                                              GMainContext        *context,
                                              AtWorkerThread      *thread);
/* What is unsettled; takes the future. */
void          at_worker_job_settle           (AtFuture            *future);
/* No thread can be had for it. */
void          at_worker_job_fail             (AtWorkerJob         *self,
                                              GError              *error);  /* (transfer full) */

/* With the lock: a thread for the job. NULL: for what is unsettled. */
void          at_worker_threads_provide      (AtWorkerCore        *core,
                                              AtWorkerJob         *job,
                                              AtWorkerErrand      *errand);
/* Without the lock. */
void          at_worker_threads_run          (AtWorkerErrand      *errand);
/* With the lock: what the calling thread does next, or it becomes idle. */
void          at_worker_threads_next         (AtWorkerThread      *thread);
/* With the lock: idle threads leave. */
void          at_worker_threads_dismiss      (AtWorkerCore        *core);
/* The pool whose thread this is, or NULL. */
AtWorkerCore *at_worker_threads_get_core     (void);

G_END_DECLS
