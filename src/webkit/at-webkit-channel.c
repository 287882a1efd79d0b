/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <string.h>

#include "at-json-private.h"
#include "at-webkit-channel-private.h"

/**
 * AtWebKitChannel:
 *
 * Brings messages to the page, in order, while a command runs and after.
 *
 * The page makes the channel and passes it as an argument; the handler takes it from there:
 *
 * ```js
 * const progress = new at.Channel(message => { bar.value = message.done; });
 * await at.invoke("copy", { progress });
 * ```
 *
 * ```c
 * channel = at_webkit_channel_from_invocation (invocation, "progress", &error);
 * at_webkit_channel_try_send (channel, "{\"done\":0.5}", NULL);
 * ```
 *
 * A page that is slower than the sender does not fill memory: when 256 KiB wait for it,
 * [method@AtWebKit.Channel.try_send] says `AT_ERROR_WOULD_BLOCK` and
 * [method@AtWebKit.Channel.send_async] completes when there is room again.
 *
 * A call's answer never overtakes what was sent before it. A channel ends when either side closes
 * it, when the last reference is dropped, when its call fails, and when the page is left. Sending
 * then fails with `AT_ERROR_CLOSED` (closed here), `AT_ERROR_BROKEN` (closed by the page) or
 * `AT_ERROR_GONE` (the page was left).
 *
 * Everything is thread-safe.
 *
 * Since: 0.1
 */

struct _AtWebKitChannel
{
  GObject parent_instance;

  AtWebKitLane *lane; /* NULL if nobody passed it */
};

G_DEFINE_FINAL_TYPE (AtWebKitChannel, at_webkit_channel, G_TYPE_OBJECT)

#define CHANNELS_KEY "at-webkit-channels"

static void
at_webkit_channel_finalize (GObject *object)
{
  AtWebKitChannel *self = AT_WEBKIT_CHANNEL (object);

  if (self->lane != NULL)
    at_webkit_lane_close (self->lane, NULL);
  g_clear_pointer (&self->lane, at_webkit_lane_unref);

  G_OBJECT_CLASS (at_webkit_channel_parent_class)->finalize (object);
}

static void
at_webkit_channel_class_init (AtWebKitChannelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = at_webkit_channel_finalize;
}

static void
at_webkit_channel_init (AtWebKitChannel *self)
{
}

void
at_webkit_channel_attach (AtInvocation *invocation,
                          AtWebKitOutbox *outbox,
                          const guint *ids,
                          guint n_ids)
{
  GHashTable *channels;

  if (n_ids == 0)
    return;

  channels = g_hash_table_new_full (NULL, NULL, NULL, g_object_unref);
  for (guint i = 0; i < n_ids; i++)
    {
      AtWebKitChannel *self = g_object_new (AT_WEBKIT_TYPE_CHANNEL, NULL);

      self->lane = at_webkit_outbox_open_lane (outbox, ids[i]);
      g_hash_table_insert (channels, GUINT_TO_POINTER (ids[i]), self);
    }

  g_object_set_data_full (G_OBJECT (invocation), CHANNELS_KEY, channels,
                          (GDestroyNotify) g_hash_table_unref);
}

static gboolean
read_id (JsonNode *arguments,
         const char *member,
         guint *id)
{
  JsonNode *node = arguments;
  gint64 value;

  if (member != NULL)
    {
      if (!JSON_NODE_HOLDS_OBJECT (arguments))
        return FALSE;
      node = json_object_get_member (json_node_get_object (arguments), member);
    }

  if (node == NULL || !JSON_NODE_HOLDS_OBJECT (node))
    return FALSE;

  value = json_object_get_int_member_with_default (json_node_get_object (node), "$channel", 0);
  *id = (guint) value;
  return value > 0 && value <= G_MAXUINT;
}

/**
 * at_webkit_channel_from_invocation:
 * @invocation: a call from a page
 * @member: (nullable): the member of the arguments where the page passed the channel, or `NULL` if
 *   it is all there is
 * @error: return location for an error
 *
 * Takes a channel that the page passed to a command.
 *
 * Keep the reference as long as there is something to send. A channel that is not taken is closed
 * with @invocation.
 *
 * Returns: (transfer full): the channel; `NULL` with `AT_ERROR_INVALID_ARGUMENTS` if the page
 *   passed none there
 *
 * Since: 0.1
 */
