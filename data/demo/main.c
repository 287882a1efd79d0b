/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gi18n.h>
#include <locale.h>
#include <stdlib.h>

#include "demo-statistics.h"
#include "demo-unattended.h"
#include "demo-window.h"

static DemoOptions options;
static AtPortal   *portal;

static void
about_activated (GSimpleAction *action,
                 GVariant      *parameter,
                 gpointer       user_data)
{
  adw_show_about_window (gtk_application_get_active_window (user_data),
                         "application-name", _("Checksums"),
                         "application-icon", "org.asynctools.Demo",
                         "version", DEMO_VERSION,
                         "developer-name", "AsyncTools",
                         "comments", _("The demonstration of AsyncTools: a page in a window calls "
                                       "asynchronous code outside of it."),
                         "license-type", GTK_LICENSE_LGPL_2_1,
                         NULL);
}

static void
quit_activated (GSimpleAction *action,
                GVariant      *parameter,
                gpointer       user_data)
{
  g_application_quit (user_data);
}

static void
startup_cb (GApplication *application)
{
  const GActionEntry actions[] = {
    { "about", about_activated },
    { "quit", quit_activated },
  };
  const struct
  {
    const char *action;
    const char *accels[2];
  } shortcuts[] = {
    { "win.choose-folder", { "<Control>o" } },
    { "win.cancel", { "Escape" } },
    { "window.close", { "<Control>w" } },
    { "app.quit", { "<Control>q" } },
  };

  g_action_map_add_action_entries (G_ACTION_MAP (application), actions, G_N_ELEMENTS (actions),
                                   application);
  for (guint i = 0; i < G_N_ELEMENTS (shortcuts); i++)
    gtk_application_set_accels_for_action (GTK_APPLICATION (application), shortcuts[i].action,
                                           shortcuts[i].accels);

  if (options.color_scheme)
    adw_style_manager_set_color_scheme (adw_style_manager_get_default (),
                                        g_str_equal (options.color_scheme, "dark")
                                          ? ADW_COLOR_SCHEME_FORCE_DARK
                                          : ADW_COLOR_SCHEME_FORCE_LIGHT);
}

static void
activate_cb (GApplication *application)
{
  DemoWindow *window = demo_window_new (ADW_APPLICATION (application), &options, portal);

  if (options.statistics)
    demo_statistics_watch (portal);

  if (options.unattended)
    demo_unattended_start (window, &options);

  gtk_window_present (GTK_WINDOW (window));
}

/* Returns an exit status, or -1 to go on. */
static int
handle_local_options_cb (GApplication *application,
                         GVariantDict *dict)
{
  g_auto (GStrv) folders = NULL;

  if (g_variant_dict_contains (dict, "version"))
    {
      g_print ("asynctools-demo %s\n", DEMO_VERSION);
      return EXIT_SUCCESS;
    }

  g_variant_dict_lookup (dict, G_OPTION_REMAINING, "^aay", &folders);
  if (folders)
    options.folder = g_strdup (folders[0]);

  if (folders && folders[1])
    {
      g_printerr (_("Give one folder, not several.\n"));
      return EXIT_FAILURE;
    }

  if (options.unattended && options.folder == NULL)
    {
      g_printerr (_("With --unattended, say which folder to read.\n"));
      return EXIT_FAILURE;
    }

  if (options.color_scheme && !g_str_equal (options.color_scheme, "light") &&
      !g_str_equal (options.color_scheme, "dark"))
    {
      g_printerr (_("The colour scheme is “light” or “dark”, not “%s”.\n"),
                  options.color_scheme);
      return EXIT_FAILURE;
    }

  return -1;
}

int
main (int   argc,
      char *argv[])
{
  const GOptionEntry entries[] = {
    { "unattended", 0, 0, G_OPTION_ARG_NONE, &options.unattended,
      N_ ("Do the whole work, print what the page shows, and quit"), NULL },
    { "screenshot", 0, 0, G_OPTION_ARG_FILENAME, &options.screenshot,
      N_ ("With --unattended: save a picture of the window"), N_ ("FILE") },
    { "exclude", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &options.excluded_names,
      N_ ("Leave out files and folders of this name"), N_ ("NAME") },
    { "color-scheme", 0, 0, G_OPTION_ARG_STRING, &options.color_scheme,
      N_ ("“light” or “dark”, whatever the desktop prefers"), N_ ("SCHEME") },
    { "statistics", 0, 0, G_OPTION_ARG_NONE, &options.statistics,
      N_ ("With --unattended: tell how long the portal was busy and the page waited"), NULL },
    { "cancel-after", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_INT, &options.cancel_after,
      NULL, NULL },
    { "empty-page", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_NONE, &options.empty_page, NULL, NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, NULL, N_ ("Print the version"), NULL },
    { G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, NULL, NULL, N_ ("[FOLDER]") },
    { NULL }
  };
  g_autoptr (AdwApplication) application = NULL;
  g_autoptr (GError)         error = NULL;
  int                        status;

  setlocale (LC_ALL, "");
  bindtextdomain (GETTEXT_PACKAGE, DEMO_LOCALE_DIR);
  bind_textdomain_codeset (GETTEXT_PACKAGE, "UTF-8");
  textdomain (GETTEXT_PACKAGE);
  g_set_application_name (_("Checksums"));

  application = adw_application_new ("org.asynctools.Demo", G_APPLICATION_NON_UNIQUE);
  g_application_add_main_option_entries (G_APPLICATION (application), entries);
  g_signal_connect (application, "handle-local-options", G_CALLBACK (handle_local_options_cb),
                    NULL);
  g_signal_connect (application, "startup", G_CALLBACK (startup_cb), NULL);
  g_signal_connect (application, "activate", G_CALLBACK (activate_cb), NULL);

  portal = at_portal_new ("checksums", &error);
  if (portal == NULL)
    {
      g_printerr ("%s\n", error->message);
      return EXIT_FAILURE;
    }

  status = g_application_run (G_APPLICATION (application), argc, argv);

  if (status == EXIT_SUCCESS && options.unattended && !demo_unattended_succeeded ())
    status = EXIT_FAILURE;

  at_portal_stop (portal, TRUE);
  at_portal_wait_stopped (portal, NULL, NULL);
  g_clear_object (&portal);

  return status;
}
