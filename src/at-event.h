/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-statistics.h"
#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_EVENT (at_event_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtEvent, at_event, AT, EVENT, GObject)

AT_AVAILABLE_IN_ALL
AtEvent      *at_event_new            (void) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
void          at_event_set            (AtEvent              *self);
AT_AVAILABLE_IN_ALL
gboolean      at_event_is_set         (AtEvent              *self);
AT_AVAILABLE_IN_ALL
gboolean      at_event_wait           (AtEvent              *self,
                                       GCancellable         *cancellable,
                                       GError              **error);
AT_AVAILABLE_IN_ALL
void          at_event_wait_async     (AtEvent              *self,
                                       GCancellable         *cancellable,
                                       GAsyncReadyCallback   callback,
                                       gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean      at_event_wait_finish    (AtEvent              *self,
                                       GAsyncResult         *result,
                                       GError              **error);
AT_AVAILABLE_IN_ALL
AtStatistics *at_event_get_statistics (AtEvent              *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
