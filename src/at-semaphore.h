/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-statistics.h"
#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_SEMAPHORE (at_semaphore_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtSemaphore, at_semaphore, AT, SEMAPHORE, GObject)

AT_AVAILABLE_IN_ALL
AtSemaphore  *at_semaphore_new            (guint                 initial,
                                           guint                 max) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
gboolean      at_semaphore_acquire        (AtSemaphore          *self,
                                           GCancellable         *cancellable,
                                           GError              **error);
AT_AVAILABLE_IN_ALL
void          at_semaphore_acquire_async  (AtSemaphore          *self,
                                           GCancellable         *cancellable,
                                           GAsyncReadyCallback   callback,
                                           gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean      at_semaphore_acquire_finish (AtSemaphore          *self,
                                           GAsyncResult         *result,
                                           GError              **error);
AT_AVAILABLE_IN_ALL
gboolean      at_semaphore_try_acquire    (AtSemaphore          *self);
AT_AVAILABLE_IN_ALL
gboolean      at_semaphore_release        (AtSemaphore          *self,
                                           GError              **error);
AT_AVAILABLE_IN_ALL
guint         at_semaphore_get_value      (AtSemaphore          *self);
AT_AVAILABLE_IN_ALL
AtStatistics *at_semaphore_get_statistics (AtSemaphore          *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
