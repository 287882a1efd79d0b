/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_PORTAL (at_portal_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtPortal, at_portal, AT, PORTAL, GObject)

AT_AVAILABLE_IN_ALL
AtPortal     *at_portal_new                 (const char          *name,
                                             GError             **error) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtPortal     *at_portal_new_for_context     (GMainContext        *context) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtPortal     *at_portal_get_current         (void);
AT_AVAILABLE_IN_ALL
AtPortal     *at_portal_get_main            (void);
AT_AVAILABLE_IN_ALL
const char   *at_portal_get_name            (AtPortal            *self);
AT_AVAILABLE_IN_ALL
GMainContext *at_portal_get_context         (AtPortal            *self);
AT_AVAILABLE_IN_ALL
gboolean      at_portal_is_owner            (AtPortal            *self);

AT_AVAILABLE_IN_ALL
gboolean      at_portal_post                (AtPortal            *self,
                                             AtFunc               func,
                                             gpointer             user_data,
                                             GDestroyNotify       destroy,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
gboolean      at_portal_invoke              (AtPortal            *self,
                                             AtFunc               func,
                                             gpointer             user_data,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
AtFuture     *at_portal_spawn               (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             AtTaskFunc           func,
                                             gpointer             user_data,
                                             GDestroyNotify       destroy);
AT_AVAILABLE_IN_ALL
GValue       *at_portal_call                (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             AtTaskFunc           func,
                                             gpointer             user_data,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
const GValue *at_portal_call_borrowed       (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             AtTaskFunc           func,
                                             gpointer             user_data,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
gpointer      at_portal_call_pointer        (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             AtTaskFunc           func,
                                             gpointer             user_data,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
gssize        at_portal_call_int            (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             AtTaskFunc           func,
                                             gpointer             user_data,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
gboolean      at_portal_call_boolean        (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             AtTaskFunc           func,
                                             gpointer             user_data,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
void          at_portal_call_async          (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             AtTaskFunc           func,
                                             gpointer             user_data,
                                             GDestroyNotify       destroy,
                                             GAsyncReadyCallback  callback,
                                             gpointer             callback_data);
AT_AVAILABLE_IN_ALL
GValue       *at_portal_call_finish         (AtPortal            *self,
                                             GAsyncResult        *result,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
const GValue *at_portal_call_finish_borrowed (AtPortal           *self,
                                              GAsyncResult       *result,
                                              GError            **error);

AT_AVAILABLE_IN_ALL
void          at_portal_stop                (AtPortal            *self,
                                             gboolean             cancel_remaining);
AT_AVAILABLE_IN_ALL
gboolean      at_portal_wait_stopped        (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             GError             **error);
AT_AVAILABLE_IN_ALL
void          at_portal_wait_stopped_async  (AtPortal            *self,
                                             GCancellable        *cancellable,
                                             GAsyncReadyCallback  callback,
                                             gpointer             user_data);
AT_AVAILABLE_IN_ALL
gboolean      at_portal_wait_stopped_finish (AtPortal            *self,
                                             GAsyncResult        *result,
                                             GError             **error);

G_END_DECLS
