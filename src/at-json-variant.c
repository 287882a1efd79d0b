/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "at-json-private.h"

/* Why not json_gvariant_deserialize (): it takes the text "1" for a number and cuts integers to
 * the width asked for, so a call of the wrong shape would run with other arguments than the caller
 * wrote. This takes what fits and refuses the rest.
 */

static GVariant *convert (JsonNode *node,
                          const GVariantType *type,
                          GError **error);

static GVariant *
refuse (JsonNode *node,
        const GVariantType *type,
        GError **error)
{
  g_autofree char *text = json_to_string (node, FALSE);
  g_autofree char *expected = g_variant_type_dup_string (type);

  if (g_utf8_strlen (text, -1) > 40)
    strcpy (g_utf8_offset_to_pointer (text, 39), "…");
  g_set_error (error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS, _("%s is not of the type “%s”"), text,
               expected);
  return NULL;
}

static gboolean
holds (JsonNode *node,
       GType type)
{
  return JSON_NODE_HOLDS_VALUE (node) && json_node_get_value_type (node) == type;
}

static gboolean
read_integer (JsonNode *node,
              gint64 min,
              gint64 max,
              gint64 *value)
{
  if (!holds (node, G_TYPE_INT64))
    return FALSE;

  *value = json_node_get_int (node);
  return *value >= min && *value <= max;
}

static GVariant *
convert_uint64 (JsonNode *node)
{
  gint64 integer;
  double real;

  if (read_integer (node, 0, G_MAXINT64, &integer))
    return g_variant_new_uint64 ((guint64) integer);
  if (!holds (node, G_TYPE_DOUBLE))
    return NULL;

  /* The upper half of the range does not fit the node's integers. */
  real = json_node_get_double (node);
  if (real < 0x1p63 || real >= 0x1p64)
    return NULL;
  return g_variant_new_uint64 ((guint64) real);
}

static GVariant *
convert_number (JsonNode *node,
                char class)
{
  gint64 value;

  switch (class)
    {
    case G_VARIANT_CLASS_BYTE:
      return read_integer (node, 0, G_MAXUINT8, &value)
               ? g_variant_new_byte ((guchar) value)
               : NULL;
    case G_VARIANT_CLASS_INT16:
      return read_integer (node, G_MININT16, G_MAXINT16, &value)
               ? g_variant_new_int16 ((gint16) value)
               : NULL;
    case G_VARIANT_CLASS_UINT16:
      return read_integer (node, 0, G_MAXUINT16, &value) ? g_variant_new_uint16 ((guint16) value)
                                                         : NULL;
    case G_VARIANT_CLASS_INT32:
      return read_integer (node, G_MININT32, G_MAXINT32, &value)
               ? g_variant_new_int32 ((gint32) value)
               : NULL;
    case G_VARIANT_CLASS_UINT32:
      return read_integer (node, 0, G_MAXUINT32, &value) ? g_variant_new_uint32 ((guint32) value)
                                                         : NULL;
    case G_VARIANT_CLASS_INT64:
      return read_integer (node, G_MININT64, G_MAXINT64, &value)
               ? g_variant_new_int64 (value)
               : NULL;
    case G_VARIANT_CLASS_UINT64:
      return convert_uint64 (node);
    case G_VARIANT_CLASS_DOUBLE:
      return holds (node, G_TYPE_DOUBLE) || holds (node, G_TYPE_INT64)
               ? g_variant_new_double (json_node_get_double (node))
               : NULL;
    default:
      return NULL;
    }
}

static GVariant *
convert_basic (JsonNode *node,
               char class)
{
  const char *text;

  if (class == G_VARIANT_CLASS_BOOLEAN)
    return holds (node, G_TYPE_BOOLEAN)
             ? g_variant_new_boolean (json_node_get_boolean (node))
             : NULL;

  if (!holds (node, G_TYPE_STRING))
    return convert_number (node, class);

  text = json_node_get_string (node);
  switch (class)
    {
    case G_VARIANT_CLASS_STRING:
      return g_variant_new_string (text);
    case G_VARIANT_CLASS_OBJECT_PATH:
      return g_variant_is_object_path (text) ? g_variant_new_object_path (text) : NULL;
    case G_VARIANT_CLASS_SIGNATURE:
      return g_variant_is_signature (text) ? g_variant_new_signature (text) : NULL;
    default:
      return NULL;
    }
}

