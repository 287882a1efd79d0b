/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo-unattended.h"

#include <glib/gi18n.h>
#include <glib/gprintf.h>

#include "demo-checksums.h"
#include "demo-statistics.h"
#include "demo-sum-line.h"

/* Each step asks the page one question and goes on with its answer; the page is never asked two
 * things at once. It looks at the page often enough to follow, and seldom enough to be no load. */

#define GLANCE_MS       100
#define READY_SECONDS   60
#define ROWS_PER_ANSWER 400

typedef struct
{
  DemoWindow        *window;
  WebKitWebView     *view;
  const DemoOptions *options;
  gint64             start_time;
  gint64             report_time;
  gint64             cancel_time;
  gboolean           clicked;
  guint              n_frames;
  guint64            n_failed;
  gboolean           succeeded;
} Unattended;

static Unattended unattended;

static void glance (void);

static void G_GNUC_PRINTF (1, 2)
say (const char *format, ...)
{
  g_autofree char *message = NULL;
  va_list          arguments;

  va_start (arguments, format);
  message = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  g_printerr ("%s: %s\n", g_get_prgname (), message);
}

static void
quit (void)
{
  g_application_quit (g_application_get_default ());
}

static void
give_up (const GError *error)
{
  say (_("the page does not do as it should: %s"), error->message);
  unattended.succeeded = FALSE;
  quit ();
}

/* Returns an object, or NULL after having given up. */
static JsonNode *
take_answer (GAsyncResult *result)
{
  g_autoptr (JSCValue) value = NULL;
  g_autoptr (GError)   error = NULL;
  g_autofree char     *text = NULL;
  JsonNode            *node;

  value = webkit_web_view_evaluate_javascript_finish (unattended.view, result, &error);
  text = value ? jsc_value_to_string (value) : NULL;
  node = text ? json_from_string (text, &error) : NULL;

  if (node == NULL)
    give_up (error);

  return node;
}

static void
ask (GAsyncReadyCallback callback,
     const char *format,
     ...) G_GNUC_PRINTF (2, 3);

static void
ask (GAsyncReadyCallback callback,
     const char *format,
     ...)
{
  g_autofree char *script = NULL;
  va_list          arguments;

  va_start (arguments, format);
  script = g_strdup_vprintf (format, arguments);
  va_end (arguments);

  webkit_web_view_evaluate_javascript (unattended.view, script, -1, NULL, NULL, NULL, callback,
                                       NULL);
}

/* The picture */

static void
save_screenshot (void)
{
  GtkWidget                *widget = GTK_WIDGET (unattended.window);
  g_autoptr (GdkPaintable)  paintable = gtk_widget_paintable_new (widget);
  g_autoptr (GskRenderNode) node = NULL;
  g_autoptr (GdkTexture)    texture = NULL;
  GtkSnapshot              *snapshot = gtk_snapshot_new ();

  gdk_paintable_snapshot (paintable, snapshot, gtk_widget_get_width (widget),
                          gtk_widget_get_height (widget));
  node = gtk_snapshot_free_to_node (snapshot);

  if (node)
    texture = gsk_renderer_render_texture (gtk_native_get_renderer (GTK_NATIVE (widget)), node,
                                           NULL);

  if (texture && gdk_texture_save_to_png (texture, unattended.options->screenshot))
    {
      say (_("saved what the window shows as %s"), unattended.options->screenshot);
      return;
    }

  say (_("the picture could not be saved as %s"), unattended.options->screenshot);
  unattended.succeeded = FALSE;
}

static void
after_paint_cb (GdkFrameClock *clock)
{
  /* What the page has drawn arrives with one of the next frames of the window. Only right after a
   * frame was painted the window has an image of itself. */
  if (++unattended.n_frames < 4)
    {
      gtk_widget_queue_draw (GTK_WIDGET (unattended.window));
      return;
    }

  g_signal_handlers_disconnect_by_func (clock, after_paint_cb, NULL);
  save_screenshot ();
  quit ();
}

