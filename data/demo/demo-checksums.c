/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo-checksums.h"

#include <asynctools-webkit.h>
#include <glib/gi18n.h>

#include "demo-arguments.h"

/* Two walks run at once: one only counts, so that the progress bar knows the whole; the other
 * feeds the checksums, and waits whenever enough of them are under way. One walk that remembers
 * what it has found would need memory in proportion to the folder.
 *
 * All of it happens in the portal's thread, so no field needs a lock.
 */

#define MAX_RUNNING       4
#define MAX_WAITING_ROWS  512
#define ROWS_PER_MESSAGE  128
#define TICK_MS           100
#define PROGRESS_FROM     (4 * 1024 * 1024)

typedef struct
{
  AtInvocation    *invocation;
  AtWebKitChannel *channel;
  AtCancelScope   *scope;
  GFile           *folder;

  AtFuture        *walk;
  AtReceiveStream *found;
  gboolean         receiving;
  guint            n_running;

  AtFuture        *count;
  AtReceiveStream *counted;
  gboolean         is_counted;
  guint64          total_files;
  guint64          total_bytes;

  GQueue           rows;       /* (element-type JsonObject), not yet sent */
  gboolean         sending;
  gboolean         changed;
  GSource         *tick;

  guint64          n_rows;
  guint64          n_files;
  guint64          n_bytes;
  guint64          n_failed;
  guint64          n_skipped;

  guint            n_pending;  /* asynchronous operations that have not ended */
  GError          *error;      /* the first one */
} Job;

typedef struct
{
  Job             *job;
  GFile           *file;
  guint64          size;
  guint64          n_bytes;    /* of it in the job's sum */
  AtFuture        *checksum;
  AtReceiveStream *progress;
} Reading;

static gint n_jobs;

static void job_receive (Job *job);
static void job_release (Job *job);

static void
job_free (Job *job)
{
  g_source_destroy (job->tick);
  g_source_unref (job->tick);
  g_clear_object (&job->invocation);
  g_clear_object (&job->channel);
  g_clear_object (&job->scope);
  g_clear_object (&job->folder);
  g_clear_object (&job->walk);
  g_clear_object (&job->found);
  g_clear_object (&job->count);
  g_clear_object (&job->counted);
  g_queue_clear_full (&job->rows, (GDestroyNotify) json_object_unref);
  g_clear_error (&job->error);
  g_free (job);
  g_atomic_int_add (&n_jobs, -1);
}

/* Takes error. What still runs is cancelled; the job ends when it has ended. */
static void
job_fail (Job    *job,
          GError *error)
{
  if (job->error)
    {
      g_error_free (error);
      return;
    }

  job->error = error;
  at_cancel_scope_cancel_with_reason (job->scope, error->message);
}

static JsonObject *
job_get_progress (Job *job)
{
  JsonObject *progress = json_object_new ();

  json_object_set_int_member (progress, "files", job->n_files);
  json_object_set_int_member (progress, "bytes", job->n_bytes);
  json_object_set_int_member (progress, "failed", job->n_failed);
  json_object_set_int_member (progress, "skipped", job->n_skipped);
  json_object_set_int_member (progress, "totalFiles", job->total_files);
  json_object_set_int_member (progress, "totalBytes", job->total_bytes);
  json_object_set_boolean_member (progress, "counted", job->is_counted);

  return progress;
}

/* Takes object. */
static char *
object_to_text (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_take_object (node, object);

  return json_to_string (node, FALSE);
}

static void
job_sent_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Job    *job = user_data;
  GError *error = NULL;

  job->sending = FALSE;
  if (!at_webkit_channel_send_finish (AT_WEBKIT_CHANNEL (source), result, &error))
    job_fail (job, error);

  job_receive (job);
  job_release (job);
}

/* One message is under way at a time, so a page that is slow gets fewer and larger ones. */
static void
job_send (Job *job)
{
  g_autofree char *text = NULL;
  JsonObject      *message;
  JsonArray       *rows;

  if (job->sending || !job->changed || job->error)
    return;

  rows = json_array_new ();
  for (guint i = 0; i < ROWS_PER_MESSAGE && !g_queue_is_empty (&job->rows); i++)
    json_array_add_object_element (rows, g_queue_pop_head (&job->rows));

  message = json_object_new ();
  json_object_set_array_member (message, "rows", rows);
  json_object_set_object_member (message, "progress", job_get_progress (job));
  text = object_to_text (message);

  job->sending = TRUE;
  job->changed = !g_queue_is_empty (&job->rows);
  job->n_pending++;
  at_webkit_channel_send_async (job->channel, text, G_CANCELLABLE (job->scope), job_sent_cb, job);
}

static gboolean
job_tick_cb (gpointer user_data)
{
  job_send (user_data);

  return G_SOURCE_CONTINUE;
}

