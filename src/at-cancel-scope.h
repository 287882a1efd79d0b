/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_CANCEL_SCOPE (at_cancel_scope_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtCancelScope, at_cancel_scope, AT, CANCEL_SCOPE, GCancellable)

AT_AVAILABLE_IN_ALL
AtCancelScope *at_cancel_scope_new                    (GCancellable        *parent) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtCancelScope *at_cancel_scope_new_shielded           (GCancellable        *parent) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
GCancellable  *at_cancel_scope_get_parent             (AtCancelScope       *self);
AT_AVAILABLE_IN_ALL
void           at_cancel_scope_set_deadline           (AtCancelScope       *self,
                                                       gint64               monotonic_us);
AT_AVAILABLE_IN_ALL
gint64         at_cancel_scope_get_deadline           (AtCancelScope       *self);
AT_AVAILABLE_IN_ALL
void           at_cancel_scope_set_timeout            (AtCancelScope       *self,
                                                       gint64               usec);
AT_AVAILABLE_IN_ALL
void           at_cancel_scope_set_shield             (AtCancelScope       *self,
                                                       gboolean             shield);
AT_AVAILABLE_IN_ALL
gboolean       at_cancel_scope_get_shield             (AtCancelScope       *self);
AT_AVAILABLE_IN_ALL
void           at_cancel_scope_cancel_with_reason     (AtCancelScope       *self,
                                                       const char          *reason);
AT_AVAILABLE_IN_ALL
gint64         at_cancel_scope_get_effective_deadline (AtCancelScope       *self);
AT_AVAILABLE_IN_ALL
const char    *at_cancel_scope_get_reason             (AtCancelScope       *self);
AT_AVAILABLE_IN_ALL
gboolean       at_cancel_scope_get_timed_out          (AtCancelScope       *self);
AT_AVAILABLE_IN_ALL
gboolean       at_cancel_scope_set_error_if_cancelled (AtCancelScope       *self,
                                                       GError             **error);
AT_AVAILABLE_IN_ALL
void           at_cancel_scope_wait_async             (AtCancelScope       *self,
                                                       GCancellable        *cancellable,
                                                       GAsyncReadyCallback  callback,
                                                       gpointer             user_data);
AT_AVAILABLE_IN_ALL
gboolean       at_cancel_scope_wait_finish            (AtCancelScope       *self,
                                                       GAsyncResult        *result,
                                                       GError             **error);

G_END_DECLS
