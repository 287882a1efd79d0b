/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "demo-window.h"

#include <glib/gi18n.h>

#include "demo-arguments.h"
#include "demo-checksums.h"
#include "demo-describe.h"
#include "demo-page.h"

struct _DemoWindow
{
  AdwApplicationWindow  parent_instance;

  const DemoOptions    *options;
  AtPortal             *portal;
  AtWebKitBridge       *bridge;

  WebKitWebView        *view;
  AdwWindowTitle       *title;
};

G_DEFINE_FINAL_TYPE (DemoWindow, demo_window, ADW_TYPE_APPLICATION_WINDOW)

/* What the page needs to know of a folder. */
static JsonNode *
describe_folder (GFile *folder)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autofree char        *uri = g_file_get_uri (folder);
  g_autofree char        *name = g_file_get_parse_name (folder);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "uri");
  json_builder_add_string_value (builder, uri);
  json_builder_set_member_name (builder, "name");
  json_builder_add_string_value (builder, name);
  json_builder_end_object (builder);

  return json_builder_get_root (builder);
}

/* The command "startup": {} → { folder, pulseInterval }. */
static void
startup_command (AtInvocation *invocation,
                 gpointer      user_data)
{
  const DemoOptions      *options = user_data;
  g_autoptr (JsonNode)    answer = json_node_new (JSON_NODE_OBJECT);
  JsonObject             *object = json_object_new ();

  /* Unattended, the folder waits in the chooser, where a user would find it. */
  if (options->folder && !options->unattended)
    {
      g_autoptr (GFile) folder = g_file_new_for_path (options->folder);

      json_object_set_member (object, "folder", describe_folder (folder));
    }

  if (options->statistics)
    json_object_set_int_member (object, "pulseInterval", 20);

  json_node_take_object (answer, object);
  at_invocation_return_node (invocation, answer);
}

static void
answer_folder (AtInvocation *invocation,
               GFile        *folder)
{
  g_autoptr (JsonNode) answer = folder ? describe_folder (folder) : json_node_new (JSON_NODE_NULL);

  at_invocation_return_node (invocation, answer);
}

static void
chooser_response_cb (GtkNativeDialog *chooser,
                     int              response,
                     AtInvocation    *invocation)
{
  g_autoptr (GFile) folder = NULL;

  if (response == GTK_RESPONSE_ACCEPT)
    folder = gtk_file_chooser_get_file (GTK_FILE_CHOOSER (chooser));

  answer_folder (invocation, folder);
  gtk_native_dialog_destroy (chooser);
  g_object_unref (chooser);
}

static void
ask_for_folder (gpointer user_data)
{
  AtInvocation         *invocation = user_data;
  GtkApplication       *application = GTK_APPLICATION (g_application_get_default ());
  GtkFileChooserNative *chooser;

  chooser = gtk_file_chooser_native_new (_("Choose a Folder"),
                                         gtk_application_get_active_window (application),
                                         GTK_FILE_CHOOSER_ACTION_SELECT_FOLDER, NULL, NULL);
  gtk_native_dialog_set_modal (GTK_NATIVE_DIALOG (chooser), TRUE);
  g_signal_connect_data (chooser, "response", G_CALLBACK (chooser_response_cb),
                         g_object_ref (invocation), (GClosureNotify) g_object_unref, 0);
  gtk_native_dialog_show (GTK_NATIVE_DIALOG (chooser));
}

/* The command "choose-folder": {} → { uri, name }, or null if none was chosen. It comes from the
 * portal, and GTK lives in the main thread: so the question is posted there, and answered there. */
static void
choose_folder_command (AtInvocation *invocation,
                       gpointer      user_data)
{
  const DemoOptions  *options = user_data;
  g_autoptr (GError)  error = NULL;

  if (options->unattended)
    {
      g_autoptr (GFile) folder = g_file_new_for_path (options->folder);

      answer_folder (invocation, folder);
      return;
    }

  if (!at_portal_post (at_portal_get_main (), ask_for_folder, g_object_ref (invocation),
                       g_object_unref, &error))
    at_invocation_return_gerror (invocation, error);
}

