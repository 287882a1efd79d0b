/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the stress runs share: threads with random numbers of their own, and cancellables that
 * anybody may cancel at any moment. */

#include "waiting.h"

#define N_WORKERS 8

typedef struct
{
  GRand        *random;
  guint         index;
  GMainContext *context; /* the thread's default, iterated by it alone */
  gpointer      data;
} Worker;

typedef void (*WorkerFunc) (Worker *worker);

/* Runs func in N_WORKERS threads, each with a context of its own, until all have returned. */
void run_workers (WorkerFunc func,
                  gpointer   data);

/* Whether the time that was asked for is over. */
gboolean time_is_over (void);
/* Something was done: without that for a minute, the program says where it hangs and aborts. */
void     progress     (void);

static inline guint
dice (Worker *worker,
      guint   n)
{
  return (guint) g_rand_int_range (worker->random, 0, (gint32) n);
}

/* A cancellable for the worker's next wait, which cancel_somebody () may pick: a scope, with or
 * without a deadline, or a plain GCancellable, or NULL. */
GCancellable *make_cancellable (Worker *worker);
/* Does nothing if nobody has one. */
void          cancel_somebody  (Worker *worker);
/* Cancelled or timed out, and for a reason. */
void          assert_cancelled (GCancellable *cancellable,
                                const GError *error);

/* The runs: each goes on until time_is_over (). */
void stress_lock       (void);
void stress_semaphore  (void);
void stress_limiter    (void);
void stress_event      (void);
void stress_condition  (void);
void stress_stream     (void);
void stress_task_group (void);
void stress_sleep      (void);
