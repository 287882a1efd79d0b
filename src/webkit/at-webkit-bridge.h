/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_WEBKIT_INSIDE) && !defined(AT_WEBKIT_COMPILATION)
#error "Only <asynctools-webkit.h> can be included directly."
#endif

#include <asynctools.h>
#include <webkit/webkit.h>

G_BEGIN_DECLS

#define AT_WEBKIT_TYPE_BRIDGE (at_webkit_bridge_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtWebKitBridge, at_webkit_bridge, AT_WEBKIT, BRIDGE, GObject)

AT_AVAILABLE_IN_ALL
AtWebKitBridge     *at_webkit_bridge_new              (WebKitWebView      *view,
                                                       AtPortal           *portal,
                                                       AtCommands         *commands) G_GNUC_WARN_UNUSED_RESULT;

AT_AVAILABLE_IN_ALL
WebKitWebView      *at_webkit_bridge_get_view         (AtWebKitBridge     *self);
AT_AVAILABLE_IN_ALL
AtPortal           *at_webkit_bridge_get_portal       (AtWebKitBridge     *self);
AT_AVAILABLE_IN_ALL
AtCommands         *at_webkit_bridge_get_commands     (AtWebKitBridge     *self);
AT_AVAILABLE_IN_ALL
const char * const *at_webkit_bridge_get_allowed_uris (AtWebKitBridge     *self);
AT_AVAILABLE_IN_ALL
void                at_webkit_bridge_set_allowed_uris (AtWebKitBridge     *self,
                                                       const char * const *allowed_uris);
AT_AVAILABLE_IN_ALL
guint               at_webkit_bridge_get_max_message_size (AtWebKitBridge *self);
AT_AVAILABLE_IN_ALL
void                at_webkit_bridge_set_max_message_size (AtWebKitBridge *self,
                                                           guint           max_message_size);
AT_AVAILABLE_IN_ALL
void                at_webkit_bridge_close            (AtWebKitBridge     *self);

G_END_DECLS
