/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <asynctools.h>

G_BEGIN_DECLS

/* The command "describe": { folder: URI, path } → { modified, owner, mode }. The path is relative
 * to the folder and percent-encoded. */
void demo_describe_command (AtInvocation *invocation,
                            gpointer      user_data);

G_END_DECLS
