/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-types.h"

G_BEGIN_DECLS

#define AT_TYPE_PORTAL_PROVIDER (at_portal_provider_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtPortalProvider, at_portal_provider, AT, PORTAL_PROVIDER, GObject)

AT_AVAILABLE_IN_ALL
AtPortalProvider *at_portal_provider_new        (const char        *name) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
const char       *at_portal_provider_get_name   (AtPortalProvider  *self);
AT_AVAILABLE_IN_ALL
AtPortal         *at_portal_provider_acquire    (AtPortalProvider  *self,
                                                 GError           **error) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
void              at_portal_provider_release    (AtPortalProvider  *self);
AT_AVAILABLE_IN_ALL
guint             at_portal_provider_get_leases (AtPortalProvider  *self);

G_END_DECLS
