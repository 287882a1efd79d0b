/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Nesting beyond this is refused: reading, walking and freeing a JsonNode recurse. */
#define AT_JSON_MAX_DEPTH 256

/* Is text one JSON value, in UTF-8, and nothing else? FALSE sets AT_ERROR_INVALID_ARGUMENTS. */
gboolean  at_json_validate (const char  *text,
                            gsize        length,
                            GError     **error);

/* The same, as a tree. Also refuses what a tree cannot hold faithfully: strings with a NUL or half
 * a surrogate pair, and numbers beyond a double's range. */
JsonNode *at_json_parse    (const char  *text,
                            gsize        length,
                            GError     **error);

/* The tree as a value of a definite type, or of what fits best. What does not fit is refused. */
GVariant *at_json_to_variant (JsonNode           *node,
                              const GVariantType *type,
                              GError            **error);

G_END_DECLS
