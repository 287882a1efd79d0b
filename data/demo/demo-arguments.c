/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo-arguments.h"

#include <glib/gi18n.h>

/* Returns NULL with AT_ERROR_INVALID_ARGUMENTS if the page passed something else. */
char *
demo_arguments_dup_string (AtInvocation *invocation,
                           const char   *member,
                           GError      **error)
{
  g_autoptr (JsonNode) node = at_invocation_get_arguments_node (invocation, error);

  if (node == NULL)
    return NULL;

  if (JSON_NODE_HOLDS_OBJECT (node))
    {
      JsonNode *value = json_object_get_member (json_node_get_object (node), member);

      if (value && JSON_NODE_HOLDS_VALUE (value) &&
          json_node_get_value_type (value) == G_TYPE_STRING)
        return json_node_dup_string (value);
    }

  g_set_error (error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS,
               _("Command “%s” needs an object with a string “%s”"),
               at_invocation_get_command (invocation), member);

  return NULL;
}
