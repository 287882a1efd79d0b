/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo-sum-line.h"

#include <string.h>

/* A line as sha256sum writes it: a name with a backslash or a line break is escaped, and a
 * backslash at the start of the line says so. Names are bytes here, of whatever encoding. */
char *
demo_sum_line_new (const char *sum,
                   const char *folder,
                   const char *path)
{
  g_autofree char *name = NULL;
  GString         *line = g_string_new (NULL);

  name = g_strconcat (folder, g_str_has_suffix (folder, "/") ? "" : "/", path, NULL);

  if (strpbrk (name, "\\\n\r"))
    g_string_append_c (line, '\\');

  g_string_append (line, sum);
  g_string_append (line, "  ");

  for (const char *c = name; *c; c++)
    switch (*c)
      {
      case '\\':
        g_string_append (line, "\\\\");
        break;
      case '\n':
        g_string_append (line, "\\n");
        break;
      case '\r':
        g_string_append (line, "\\r");
        break;
      default:
        g_string_append_c (line, *c);
      }

  g_string_append_c (line, '\n');

  return g_string_free (line, FALSE);
}