static void
drawn_cb (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  g_autoptr (JSCValue) value = NULL;
  g_autoptr (GError)   error = NULL;

  value = webkit_web_view_call_async_javascript_function_finish (unattended.view, result, &error);
  if (value == NULL)
    {
      give_up (error);
      return;
    }

  g_signal_connect (gtk_widget_get_frame_clock (GTK_WIDGET (unattended.window)), "after-paint",
                    G_CALLBACK (after_paint_cb), NULL);
  gtk_widget_queue_draw (GTK_WIDGET (unattended.window));
}

static void
finish (void)
{
  if (unattended.options->screenshot == NULL)
    {
      quit ();
      return;
    }

  webkit_web_view_call_async_javascript_function (
    unattended.view,
    "unattended.rewind ();"
    "await new Promise (r => requestAnimationFrame (() => requestAnimationFrame (r)));",
    -1, NULL, NULL, NULL, NULL, drawn_cb, NULL);
}

/* The figures */

static void
pulses_cb (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  g_autoptr (JSCValue) value = NULL;
  g_autoptr (GError)   error = NULL;
  g_autofree char     *text = NULL;

  value = webkit_web_view_call_async_javascript_function_finish (unattended.view, result, &error);
  if (value == NULL)
    {
      give_up (error);
      return;
    }

  text = jsc_value_to_string (value);
  say ("second command: %s", text);
  say ("longest dispatch on the portal: %.3f ms of processor time",
       demo_statistics_get_longest_dispatch () / 1000.0);
  say ("files open: %u", demo_statistics_count_open_files (unattended.options->folder));
  finish ();
}

static void
report_statistics (void)
{
  if (!unattended.options->statistics)
    {
      finish ();
      return;
    }

  webkit_web_view_call_async_javascript_function (
    unattended.view,
    "const { pulses } = await import ('/main.js');"
    "const sorted = [...pulses].sort ((a, b) => a - b);"
    "const at = p => sorted[Math.min (sorted.length - 1, Math.floor (sorted.length * p))];"
    "return `${sorted.length} calls, median ${at (.5)} ms, 99th percentile ${at (.99)} ms, `"
    "  + `longest ${at (1)} ms`;",
    -1, NULL, NULL, NULL, NULL, pulses_cb, NULL);
}

/* The table */

static void
print_row (JsonObject *row)
{
  const char      *text = json_object_get_string_member (row, "text");
  g_autofree char *path = g_uri_unescape_string (json_object_get_string_member (row, "path"), NULL);

  if (json_object_get_boolean_member (row, "failed"))
    {
      g_autofree char *whole = g_build_filename (unattended.options->folder, path, NULL);
      g_autofree char *name = g_filename_display_name (whole);

      say ("%s: %s", name, text);
      unattended.n_failed++;
    }
  else
    {
      g_autofree char *line = demo_sum_line_new (text, unattended.options->folder, path);

      fputs (line, stdout);
    }
}

static void
read_cb (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_autoptr (JsonNode) answer = take_answer (result);
  JsonObject          *object;
  JsonArray           *rows;
  gint64               next;
  gint64               total;

  if (answer == NULL)
    return;

  object = json_node_get_object (answer);
  rows = json_object_get_array_member (object, "rows");
  next = json_object_get_int_member (object, "next");
  total = json_object_get_int_member (object, "total");

  for (guint i = 0; i < json_array_get_length (rows); i++)
    print_row (json_array_get_object_element (rows, i));

  if (next < total)
    {
      ask (read_cb, "unattended.read (%" G_GINT64_FORMAT ", %d)", next, ROWS_PER_ANSWER);
      return;
    }

  fflush (stdout);
  if (unattended.n_failed > 0)
    say (_("not everything could be read: see above"));
  unattended.succeeded = unattended.n_failed == 0 && !ferror (stdout);
  report_statistics ();
}

/* The work */

/* For a page that has nothing to show yet. */
static void
glance_unless_late (void)
{
  g_autoptr (GError) error = NULL;

  if (g_get_monotonic_time () - unattended.start_time < READY_SECONDS * G_USEC_PER_SEC)
    {
      glance ();
      return;
    }

  error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_TIMED_OUT, _("it does not get ready"));
  give_up (error);
}

static gboolean
watch_cancelling_cb (gpointer user_data)
{
  if (demo_checksums_count_running () > 0)
    return G_SOURCE_CONTINUE;

  say ("cancelled within %.1f ms",
       (g_get_monotonic_time () - unattended.cancel_time) / 1000.0);

  return G_SOURCE_REMOVE;
}

