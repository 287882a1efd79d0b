/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-managed.h"
#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_MANAGER (at_manager_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtManager, at_manager, AT, MANAGER, GObject)

AT_AVAILABLE_IN_ALL
AtManager *at_manager_new              (void) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
gboolean   at_manager_manage           (AtManager            *self,
                                        GType                 type,
                                        GObject              *state);
AT_AVAILABLE_IN_ALL
gboolean   at_manager_provide          (AtManager            *self,
                                        GType                 type,
                                        AtPortal             *portal,
                                        AtTaskFunc            func,
                                        gpointer              user_data,
                                        GDestroyNotify        destroy);
AT_AVAILABLE_IN_ALL
GObject   *at_manager_get_state        (AtManager            *self,
                                        GType                 type,
                                        GError              **error);
AT_AVAILABLE_IN_ALL
void       at_manager_get_state_async  (AtManager            *self,
                                        GType                 type,
                                        GCancellable         *cancellable,
                                        GAsyncReadyCallback   callback,
                                        gpointer              user_data);
AT_AVAILABLE_IN_ALL
GObject   *at_manager_get_state_finish (AtManager            *self,
                                        GAsyncResult         *result,
                                        GError              **error);
AT_AVAILABLE_IN_ALL
GObject   *at_manager_try_state        (AtManager            *self,
                                        GType                 type);
AT_AVAILABLE_IN_ALL
GObject   *at_manager_unmanage         (AtManager            *self,
                                        GType                 type);
AT_AVAILABLE_IN_ALL
void       at_manager_shut_down_async  (AtManager            *self,
                                        GCancellable         *cancellable,
                                        GAsyncReadyCallback   callback,
                                        gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean   at_manager_shut_down_finish (AtManager            *self,
                                        GAsyncResult         *result,
                                        GError              **error);

G_END_DECLS
