/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-types.h"

G_BEGIN_DECLS

AT_AVAILABLE_IN_ALL
void     at_sleep_async  (gint64                usec,
                          GCancellable         *cancellable,
                          GAsyncReadyCallback   callback,
                          gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean at_sleep_finish (GAsyncResult         *result,
                          GError              **error);

G_END_DECLS
