/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <string.h>

#include "at-webkit-channel-private.h"
#include "at-webkit-request-private.h"

/* Of a message only the first line is read on the main thread. The rest, which may be large, waits
 * for the portal.
 */

typedef struct
{
  AtCommands *commands;
  AtWebKitOutbox *outbox;
  GBytes *message;
  AtWebKitHead head;
  char *uri;
} Request;

static gboolean
read_number (const char **at,
             guint *number)
{
  guint64 value;
  char *end;

  if (!g_ascii_isdigit (**at))
    return FALSE;

  value = g_ascii_strtoull (*at, &end, 10);
  *at = end;
  *number = (guint) value;
  return value <= G_MAXUINT;
}

/* “op id[ channel,channel…]” */
static gboolean
read_line (AtWebKitHead *head,
           const char *at)
{
  gsize length = strcspn (at, " ");

  if (length >= sizeof head->op || at[length] != ' ')
    return FALSE;
  memcpy (head->op, at, length);
  at += length + 1;

  if (!read_number (&at, &head->id))
    return FALSE;

  while (*at == (head->n_channels == 0 ? ' ' : ','))
    {
      at++;
      if (head->n_channels == AT_WEBKIT_MAX_CHANNELS ||
          !read_number (&at, &head->channels[head->n_channels++]))
        return FALSE;
    }

  return *at == '\0';
}

gboolean
at_webkit_head_read (AtWebKitHead *head,
                     GBytes *message,
                     const char *token)
{
  const gsize secrets = 2 * (AT_WEBKIT_SECRET_LENGTH + 1);
  gsize size;
  const char *text = g_bytes_get_data (message, &size);
  const char *newline = size > 0 ? memchr (text, '\n', size) : NULL;
  g_autofree char *line = NULL;

  /* A NUL would end the text early for whoever reads it next. */
  if (newline == NULL || memchr (text, '\0', size) != NULL || (gsize) (newline - text) < secrets)
    return FALSE;

  line = g_strndup (text, newline - text);
  if (memcmp (line, token, AT_WEBKIT_SECRET_LENGTH) != 0 ||
      line[AT_WEBKIT_SECRET_LENGTH] != ' ' || line[secrets - 1] != ' ')
    return FALSE;

  memset (head, 0, sizeof *head);
  memcpy (head->nonce, line + AT_WEBKIT_SECRET_LENGTH + 1, AT_WEBKIT_SECRET_LENGTH);
  head->length = newline - text + 1;
  return read_line (head, line + secrets);
}

static void
request_free (gpointer data)
{
  Request *request = data;

  g_clear_object (&request->commands);
  g_clear_pointer (&request->outbox, at_webkit_outbox_unref);
  g_clear_pointer (&request->message, g_bytes_unref);
  g_clear_pointer (&request->uri, g_free);
  g_free (request);
}

/* The next line, without its end; NULL if there is none. */
static char *
take_line (const char **at,
           const char *end)
{
  const char *newline = memchr (*at, '\n', end - *at);
  char *line;

  if (newline == NULL || !g_utf8_validate_len (*at, newline - *at, NULL))
    return NULL;

  line = g_strndup (*at, newline - *at);
  *at = newline + 1;
  return line;
}

/* “command\n name: value\n … \n arguments” */
static AtInvocation *
read_call (Request *request)
{
  g_autoptr (GHashTable) headers = NULL;
  g_autofree char *command = NULL;
  g_autofree char *arguments = NULL;
  gsize size;
  const char *text = g_bytes_get_data (request->message, &size);
  const char *at = text + request->head.length;
  const char *end = text + size;

  command = take_line (&at, end);
  if (command == NULL)
    return NULL;

  headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (;;)
    {
      g_autofree char *line = take_line (&at, end);
      char *colon;

      if (line == NULL)
        return NULL;
      if (*line == '\0')
        break;
      colon = strstr (line, ": ");
      if (colon == NULL)
        return NULL;
      g_hash_table_replace (headers, g_strndup (line, colon - line), g_strdup (colon + 2));
    }

  if (at < end)
    arguments = g_strndup (at, end - at);

  return g_object_new (AT_TYPE_INVOCATION,
                       "command", command,
                       "arguments", arguments,
                       "headers", headers,
                       "sender", request->uri,
                       NULL);
}

static void
request_body (GTask *task,
              gpointer user_data)
{
  Request *request = user_data;
  g_autoptr (AtInvocation) invocation = read_call (request);

  if (invocation == NULL)
    {
      g_task_return_new_error (task, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS,
                               _("The call cannot be read; make it with at.invoke ()"));
      return;
    }

  at_webkit_channel_attach (invocation, request->outbox,
                            request->head.channels, request->head.n_channels);
  at_commands_run (request->commands, invocation, task);
}

AtFuture *
at_webkit_request_spawn (AtPortal *portal,
                         AtCommands *commands,
                         AtWebKitDocument *document,
                         const AtWebKitHead *head,
                         GBytes *message)
{
  Request *request = g_new0 (Request, 1);

  request->commands = g_object_ref (commands);
  request->outbox = at_webkit_outbox_ref (at_webkit_document_get_outbox (document));
  request->message = g_bytes_ref (message);
  request->head = *head;
  request->uri = g_strdup (at_webkit_document_get_uri (document));

  return at_portal_spawn (portal, at_webkit_document_get_scope (document),
                          request_body, request, request_free);
}
