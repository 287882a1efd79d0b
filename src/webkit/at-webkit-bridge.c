/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#include "at-webkit-bridge.h"
#include "at-webkit-document-private.h"
#include "at-webkit-request-private.h"

/**
 * AtWebKitBridge:
 *
 * Lets the page in a [class@WebKit.WebView] call commands.
 *
 * ```c
 * bridge = at_webkit_bridge_new (view, portal, commands);
 * webkit_web_view_load_uri (view, "resource:///org/example/App/index.html");
 * ```
 *
 * ```js
 * const text = await at.invoke("greet", { name: "Ada" }, { signal });
 * ```
 *
 * In the page there is one frozen global, `at`. `at.invoke()` resolves with what the handler
 * answered, or rejects with an `Error` that has `domain`, `code` and `message`. Arguments are what
 * JSON can say; anything else is refused in the page, by name, rather than changed.
 *
 * Reading messages, handlers and writing answers run on the portal; WebKit is touched on the main
 * thread only. Aborting the call's `signal`, reloading, navigating, closing the view and a crash of
 * the web process cancel what the document has running, and an answer that comes later goes
 * nowhere.
 *
 * Pages whose address is not among [property@AtWebKit.Bridge:allowed-uris] and frames inside a page
 * do not get `at`, and what they send past it is refused. An allowed page may call every command.
 *
 * The bridge is to be made before the page is loaded. The view keeps it alive;
 * [method@AtWebKit.Bridge.close] ends it earlier. A content manager that several views share cannot
 * tell them apart, so a bridge needs one that is its view's own.
 *
 * A bridge is used on the main thread only.
 *
 * Since: 0.1
 */

/* How a message is known to be from our script in an allowed page: WebKit tells neither the frame
 * nor the origin of a message, and every frame of every page sees the handler. So the script, which
 * WebKit injects into the top frame of allowed pages only, holds a token of this bridge in a
 * closure and begins each message with it. With it goes a nonce of the document: after a reload
 * the old document can still send, and still has answers coming. */

#define HANDLER                  "asynctools"
#define BRIDGE_KEY               "at-webkit-bridge"
#define DEFAULT_MAX_MESSAGE_SIZE (16 * 1024 * 1024)

/* What comes with the program. */
static const char *const default_allowed_uris[] = { "at://app/*", "resource:///*", NULL };

struct _AtWebKitBridge
{
  GObject parent_instance;

  WebKitWebView *view; /* not referenced: it keeps us, and tells when it goes */
  AtPortal *portal;
  AtCommands *commands;
  char **allowed_uris;
  guint max_message_size;

  char *token;
  WebKitUserContentManager *manager;
  WebKitUserScript *script;
  gulong message_id, load_id, terminated_id, destroy_id;

  AtWebKitDocument *document;
  guint n_loads;       /* loads that have started */
  guint document_load; /* the one that brought the document */
};

enum
{
  PROP_VIEW = 1,
  PROP_PORTAL,
  PROP_COMMANDS,
  PROP_ALLOWED_URIS,
  PROP_MAX_MESSAGE_SIZE,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtWebKitBridge, at_webkit_bridge, G_TYPE_OBJECT)

/* Messages, on the main thread */

static void
leave (AtWebKitBridge *self,
       const char *reason)
{
  if (self->document != NULL)
    at_webkit_document_leave (g_steal_pointer (&self->document), reason);
}

static void
on_hello (AtWebKitBridge *self,
          const AtWebKitHead *head,
          GBytes *message)
{
  gsize size;
  const char *text = g_bytes_get_data (message, &size);
  g_autofree char *uri = g_utf8_make_valid (text + head->length, size - head->length);

  leave (self, _("The page was left"));
  self->document = at_webkit_document_new (head->nonce, uri, self->max_message_size);
  self->document_load = self->n_loads;
}

