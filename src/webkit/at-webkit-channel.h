/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_WEBKIT_INSIDE) && !defined(AT_WEBKIT_COMPILATION)
#error "Only <asynctools-webkit.h> can be included directly."
#endif

#include <asynctools.h>

G_BEGIN_DECLS

#define AT_WEBKIT_TYPE_CHANNEL (at_webkit_channel_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtWebKitChannel, at_webkit_channel, AT_WEBKIT, CHANNEL, GObject)

/* The channel that the page passed as a member of the command's arguments:
 *   page: at.invoke ("walk", { folder, progress: new at.Channel (m => …) })
 *   C:    at_webkit_channel_from_invocation (invocation, "progress", &error)
 * Keep the reference as long as there is something to send: the last unref closes it. */
AT_AVAILABLE_IN_ALL
AtWebKitChannel *at_webkit_channel_from_invocation (AtInvocation         *invocation,
                                                    const char           *member,
                                                    GError              **error) G_GNUC_WARN_UNUSED_RESULT;

AT_AVAILABLE_IN_ALL
gboolean         at_webkit_channel_try_send        (AtWebKitChannel      *self,
                                                    const char           *json,
                                                    GError              **error);
AT_AVAILABLE_IN_ALL
void             at_webkit_channel_send_async      (AtWebKitChannel      *self,
                                                    const char           *json,
                                                    GCancellable         *cancellable,
                                                    GAsyncReadyCallback   callback,
                                                    gpointer              user_data);
AT_AVAILABLE_IN_ALL
gboolean         at_webkit_channel_send_finish     (AtWebKitChannel      *self,
                                                    GAsyncResult         *result,
                                                    GError              **error);
AT_AVAILABLE_IN_ALL
void             at_webkit_channel_close           (AtWebKitChannel      *self,
                                                    const GError         *reason);

G_END_DECLS
