/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <string.h>

#include "at-cancel-scope-private.h"
#include "at-invocation-private.h"
#include "at-json-private.h"

/**
 * AtInvocation:
 *
 * One call of a command, and the way to answer it.
 *
 * It is to a command what [class@Gio.DBusMethodInvocation] is to a D-Bus method, with one
 * difference: the `return` methods do not take a reference. A handler gets it (transfer none),
 * like a task's body its task, and takes its own reference to answer later.
 *
 * An invocation is answered exactly once, on any thread. A second answer is a critical and changes
 * nothing. One that is dropped without an answer is answered with `AT_ERROR_NOT_ANSWERED`, so that
 * no caller waits for ever. An answer after the caller went away goes nowhere, silently.
 *
 * Arguments and JSON answers travel as text; [method@At.Invocation.get_arguments_node] and
 * [method@At.Invocation.get_arguments_variant] read it for those who want a tree or a typed value.
 *
 * Everything is thread-safe.
 *
 * Since: 0.1
 */

/* Who answers is decided by one compare-and-swap in an Answer, which is apart from the invocation
 * because the deadline's watch must be able to answer on the timer's thread without ever holding
 * the last reference on the invocation: letting go of that may run foreign code.
 */
typedef enum
{
  ANSWER_OPEN,
  ANSWER_GIVEN,
  ANSWER_EXPIRED,
} AnswerState;

typedef struct
{
  gatomicrefcount ref_count;
  int state;   /* AnswerState, atomic */
  GTask *task; /* atomic; NULL until the invocation has begun, then fixed */
} Answer;

struct _AtInvocation
{
  GObject parent_instance;

  /* Fixed since construction */
  char *command;
  char *arguments;
  GBytes *body;
  GHashTable *headers;
  char *sender;
  Answer *answer;

  /* Written before the handler runs, on the portal's thread */
  AtManager *manager;
  AtCancelWatch *watch;
  gpointer registration;
  GDestroyNotify release;
};

enum
{
  PROP_COMMAND = 1,
  PROP_ARGUMENTS,
  PROP_BODY,
  PROP_HEADERS,
  PROP_SENDER,
  PROP_CANCELLABLE,
  PROP_PORTAL,
  PROP_MANAGER,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtInvocation, at_invocation, G_TYPE_OBJECT)

static void
answer_unref (Answer *answer)
{
  if (!g_atomic_ref_count_dec (&answer->ref_count))
    return;

  g_clear_object (&answer->task);
  g_free (answer);
}

static Answer *
answer_ref (Answer *answer)
{
  g_atomic_ref_count_inc (&answer->ref_count);
  return answer;
}

static gboolean
answer_claim (Answer *answer,
              AnswerState state)
{
  return g_atomic_int_compare_and_exchange (&answer->state, ANSWER_OPEN, state);
}

static GTask *
answer_get_task (Answer *answer)
{
  return g_atomic_pointer_get (&answer->task);
}

static GHashTable *
copy_headers (GHashTable *headers)
{
  GHashTable *copy = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  GHashTableIter iter;
  gpointer name, value;

  if (headers != NULL)
    {
      g_hash_table_iter_init (&iter, headers);
      while (g_hash_table_iter_next (&iter, &name, &value))
        g_hash_table_insert (copy, g_ascii_strdown (name, -1), g_strdup (value));
    }

  return copy;
}

static void
at_invocation_finalize (GObject *object)
{
  AtInvocation *self = AT_INVOCATION (object);
  GTask *task = answer_get_task (self->answer);

  g_clear_pointer (&self->watch, at_cancel_watch_free);

  if (task != NULL && answer_claim (self->answer, ANSWER_GIVEN))
    g_task_return_new_error (task, AT_ERROR, AT_ERROR_NOT_ANSWERED,
                             _("The handler of command “%s” dropped the call without an answer"),
                             self->command);

  if (self->release != NULL)
    self->release (self->registration);
  g_clear_object (&self->manager);
  g_clear_pointer (&self->answer, answer_unref);
  g_clear_pointer (&self->headers, g_hash_table_unref);
  g_clear_pointer (&self->body, g_bytes_unref);
  g_clear_pointer (&self->command, g_free);
  g_clear_pointer (&self->arguments, g_free);
  g_clear_pointer (&self->sender, g_free);

  G_OBJECT_CLASS (at_invocation_parent_class)->finalize (object);
}