static gboolean
on_invoke (AtWebKitBridge *self,
           const AtWebKitHead *head,
           GBytes *message,
           AtWebKitQuestion *question,
           GError **error)
{
  g_autoptr (AtFuture) future = NULL;

  if (!at_webkit_document_take_id (self->document, head->id))
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS,
                           _("The call was made before; make a new one with at.invoke ()"));
      return FALSE;
    }
  if (self->portal == NULL || self->commands == NULL)
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_NOT_RUNNING,
                           _("The application has no commands for this page"));
      return FALSE;
    }

  future = at_webkit_request_spawn (self->portal, self->commands, self->document, head, message);
  at_webkit_document_add_call (self->document, head->id, future, question);
  return TRUE;
}

/* TRUE if question was taken or answered. */
static gboolean
on_known_message (AtWebKitBridge *self,
                  const AtWebKitHead *head,
                  GBytes *message,
                  AtWebKitQuestion *question,
                  GError **error)
{
  if (g_str_equal (head->op, "hello") &&
      (self->document == NULL || !at_webkit_document_has_nonce (self->document, head->nonce)))
    {
      on_hello (self, head, message);
      return FALSE;
    }

  if (self->document == NULL || !at_webkit_document_has_nonce (self->document, head->nonce))
    {
      g_set_error_literal (error, AT_ERROR, AT_ERROR_GONE, _("The page was left"));
      return FALSE;
    }

  if (g_str_equal (head->op, "invoke"))
    return on_invoke (self, head, message, question, error);

  if (g_str_equal (head->op, "poll"))
    {
      at_webkit_document_poll (self->document, question);
      return TRUE;
    }

  if (g_str_equal (head->op, "cancel"))
    at_webkit_document_cancel (self->document, head->id);
  else if (g_str_equal (head->op, "close"))
    at_webkit_outbox_break_lane (at_webkit_document_get_outbox (self->document), head->id);
  else
    g_set_error (error, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS,
                 _("The application does not know what “%s” means; call it with at.invoke ()"),
                 head->op);
  return FALSE;
}

static gboolean
on_message (WebKitUserContentManager *manager,
            JSCValue *value,
            WebKitScriptMessageReply *reply,
            gpointer user_data)
{
  g_autoptr (AtWebKitBridge) self = g_object_ref (user_data);
  g_autoptr (AtWebKitQuestion) question = at_webkit_question_new (reply, value);
  g_autoptr (GBytes) message = NULL;
  g_autoptr (GError) error = NULL;
  AtWebKitHead head;

  if (jsc_value_is_string (value))
    message = jsc_value_to_string_as_bytes (value);

  if (message == NULL || !at_webkit_head_read (&head, message, self->token))
    g_set_error_literal (&error, AT_ERROR, AT_ERROR_PERMISSION_DENIED,
                         _("Only pages that the application allows may call it, and only with "
                            "at.invoke ()"));
  else if (g_bytes_get_size (message) - head.length > self->max_message_size)
    g_set_error (&error, AT_ERROR, AT_ERROR_TOO_LARGE,
                 _("The call has %" G_GSIZE_FORMAT " bytes, and at most %u are allowed; send it in "
                    "parts"),
                 g_bytes_get_size (message) - head.length, self->max_message_size);
  else if (on_known_message (self, &head, message, question, &error))
    question = NULL;
  else if (error == NULL)
    at_webkit_question_answer (question, "null");

  if (error != NULL)
    at_webkit_question_fail (question, error);
  return TRUE;
}

/* Documents */

static void
on_load_changed (WebKitWebView *view,
                 WebKitLoadEvent event,
                 AtWebKitBridge *self)
{
  if (event == WEBKIT_LOAD_STARTED)
    self->n_loads++;
  /* The new document's hello comes after this, and from then on also counts as its own. */
  else if (event == WEBKIT_LOAD_COMMITTED && self->document_load != self->n_loads)
    leave (self, _("The page was reloaded or left"));
}

