/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include <json-glib/json-glib.h>

#include "at-manager.h"
#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_INVOCATION (at_invocation_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtInvocation, at_invocation, AT, INVOCATION, GObject)

AT_AVAILABLE_IN_ALL
AtInvocation *at_invocation_new                   (const char         *command,
                                                   const char         *arguments) G_GNUC_WARN_UNUSED_RESULT;

AT_AVAILABLE_IN_ALL
const char   *at_invocation_get_command           (AtInvocation       *self);
AT_AVAILABLE_IN_ALL
const char   *at_invocation_get_arguments         (AtInvocation       *self);
AT_AVAILABLE_IN_ALL
JsonNode     *at_invocation_get_arguments_node    (AtInvocation       *self,
                                                   GError            **error);
AT_AVAILABLE_IN_ALL
GVariant     *at_invocation_get_arguments_variant (AtInvocation       *self,
                                                   const char         *signature,
                                                   GError            **error);
AT_AVAILABLE_IN_ALL
GBytes       *at_invocation_get_body              (AtInvocation       *self);
AT_AVAILABLE_IN_ALL
GHashTable   *at_invocation_get_headers           (AtInvocation       *self);
AT_AVAILABLE_IN_ALL
const char   *at_invocation_get_header            (AtInvocation       *self,
                                                   const char         *name);
AT_AVAILABLE_IN_ALL
const char   *at_invocation_get_sender            (AtInvocation       *self);
AT_AVAILABLE_IN_ALL
GCancellable *at_invocation_get_cancellable       (AtInvocation       *self);
AT_AVAILABLE_IN_ALL
AtPortal     *at_invocation_get_portal            (AtInvocation       *self);
AT_AVAILABLE_IN_ALL
AtManager    *at_invocation_get_manager           (AtInvocation       *self);

AT_AVAILABLE_IN_ALL
void          at_invocation_return_json           (AtInvocation       *self,
                                                   const char         *json);
AT_AVAILABLE_IN_ALL
void          at_invocation_return_node           (AtInvocation       *self,
                                                   JsonNode           *node);
AT_AVAILABLE_IN_ALL
void          at_invocation_return_variant        (AtInvocation       *self,
                                                   GVariant           *value);
AT_AVAILABLE_IN_ALL
void          at_invocation_return_bytes          (AtInvocation       *self,
                                                   GBytes             *bytes);
AT_AVAILABLE_IN_ALL
void          at_invocation_return_gerror         (AtInvocation       *self,
                                                   const GError       *error);
AT_AVAILABLE_IN_ALL
void          at_invocation_return_error          (AtInvocation       *self,
                                                   GQuark              domain,
                                                   int                 code,
                                                   const char         *format,
                                                   ...) G_GNUC_PRINTF (4, 5);
AT_AVAILABLE_IN_ALL
void          at_invocation_return_error_literal  (AtInvocation       *self,
                                                   GQuark              domain,
                                                   int                 code,
                                                   const char         *message);

G_END_DECLS
