/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-types.h"

G_BEGIN_DECLS

/**
 * AtFutureState:
 * @AT_FUTURE_STATE_PENDING: accepted, its body did not run yet
 * @AT_FUTURE_STATE_RUNNING: its body has begun
 * @AT_FUTURE_STATE_CANCELLING: a cancellation was requested, it has not ended yet
 * @AT_FUTURE_STATE_SUCCEEDED: ended with a result
 * @AT_FUTURE_STATE_FAILED: ended with an error
 * @AT_FUTURE_STATE_CANCELLED: ended because it was cancelled
 *
 * Where a task is on its way. The last three are final.
 *
 * Since: 0.1
 */
typedef enum
{
  AT_FUTURE_STATE_PENDING,
  AT_FUTURE_STATE_RUNNING,
  AT_FUTURE_STATE_CANCELLING,
  AT_FUTURE_STATE_SUCCEEDED,
  AT_FUTURE_STATE_FAILED,
  AT_FUTURE_STATE_CANCELLED,
} AtFutureState;

#define AT_TYPE_FUTURE (at_future_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtFuture, at_future, AT, FUTURE, GObject)

AT_AVAILABLE_IN_ALL
AtFutureState at_future_get_state            (AtFuture             *self);
AT_AVAILABLE_IN_ALL
gboolean      at_future_is_done              (AtFuture             *self);
AT_AVAILABLE_IN_ALL
gboolean      at_future_cancel               (AtFuture             *self);
AT_AVAILABLE_IN_ALL
GCancellable *at_future_get_cancellable      (AtFuture             *self);
AT_AVAILABLE_IN_ALL
const char   *at_future_get_name             (AtFuture             *self);
AT_AVAILABLE_IN_ALL
void          at_future_set_name             (AtFuture             *self,
                                              const char           *name);
AT_AVAILABLE_IN_ALL
gboolean      at_future_wait                 (AtFuture             *self,
                                              GCancellable         *cancellable,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
gboolean      at_future_wait_until           (AtFuture             *self,
                                              gint64                end_time,
                                              GCancellable         *cancellable,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
void          at_future_wait_async           (AtFuture             *self,
                                              GCancellable         *cancellable,
                                              GAsyncReadyCallback   callback,
                                              gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean      at_future_wait_finish          (AtFuture             *self,
                                              GAsyncResult         *result,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
const GValue *at_future_get_value            (AtFuture             *self,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
gpointer      at_future_propagate_pointer    (AtFuture             *self,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
gssize        at_future_propagate_int        (AtFuture             *self,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
gboolean      at_future_propagate_boolean    (AtFuture             *self,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
GValue       *at_future_wait_started         (AtFuture             *self,
                                              GCancellable         *cancellable,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
void          at_future_wait_started_async   (AtFuture             *self,
                                              GCancellable         *cancellable,
                                              GAsyncReadyCallback   callback,
                                              gpointer              user_data);
AT_AVAILABLE_IN_ALL
GValue       *at_future_wait_started_finish  (AtFuture             *self,
                                              GAsyncResult         *result,
                                              GError              **error);
AT_AVAILABLE_IN_ALL
const GValue *at_future_wait_started_borrowed        (AtFuture      *self,
                                                      GCancellable  *cancellable,
                                                      GError       **error);
AT_AVAILABLE_IN_ALL
const GValue *at_future_wait_started_finish_borrowed (AtFuture      *self,
                                                      GAsyncResult  *result,
                                                      GError       **error);

AT_AVAILABLE_IN_ALL
AtFuture     *at_future_all                  (AtPortal             *portal,
                                              AtFuture            **futures,
                                              gsize                 n_futures) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtFuture     *at_future_any                  (AtPortal             *portal,
                                              AtFuture            **futures,
                                              gsize                 n_futures) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtFuture     *at_future_race                 (AtPortal             *portal,
                                              AtFuture            **futures,
                                              gsize                 n_futures) G_GNUC_WARN_UNUSED_RESULT;

AT_AVAILABLE_IN_ALL
void          at_task_started                (GTask                *task,
                                              const GValue         *value);

G_END_DECLS
