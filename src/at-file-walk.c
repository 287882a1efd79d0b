/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

/* A walk through a folder, as a task on a portal.
 *
 * One folder is open at a time. Keeping a folder open while its sub-folders are read would need
 * no list of them, but a deep tree would exhaust the file descriptors. What is kept instead is
 * the path of each folder that was found and not yet read.
 *
 * Names come in batches, so that neither a folder of 100 000 names occupies the portal's thread
 * nor a slow receiver makes them pile up: a batch is sent before the next one is read.
 *
 * A walk that follows symbolic links meets loops. Each folder knows the one it was found in, so
 * a loop is found by comparing file identifiers upwards; a set of all folders ever seen would
 * grow with the tree, and would leave out a folder that two links lead to.
 */

#define BATCH_SIZE 64
#define NEEDED_ATTRIBUTES \
  G_FILE_ATTRIBUTE_STANDARD_NAME "," G_FILE_ATTRIBUTE_STANDARD_TYPE "," G_FILE_ATTRIBUTE_ID_FILE

typedef struct _Folder Folder;

struct _Folder
{
  Folder *parent;
  GFile  *file;
  char   *id;
  guint   depth;
};

typedef struct
{
  GFile              *root;
  char               *attributes;
  GFileQueryInfoFlags flags;
  char              **excluded_names;
  AtSendStream       *entries;

  GTask              *task;
  GQueue              folders;    /* (element-type Folder), found and not yet read */
  Folder             *folder;     /* the one that is being read */
  GFileEnumerator    *enumerator;
  GQueue              outbox;     /* (element-type AtFileEntry), a batch at most */
  guint64             n_sent;
  GError             *error;
} Walk;

static void walk_continue (Walk *self);

static Folder *
folder_new (Folder    *parent,
            GFile     *file,
            GFileInfo *info)
{
  Folder *self = g_rc_box_new0 (Folder);

  self->parent = parent ? g_rc_box_acquire (parent) : NULL;
  self->file = g_object_ref (file);
  self->id = g_strdup (g_file_info_get_attribute_string (info, G_FILE_ATTRIBUTE_ID_FILE));
  self->depth = parent ? parent->depth + 1 : 0;

  return self;
}

static void
folder_clear (gpointer data)
{
  Folder *self = data;

  g_clear_object (&self->file);
  g_free (self->id);

  if (self->parent)
    g_rc_box_release_full (self->parent, folder_clear);
}

static void
folder_unref (gpointer data)
{
  g_rc_box_release_full (data, folder_clear);
}

/* Does folder, or one above it, have that identifier? */
static gboolean
folder_lies_in (Folder     *folder,
                const char *id)
{
  if (id == NULL)
    return FALSE;

  for (; folder; folder = folder->parent)
    if (g_strcmp0 (folder->id, id) == 0)
      return TRUE;

  return FALSE;
}

static void
walk_free (gpointer data)
{
  Walk *self = data;

  at_send_stream_close (self->entries);

  g_clear_object (&self->root);
  g_clear_object (&self->entries);
  g_clear_object (&self->enumerator);
  g_clear_pointer (&self->folder, folder_unref);
  g_clear_error (&self->error);
  g_queue_clear_full (&self->folders, folder_unref);
  g_queue_clear_full (&self->outbox, g_object_unref);
  g_strfreev (self->excluded_names);
  g_free (self->attributes);
  g_free (self);
}

static gboolean
walk_is_cancelled (Walk *self)
{
  return g_cancellable_is_cancelled (g_task_get_cancellable (self->task));
}

static void
walk_return (Walk *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  if (self->error)
    {
      g_task_return_error (task, g_steal_pointer (&self->error));
    }
  else
    {
      g_auto (GValue) value = G_VALUE_INIT;

      g_value_init (&value, G_TYPE_UINT64);
      g_value_set_uint64 (&value, self->n_sent);
      g_task_return_value (task, &value);
    }
}

static void
walk_closed_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  Walk *self = user_data;

  g_file_enumerator_close_finish (G_FILE_ENUMERATOR (source), result, NULL);

  if (self->error)
    walk_return (self);
  else
    walk_continue (self);
}

static void
walk_close_folder (Walk *self)
{
  g_autoptr (GFileEnumerator) enumerator = g_steal_pointer (&self->enumerator);

  g_clear_pointer (&self->folder, folder_unref);
  g_file_enumerator_close_async (enumerator, G_PRIORITY_DEFAULT, NULL, walk_closed_cb, self);
}