AtWebKitChannel *
at_webkit_channel_from_invocation (AtInvocation *invocation,
                                   const char *member,
                                   GError **error)
{
  g_autoptr (JsonNode) arguments = NULL;
  GHashTable *channels;
  AtWebKitChannel *self = NULL;
  guint id;

  g_return_val_if_fail (AT_IS_INVOCATION (invocation), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  arguments = at_invocation_get_arguments_node (invocation, error);
  if (arguments == NULL)
    return NULL;

  channels = g_object_get_data (G_OBJECT (invocation), CHANNELS_KEY);
  if (channels != NULL && read_id (arguments, member, &id))
    self = g_hash_table_lookup (channels, GUINT_TO_POINTER (id));
  if (self == NULL)
    {
      g_set_error (error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS,
                   _("Command “%s” needs a channel: pass a new at.Channel () as “%s”"),
                   at_invocation_get_command (invocation), member != NULL ? member : "");
      return NULL;
    }

  return g_object_ref (self);
}

static gboolean
check (AtWebKitChannel *self,
       const char *json,
       GError **error)
{
  if (self->lane == NULL)
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_CLOSED,
                           _("The channel leads to no page; take one from an invocation"));
      return FALSE;
    }
  if (!at_json_validate (json, strlen (json), error))
    {
      g_prefix_error (error, _("The message cannot be sent: "));
      return FALSE;
    }

  return TRUE;
}

/**
 * at_webkit_channel_try_send:
 * @self: a channel
 * @json: the message, as JSON text
 * @error: return location for an error
 *
 * Sends a message if there is room for it. Never waits.
 *
 * Returns: `TRUE` if it was sent; `FALSE` with `AT_ERROR_WOULD_BLOCK` if the page has to fetch
 *   others first, with `AT_ERROR_INVALID_ARGUMENTS` if it is not JSON, with `AT_ERROR_TOO_LARGE`,
 *   and when the channel has ended
 *
 * Since: 0.1
 */
gboolean
at_webkit_channel_try_send (AtWebKitChannel *self,
                            const char *json,
                            GError **error)
{
  g_return_val_if_fail (AT_WEBKIT_IS_CHANNEL (self), FALSE);
  g_return_val_if_fail (json != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return check (self, json, error) && at_webkit_lane_try_send (self->lane, json, error);
}

/**
 * at_webkit_channel_send_async:
 * @self: a channel
 * @json: the message, as JSON text
 * @cancellable: (nullable): gives up waiting for room; the message is then not sent
 * @callback: called when the message was sent
 * @user_data: data for @callback
 *
 * Sends a message as soon as there is room for it. Messages keep the order of the calls.
 *
 * @callback runs on the thread-default main context of the caller.
 *
 * Since: 0.1
 */
void
at_webkit_channel_send_async (AtWebKitChannel *self,
                              const char *json,
                              GCancellable *cancellable,
                              GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  g_autoptr (GError) error = NULL;

  g_return_if_fail (AT_WEBKIT_IS_CHANNEL (self));
  g_return_if_fail (json != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, at_webkit_channel_send_async);
  /* What was sent was sent. */
  g_task_set_check_cancellable (task, FALSE);

  if (check (self, json, &error))
    at_webkit_lane_send (self->lane, json, task);
  else
    g_task_return_error (task, g_steal_pointer (&error));
}

/**
 * at_webkit_channel_send_finish:
 * @self: a channel
 * @result: the result that the callback got
 * @error: return location for an error
 *
 * Finishes [method@AtWebKit.Channel.send_async].
 *
 * Returns: `TRUE` if the message was sent; else `FALSE` with an error as of
 *   [method@AtWebKit.Channel.try_send], or that of the cancellation
 *
 * Since: 0.1
 */
gboolean
at_webkit_channel_send_finish (AtWebKitChannel *self,
                               GAsyncResult *result,
                               GError **error)
{
  g_return_val_if_fail (AT_WEBKIT_IS_CHANNEL (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * at_webkit_channel_close:
 * @self: a channel
 * @reason: (nullable): why, or `NULL` if everything was sent
 *
 * Ends the channel. What was sent before still arrives; then the page hears of the end, and of
 * @reason as an error. Closing again changes nothing.
 *
 * Sends that wait for room fail with `AT_ERROR_CLOSED`.
 *
 * Since: 0.1
 */
void
at_webkit_channel_close (AtWebKitChannel *self,
                         const GError *reason)
{
  g_return_if_fail (AT_WEBKIT_IS_CHANNEL (self));

  if (self->lane != NULL)
    at_webkit_lane_close (self->lane, reason);
}
