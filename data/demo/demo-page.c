/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo-page.h"

/* The page comes out of the program, under a scheme of its own: it has an origin, so modules
 * load, and only what the program contains can be asked for. */

#define RESOURCE_FOLDER "/org/asynctools/Demo/page"

static const char *
guess_content_type (const char *path)
{
  if (g_str_has_suffix (path, ".js"))
    return "text/javascript";
  if (g_str_has_suffix (path, ".css"))
    return "text/css";

  return "text/html";
}

static void
request_cb (WebKitURISchemeRequest *request,
            gpointer                user_data)
{
  const char              *path = webkit_uri_scheme_request_get_path (request);
  g_autofree char         *resource = g_strconcat (RESOURCE_FOLDER, path, NULL);
  g_autoptr (GBytes)       bytes = NULL;
  g_autoptr (GInputStream) stream = NULL;
  g_autoptr (GError)       error = NULL;

  bytes = g_resources_lookup_data (resource, G_RESOURCE_LOOKUP_FLAGS_NONE, &error);
  if (bytes == NULL)
    {
      webkit_uri_scheme_request_finish_error (request, error);
      return;
    }

  stream = g_memory_input_stream_new_from_bytes (bytes);
  webkit_uri_scheme_request_finish (request, stream, g_bytes_get_size (bytes),
                                    guess_content_type (path));
}

void
demo_page_register (WebKitWebContext *context)
{
  WebKitSecurityManager *security = webkit_web_context_get_security_manager (context);

  webkit_web_context_register_uri_scheme (context, "at", request_cb, NULL, NULL);
  webkit_security_manager_register_uri_scheme_as_secure (security, "at");
  webkit_security_manager_register_uri_scheme_as_cors_enabled (security, "at");
}