static void
on_terminated (WebKitWebView *view,
               WebKitWebProcessTerminationReason reason,
               AtWebKitBridge *self)
{
  leave (self, _("The page's process ended"));
}

static char *
make_token (void)
{
  guint8 random[AT_WEBKIT_SECRET_LENGTH / 2];
  GString *token = g_string_sized_new (AT_WEBKIT_SECRET_LENGTH);

  while (getrandom (random, sizeof random, 0) != sizeof random)
    g_assert (errno == EINTR);
  for (gsize i = 0; i < sizeof random; i++)
    g_string_append_printf (token, "%02x", random[i]);

  return g_string_free (token, FALSE);
}

static char *
make_settings (AtWebKitBridge *self)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) node = NULL;
  g_autoptr (GEnumClass) codes = g_type_class_ref (AT_TYPE_ERROR);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "token");
  json_builder_add_string_value (builder, self->token);
  json_builder_set_member_name (builder, "maxMessageSize");
  json_builder_add_int_value (builder, self->max_message_size);
  json_builder_set_member_name (builder, "ioDomain");
  json_builder_add_string_value (builder, g_quark_to_string (G_IO_ERROR));
  json_builder_set_member_name (builder, "cancelled");
  json_builder_add_int_value (builder, G_IO_ERROR_CANCELLED);
  json_builder_set_member_name (builder, "domain");
  json_builder_add_string_value (builder, g_quark_to_string (AT_ERROR));
  json_builder_set_member_name (builder, "codes");
  json_builder_begin_object (builder);
  for (guint i = 0; i < codes->n_values; i++)
    {
      g_autofree char *name = g_ascii_strup (codes->values[i].value_nick, -1);

      json_builder_set_member_name (builder, g_strdelimit (name, "-", '_'));
      json_builder_add_int_value (builder, codes->values[i].value);
    }
  json_builder_end_object (builder);
  json_builder_end_object (builder);

  node = json_builder_get_root (builder);
  return json_to_string (node, FALSE);
}

static void
remove_script (AtWebKitBridge *self)
{
  if (self->script != NULL)
    webkit_user_content_manager_remove_script (self->manager, self->script);
  g_clear_pointer (&self->script, webkit_user_script_unref);
}

static void
put_script (AtWebKitBridge *self)
{
  g_autoptr (GBytes) resource = NULL;
  g_autoptr (GString) source = NULL;
  g_autofree char *settings = NULL;
  g_autofree char *argument = NULL;

  if (self->manager == NULL)
    return;

  remove_script (self);
  /* WebKit takes an empty list for “all pages”. */
  if (self->allowed_uris[0] == NULL)
    return;

  resource = g_resources_lookup_data ("/org/asynctools/webkit/asynctools.js",
                                      G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);
  g_assert (resource != NULL);
  source = g_string_new_len (g_bytes_get_data (resource, NULL), g_bytes_get_size (resource));
  settings = make_settings (self);
  argument = g_strconcat ("(", settings, ")", NULL);
  g_string_replace (source, "(ASYNCTOOLS_SETTINGS)", argument, 0);

  self->script = webkit_user_script_new (source->str,
                                         WEBKIT_USER_CONTENT_INJECT_TOP_FRAME,
                                         WEBKIT_USER_SCRIPT_INJECT_AT_DOCUMENT_START,
                                         (const char *const *) self->allowed_uris, NULL);
  webkit_user_content_manager_add_script (self->manager, self->script);
}