static void
activate_in_page (GtkWidget  *widget,
                  const char *action_name,
                  GVariant   *parameter)
{
  DemoWindow      *self = DEMO_WINDOW (widget);
  g_autofree char *script = NULL;

  script = g_strdup_printf ("document.dispatchEvent(new CustomEvent('%s'))",
                            action_name + strlen ("win."));
  webkit_web_view_evaluate_javascript (self->view, script, -1, NULL, NULL, NULL, NULL, NULL);
}

static gboolean
context_menu_cb (WebKitWebView *view)
{
  /* Reload, Back and Inspect have no place in this window. */
  return GDK_EVENT_STOP;
}

/* The same colour as the page, or the window would flash before the page is there. */
static void
update_background_cb (DemoWindow *self)
{
  const gboolean dark = adw_style_manager_get_dark (adw_style_manager_get_default ());
  GdkRGBA        color;

  gdk_rgba_parse (&color, dark ? "#242424" : "#fafafa");
  webkit_web_view_set_background_color (self->view, &color);
}

static void
page_title_cb (DemoWindow *self)
{
  adw_window_title_set_subtitle (self->title, webkit_web_view_get_title (self->view));
}

static void
demo_window_dispose (GObject *object)
{
  DemoWindow *self = DEMO_WINDOW (object);

  if (self->bridge)
    at_webkit_bridge_close (self->bridge);

  g_clear_object (&self->bridge);
  g_clear_object (&self->portal);

  G_OBJECT_CLASS (demo_window_parent_class)->dispose (object);
}

static void
demo_window_class_init (DemoWindowClass *klass)
{
  GObjectClass   *object_class = G_OBJECT_CLASS (klass);
  GtkWidgetClass *widget_class = GTK_WIDGET_CLASS (klass);

  object_class->dispose = demo_window_dispose;

  g_type_ensure (WEBKIT_TYPE_WEB_VIEW);
  gtk_widget_class_set_template_from_resource (widget_class, "/org/asynctools/Demo/window.ui");
  gtk_widget_class_bind_template_child (widget_class, DemoWindow, view);
  gtk_widget_class_bind_template_child (widget_class, DemoWindow, title);
  gtk_widget_class_bind_template_callback (widget_class, context_menu_cb);
  gtk_widget_class_bind_template_callback (widget_class, page_title_cb);

  gtk_widget_class_install_action (widget_class, "win.choose-folder", NULL, activate_in_page);
  gtk_widget_class_install_action (widget_class, "win.cancel", NULL, activate_in_page);
}

static void
demo_window_init (DemoWindow *self)
{
  gtk_widget_init_template (GTK_WIDGET (self));

  g_signal_connect_object (adw_style_manager_get_default (), "notify::dark",
                           G_CALLBACK (update_background_cb), self, G_CONNECT_SWAPPED);
  update_background_cb (self);
}

DemoWindow *
demo_window_new (AdwApplication    *application,
                 const DemoOptions *options,
                 AtPortal          *portal)
{
  const char * const     allowed_uris[] = { DEMO_PAGE_ORIGIN "*", NULL };
  DemoWindow            *self = g_object_new (DEMO_TYPE_WINDOW, "application", application, NULL);
  g_autoptr (AtCommands) commands = at_commands_new ();

  self->options = options;
  self->portal = g_object_ref (portal);

  at_commands_register (commands, "startup", startup_command, (gpointer) options, NULL);
  at_commands_register (commands, "choose-folder", choose_folder_command,
                        (gpointer) options, NULL);
  at_commands_register (commands, "checksums", demo_checksums_command,
                        options->excluded_names, NULL);
  at_commands_register (commands, "describe", demo_describe_command, NULL, NULL);

  self->bridge = at_webkit_bridge_new (self->view, portal, commands);
  at_webkit_bridge_set_allowed_uris (self->bridge, allowed_uris);

  demo_page_register (webkit_web_view_get_context (self->view));
  webkit_web_view_load_uri (self->view,
                            options->empty_page ? "about:blank" : DEMO_PAGE_ORIGIN "index.html");

  return self;
}

WebKitWebView *
demo_window_get_view (DemoWindow *self)
{
  return self->view;
}
