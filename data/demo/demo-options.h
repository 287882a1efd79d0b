/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What the command line said; strings are NULL unless given. */
typedef struct
{
  char    *folder;          /* as it was typed */
  char   **excluded_names;
  char    *color_scheme;
  char    *screenshot;
  int      cancel_after;    /* seconds; 0: never */
  gboolean unattended;
  gboolean statistics;
  gboolean empty_page;
} DemoOptions;

G_END_DECLS