static void
follow (JsonObject *shown)
{
  const char   *state = json_object_get_string_member (shown, "state");
  const gint64  now = g_get_monotonic_time ();

  if (g_str_equal (state, "start"))
    {
      const char *problem = json_object_get_string_member (shown, "problem");

      /* Until the answer of the chooser has arrived there is nothing to see. */
      if (*problem == '\0')
        {
          glance_unless_late ();
          return;
        }

      say ("%s", problem);
      report_statistics ();
      return;
    }

  if (g_str_equal (state, "running"))
    {
      if (now - unattended.report_time >= G_USEC_PER_SEC)
        {
          unattended.report_time = now;
          say (_("files: %s, data: %s, rate: %s"), json_object_get_string_member (shown, "files"),
               json_object_get_string_member (shown, "bytes"),
               json_object_get_string_member (shown, "rate"));
        }

      if (unattended.options->cancel_after > 0 && unattended.cancel_time == 0 &&
          now - unattended.start_time > unattended.options->cancel_after * G_USEC_PER_SEC)
        {
          unattended.cancel_time = now;
          ask (NULL, "unattended.click ('cancel')");
          g_timeout_add (1, watch_cancelling_cb, NULL);
        }

      glance ();
      return;
    }

  say (_("%s; files: %s, data: %s, time: %s"), json_object_get_string_member (shown, "headline"),
       json_object_get_string_member (shown, "files"),
       json_object_get_string_member (shown, "bytes"),
       json_object_get_string_member (shown, "time"));

  if (g_str_equal (state, "done"))
    ask (read_cb, "unattended.read (0, %d)", ROWS_PER_ANSWER);
  else
    report_statistics ();
}

static void
glanced_cb (GObject      *source,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (JsonNode) answer = take_answer (result);
  JsonObject          *shown;

  if (answer == NULL)
    return;

  shown = json_node_get_object (answer);

  if (unattended.clicked)
    {
      follow (shown);
    }
  else if (json_object_get_boolean_member (shown, "ready"))
    {
      say (_("choosing %s"), unattended.options->folder);
      unattended.clicked = TRUE;
      unattended.start_time = unattended.report_time = g_get_monotonic_time ();
      ask (NULL, "unattended.click ('choose')");
      glance ();
    }
  else
    {
      glance_unless_late ();
    }
}

static gboolean
glance_cb (gpointer user_data)
{
  ask (glanced_cb, "unattended.glance ()");

  return G_SOURCE_REMOVE;
}

static void
glance (void)
{
  g_timeout_add (GLANCE_MS, glance_cb, NULL);
}

static void
prepared_cb (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  g_autoptr (JSCValue) value = NULL;
  g_autoptr (GError)   error = NULL;

  value = webkit_web_view_evaluate_javascript_finish (unattended.view, result, &error);
  if (value)
    glance ();
  else
    give_up (error);
}

static void
load_changed_cb (WebKitWebView  *view,
                 WebKitLoadEvent event)
{
  g_autoptr (GBytes) script = NULL;

  if (event != WEBKIT_LOAD_FINISHED)
    return;

  script = g_resources_lookup_data ("/org/asynctools/Demo/unattended.js",
                                    G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  webkit_web_view_evaluate_javascript (view, g_bytes_get_data (script, NULL),
                                       g_bytes_get_size (script), NULL, NULL, NULL,
                                       prepared_cb, NULL);
}

static void
terminated_cb (WebKitWebView                    *view,
               WebKitWebProcessTerminationReason reason)
{
  say (_("the page's process has ended"));
  unattended.succeeded = FALSE;
  quit ();
}

void
demo_unattended_start (DemoWindow        *window,
                       const DemoOptions *options)
{
  unattended.window = window;
  unattended.view = demo_window_get_view (window);
  unattended.options = options;
  unattended.start_time = g_get_monotonic_time ();

  g_signal_connect (unattended.view, "load-changed", G_CALLBACK (load_changed_cb), NULL);
  g_signal_connect (unattended.view, "web-process-terminated", G_CALLBACK (terminated_cb), NULL);
}

gboolean
demo_unattended_succeeded (void)
{
  return unattended.succeeded;
}
