/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

#include "at-json-private.h"

/* Why a reader of our own, where json-glib has one: what arrives from a page is hostile until shown
 * otherwise, and JsonParser (1.6) recurses as deep as the text asks until the stack ends, cuts
 * strings at an escaped NUL, turns half a surrogate pair into invalid UTF-8, wraps integers beyond
 * 64 bits to -1, and accepts comments, “var x =” and trailing commas. The tree it makes is fine, so
 * this reader makes that tree. One pass serves both purposes: without a node to fill it validates
 * and allocates nothing.
 */

typedef struct
{
  const char *start;
  const char *next;
  const char *end;
  guint depth;
  GError **error;
} Reader;

static gboolean read_value (Reader *reader,
                            JsonNode **out);

/* The message is a sentence and the byte where reading stopped. */
G_GNUC_PRINTF (2, 3)
static gboolean
refuse (Reader *reader,
        const char *format,
        ...)
{
  g_autofree char *reason = NULL;
  va_list args;

  va_start (args, format);
  reason = g_strdup_vprintf (format, args);
  va_end (args);

  g_set_error (reader->error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS, "%s (%" G_GSIZE_FORMAT ")",
               reason, (gsize) (reader->next - reader->start));
  return FALSE;
}

static void
skip_space (Reader *reader)
{
  while (reader->next < reader->end &&
         (*reader->next == ' ' || *reader->next == '\n' || *reader->next == '\t' ||
          *reader->next == '\r'))
    reader->next++;
}

static gboolean
take (Reader *reader,
      char c)
{
  if (reader->next == reader->end || *reader->next != c)
    return FALSE;

  reader->next++;
  return TRUE;
}

static gboolean
read_literal (Reader *reader,
              const char *literal)
{
  gsize length = strlen (literal);

  if ((gsize) (reader->end - reader->next) < length ||
      memcmp (reader->next, literal, length) != 0)
    return refuse (reader, _("Not JSON: an unknown word"));

  reader->next += length;
  return TRUE;
}

static gboolean
read_hex4 (Reader *reader,
           gunichar *out)
{
  gunichar value = 0;

  if (reader->end - reader->next < 4)
    return refuse (reader, _("Not JSON: an incomplete escape"));

  for (int i = 0; i < 4; i++)
    {
      int digit = g_ascii_xdigit_value (reader->next[i]);

      if (digit < 0)
        return refuse (reader, _("Not JSON: an incomplete escape"));
      value = value << 4 | (gunichar) digit;
    }

  reader->next += 4;
  *out = value;
  return TRUE;
}

static gboolean
read_escape (Reader *reader,
             GString *out)
{
  static const char escapes[] = "\"\\/bfnrt";
  static const char plain[] = "\"\\/\b\f\n\r\t";
  const char *found;
  gunichar c, low;

  if (reader->next == reader->end)
    return refuse (reader, _("Not JSON: an incomplete escape"));

  if (*reader->next != 'u')
    {
      found = *reader->next != '\0' ? strchr (escapes, *reader->next) : NULL;
      if (found == NULL)
        return refuse (reader, _("Not JSON: an unknown escape"));
      reader->next++;
      if (out != NULL)
        g_string_append_c (out, plain[found - escapes]);
      return TRUE;
    }

  reader->next++;
  if (!read_hex4 (reader, &c))
    return FALSE;
  if (out == NULL)
    return TRUE;

  if (c == 0)
    return refuse (reader, _("A string has a NUL character: read the JSON as text instead"));
  if (c >= 0xd800 && c < 0xdc00 && reader->end - reader->next >= 2 &&
      reader->next[0] == '\\' && reader->next[1] == 'u')
    {
      reader->next += 2;
      if (!read_hex4 (reader, &low))
        return FALSE;
      if (low >= 0xdc00 && low < 0xe000)
        c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
    }
  if (c >= 0xd800 && c < 0xe000)
    return refuse (reader, _("A string has half a surrogate pair: read the JSON as text instead"));

  g_string_append_unichar (out, c);
  return TRUE;
}

/* The opening quote was taken. */
static gboolean
read_string (Reader *reader,
             GString *out)
{
  for (;;)
    {
      const char *run = reader->next;

      while (reader->next < reader->end && *reader->next != '"' && *reader->next != '\\' &&
             (guchar) *reader->next >= 0x20)
        reader->next++;
      if (out != NULL)
        g_string_append_len (out, run, reader->next - run);

      if (take (reader, '"'))
        return TRUE;
      if (!take (reader, '\\'))
        return refuse (reader, reader->next == reader->end
                                 ? _("Not JSON: an unfinished string")
                                 : _("Not JSON: a control character in a string"));
      if (!read_escape (reader, out))
        return FALSE;
    }
}

static gboolean
read_digits (Reader *reader)
{
  const char *first = reader->next;

  while (reader->next < reader->end && g_ascii_isdigit (*reader->next))
    reader->next++;
  return reader->next > first || refuse (reader, _("Not JSON: a digit is missing"));
}

