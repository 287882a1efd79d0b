/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <asynctools.h>

G_BEGIN_DECLS

/* The command "checksums": { folder: URI, progress: channel } → { rows, files, bytes, failed,
 * skipped }. The channel carries { rows: [{ path, name, size, sum or error }], progress }.
 * user_data is a GStrv of names to leave out, or NULL. */
void  demo_checksums_command       (AtInvocation *invocation,
                                    gpointer      user_data);

/* How many of them have not ended, on any thread. */
guint demo_checksums_count_running (void);

G_END_DECLS
