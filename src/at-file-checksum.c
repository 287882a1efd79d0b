/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

/* The checksum of a file, as a task on a portal.
 *
 * Reading is asynchronous; hashing happens in the portal's thread, one slice per dispatch. A
 * slice is small enough for a machine twenty times slower than today's to stay below 10 ms,
 * and large enough for the way to GIO's reading thread and back to cost a few percent. A
 * thread of its own for each file would hash faster on an idle machine, but needs a limiter,
 * and one portal with several files under way already keeps reading and hashing apart.
 *
 * Progress goes into a stream and not to a callback: a callback would run in the portal's
 * thread, where JavaScript cannot follow.
 */

#define SLICE_SIZE (64 * 1024)

typedef struct
{
  GFile        *file;
  AtSendStream *progress;
  GChecksum    *checksum;
  GTask        *task;
  GInputStream *stream;
  guint8       *slice;
  guint64       n_bytes;
  GError       *error;
} Checksum;

static void
checksum_free (gpointer data)
{
  Checksum *self = data;

  if (self->progress)
    at_send_stream_close (self->progress);

  g_clear_object (&self->progress);
  g_clear_object (&self->file);
  g_clear_object (&self->stream);
  g_clear_error (&self->error);
  g_checksum_free (self->checksum);
  g_free (self->slice);
  g_free (self);
}

static void
checksum_return (Checksum *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  if (self->error)
    {
      g_task_return_error (task, g_steal_pointer (&self->error));
    }
  else
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_value_init (&value, G_TYPE_STRING);
      g_value_set_string (&value, g_checksum_get_string (self->checksum));
      g_task_return_value (task, &value);
    }
}

static void
checksum_closed_cb (GObject      *source,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  Checksum *self = user_data;

  /* What was read stays valid, whatever closing says. */
  g_input_stream_close_finish (G_INPUT_STREAM (source), result, NULL);
  checksum_return (self);
}

/* Takes error. The file is closed before the task ends, a cancelled one too. */
static void
checksum_close (Checksum *self,
                GError   *error)
{
  self->error = error;
  g_input_stream_close_async (self->stream, G_PRIORITY_DEFAULT, NULL, checksum_closed_cb, self);
}

static void
checksum_tell_progress (Checksum *self)
{
  g_auto (GValue)    value = G_VALUE_INIT;
  g_autoptr (GError) error = NULL;

  if (self->progress == NULL)
    return;

  g_value_init (&value, G_TYPE_UINT64);
  g_value_set_uint64 (&value, self->n_bytes);

  /* A full stream loses this value: progress never slows the work, and the next one says more. */
  if (!at_send_stream_try_send (self->progress, &value, &error) &&
      !g_error_matches (error, AT_ERROR, AT_ERROR_WOULD_BLOCK))
    g_clear_object (&self->progress);
}

static void
checksum_read_cb (GObject      *source,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  Checksum *self = user_data;
  GError   *error = NULL;
  gssize    n_read;

  n_read = g_input_stream_read_finish (G_INPUT_STREAM (source), result, &error);

  if (n_read < 0)
    {
      g_autofree char *name = g_file_get_parse_name (self->file);

      /* GIO does not say which file it was. */
      g_prefix_error (&error, "%s: ", name);
      checksum_close (self, error);
      return;
    }

  if (n_read == 0)
    {
      checksum_close (self, NULL);
      return;
    }

  g_checksum_update (self->checksum, self->slice, n_read);
  self->n_bytes += n_read;
  checksum_tell_progress (self);

  g_input_stream_read_async (self->stream, self->slice, SLICE_SIZE, G_PRIORITY_DEFAULT,
                             g_task_get_cancellable (self->task), checksum_read_cb, self);
}

static void
checksum_opened_cb (GObject      *source,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  Checksum *self = user_data;

  self->stream = G_INPUT_STREAM (g_file_read_finish (G_FILE (source), result, &self->error));

  if (self->stream == NULL)
    {
      checksum_return (self);
      return;
    }

  self->slice = g_malloc (SLICE_SIZE);
  g_input_stream_read_async (self->stream, self->slice, SLICE_SIZE, G_PRIORITY_DEFAULT,
                             g_task_get_cancellable (self->task), checksum_read_cb, self);
}