static gboolean
read_number (Reader *reader,
             JsonNode **out)
{
  const char *first = reader->next;
  gboolean integer = TRUE;
  g_autofree char *text = NULL;
  gint64 value;
  double real;

  (void) take (reader, '-');
  if (!take (reader, '0') && !read_digits (reader))
    return FALSE;
  if (take (reader, '.'))
    {
      integer = FALSE;
      if (!read_digits (reader))
        return FALSE;
    }
  if (take (reader, 'e') || take (reader, 'E'))
    {
      integer = FALSE;
      if (!take (reader, '+'))
        (void) take (reader, '-');
      if (!read_digits (reader))
        return FALSE;
    }

  if (out == NULL)
    return TRUE;

  text = g_strndup (first, reader->next - first);
  if (integer)
    {
      errno = 0;
      value = g_ascii_strtoll (text, NULL, 10);
      if (errno == 0)
        {
          *out = json_node_init_int (json_node_alloc (), value);
          return TRUE;
        }
    }
  real = g_ascii_strtod (text, NULL);
  if (!isfinite (real))
    return refuse (reader, _("A number is too large for a double: read the JSON as text instead"));
  *out = json_node_init_double (json_node_alloc (), real);
  return TRUE;
}

static gboolean
read_array (Reader *reader,
            JsonNode **out)
{
  g_autoptr (JsonArray) array = out != NULL ? json_array_new () : NULL;

  skip_space (reader);
  if (!take (reader, ']'))
    {
      do
        {
          JsonNode *element = NULL;

          if (!read_value (reader, out != NULL ? &element : NULL))
            return FALSE;
          if (array != NULL)
            json_array_add_element (array, element);
        }
      while (take (reader, ','));
      if (!take (reader, ']'))
        return refuse (reader, _("Not JSON: a “,” or “]” is missing"));
    }

  if (out != NULL)
    *out = json_node_init_array (json_node_alloc (), array);
  return TRUE;
}

static gboolean
read_object (Reader *reader,
             JsonNode **out)
{
  g_autoptr (JsonObject) object = out != NULL ? json_object_new () : NULL;

  skip_space (reader);
  if (!take (reader, '}'))
    {
      do
        {
          g_autoptr (GString) name = out != NULL ? g_string_new (NULL) : NULL;
          JsonNode *member = NULL;

          skip_space (reader);
          if (!take (reader, '"'))
            return refuse (reader, _("Not JSON: a member's name is missing"));
          if (!read_string (reader, name))
            return FALSE;
          skip_space (reader);
          if (!take (reader, ':'))
            return refuse (reader, _("Not JSON: a “:” is missing"));
          if (!read_value (reader, out != NULL ? &member : NULL))
            return FALSE;
          if (object != NULL)
            json_object_set_member (object, name->str, member);
        }
      while (take (reader, ','));
      if (!take (reader, '}'))
        return refuse (reader, _("Not JSON: a “,” or “}” is missing"));
    }

  if (out != NULL)
    *out = json_node_init_object (json_node_alloc (), object);
  return TRUE;
}

static gboolean
read_scalar (Reader *reader,
             JsonNode **out)
{
  switch (*reader->next)
    {
    case '"':
      {
        g_autoptr (GString) string = out != NULL ? g_string_new (NULL) : NULL;

        reader->next++;
        if (!read_string (reader, string))
          return FALSE;
        if (out != NULL)
          *out = json_node_init_string (json_node_alloc (), string->str);
        return TRUE;
      }

    case 't':
    case 'f':
      {
        gboolean value = *reader->next == 't';

        if (!read_literal (reader, value ? "true" : "false"))
          return FALSE;
        if (out != NULL)
          *out = json_node_init_boolean (json_node_alloc (), value);
        return TRUE;
      }

    case 'n':
      if (!read_literal (reader, "null"))
        return FALSE;
      if (out != NULL)
        *out = json_node_init_null (json_node_alloc ());
      return TRUE;

    default:
      return read_number (reader, out);
    }
}

static gboolean
read_value (Reader *reader,
            JsonNode **out)
{
  gboolean read;

  skip_space (reader);
  if (reader->next == reader->end)
    return refuse (reader, _("Not JSON: a value is missing"));

  if (*reader->next == '[' || *reader->next == '{')
    {
      if (reader->depth == AT_JSON_MAX_DEPTH)
        return refuse (reader, _("The JSON nests deeper than %d levels"), AT_JSON_MAX_DEPTH);
      reader->depth++;
      read = *reader->next++ == '[' ? read_array (reader, out) : read_object (reader, out);
      reader->depth--;
    }
  else
    read = read_scalar (reader, out);

  skip_space (reader);
  return read;
}

static gboolean
read_text (const char *text,
           gsize length,
           JsonNode **out,
           GError **error)
{
  Reader reader = { .start = text, .next = text, .end = text + length, .error = error };

  if (!g_utf8_validate_len (text, length, &reader.next))
    return refuse (&reader, _("Not JSON: no UTF-8"));

  reader.next = text;
  if (!read_value (&reader, out))
    return FALSE;
  if (reader.next != reader.end)
    {
      if (out != NULL)
        g_clear_pointer (out, json_node_unref);
      return refuse (&reader, _("Not JSON: something follows the value"));
    }

  return TRUE;
}

gboolean
at_json_validate (const char *text,
                  gsize length,
                  GError **error)
{
  return read_text (text, length, NULL, error);
}

JsonNode *
at_json_parse (const char *text,
               gsize length,
               GError **error)
{
  JsonNode *node = NULL;

  return read_text (text, length, &node, error) ? node : NULL;
}
