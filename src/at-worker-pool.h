/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-capacity-limiter.h"
#include "at-future.h"
#include "at-types.h"

G_BEGIN_DECLS

/**
 * AtWorkerFlags:
 * @AT_WORKER_FLAGS_NONE: a cancelled caller waits until the function has left its thread
 * @AT_WORKER_FLAGS_ABANDON_ON_CANCEL: a cancelled caller is answered at once; the function goes on
 *   for nobody
 *
 * How [method@At.WorkerPool.spawn] runs a function.
 *
 * Since: 0.1
 */
typedef enum
{
  AT_WORKER_FLAGS_NONE = 0,
  AT_WORKER_FLAGS_ABANDON_ON_CANCEL = 1 << 0,
} AtWorkerFlags;

#define AT_TYPE_WORKER_POOL (at_worker_pool_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtWorkerPool, at_worker_pool, AT, WORKER_POOL, GObject)

AT_AVAILABLE_IN_ALL
AtWorkerPool      *at_worker_pool_new                 (AtCapacityLimiter    *limiter) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtWorkerPool      *at_worker_pool_get_default         (void);
AT_AVAILABLE_IN_ALL
AtCapacityLimiter *at_worker_pool_get_limiter         (AtWorkerPool         *self);
AT_AVAILABLE_IN_ALL
guint              at_worker_pool_get_n_threads       (AtWorkerPool         *self);
AT_AVAILABLE_IN_ALL
AtFuture          *at_worker_pool_spawn               (AtWorkerPool         *self,
                                                       AtWorkerFlags         flags,
                                                       GCancellable         *cancellable,
                                                       AtTaskFunc            func,
                                                       gpointer              user_data,
                                                       GDestroyNotify        destroy);
AT_AVAILABLE_IN_ALL
void               at_worker_pool_stop                (AtWorkerPool         *self,
                                                       gboolean              cancel_remaining);
AT_AVAILABLE_IN_ALL
gboolean           at_worker_pool_wait_stopped        (AtWorkerPool         *self,
                                                       GCancellable         *cancellable,
                                                       GError              **error);
AT_AVAILABLE_IN_ALL
void               at_worker_pool_wait_stopped_async  (AtWorkerPool         *self,
                                                       GCancellable         *cancellable,
                                                       GAsyncReadyCallback   callback,
                                                       gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean           at_worker_pool_wait_stopped_finish (AtWorkerPool         *self,
                                                       GAsyncResult         *result,
                                                       GError              **error);

AT_AVAILABLE_IN_ALL
gboolean           at_worker_check_cancelled          (GError              **error);
AT_AVAILABLE_IN_ALL
AtPortal          *at_worker_get_portal               (void);

G_END_DECLS
