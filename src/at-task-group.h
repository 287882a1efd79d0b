/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_TASK_GROUP (at_task_group_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtTaskGroup, at_task_group, AT, TASK_GROUP, GObject)

AT_AVAILABLE_IN_ALL
AtTaskGroup   *at_task_group_new                 (AtPortal             *portal,
                                                  GCancellable         *parent) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtPortal      *at_task_group_get_portal          (AtTaskGroup          *self);
AT_AVAILABLE_IN_ALL
AtCancelScope *at_task_group_get_scope           (AtTaskGroup          *self);
AT_AVAILABLE_IN_ALL
void           at_task_group_set_cancel_on_error (AtTaskGroup          *self,
                                                  gboolean              cancel_on_error);
AT_AVAILABLE_IN_ALL
gboolean       at_task_group_get_cancel_on_error (AtTaskGroup          *self);
AT_AVAILABLE_IN_ALL
AtFuture      *at_task_group_spawn               (AtTaskGroup          *self,
                                                  AtTaskFunc            func,
                                                  gpointer              user_data,
                                                  GDestroyNotify        destroy);
AT_AVAILABLE_IN_ALL
void           at_task_group_cancel              (AtTaskGroup          *self,
                                                  const char           *reason);
AT_AVAILABLE_IN_ALL
void           at_task_group_close               (AtTaskGroup          *self);
AT_AVAILABLE_IN_ALL
gboolean       at_task_group_wait                (AtTaskGroup          *self,
                                                  GCancellable         *cancellable,
                                                  GError              **error);
AT_AVAILABLE_IN_ALL
void           at_task_group_wait_async          (AtTaskGroup          *self,
                                                  GCancellable         *cancellable,
                                                  GAsyncReadyCallback   callback,
                                                  gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean       at_task_group_wait_finish         (AtTaskGroup          *self,
                                                  GAsyncResult         *result,
                                                  GError              **error);
AT_AVAILABLE_IN_ALL
GPtrArray     *at_task_group_get_errors          (AtTaskGroup          *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
