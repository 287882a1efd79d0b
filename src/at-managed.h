/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_MANAGED (at_managed_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_INTERFACE (AtManaged, at_managed, AT, MANAGED, GObject)

/**
 * AtManagedInterface:
 * @parent_iface: the parent interface
 * @shut_down_async: begins to end what the state has under way
 * @shut_down_finish: ends @shut_down_async
 *
 * What a state implements that has something to end in order.
 *
 * Since: 0.1
 */
struct _AtManagedInterface
{
  GTypeInterface parent_iface;

  void     (*shut_down_async)  (AtManaged            *self,
                                GCancellable         *cancellable,
                                GAsyncReadyCallback   callback,
                                gpointer              user_data);
  gboolean (*shut_down_finish) (AtManaged            *self,
                                GAsyncResult         *result,
                                GError              **error);
};

AT_AVAILABLE_IN_ALL
void     at_managed_shut_down_async  (AtManaged            *self,
                                      GCancellable         *cancellable,
                                      GAsyncReadyCallback   callback,
                                      gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean at_managed_shut_down_finish (AtManaged            *self,
                                      GAsyncResult         *result,
                                      GError              **error);

G_END_DECLS
