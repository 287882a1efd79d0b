/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo-describe.h"

#include <glib/gi18n.h>

#include "demo-arguments.h"

#define ATTRIBUTES \
  G_FILE_ATTRIBUTE_TIME_MODIFIED "," G_FILE_ATTRIBUTE_OWNER_USER "," G_FILE_ATTRIBUTE_UNIX_MODE

/* As ls -l writes it. */
static char *
format_mode (guint32 mode)
{
  GString *text = g_string_new (NULL);

  for (int shift = 6; shift >= 0; shift -= 3)
    {
      g_string_append_c (text, (mode >> shift) & 4 ? 'r' : '-');
      g_string_append_c (text, (mode >> shift) & 2 ? 'w' : '-');
      g_string_append_c (text, (mode >> shift) & 1 ? 'x' : '-');
    }

  return g_string_free (text, FALSE);
}

static void
queried_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (AtInvocation) invocation = user_data;
  g_autoptr (GFileInfo)    info = NULL;
  g_autoptr (GError)       error = NULL;
  g_autoptr (JsonNode)     answer = NULL;
  g_autofree char         *mode = NULL;
  const char              *owner;
  JsonObject              *object;

  info = g_file_query_info_finish (G_FILE (source), result, &error);
  if (info == NULL)
    {
      at_invocation_return_gerror (invocation, error);
      return;
    }

  mode = format_mode (g_file_info_get_attribute_uint32 (info, G_FILE_ATTRIBUTE_UNIX_MODE));
  owner = g_file_info_get_attribute_string (info, G_FILE_ATTRIBUTE_OWNER_USER);

  object = json_object_new ();
  json_object_set_int_member (object, "modified",
                              g_file_info_get_attribute_uint64 (info,
                                                                G_FILE_ATTRIBUTE_TIME_MODIFIED));
  json_object_set_string_member (object, "owner", owner ? owner : "");
  json_object_set_string_member (object, "mode", mode);

  answer = json_node_new (JSON_NODE_OBJECT);
  json_node_take_object (answer, object);
  at_invocation_return_node (invocation, answer);
}

void
demo_describe_command (AtInvocation *invocation,
                       gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GFile)  folder = NULL;
  g_autoptr (GFile)  file = NULL;
  g_autofree char   *uri = demo_arguments_dup_string (invocation, "folder", &error);
  g_autofree char   *escaped = uri ? demo_arguments_dup_string (invocation, "path", &error) : NULL;
  g_autofree char   *path = escaped ? g_uri_unescape_string (escaped, NULL) : NULL;

  if (path == NULL)
    {
      if (error == NULL)
        g_set_error (&error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS,
                     _("“%s” is not a percent-encoded path"), escaped);
      at_invocation_return_gerror (invocation, error);
      return;
    }

  folder = g_file_new_for_uri (uri);
  file = g_file_resolve_relative_path (folder, path);
  g_file_query_info_async (file, ATTRIBUTES, G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS,
                           G_PRIORITY_DEFAULT, at_invocation_get_cancellable (invocation),
                           queried_cb, g_object_ref (invocation));
}