static void
at_invocation_get_property (GObject *object,
                            guint prop_id,
                            GValue *value,
                            GParamSpec *pspec)
{
  AtInvocation *self = AT_INVOCATION (object);

  switch (prop_id)
    {
    case PROP_COMMAND:
      g_value_set_string (value, self->command);
      break;
    case PROP_ARGUMENTS:
      g_value_set_string (value, self->arguments);
      break;
    case PROP_BODY:
      g_value_set_boxed (value, self->body);
      break;
    case PROP_HEADERS:
      g_value_set_boxed (value, self->headers);
      break;
    case PROP_SENDER:
      g_value_set_string (value, self->sender);
      break;
    case PROP_CANCELLABLE:
      g_value_set_object (value, at_invocation_get_cancellable (self));
      break;
    case PROP_PORTAL:
      g_value_set_object (value, at_invocation_get_portal (self));
      break;
    case PROP_MANAGER:
      g_value_set_object (value, self->manager);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_invocation_set_property (GObject *object,
                            guint prop_id,
                            const GValue *value,
                            GParamSpec *pspec)
{
  AtInvocation *self = AT_INVOCATION (object);

  switch (prop_id)
    {
    case PROP_COMMAND:
      self->command = g_value_dup_string (value);
      if (self->command == NULL)
        self->command = g_strdup ("");
      break;
    case PROP_ARGUMENTS:
      self->arguments = g_value_dup_string (value);
      break;
    case PROP_BODY:
      self->body = g_value_dup_boxed (value);
      break;
    case PROP_HEADERS:
      self->headers = copy_headers (g_value_get_boxed (value));
      break;
    case PROP_SENDER:
      self->sender = g_value_dup_string (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_invocation_class_init (AtInvocationClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = at_invocation_finalize;
  object_class->get_property = at_invocation_get_property;
  object_class->set_property = at_invocation_set_property;

  /**
   * AtInvocation:command: (getter get_command)
   *
   * The command's name.
   *
   * Since: 0.1
   */
  properties[PROP_COMMAND] =
    g_param_spec_string ("command", NULL, NULL, "",
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtInvocation:arguments: (getter get_arguments)
   *
   * The arguments, as JSON text.
   *
   * Since: 0.1
   */
  properties[PROP_ARGUMENTS] =
    g_param_spec_string ("arguments", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtInvocation:body: (getter get_body)
   *
   * The raw bytes that came with the call.
   *
   * Since: 0.1
   */
  properties[PROP_BODY] =
    g_param_spec_boxed ("body", NULL, NULL, G_TYPE_BYTES,
                        G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtInvocation:headers: (type GHashTable(utf8,utf8)) (getter get_headers)
   *
   * The headers that came with the call. Names are kept in lower case.
   *
   * Since: 0.1
   */
  properties[PROP_HEADERS] =
    g_param_spec_boxed ("headers", NULL, NULL, G_TYPE_HASH_TABLE,
                        G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtInvocation:sender: (getter get_sender)
   *
   * Who calls.
   *
   * Since: 0.1
   */
  properties[PROP_SENDER] =
    g_param_spec_string ("sender", NULL, NULL, NULL,
                         G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AtInvocation:cancellable: (getter get_cancellable)
   *
   * Tells the handler that the caller no longer wants the answer.
   *
   * Since: 0.1
   */
  properties[PROP_CANCELLABLE] =
    g_param_spec_object ("cancellable", NULL, NULL, G_TYPE_CANCELLABLE,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AtInvocation:portal: (getter get_portal)
   *
   * The portal that runs the handler.
   *
   * Since: 0.1
   */
  properties[PROP_PORTAL] =
    g_param_spec_object ("portal", NULL, NULL, AT_TYPE_PORTAL,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AtInvocation:manager: (getter get_manager)
   *
   * The state that the handler may ask for.
   *
   * Since: 0.1
   */
  properties[PROP_MANAGER] =
    g_param_spec_object ("manager", NULL, NULL, AT_TYPE_MANAGER,
                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_invocation_init (AtInvocation *self)
{
  self->answer = g_new0 (Answer, 1);
  g_atomic_ref_count_init (&self->answer->ref_count);
}

/**
 * at_invocation_new:
 * @command: the command's name
 * @arguments: (nullable): the arguments, as JSON text
 *
 * Makes a call that [method@At.Commands.dispatch] can bring to its handler.
 *
 * One with a body, headers or a sender is made with `g_object_new()` and the properties of those
 * names.
 *
 * Returns: (transfer full): a new invocation
 *
 * Since: 0.1
 */
AtInvocation *
at_invocation_new (const char *command,
                   const char *arguments)
{
  g_return_val_if_fail (command != NULL, NULL);

  return g_object_new (AT_TYPE_INVOCATION, "command", command, "arguments", arguments, NULL);
}

gboolean
at_invocation_begin (AtInvocation *self,
                     GTask *task,
                     AtManager *manager)
{
  Answer *answer = self->answer;

  g_object_ref (task);
  if (g_atomic_pointer_compare_and_exchange (&answer->task, NULL, task))
    {
      if (g_atomic_int_get (&answer->state) == ANSWER_OPEN)
        {
          g_set_object (&self->manager, manager);
          return TRUE;
        }
    }
  else
    g_object_unref (task);

  g_critical ("The invocation of command “%s” was used before; make a new one for each call",
              self->command);
  return FALSE;
}

static void
on_cancelled (gpointer data)
{
  Answer *answer = data;
  GTask *task = answer_get_task (answer);
  g_autoptr (GError) error = NULL;

  if (!at_cancel_scope_get_timed_out (AT_CANCEL_SCOPE (g_task_get_cancellable (task))))
    return;
  if (!answer_claim (answer, ANSWER_EXPIRED))
    return;

  if (!at_cancellable_set_error_if_cancelled (g_task_get_cancellable (task), &error))
    g_assert_not_reached ();
  g_task_return_error (task, g_steal_pointer (&error));
}

void
at_invocation_expire (AtInvocation *self)
{
  GTask *task = answer_get_task (self->answer);

  self->watch = at_cancel_watch_new (g_task_get_cancellable (task), on_cancelled,
                                     answer_ref (self->answer), (GDestroyNotify) answer_unref);
}

void
at_invocation_hold (AtInvocation *self,
                    gpointer registration,
                    GDestroyNotify release)
{
  self->registration = registration;
  self->release = release;
}

/**
 * at_invocation_get_command: (get-property command)
 * @self: an invocation
 *
 * Gets the command's name.
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
at_invocation_get_command (AtInvocation *self)
{
  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);

  return self->command;
}

/**
 * at_invocation_get_arguments: (get-property arguments)
 * @self: an invocation
 *
 * Gets the arguments as the caller wrote them: one JSON value, in UTF-8.
 *
 * In a handler the text is known to be valid JSON of at most 256 levels. It is the one form that
 * carries everything a page can send, an escaped NUL or half a surrogate pair in a string included.
 *
 * Returns: (transfer none) (nullable): JSON text, or `NULL` if there are no arguments
 *
 * Since: 0.1
 */
const char *
at_invocation_get_arguments (AtInvocation *self)
{
  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);

  return self->arguments;
}

/**
 * at_invocation_get_arguments_node:
 * @self: an invocation
 * @error: return location for an error
 *
 * Reads the arguments as a tree. No arguments are a `null` node.
 *
 * What such a tree cannot hold is refused rather than changed: a string with a NUL or with half a
 * surrogate pair, a number beyond a double's range. Integers beyond 64 bits become doubles. Of two
 * members of one name the last one counts.
 *
 * The text is read anew each time.
 *
 * Returns: (transfer full): the arguments; `NULL` with `AT_ERROR_INVALID_ARGUMENTS` if they cannot
 *   be read
 *
 * Since: 0.1
 */
JsonNode *
at_invocation_get_arguments_node (AtInvocation *self,
                                  GError **error)
{
  JsonNode *node;

  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (self->arguments == NULL)
    return json_node_init_null (json_node_alloc ());

  node = at_json_parse (self->arguments, strlen (self->arguments), error);
  if (node == NULL)
    g_prefix_error (error, _("Arguments of command “%s”: "), self->command);
  return node;
}

/**
 * at_invocation_get_arguments_variant:
 * @self: an invocation
 * @signature: (nullable): the expected type, a definite one, or `NULL` to take what fits best
 * @error: return location for an error
 *
 * Reads the arguments as a value of a given type.
 *
 * An array fits a tuple or an array, an object a dictionary, `null` a maybe, a number each numeric
 * type whose range it is in. A variant takes anything: booleans, strings, 64-bit integers, doubles,
 * `av`, `a{sv}` and `mv`. Nothing is converted between text and numbers. No arguments are the empty
 * tuple.
 *
 * Returns: (transfer full): the arguments, not floating; `NULL` with `AT_ERROR_INVALID_ARGUMENTS`
 *   if they do not fit @signature
 *
 * Since: 0.1
 */
GVariant *
at_invocation_get_arguments_variant (AtInvocation *self,
                                     const char *signature,
                                     GError **error)
{
  g_autoptr (JsonNode) node = NULL;
  GVariant *value;

  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);
  g_return_val_if_fail (signature == NULL || g_variant_type_string_is_valid (signature), NULL);
  g_return_val_if_fail (signature == NULL ||
                          g_variant_type_is_definite (G_VARIANT_TYPE (signature)),
                        NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (self->arguments == NULL && (signature == NULL || g_str_equal (signature, "()")))
    return g_variant_ref_sink (g_variant_new_tuple (NULL, 0));

  node = at_invocation_get_arguments_node (self, error);
  if (node == NULL)
    return NULL;

  value = at_json_to_variant (node, signature != NULL ? G_VARIANT_TYPE (signature) : NULL, error);
  if (value == NULL)
    g_prefix_error (error, _("Arguments of command “%s”: "), self->command);
  return value;
}

/**
 * at_invocation_get_body: (get-property body)
 * @self: an invocation
 *
 * Gets the raw bytes that came with the call.
 *
 * Returns: (transfer none) (nullable): the bytes, or `NULL` if the call came with JSON
 *
 * Since: 0.1
 */
GBytes *
at_invocation_get_body (AtInvocation *self)
{
  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);

  return self->body;
}

/**
 * at_invocation_get_headers: (get-property headers)
 * @self: an invocation
 *
 * Gets the headers that came with the call. Names are in lower case.
 *
 * Returns: (transfer none) (element-type utf8 utf8): the headers, perhaps none; not to be changed
 *
 * Since: 0.1
 */
GHashTable *
at_invocation_get_headers (AtInvocation *self)
{
  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);

  return self->headers;
}

/**
 * at_invocation_get_header:
 * @self: an invocation
 * @name: a header's name, in any case
 *
 * Gets one of the headers that came with the call.
 *
 * Returns: (transfer none) (nullable): its value
 *
 * Since: 0.1
 */
const char *
at_invocation_get_header (AtInvocation *self,
                          const char *name)
{
  g_autofree char *key = NULL;

  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  key = g_ascii_strdown (name, -1);
  return g_hash_table_lookup (self->headers, key);
}

/**
 * at_invocation_get_sender: (get-property sender)
 * @self: an invocation
 *
 * Gets who calls, as far as the transport knows: for a page, its address when it was loaded.
 *
 * Returns: (transfer none) (nullable): the sender, or `NULL` if it is this program itself
 *
 * Since: 0.1
 */
const char *
at_invocation_get_sender (AtInvocation *self)
{
  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);

  return self->sender;
}

/**
 * at_invocation_get_cancellable: (get-property cancellable)
 * @self: an invocation
 *
 * Gets the call's [class@At.CancelScope]. It is cancelled when the caller gives up or goes away,
 * and when the command's deadline passes.
 *
 * Returns: (transfer none) (nullable): the scope; `NULL` before the call was dispatched
 *
 * Since: 0.1
 */
GCancellable *
at_invocation_get_cancellable (AtInvocation *self)
{
  GTask *task;

  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);

  task = answer_get_task (self->answer);
  return task != NULL ? g_task_get_cancellable (task) : NULL;
}

/**
 * at_invocation_get_portal: (get-property portal)
 * @self: an invocation
 *
 * Gets the portal that runs the handler.
 *
 * Returns: (transfer none) (nullable): the portal; `NULL` before the call was dispatched
 *
 * Since: 0.1
 */
AtPortal *
at_invocation_get_portal (AtInvocation *self)
{
  GTask *task;

  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);

  task = answer_get_task (self->answer);
  return task != NULL ? AT_PORTAL (g_task_get_source_object (task)) : NULL;
}

/**
 * at_invocation_get_manager: (get-property manager)
 * @self: an invocation
 *
 * Gets the manager of the registry that answers, where the handler finds the application's state.
 *
 * Returns: (transfer none) (nullable): the manager; `NULL` if the registry has none, and before the
 *   call was dispatched
 *
 * Since: 0.1
 */
AtManager *
at_invocation_get_manager (AtInvocation *self)
{
  g_return_val_if_fail (AT_IS_INVOCATION (self), NULL);

  return self->manager;
}

/* FALSE if it was answered before. An invocation that was never dispatched has nobody who hears. */
static gboolean
claim (AtInvocation *self)
{
  if (answer_claim (self->answer, ANSWER_GIVEN))
    return answer_get_task (self->answer) != NULL;

  if (g_atomic_int_get (&self->answer->state) == ANSWER_GIVEN)
    g_critical ("Command “%s” was answered twice; the first answer stays", self->command);
  return FALSE;
}

static void
return_json_text (AtInvocation *self,
                  const char *json)
{
  g_auto (GValue) value = G_VALUE_INIT;
  g_autoptr (GError) error = NULL;

  if (!at_json_validate (json, strlen (json), &error))
    {
      at_invocation_return_error (self, AT_ERROR, AT_ERROR_INVALID_RESULT,
                                  _("The result of command “%s” cannot be sent: %s"),
                                  self->command, error->message);
      return;
    }

  if (!claim (self))
    return;

  g_value_init (&value, G_TYPE_STRING);
  g_value_set_static_string (&value, json);
  g_task_return_value (answer_get_task (self->answer), &value);
}

/**
 * at_invocation_return_json:
 * @self: an invocation
 * @json: (nullable): the result as JSON text, or `NULL` for `null`
 *
 * Answers with a result. The future of the call gets the text.
 *
 * A text that is not JSON fails the call with `AT_ERROR_INVALID_RESULT`.
 *
 * Since: 0.1
 */
void
at_invocation_return_json (AtInvocation *self,
                           const char *json)
{
  g_return_if_fail (AT_IS_INVOCATION (self));

  return_json_text (self, json != NULL ? json : "null");
}

/**
 * at_invocation_return_node:
 * @self: an invocation
 * @node: (nullable): the result as a JSON tree, or `NULL` for `null`
 *
 * Answers with a result. The future of the call gets its text.
 *
 * Numbers that JSON does not have, infinity and NaN, fail the call with `AT_ERROR_INVALID_RESULT`.
 *
 * Since: 0.1
 */
void
at_invocation_return_node (AtInvocation *self,
                           JsonNode *node)
{
  g_autofree char *json = NULL;

  g_return_if_fail (AT_IS_INVOCATION (self));

  if (node != NULL)
    json = json_to_string (node, FALSE);
  return_json_text (self, json != NULL ? json : "null");
}

/**
 * at_invocation_return_variant:
 * @self: an invocation
 * @value: (nullable): the result, or `NULL` for `null`; a floating one is consumed
 *
 * Answers with a result. The future of the call gets it as JSON text, written as
 * [func@Json.gvariant_serialize] does.
 *
 * Since: 0.1
 */
void
at_invocation_return_variant (AtInvocation *self,
                              GVariant *value)
{
  g_autoptr (GVariant) owned = value != NULL ? g_variant_ref_sink (value) : NULL;
  g_autoptr (JsonNode) node = NULL;

  g_return_if_fail (AT_IS_INVOCATION (self));

  if (owned != NULL)
    node = json_gvariant_serialize (owned);
  at_invocation_return_node (self, node);
}

/**
 * at_invocation_return_bytes:
 * @self: an invocation
 * @bytes: the result
 *
 * Answers with raw bytes. The future of the call gets the `GBytes`.
 *
 * Since: 0.1
 */
void
at_invocation_return_bytes (AtInvocation *self,
                            GBytes *bytes)
{
  g_auto (GValue) value = G_VALUE_INIT;

  g_return_if_fail (AT_IS_INVOCATION (self));
  g_return_if_fail (bytes != NULL);

  if (!claim (self))
    return;

  g_value_init (&value, G_TYPE_BYTES);
  g_value_set_boxed (&value, bytes);
  g_task_return_value (answer_get_task (self->answer), &value);
}

/**
 * at_invocation_return_gerror:
 * @self: an invocation
 * @error: what went wrong
 *
 * Answers with an error. Domain, code and message reach the caller.
 *
 * Since: 0.1
 */
void
at_invocation_return_gerror (AtInvocation *self,
                             const GError *error)
{
  g_return_if_fail (AT_IS_INVOCATION (self));
  g_return_if_fail (error != NULL);

  if (claim (self))
    g_task_return_error (answer_get_task (self->answer), g_error_copy (error));
}

/**
 * at_invocation_return_error: (skip)
 * @self: an invocation
 * @domain: the error's domain
 * @code: the error's code
 * @format: a `printf()` format
 * @...: its parameters
 *
 * Answers with an error.
 *
 * Since: 0.1
 */
void
at_invocation_return_error (AtInvocation *self,
                            GQuark domain,
                            int code,
                            const char *format,
                            ...)
{
  g_autoptr (GError) error = NULL;
  va_list args;

  g_return_if_fail (domain != 0);
  g_return_if_fail (format != NULL);

  va_start (args, format);
  error = g_error_new_valist (domain, code, format, args);
  va_end (args);

  at_invocation_return_gerror (self, error);
}

/**
 * at_invocation_return_error_literal:
 * @self: an invocation
 * @domain: the error's domain
 * @code: the error's code
 * @message: the error's message
 *
 * Answers with an error.
 *
 * Since: 0.1
 */
void
at_invocation_return_error_literal (AtInvocation *self,
                                    GQuark domain,
                                    int code,
                                    const char *message)
{
  g_autoptr (GError) error = NULL;

  g_return_if_fail (domain != 0);
  g_return_if_fail (message != NULL);

  error = g_error_new_literal (domain, code, message);
  at_invocation_return_gerror (self, error);
}
