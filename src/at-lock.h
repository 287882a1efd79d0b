/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-statistics.h"
#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_LOCK (at_lock_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtLock, at_lock, AT, LOCK, GObject)

AT_AVAILABLE_IN_ALL
AtLock       *at_lock_new            (void) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
gboolean      at_lock_acquire        (AtLock               *self,
                                      GCancellable         *cancellable,
                                      GError              **error);
AT_AVAILABLE_IN_ALL
void          at_lock_acquire_async  (AtLock               *self,
                                      GCancellable         *cancellable,
                                      GAsyncReadyCallback   callback,
                                      gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean      at_lock_acquire_finish (AtLock               *self,
                                      GAsyncResult         *result,
                                      GError              **error);
AT_AVAILABLE_IN_ALL
gboolean      at_lock_try_acquire    (AtLock               *self);
AT_AVAILABLE_IN_ALL
void          at_lock_release        (AtLock               *self);
AT_AVAILABLE_IN_ALL
gboolean      at_lock_is_locked      (AtLock               *self);
AT_AVAILABLE_IN_ALL
AtStatistics *at_lock_get_statistics (AtLock               *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