static void
job_release (Job *job)
{
  if (--job->n_pending > 0)
    return;

  if (job->error == NULL && job->changed)
    {
      job_send (job);
      return;
    }

  if (job->error)
    {
      at_invocation_return_gerror (job->invocation, job->error);
    }
  else
    {
      JsonObject      *answer = job_get_progress (job);
      g_autofree char *text = NULL;

      json_object_set_int_member (answer, "rows", job->n_rows);
      text = object_to_text (answer);
      at_invocation_return_json (job->invocation, text);
    }

  job_free (job);
}

/* The page gets a path in two forms: bytes, percent-encoded since JSON has only text; and a name
 * to show. */
static void
job_add_row (Job          *job,
             GFile        *file,
             guint64       size,
             const char   *sum,
             const GError *error)
{
  g_autofree char *path = g_file_get_relative_path (job->folder, file);
  g_autofree char *escaped = g_uri_escape_string (path ? path : "", "/", FALSE);
  g_autofree char *name = g_filename_display_name (path ? path : ".");
  JsonObject      *row = json_object_new ();

  json_object_set_string_member (row, "path", escaped);
  json_object_set_string_member (row, "name", name);

  if (error)
    {
      json_object_set_string_member (row, "error", error->message);
      job->n_failed++;
    }
  else
    {
      json_object_set_int_member (row, "size", size);
      json_object_set_string_member (row, "sum", sum);
      job->n_files++;
    }

  g_queue_push_tail (&job->rows, row);
  job->n_rows++;
  job->changed = TRUE;

  if (g_queue_get_length (&job->rows) >= ROWS_PER_MESSAGE)
    job_send (job);
}

static void
reading_free (Reading *reading)
{
  g_clear_object (&reading->file);
  g_clear_object (&reading->checksum);
  g_clear_object (&reading->progress);
  g_free (reading);
}

static void
reading_count (Reading *reading,
               guint64  n_bytes)
{
  reading->job->n_bytes += n_bytes - reading->n_bytes;
  reading->n_bytes = n_bytes;
  reading->job->changed = TRUE;
}

static void
reading_ended_cb (GObject      *source,
                  GAsyncResult *result,
                  gpointer      user_data)
{
  Reading            *reading = user_data;
  Job                *job = reading->job;
  g_autoptr (GError)  error = NULL;
  const GValue       *value;

  at_future_wait_finish (AT_FUTURE (source), result, NULL);
  value = at_future_get_value (AT_FUTURE (source), &error);

  if (value)
    reading_count (reading, reading->size);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    job_fail (job, g_steal_pointer (&error));
  else
    job_add_row (job, reading->file, reading->size, value ? g_value_get_string (value) : NULL,
                 error);

  job->n_running--;
  reading_free (reading);
  job_receive (job);
  job_release (job);
}

static void
reading_progress_cb (GObject      *source,
                     GAsyncResult *result,
                     gpointer      user_data)
{
  Reading         *reading = user_data;
  AtReceiveStream *stream = AT_RECEIVE_STREAM (source);
  const GValue    *value;

  value = at_receive_stream_receive_finish_borrowed (stream, result, NULL);

  if (value)
    {
      reading_count (reading, g_value_get_uint64 (value));
      at_receive_stream_receive_async (stream, NULL, reading_progress_cb, reading);
    }
  else
    {
      at_future_wait_async (reading->checksum, NULL, reading_ended_cb, reading);
    }
}

static void
job_read (Job         *job,
          AtFileEntry *entry)
{
  g_autoptr (AtSendStream) progress = NULL;
  Reading                 *reading = g_new0 (Reading, 1);

  reading->job = job;
  reading->file = g_object_ref (at_file_entry_get_file (entry));
  reading->size = g_file_info_get_size (at_file_entry_get_info (entry));

  /* A small file is read before anybody could look at its progress. */
  if (reading->size >= PROGRESS_FROM)
    at_stream_new (1, &progress, &reading->progress);

  job->n_running++;
  job->n_pending++;
  reading->checksum = at_file_checksum (at_invocation_get_portal (job->invocation), reading->file,
                                        G_CHECKSUM_SHA256, progress, G_CANCELLABLE (job->scope));

  if (reading->progress)
    at_receive_stream_receive_async (reading->progress, NULL, reading_progress_cb, reading);
  else
    at_future_wait_async (reading->checksum, NULL, reading_ended_cb, reading);
}

static void
job_walked_cb (GObject      *source,
               GAsyncResult *result,
               gpointer      user_data)
{
  Job    *job = user_data;
  GError *error = NULL;

  at_future_wait_finish (AT_FUTURE (source), result, NULL);
  if (at_future_get_value (AT_FUTURE (source), &error) == NULL)
    job_fail (job, error);

  job_release (job);
}