/* Takes error. */
static void
walk_fail (Walk   *self,
           GError *error)
{
  self->error = error;

  if (self->enumerator)
    walk_close_folder (self);
  else
    walk_return (self);
}

/* Takes error. The walk goes on without what this folder still holds. */
static void
walk_report (Walk   *self,
             GError *error)
{
  g_queue_push_tail (&self->outbox,
                     at_file_entry_new (self->folder->file, NULL, self->folder->depth, error));
  g_error_free (error);

  if (self->enumerator)
    {
      walk_close_folder (self);
      return;
    }

  g_clear_pointer (&self->folder, folder_unref);
  walk_continue (self);
}

/* Takes error. Nobody receives: that ends the walk, and is no failure that anybody must see. */
static void
walk_send_failed (Walk   *self,
                  GError *error)
{
  if (!walk_is_cancelled (self))
    {
      AtCancelScope *scope = AT_CANCEL_SCOPE (g_task_get_cancellable (self->task));

      at_cancel_scope_cancel_with_reason (scope, error->message);
      g_clear_error (&error);
      at_cancel_scope_set_error_if_cancelled (scope, &error);
    }

  walk_fail (self, error);
}

static void
walk_sent_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  Walk   *self = user_data;
  GError *error = NULL;

  if (!at_send_stream_send_finish (AT_SEND_STREAM (source), result, &error))
    {
      walk_send_failed (self, error);
      return;
    }

  self->n_sent++;
  walk_continue (self);
}

/* Returns FALSE if the walk goes on later, or has ended. */
static gboolean
walk_send_outbox (Walk *self)
{
  while (!g_queue_is_empty (&self->outbox))
    {
      g_auto (GValue) value = G_VALUE_INIT;
      GError         *error = NULL;

      g_value_init (&value, AT_TYPE_FILE_ENTRY);
      g_value_take_object (&value, g_queue_pop_head (&self->outbox));

      if (at_send_stream_try_send (self->entries, &value, &error))
        {
          self->n_sent++;
          continue;
        }

      if (g_error_matches (error, AT_ERROR, AT_ERROR_WOULD_BLOCK))
        {
          g_error_free (error);
          at_send_stream_send_async (self->entries, &value, g_task_get_cancellable (self->task),
                                     walk_sent_cb, self);
        }
      else
        {
          walk_send_failed (self, error);
        }

      return FALSE;
    }

  return TRUE;
}

static void
walk_found (Walk      *self,
            GFileInfo *info)
{
  const char        *name = g_file_info_get_name (info);
  const char        *id = g_file_info_get_attribute_string (info, G_FILE_ATTRIBUTE_ID_FILE);
  g_autoptr (GFile)  file = NULL;
  g_autoptr (GError) error = NULL;

  if (self->excluded_names && g_strv_contains ((const char * const *) self->excluded_names, name))
    return;

  file = g_file_get_child (self->folder->file, name);

  if (g_file_info_get_file_type (info) == G_FILE_TYPE_DIRECTORY)
    {
      if (folder_lies_in (self->folder, id))
        {
          g_autofree char *parse_name = g_file_get_parse_name (file);

          g_set_error (&error, G_IO_ERROR, G_IO_ERROR_TOO_MANY_LINKS,
                       _("“%s” leads back to a folder it lies in"), parse_name);
        }
      else
        {
          g_queue_push_head (&self->folders, folder_new (self->folder, file, info));
        }
    }

  g_queue_push_tail (&self->outbox,
                     at_file_entry_new (file, info, self->folder->depth + 1, error));
}

static void
walk_read_cb (GObject      *source,
              GAsyncResult *result,
              gpointer      user_data)
{
  Walk   *self = user_data;
  GError *error = NULL;
  GList  *infos;

  infos = g_file_enumerator_next_files_finish (G_FILE_ENUMERATOR (source), result, &error);

  if (error)
    {
      if (walk_is_cancelled (self))
        walk_fail (self, error);
      else
        walk_report (self, error);
      return;
    }

  if (infos == NULL)
    {
      walk_close_folder (self);
      return;
    }

  for (GList *link = infos; link; link = link->next)
    walk_found (self, link->data);
  g_list_free_full (infos, g_object_unref);

  walk_continue (self);
}

static void
walk_opened_cb (GObject      *source,
                GAsyncResult *result,
                gpointer      user_data)
{
  Walk   *self = user_data;
  GError *error = NULL;

  self->enumerator = g_file_enumerate_children_finish (G_FILE (source), result, &error);

  if (self->enumerator)
    walk_continue (self);
  else if (self->folder->depth == 0 || walk_is_cancelled (self))
    walk_fail (self, error);
  else
    walk_report (self, error);
}