static void
at_webkit_bridge_constructed (GObject *object)
{
  AtWebKitBridge *self = AT_WEBKIT_BRIDGE (object);
  WebKitUserContentManager *manager;

  G_OBJECT_CLASS (at_webkit_bridge_parent_class)->constructed (object);

  if (self->view == NULL)
    return;

  manager = webkit_web_view_get_user_content_manager (self->view);
  if (!webkit_user_content_manager_register_script_message_handler_with_reply (manager, HANDLER,
                                                                               NULL))
    {
      g_critical ("The view's WebKitUserContentManager serves another AtWebKitBridge; give each "
                  "view a content manager of its own, and one bridge");
      self->view = NULL;
      return;
    }

  self->manager = g_object_ref (manager);
  self->token = make_token ();
  self->message_id = g_signal_connect (manager, "script-message-with-reply-received::" HANDLER,
                                       G_CALLBACK (on_message), self);
  self->load_id = g_signal_connect (self->view, "load-changed", G_CALLBACK (on_load_changed), self);
  self->terminated_id = g_signal_connect (self->view, "web-process-terminated",
                                          G_CALLBACK (on_terminated), self);
  self->destroy_id = g_signal_connect_swapped (self->view, "destroy",
                                               G_CALLBACK (at_webkit_bridge_close), self);
  put_script (self);
  g_object_set_data_full (G_OBJECT (self->view), BRIDGE_KEY, g_object_ref (self), g_object_unref);
}

static void
at_webkit_bridge_dispose (GObject *object)
{
  AtWebKitBridge *self = AT_WEBKIT_BRIDGE (object);

  at_webkit_bridge_close (self);
  g_clear_object (&self->portal);
  g_clear_object (&self->commands);

  G_OBJECT_CLASS (at_webkit_bridge_parent_class)->dispose (object);
}

static void
at_webkit_bridge_finalize (GObject *object)
{
  AtWebKitBridge *self = AT_WEBKIT_BRIDGE (object);

  g_clear_pointer (&self->allowed_uris, g_strfreev);
  g_clear_pointer (&self->token, g_free);

  G_OBJECT_CLASS (at_webkit_bridge_parent_class)->finalize (object);
}

