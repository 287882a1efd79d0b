/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

char *demo_sum_line_new (const char *sum,
                         const char *folder,
                         const char *path);

G_END_DECLS
