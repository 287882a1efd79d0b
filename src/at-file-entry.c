/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

/**
 * AtFileEntry:
 *
 * What [func@At.file_walk] has found: a file with its information, or the error of a
 * folder that could not be read.
 *
 * An entry never changes, so any thread may read it.
 *
 * Since: 0.1
 */

struct _AtFileEntry
{
  GObject    parent_instance;

  GFile     *file;
  GFileInfo *info;
  GError    *error;
  guint      depth;
};

enum
{
  PROP_FILE = 1,
  PROP_INFO,
  PROP_DEPTH,
  PROP_ERROR,
  N_PROPERTIES
};

static GParamSpec *properties[N_PROPERTIES];

G_DEFINE_FINAL_TYPE (AtFileEntry, at_file_entry, G_TYPE_OBJECT)

static void
at_file_entry_get_property (GObject    *object,
                            guint       property_id,
                            GValue     *value,
                            GParamSpec *pspec)
{
  AtFileEntry *self = AT_FILE_ENTRY (object);

  switch (property_id)
    {
    case PROP_FILE:
      g_value_set_object (value, self->file);
      break;
    case PROP_INFO:
      g_value_set_object (value, self->info);
      break;
    case PROP_DEPTH:
      g_value_set_uint (value, self->depth);
      break;
    case PROP_ERROR:
      g_value_set_boxed (value, self->error);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property_id, pspec);
    }
}

static void
at_file_entry_set_property (GObject      *object,
                            guint         property_id,
                            const GValue *value,
                            GParamSpec   *pspec)
{
  AtFileEntry *self = AT_FILE_ENTRY (object);

  switch (property_id)
    {
    case PROP_FILE:
      self->file = g_value_dup_object (value);
      break;
    case PROP_INFO:
      self->info = g_value_dup_object (value);
      break;
    case PROP_DEPTH:
      self->depth = g_value_get_uint (value);
      break;
    case PROP_ERROR:
      self->error = g_value_dup_boxed (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, property_id, pspec);
    }
}

static void
at_file_entry_finalize (GObject *object)
{
  AtFileEntry *self = AT_FILE_ENTRY (object);

  g_clear_object (&self->file);
  g_clear_object (&self->info);
  g_clear_error (&self->error);

  G_OBJECT_CLASS (at_file_entry_parent_class)->finalize (object);
}

static void
at_file_entry_class_init (AtFileEntryClass *klass)
{
  GObjectClass    *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  object_class->get_property = at_file_entry_get_property;
  object_class->set_property = at_file_entry_set_property;
  object_class->finalize = at_file_entry_finalize;

  /**
   * AtFileEntry:file: (getter get_file)
   *
   * The file or folder.
   *
   * Since: 0.1
   */
  properties[PROP_FILE] = g_param_spec_object ("file", NULL, NULL, G_TYPE_FILE, flags);

  /**
   * AtFileEntry:info: (getter get_info)
   *
   * What is known about it.
   *
   * Since: 0.1
   */
  properties[PROP_INFO] = g_param_spec_object ("info", NULL, NULL, G_TYPE_FILE_INFO, flags);

  /**
   * AtFileEntry:depth: (getter get_depth)
   *
   * How many folders below the walked one it was found.
   *
   * Since: 0.1
   */
  properties[PROP_DEPTH] = g_param_spec_uint ("depth", NULL, NULL, 0, G_MAXUINT, 0, flags);

  /**
   * AtFileEntry:error: (getter get_error)
   *
   * Why it could not be read.
   *
   * Since: 0.1
   */
  properties[PROP_ERROR] = g_param_spec_boxed ("error", NULL, NULL, G_TYPE_ERROR, flags);

  g_object_class_install_properties (object_class, N_PROPERTIES, properties);
}

static void
at_file_entry_init (AtFileEntry *self)
{
}

/**
 * at_file_entry_new:
 * @file: the file or folder
 * @info: (nullable): what is known about it
 * @depth: how many folders below the walked one it was found
 * @error: (nullable): why it could not be read
 *
 * Makes an entry, for instance for the test of a function that reads a walk.
 *
 * Returns: (transfer full): a new entry
 *
 * Since: 0.1
 */
AtFileEntry *
at_file_entry_new (GFile        *file,
                   GFileInfo    *info,
                   guint         depth,
                   const GError *error)
{
  g_return_val_if_fail (G_IS_FILE (file), NULL);
  g_return_val_if_fail (info == NULL || G_IS_FILE_INFO (info), NULL);

  return g_object_new (AT_TYPE_FILE_ENTRY,
                       "file", file,
                       "info", info,
                       "depth", depth,
                       "error", error,
                       NULL);
}

/**
 * at_file_entry_get_file: (get-property file)
 * @self: an entry
 *
 * The file or folder.
 *
 * Returns: (transfer none) (nullable): the file; `NULL` only in an entry made without one
 *
 * Since: 0.1
 */
GFile *
at_file_entry_get_file (AtFileEntry *self)
{
  g_return_val_if_fail (AT_IS_FILE_ENTRY (self), NULL);

  return self->file;
}

/**
 * at_file_entry_get_info: (get-property info)
 * @self: an entry
 *
 * What is known about it: name, type, file identifier, and the attributes that the walk was
 * asked for.
 *
 * Returns: (transfer none) (nullable): the information; it may be `NULL` if there is an error
 *
 * Since: 0.1
 */
GFileInfo *
at_file_entry_get_info (AtFileEntry *self)
{
  g_return_val_if_fail (AT_IS_FILE_ENTRY (self), NULL);

  return self->info;
}

/**
 * at_file_entry_get_depth: (get-property depth)
 * @self: an entry
 *
 * How many folders below the walked one it was found: 1 for what lies directly in it, 0 for
 * the walked folder itself.
 *
 * Returns: the depth
 *
 * Since: 0.1
 */
guint
at_file_entry_get_depth (AtFileEntry *self)
{
  g_return_val_if_fail (AT_IS_FILE_ENTRY (self), 0);

  return self->depth;
}

/**
 * at_file_entry_get_error: (get-property error)
 * @self: an entry
 *
 * Why the folder could not be read, or not to its end.
 *
 * A folder that leads back to one it lies in is known when it is found, so its only entry has
 * information and an error. All other errors turn up when the folder is read: then an entry with
 * an error alone follows the one that told of the folder.
 *
 * Returns: (transfer none) (nullable): the error
 *
 * Since: 0.1
 */
const GError *
at_file_entry_get_error (AtFileEntry *self)
{
  g_return_val_if_fail (AT_IS_FILE_ENTRY (self), NULL);

  return self->error;
}