/* The one step: send what was found, else read on, else open the next folder, else end. */
static void
walk_continue (Walk *self)
{
  GCancellable *cancellable = g_task_get_cancellable (self->task);

  if (!walk_send_outbox (self))
    return;

  if (self->enumerator)
    {
      g_file_enumerator_next_files_async (self->enumerator, BATCH_SIZE, G_PRIORITY_DEFAULT,
                                          cancellable, walk_read_cb, self);
      return;
    }

  self->folder = g_queue_pop_head (&self->folders);

  if (self->folder == NULL)
    walk_return (self);
  else
    g_file_enumerate_children_async (self->folder->file, self->attributes, self->flags,
                                     G_PRIORITY_DEFAULT, cancellable, walk_opened_cb, self);
}

static void
walk_queried_cb (GObject      *source,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  Walk                 *self = user_data;
  g_autoptr (GFileInfo) info = NULL;

  info = g_file_query_info_finish (G_FILE (source), result, &self->error);

  if (info == NULL)
    {
      walk_return (self);
      return;
    }

  g_queue_push_head (&self->folders, folder_new (NULL, self->root, info));
  walk_continue (self);
}

static void
walk_body (GTask   *task,
           gpointer user_data)
{
  Walk *self = user_data;

  self->task = g_object_ref (task);

  /* The folder itself is followed whatever the flags say: somebody has named it. */
  g_file_query_info_async (self->root, G_FILE_ATTRIBUTE_ID_FILE, G_FILE_QUERY_INFO_NONE,
                           G_PRIORITY_DEFAULT, g_task_get_cancellable (task),
                           walk_queried_cb, self);
}

/**
 * at_file_walk:
 * @portal: where the task runs
 * @folder: the folder to walk
 * @attributes: (nullable): the file attributes wanted, in the form of
 *   [method@Gio.File.query_info], beside name, type and file identifier
 * @flags: whether to follow symbolic links
 * @excluded_names: (nullable) (array zero-terminated=1) (element-type filename): names that are
 *   neither sent nor entered, wherever they are
 * @entries: where the entries go, each an [class@At.FileEntry]
 * @cancellable: (nullable): cancels the task
 *
 * Finds everything below a folder.
 *
 * Each file and folder is sent into @entries as soon as it was found, a folder before its
 * content, siblings in the order of the file system. A folder that cannot be read, vanishes or
 * leads back to one it lies in is an entry with an error, and the walk goes on; only if @folder
 * itself cannot be opened, or on cancellation, the future fails. Its value is the number of
 * entries as a `guint64`.
 *
 * With `G_FILE_QUERY_INFO_NOFOLLOW_SYMLINKS` links are sent as such, else as what they lead to.
 *
 * The walk waits while the stream is full, so that memory stays bounded by the stream's
 * capacity and by the number of folders not yet read, and has one folder open at a time. If
 * nobody receives any more, the walk is cancelled. The stream is closed when the task ends:
 * receive until the end of the stream, then look at the future, which tells whether it was the
 * whole folder.
 *
 * May be called from any thread.
 *
 * Returns: (transfer full): a future with the number of entries
 *
 * Since: 0.1
 */
AtFuture *
at_file_walk (AtPortal            *portal,
              GFile               *folder,
              const char          *attributes,
              GFileQueryInfoFlags  flags,
              const char * const  *excluded_names,
              AtSendStream        *entries,
              GCancellable        *cancellable)
{
  Walk     *self;
  AtFuture *future;

  g_return_val_if_fail (AT_IS_PORTAL (portal), NULL);
  g_return_val_if_fail (G_IS_FILE (folder), NULL);
  g_return_val_if_fail (AT_IS_SEND_STREAM (entries), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  self = g_new0 (Walk, 1);
  self->root = g_object_ref (folder);
  self->attributes = attributes ? g_strconcat (NEEDED_ATTRIBUTES, ",", attributes, NULL)
                                : g_strdup (NEEDED_ATTRIBUTES);
  self->flags = flags;
  self->excluded_names = g_strdupv ((char **) excluded_names);
  self->entries = g_object_ref (entries);
  g_queue_init (&self->folders);
  g_queue_init (&self->outbox);

  future = at_portal_spawn (portal, cancellable, walk_body, self, walk_free);
  at_future_set_name (future, "file-walk");

  return future;
}