static void
checksum_queried_cb (GObject      *source,
                     GAsyncResult *result,
                     gpointer      user_data)
{
  Checksum             *self = user_data;
  g_autoptr (GFileInfo) info = NULL;
  g_autofree char      *name = g_file_get_parse_name (self->file);

  info = g_file_query_info_finish (G_FILE (source), result, &self->error);

  if (info)
    switch (g_file_info_get_file_type (info))
      {
      case G_FILE_TYPE_DIRECTORY:
        g_set_error (&self->error, G_IO_ERROR, G_IO_ERROR_IS_DIRECTORY,
                     _("“%s” is a folder; walk it and ask for the checksum of each file in it"),
                     name);
        break;
      case G_FILE_TYPE_SPECIAL:
        g_set_error (&self->error, G_IO_ERROR, G_IO_ERROR_NOT_REGULAR_FILE,
                     _("“%s” is a pipe, a socket or a device; only a file has a checksum"),
                     name);
        break;
      default:
        break;
      }

  if (self->error)
    checksum_return (self);
  else
    g_file_read_async (self->file, G_PRIORITY_DEFAULT, g_task_get_cancellable (self->task),
                       checksum_opened_cb, self);
}

static void
checksum_body (GTask   *task,
               gpointer user_data)
{
  Checksum *self = user_data;

  self->task = g_object_ref (task);

  /* Before it is opened: opening a pipe lasts until somebody writes, in a thread that no
   * cancellation reaches. */
  g_file_query_info_async (self->file, G_FILE_ATTRIBUTE_STANDARD_TYPE, G_FILE_QUERY_INFO_NONE,
                           G_PRIORITY_DEFAULT, g_task_get_cancellable (task),
                           checksum_queried_cb, self);
}

/**
 * at_file_checksum:
 * @portal: where the task runs
 * @file: the file to read
 * @checksum_type: which checksum
 * @progress: (nullable): where the number of bytes that were read so far goes, each a `guint64`
 * @cancellable: (nullable): cancels the task
 *
 * Reads a file and computes the checksum of its content.
 *
 * The future's value is the checksum as a string of hexadecimal digits, in lower case. A
 * symbolic link is followed. Folders fail with `G_IO_ERROR_IS_DIRECTORY`; pipes, sockets and
 * devices, which could be read for ever, with `G_IO_ERROR_NOT_REGULAR_FILE`; all else as
 * [method@Gio.File.read_async] does.
 *
 * The file is read and hashed in slices, so the portal stays responsive however large the file
 * is, and it is closed before the task ends. To find the files of a folder, see
 * [func@At.file_walk].
 *
 * A value is offered to @progress after each slice and dropped if the stream is full: a slow
 * receiver misses steps and delays nothing. The stream is closed when the task ends; clone it
 * to go on sending.
 *
 * May be called from any thread.
 *
 * Returns: (transfer full): a future with a string
 *
 * Since: 0.1
 */
AtFuture *
at_file_checksum (AtPortal      *portal,
                  GFile         *file,
                  GChecksumType  checksum_type,
                  AtSendStream  *progress,
                  GCancellable  *cancellable)
{
  g_autoptr (GChecksum) checksum = NULL;
  Checksum             *self;
  AtFuture             *future;

  g_return_val_if_fail (AT_IS_PORTAL (portal), NULL);
  g_return_val_if_fail (G_IS_FILE (file), NULL);
  g_return_val_if_fail (progress == NULL || AT_IS_SEND_STREAM (progress), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  checksum = g_checksum_new (checksum_type);
  g_return_val_if_fail (checksum != NULL, NULL);

  self = g_new0 (Checksum, 1);
  self->file = g_object_ref (file);
  self->checksum = g_steal_pointer (&checksum);
  g_set_object (&self->progress, progress);

  future = at_portal_spawn (portal, cancellable, checksum_body, self, checksum_free);
  at_future_set_name (future, "file-checksum");

  return future;
}
