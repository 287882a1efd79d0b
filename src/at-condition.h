/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-lock.h"

G_BEGIN_DECLS

#define AT_TYPE_CONDITION (at_condition_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtCondition, at_condition, AT, CONDITION, GObject)

AT_AVAILABLE_IN_ALL
AtCondition  *at_condition_new            (AtLock               *lock) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtLock       *at_condition_get_lock       (AtCondition          *self);
AT_AVAILABLE_IN_ALL
gboolean      at_condition_wait           (AtCondition          *self,
                                           GCancellable         *cancellable,
                                           GError              **error);
AT_AVAILABLE_IN_ALL
void          at_condition_wait_async     (AtCondition          *self,
                                           GCancellable         *cancellable,
                                           GAsyncReadyCallback   callback,
                                           gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean      at_condition_wait_finish    (AtCondition          *self,
                                           GAsyncResult         *result,
                                           GError              **error);
AT_AVAILABLE_IN_ALL
void          at_condition_wake           (AtCondition          *self,
                                           guint                 n);
AT_AVAILABLE_IN_ALL
void          at_condition_wake_all       (AtCondition          *self);
AT_AVAILABLE_IN_ALL
AtStatistics *at_condition_get_statistics (AtCondition          *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
