/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-statistics.h"
#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_CAPACITY_LIMITER (at_capacity_limiter_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtCapacityLimiter, at_capacity_limiter, AT, CAPACITY_LIMITER, GObject)

AT_AVAILABLE_IN_ALL
AtCapacityLimiter *at_capacity_limiter_new            (guint                 total) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
gboolean           at_capacity_limiter_acquire        (AtCapacityLimiter    *self,
                                                       GObject              *borrower,
                                                       GCancellable         *cancellable,
                                                       GError              **error);
AT_AVAILABLE_IN_ALL
void               at_capacity_limiter_acquire_async  (AtCapacityLimiter    *self,
                                                       GObject              *borrower,
                                                       GCancellable         *cancellable,
                                                       GAsyncReadyCallback   callback,
                                                       gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean           at_capacity_limiter_acquire_finish (AtCapacityLimiter    *self,
                                                       GAsyncResult         *result,
                                                       GError              **error);
AT_AVAILABLE_IN_ALL
gboolean           at_capacity_limiter_try_acquire    (AtCapacityLimiter    *self,
                                                       GObject              *borrower);
AT_AVAILABLE_IN_ALL
void               at_capacity_limiter_release        (AtCapacityLimiter    *self,
                                                       GObject              *borrower);
AT_AVAILABLE_IN_ALL
void               at_capacity_limiter_set_total      (AtCapacityLimiter    *self,
                                                       guint                 total);
AT_AVAILABLE_IN_ALL
guint              at_capacity_limiter_get_total      (AtCapacityLimiter    *self);
AT_AVAILABLE_IN_ALL
guint              at_capacity_limiter_get_borrowed   (AtCapacityLimiter    *self);
AT_AVAILABLE_IN_ALL
AtStatistics      *at_capacity_limiter_get_statistics (AtCapacityLimiter    *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
