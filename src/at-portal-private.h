/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-portal.h"
#include "at-runtime-private.h"

G_BEGIN_DECLS

AtRuntime *at_portal_get_runtime      (AtPortal     *self);   /* (transfer none) */
void       at_portal_emit_unhandled   (AtPortal     *self,
                                       const GError *error,
                                       const char   *task_name);

G_END_DECLS