/* A member's name is text; one that stands for a number is read as JSON. */
static GVariant *
convert_key (const char *name,
             const GVariantType *type)
{
  g_autoptr (JsonNode) node = NULL;
  char class = *g_variant_type_peek_string (type);

  if (strchr ("sog", class) != NULL)
    node = json_node_init_string (json_node_alloc (), name);
  else
    node = at_json_parse (name, strlen (name), NULL);

  return node != NULL ? convert_basic (node, class) : NULL;
}

static GVariant *
convert_members (JsonNode *node,
                 const GVariantType *type,
                 GError **error)
{
  const GVariantType *entry = g_variant_type_element (type);
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (type);
  JsonObjectIter iter;
  const char *name;
  JsonNode *member;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return refuse (node, type, error);

  json_object_iter_init_ordered (&iter, json_node_get_object (node));
  while (json_object_iter_next_ordered (&iter, &name, &member))
    {
      g_autoptr (GVariant) key = convert_key (name, g_variant_type_key (entry));
      GVariant *value;

      if (key == NULL)
        return refuse (node, type, error);
      g_variant_ref_sink (key);
      value = convert (member, g_variant_type_value (entry), error);
      if (value == NULL)
        return NULL;
      g_variant_builder_add_value (&builder, g_variant_new_dict_entry (key, value));
    }

  return g_variant_builder_end (&builder);
}

static GVariant *
convert_elements (JsonNode *node,
                  const GVariantType *type,
                  GError **error)
{
  gboolean tuple = g_variant_type_is_tuple (type);
  const GVariantType *element = tuple ? g_variant_type_first (type)
                                      : g_variant_type_element (type);
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (type);
  JsonArray *array;

  if (!JSON_NODE_HOLDS_ARRAY (node))
    return refuse (node, type, error);

  array = json_node_get_array (node);
  if (tuple && json_array_get_length (array) != g_variant_type_n_items (type))
    return refuse (node, type, error);

  for (guint i = 0; i < json_array_get_length (array); i++)
    {
      GVariant *value = convert (json_array_get_element (array, i), element, error);

      if (value == NULL)
        return NULL;
      g_variant_builder_add_value (&builder, value);
      if (tuple)
        element = g_variant_type_next (element);
    }

  return g_variant_builder_end (&builder);
}

static const GVariantType *
guess (JsonNode *node)
{
  switch (json_node_get_node_type (node))
    {
    case JSON_NODE_OBJECT:
      return G_VARIANT_TYPE_VARDICT;
    case JSON_NODE_ARRAY:
      return G_VARIANT_TYPE ("av");
    case JSON_NODE_NULL:
      return G_VARIANT_TYPE ("mv");
    case JSON_NODE_VALUE:
    default:
      if (holds (node, G_TYPE_BOOLEAN))
        return G_VARIANT_TYPE_BOOLEAN;
      if (holds (node, G_TYPE_STRING))
        return G_VARIANT_TYPE_STRING;
      return holds (node, G_TYPE_INT64) ? G_VARIANT_TYPE_INT64 : G_VARIANT_TYPE_DOUBLE;
    }
}

static GVariant *
convert (JsonNode *node,
         const GVariantType *type,
         GError **error)
{
  GVariant *value;

  if (g_variant_type_equal (type, G_VARIANT_TYPE_VARIANT))
    {
      value = convert (node, guess (node), error);
      return value != NULL ? g_variant_new_variant (value) : NULL;
    }

  if (g_variant_type_is_maybe (type))
    {
      if (JSON_NODE_HOLDS_NULL (node))
        return g_variant_new_maybe (g_variant_type_element (type), NULL);
      value = convert (node, g_variant_type_element (type), error);
      return value != NULL ? g_variant_new_maybe (NULL, value) : NULL;
    }

  if (g_variant_type_is_array (type))
    return g_variant_type_is_dict_entry (g_variant_type_element (type))
             ? convert_members (node, type, error)
             : convert_elements (node, type, error);

  if (g_variant_type_is_tuple (type))
    return convert_elements (node, type, error);

  value = g_variant_type_is_basic (type)
            ? convert_basic (node, *g_variant_type_peek_string (type))
            : NULL;
  return value != NULL ? value : refuse (node, type, error);
}

GVariant *
at_json_to_variant (JsonNode *node,
                    const GVariantType *type,
                    GError **error)
{
  GVariant *value = convert (node, type != NULL ? type : guess (node), error);

  return value != NULL ? g_variant_ref_sink (value) : NULL;
}
