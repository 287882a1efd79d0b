/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include <gio/gio.h>

#include "at-version.h"

G_BEGIN_DECLS

#define AT_TYPE_FILE_ENTRY (at_file_entry_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtFileEntry, at_file_entry, AT, FILE_ENTRY, GObject)

AT_AVAILABLE_IN_ALL
AtFileEntry  *at_file_entry_new       (GFile        *file,
                                       GFileInfo    *info,
                                       guint         depth,
                                       const GError *error) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
GFile        *at_file_entry_get_file  (AtFileEntry  *self);
AT_AVAILABLE_IN_ALL
GFileInfo    *at_file_entry_get_info  (AtFileEntry  *self);
AT_AVAILABLE_IN_ALL
guint         at_file_entry_get_depth (AtFileEntry  *self);
AT_AVAILABLE_IN_ALL
const GError *at_file_entry_get_error (AtFileEntry  *self);

G_END_DECLS
