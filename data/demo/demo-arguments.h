/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <asynctools.h>

G_BEGIN_DECLS

char *demo_arguments_dup_string (AtInvocation *invocation,
                                 const char   *member,
                                 GError      **error);

G_END_DECLS