static void
job_found (Job         *job,
           AtFileEntry *entry)
{
  const GError *error = at_file_entry_get_error (entry);

  if (g_cancellable_is_cancelled (G_CANCELLABLE (job->scope)))
    return;

  if (error)
    {
      job_add_row (job, at_file_entry_get_file (entry), 0, NULL, error);
      return;
    }

  switch (g_file_info_get_file_type (at_file_entry_get_info (entry)))
    {
    case G_FILE_TYPE_DIRECTORY:
      break;
    case G_FILE_TYPE_SYMBOLIC_LINK:
    case G_FILE_TYPE_SPECIAL:
      job->n_skipped++;
      break;
    default:
      job_read (job, entry);
    }
}

static void
job_received_cb (GObject      *source,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  Job                *job = user_data;
  g_autoptr (GError)  error = NULL;
  const GValue       *value;

  value = at_receive_stream_receive_finish_borrowed (AT_RECEIVE_STREAM (source), result, &error);

  if (value)
    {
      job->receiving = FALSE;
      job_found (job, g_value_get_object (value));
      job_receive (job);
    }
  else
    {
      at_future_wait_async (job->walk, NULL, job_walked_cb, job);
    }
}

/* Takes the next files, unless enough are being read or the page does not keep up. */
static void
job_receive (Job *job)
{
  while (!job->receiving && job->n_running < MAX_RUNNING &&
         g_queue_get_length (&job->rows) < MAX_WAITING_ROWS)
    {
      const GValue *value = at_receive_stream_try_receive_borrowed (job->found, NULL);

      if (value)
        {
          job_found (job, g_value_get_object (value));
          continue;
        }

      job->receiving = TRUE;
      at_receive_stream_receive_async (job->found, NULL, job_received_cb, job);
    }
}

static void
job_count (Job         *job,
           AtFileEntry *entry)
{
  if (at_file_entry_get_error (entry) == NULL &&
      g_file_info_get_file_type (at_file_entry_get_info (entry)) == G_FILE_TYPE_REGULAR)
    {
      job->total_files++;
      job->total_bytes += g_file_info_get_size (at_file_entry_get_info (entry));
    }
}

static void
job_counted_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  Job             *job = user_data;
  AtReceiveStream *counted = AT_RECEIVE_STREAM (source);
  const GValue    *value = at_receive_stream_receive_finish_borrowed (counted, result, NULL);

  if (value == NULL)
    {
      job->is_counted = TRUE;
      job->changed = TRUE;
      at_future_wait_async (job->count, NULL, job_walked_cb, job);
      return;
    }

  /* At most what the stream holds, since the walk goes on in this thread. */
  for (; value; value = at_receive_stream_try_receive_borrowed (counted, NULL))
    job_count (job, g_value_get_object (value));

  at_receive_stream_receive_async (counted, NULL, job_counted_cb, job);
}

static AtFuture *
job_walk (Job                *job,
          const char * const *excluded_names,
          AtReceiveStream   **entries)
{
  g_autoptr (AtSendStream) send = NULL;

  at_stream_new (64, &send, entries);
  job->n_pending++;

  return at_file_walk (at_invocation_get_portal (job->invocation), job->folder,
                       G_FILE_ATTRIBUTE_STANDARD_SIZE, G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS,
                       excluded_names, send, G_CANCELLABLE (job->scope));
}

void
demo_checksums_command (AtInvocation *invocation,
                        gpointer      user_data)
{
  const char * const          *excluded_names = user_data;
  g_autoptr (GError)           error = NULL;
  g_autoptr (AtWebKitChannel)  channel = NULL;
  g_autofree char             *uri = NULL;
  Job                         *job;

  uri = demo_arguments_dup_string (invocation, "folder", &error);
  if (uri)
    channel = at_webkit_channel_from_invocation (invocation, "progress", &error);

  if (channel == NULL)
    {
      at_invocation_return_gerror (invocation, error);
      return;
    }

  job = g_new0 (Job, 1);
  g_atomic_int_add (&n_jobs, 1);
  job->invocation = g_object_ref (invocation);
  job->channel = g_steal_pointer (&channel);
  job->scope = at_cancel_scope_new (at_invocation_get_cancellable (invocation));
  job->folder = g_file_new_for_uri (uri);
  g_queue_init (&job->rows);

  job->tick = g_timeout_source_new (TICK_MS);
  g_source_set_static_name (job->tick, "demo-tick");
  g_source_set_callback (job->tick, job_tick_cb, job, NULL);
  g_source_attach (job->tick, g_main_context_get_thread_default ());

  job->walk = job_walk (job, excluded_names, &job->found);
  job->count = job_walk (job, excluded_names, &job->counted);
  job_receive (job);
  at_receive_stream_receive_async (job->counted, NULL, job_counted_cb, job);
}

guint
demo_checksums_count_running (void)
{
  return g_atomic_int_get (&n_jobs);
}