static void
at_webkit_bridge_get_property (GObject *object,
                               guint prop_id,
                               GValue *value,
                               GParamSpec *pspec)
{
  AtWebKitBridge *self = AT_WEBKIT_BRIDGE (object);

  switch (prop_id)
    {
    case PROP_VIEW:
      g_value_set_object (value, self->view);
      break;
    case PROP_PORTAL:
      g_value_set_object (value, self->portal);
      break;
    case PROP_COMMANDS:
      g_value_set_object (value, self->commands);
      break;
    case PROP_ALLOWED_URIS:
      g_value_set_boxed (value, self->allowed_uris);
      break;
    case PROP_MAX_MESSAGE_SIZE:
      g_value_set_uint (value, self->max_message_size);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_webkit_bridge_set_property (GObject *object,
                               guint prop_id,
                               const GValue *value,
                               GParamSpec *pspec)
{
  AtWebKitBridge *self = AT_WEBKIT_BRIDGE (object);

  switch (prop_id)
    {
    case PROP_VIEW:
      self->view = g_value_get_object (value);
      break;
    case PROP_PORTAL:
      self->portal = g_value_dup_object (value);
      break;
    case PROP_COMMANDS:
      self->commands = g_value_dup_object (value);
      break;
    case PROP_ALLOWED_URIS:
      at_webkit_bridge_set_allowed_uris (self, g_value_get_boxed (value));
      break;
    case PROP_MAX_MESSAGE_SIZE:
      at_webkit_bridge_set_max_message_size (self, g_value_get_uint (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_webkit_bridge_class_init (AtWebKitBridgeClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = at_webkit_bridge_constructed;
  object_class->dispose = at_webkit_bridge_dispose;
  object_class->finalize = at_webkit_bridge_finalize;
  object_class->get_property = at_webkit_bridge_get_property;
  object_class->set_property = at_webkit_bridge_set_property;

  /**
   * AtWebKitBridge:view: (getter get_view)
   *
   * The view whose page may call.
   *
   * Since: 0.1
   */
  properties[PROP_VIEW] =
    g_param_spec_object ("view", NULL, NULL, WEBKIT_TYPE_WEB_VIEW,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtWebKitBridge:portal: (getter get_portal)
   *
   * The portal where commands run.
   *
   * Since: 0.1
   */
  properties[PROP_PORTAL] =
    g_param_spec_object ("portal", NULL, NULL, AT_TYPE_PORTAL,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtWebKitBridge:commands: (getter get_commands)
   *
   * The commands that the page may call.
   *
   * Since: 0.1
   */
  properties[PROP_COMMANDS] =
    g_param_spec_object ("commands", NULL, NULL, AT_TYPE_COMMANDS,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtWebKitBridge:allowed-uris: (getter get_allowed_uris) (setter set_allowed_uris)
   *
   * The addresses of the pages that may call.
   *
   * Since: 0.1
   */
  properties[PROP_ALLOWED_URIS] =
    g_param_spec_boxed ("allowed-uris", NULL, NULL, G_TYPE_STRV,
                        G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * AtWebKitBridge:max-message-size: (getter get_max_message_size) (setter set_max_message_size)
   *
   * How large one message may be, in bytes.
   *
   * Since: 0.1
   */
  properties[PROP_MAX_MESSAGE_SIZE] =
    g_param_spec_uint ("max-message-size", NULL, NULL,
                       0, G_MAXINT, DEFAULT_MAX_MESSAGE_SIZE,
                       G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_webkit_bridge_init (AtWebKitBridge *self)
{
  self->allowed_uris = g_strdupv ((char **) default_allowed_uris);
  self->max_message_size = DEFAULT_MAX_MESSAGE_SIZE;
}

/**
 * at_webkit_bridge_new:
 * @view: a view
 * @portal: where commands shall run
 * @commands: the commands that the page may call
 *
 * Joins a view to a registry of commands. To be called before the page is loaded.
 *
 * Returns: (transfer full): a new bridge, which @view keeps alive too
 *
 * Since: 0.1
 */
AtWebKitBridge *
at_webkit_bridge_new (WebKitWebView *view,
                      AtPortal *portal,
                      AtCommands *commands)
{
  g_return_val_if_fail (WEBKIT_IS_WEB_VIEW (view), NULL);
  g_return_val_if_fail (AT_IS_PORTAL (portal), NULL);
  g_return_val_if_fail (AT_IS_COMMANDS (commands), NULL);

  return g_object_new (AT_WEBKIT_TYPE_BRIDGE,
                       "view", view,
                       "portal", portal,
                       "commands", commands,
                       NULL);
}

/**
 * at_webkit_bridge_get_view: (get-property view)
 * @self: a bridge
 *
 * Gets the view.
 *
 * Returns: (transfer none) (nullable): the view; `NULL` when the bridge was closed
 *
 * Since: 0.1
 */
WebKitWebView *
at_webkit_bridge_get_view (AtWebKitBridge *self)
{
  g_return_val_if_fail (AT_WEBKIT_IS_BRIDGE (self), NULL);

  return self->view;
}

/**
 * at_webkit_bridge_get_portal: (get-property portal)
 * @self: a bridge
 *
 * Gets the portal where commands run.
 *
 * Returns: (transfer none) (nullable): the portal
 *
 * Since: 0.1
 */
AtPortal *
at_webkit_bridge_get_portal (AtWebKitBridge *self)
{
  g_return_val_if_fail (AT_WEBKIT_IS_BRIDGE (self), NULL);

  return self->portal;
}

/**
 * at_webkit_bridge_get_commands: (get-property commands)
 * @self: a bridge
 *
 * Gets the commands that the page may call.
 *
 * Returns: (transfer none) (nullable): the commands
 *
 * Since: 0.1
 */
AtCommands *
at_webkit_bridge_get_commands (AtWebKitBridge *self)
{
  g_return_val_if_fail (AT_WEBKIT_IS_BRIDGE (self), NULL);

  return self->commands;
}

/**
 * at_webkit_bridge_get_allowed_uris: (get-property allowed-uris)
 * @self: a bridge
 *
 * Gets the addresses of the pages that may call.
 *
 * Returns: (transfer none) (array zero-terminated=1): patterns of addresses
 *
 * Since: 0.1
 */
const char *const *
at_webkit_bridge_get_allowed_uris (AtWebKitBridge *self)
{
  g_return_val_if_fail (AT_WEBKIT_IS_BRIDGE (self), NULL);

  return (const char *const *) self->allowed_uris;
}

/**
 * at_webkit_bridge_set_allowed_uris: (set-property allowed-uris)
 * @self: a bridge
 * @allowed_uris: (nullable) (array zero-terminated=1): patterns of addresses; `NULL` for none
 *
 * Sets the addresses of the pages that may call. It takes effect for documents that are loaded
 * afterwards.
 *
 * A pattern has the form `scheme://host/path`. The host may be `*` or begin with `*.`, the path may
 * have `*` anywhere; there is no port. The default is what comes with the program: `at://app/` and
 * `resource:///` with any path.
 *
 * Since: 0.1
 */
void
at_webkit_bridge_set_allowed_uris (AtWebKitBridge *self,
                                   const char *const *allowed_uris)
{
  char **copy;

  g_return_if_fail (AT_WEBKIT_IS_BRIDGE (self));

  copy = allowed_uris != NULL ? g_strdupv ((char **) allowed_uris) : g_new0 (char *, 1);
  g_strfreev (self->allowed_uris);
  self->allowed_uris = copy;

  put_script (self);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_ALLOWED_URIS]);
}

/**
 * at_webkit_bridge_get_max_message_size: (get-property max-message-size)
 * @self: a bridge
 *
 * Gets how large one message may be.
 *
 * Returns: bytes
 *
 * Since: 0.1
 */
guint
at_webkit_bridge_get_max_message_size (AtWebKitBridge *self)
{
  g_return_val_if_fail (AT_WEBKIT_IS_BRIDGE (self), 0);

  return self->max_message_size;
}

/**
 * at_webkit_bridge_set_max_message_size: (set-property max-message-size)
 * @self: a bridge
 * @max_message_size: bytes, at most `G_MAXINT`
 *
 * Sets how large one message may be, to the page or from it. What is larger fails with
 * `AT_ERROR_TOO_LARGE`. The default is 16 MiB. It takes full effect for documents that are loaded
 * afterwards.
 *
 * Since: 0.1
 */
void
at_webkit_bridge_set_max_message_size (AtWebKitBridge *self,
                                       guint max_message_size)
{
  g_return_if_fail (AT_WEBKIT_IS_BRIDGE (self));
  g_return_if_fail (max_message_size <= G_MAXINT);

  if (self->max_message_size == max_message_size)
    return;

  self->max_message_size = max_message_size;
  put_script (self);
  g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MAX_MESSAGE_SIZE]);
}

/**
 * at_webkit_bridge_close:
 * @self: a bridge
 *
 * Ends the bridge: cancels what the page has running, and takes no more calls. The view can then
 * get another bridge. Closing again changes nothing.
 *
 * Since: 0.1
 */
void
at_webkit_bridge_close (AtWebKitBridge *self)
{
  g_autoptr (WebKitWebView) view = NULL;
  g_autoptr (WebKitUserContentManager) manager = NULL;

  g_return_if_fail (AT_WEBKIT_IS_BRIDGE (self));

  if (self->manager == NULL)
    return;

  view = g_object_ref (g_steal_pointer (&self->view));
  remove_script (self);
  manager = g_steal_pointer (&self->manager);
  g_clear_signal_handler (&self->message_id, manager);
  g_clear_signal_handler (&self->load_id, view);
  g_clear_signal_handler (&self->terminated_id, view);
  g_clear_signal_handler (&self->destroy_id, view);
  webkit_user_content_manager_unregister_script_message_handler (manager, HANDLER, NULL);
  leave (self, _("The page's view was closed"));

  /* Perhaps the last reference. */
  g_object_set_data (G_OBJECT (view), BRIDGE_KEY, NULL);
}
