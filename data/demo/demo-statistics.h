/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <asynctools.h>

G_BEGIN_DECLS

void   demo_statistics_watch                (AtPortal *portal);
gint64 demo_statistics_get_longest_dispatch (void);
guint  demo_statistics_count_open_files     (const char *folder);

G_END_DECLS
