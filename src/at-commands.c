/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <string.h>

#include "at-commands.h"
#include "at-invocation-private.h"
#include "at-json-private.h"

/**
 * AtCommands:
 *
 * A registry of commands: a name, and the asynchronous function that answers it.
 *
 * ```c
 * static void
 * greet (AtInvocation *invocation,
 *        gpointer      user_data)
 * {
 *   at_invocation_return_json (invocation, "\"Hello\"");
 * }
 *
 * at_commands_register (commands, "greet", greet, NULL, NULL);
 * future = at_commands_invoke (commands, portal, "greet", NULL, NULL);
 * ```
 *
 * Who calls does not matter to a handler: a page through a bridge, this program through
 * [method@At.Commands.invoke], or any other transport that makes an [class@At.Invocation] and
 * dispatches it on the portal of its choice.
 *
 * Everything is thread-safe. Commands may come and go while others run.
 *
 * Since: 0.1
 */

typedef struct
{
  gatomicrefcount ref_count;
  const char *name; /* interned */
  AtCommandFunc func;
  gpointer user_data;
  GDestroyNotify destroy;
} Registration;

typedef struct
{
  Registration *registration;
  gint64 timeout;
} Command;

struct _AtCommands
{
  GObject parent_instance;

  GMutex lock;          /* innermost: nothing foreign runs under it */
  GHashTable *commands; /* name → Command */
  AtManager *manager;
};

enum
{
  PROP_MANAGER = 1,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtCommands, at_commands, G_TYPE_OBJECT)

static void
registration_unref (Registration *registration)
{
  if (!g_atomic_ref_count_dec (&registration->ref_count))
    return;

  if (registration->destroy != NULL)
    registration->destroy (registration->user_data);
  g_free (registration);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Registration, registration_unref)

static Registration *
registration_ref (Registration *registration)
{
  g_atomic_ref_count_inc (&registration->ref_count);
  return registration;
}

static void
command_free (Command *command)
{
  g_clear_pointer (&command->registration, registration_unref);
  g_free (command);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Command, command_free)

static void
at_commands_finalize (GObject *object)
{
  AtCommands *self = AT_COMMANDS (object);

  g_clear_pointer (&self->commands, g_hash_table_unref);
  g_clear_object (&self->manager);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (at_commands_parent_class)->finalize (object);
}

static AtManager *
ref_manager (AtCommands *self)
{
  AtManager *manager;

  g_mutex_lock (&self->lock);
  manager = self->manager != NULL ? g_object_ref (self->manager) : NULL;
  g_mutex_unlock (&self->lock);

  return manager;
}

static void
at_commands_get_property (GObject *object,
                          guint prop_id,
                          GValue *value,
                          GParamSpec *pspec)
{
  AtCommands *self = AT_COMMANDS (object);

  switch (prop_id)
    {
    case PROP_MANAGER:
      g_value_take_object (value, ref_manager (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_commands_set_property (GObject *object,
                          guint prop_id,
                          const GValue *value,
                          GParamSpec *pspec)
{
  AtCommands *self = AT_COMMANDS (object);

  switch (prop_id)
    {
    case PROP_MANAGER:
      at_commands_set_manager (self, g_value_get_object (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_commands_class_init (AtCommandsClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = at_commands_finalize;
  object_class->get_property = at_commands_get_property;
  object_class->set_property = at_commands_set_property;

  /**
   * AtCommands:manager: (getter get_manager) (setter set_manager)
   *
   * The state that handlers may ask for.
   *
   * Since: 0.1
   */
  properties[PROP_MANAGER] =
    g_param_spec_object ("manager", NULL, NULL, AT_TYPE_MANAGER,
                         G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_commands_init (AtCommands *self)
{
  g_mutex_init (&self->lock);
  self->commands = g_hash_table_new_full (g_str_hash, g_str_equal, NULL,
                                          (GDestroyNotify) command_free);
}

/**
 * at_commands_new:
 *
 * Makes an empty registry.
 *
 * Returns: (transfer full): a new registry
 *
 * Since: 0.1
 */
AtCommands *
at_commands_new (void)
{
  return g_object_new (AT_TYPE_COMMANDS, NULL);
}

/**
 * at_commands_get_manager: (get-property manager)
 * @self: a registry
 *
 * Gets where handlers find the application's state.
 *
 * Returns: (transfer none) (nullable): the manager
 *
 * Since: 0.1
 */
AtManager *
at_commands_get_manager (AtCommands *self)
{
  AtManager *manager;

  g_return_val_if_fail (AT_IS_COMMANDS (self), NULL);

  g_mutex_lock (&self->lock);
  manager = self->manager;
  g_mutex_unlock (&self->lock);

  return manager;
}

/**
 * at_commands_set_manager: (set-property manager)
 * @self: a registry
 * @manager: (nullable): a manager
 *
 * Sets where handlers find the application's state: [method@At.Invocation.get_manager] gives it to
 * them. Calls that have begun keep the one they have.
 *
 * Since: 0.1
 */
void
at_commands_set_manager (AtCommands *self,
                         AtManager *manager)
{
  g_autoptr (AtManager) previous = NULL;

  g_return_if_fail (AT_IS_COMMANDS (self));
  g_return_if_fail (manager == NULL || AT_IS_MANAGER (manager));

  g_mutex_lock (&self->lock);
  previous = g_steal_pointer (&self->manager);
  if (manager != NULL)
    self->manager = g_object_ref (manager);
  g_mutex_unlock (&self->lock);

  if (previous != manager)
    g_object_notify_by_pspec (G_OBJECT (self), properties[PROP_MANAGER]);
}

static gboolean
is_name (const char *name)
{
  if (name == NULL || *name == '\0' || !g_utf8_validate (name, -1, NULL))
    return FALSE;

  for (const char *p = name; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      return FALSE;

  return TRUE;
}

/**
 * at_commands_register:
 * @self: a registry
 * @name: the command's name: any text without control characters
 * @func: (scope notified) (closure user_data) (destroy destroy): the handler
 * @user_data: data for @func
 * @destroy: (nullable): how to free @user_data
 *
 * Adds a command.
 *
 * @destroy is called once the command was unregistered and the last of its invocations is gone, on
 * the thread where the latter of both happened; at once if `FALSE` is returned.
 *
 * Returns: `FALSE` if there is a command of that name already, which then stays
 *
 * Since: 0.1
 */
gboolean
at_commands_register (AtCommands *self,
                      const char *name,
                      AtCommandFunc func,
                      gpointer user_data,
                      GDestroyNotify destroy)
{
  g_autoptr (Command) command = NULL;
  gboolean added = FALSE;

  g_return_val_if_fail (AT_IS_COMMANDS (self), FALSE);
  g_return_val_if_fail (is_name (name), FALSE);
  g_return_val_if_fail (func != NULL, FALSE);

  command = g_new0 (Command, 1);
  command->timeout = -1;
  command->registration = g_new0 (Registration, 1);
  g_atomic_ref_count_init (&command->registration->ref_count);
  command->registration->name = g_intern_string (name);
  command->registration->func = func;
  command->registration->user_data = user_data;
  command->registration->destroy = destroy;

  g_mutex_lock (&self->lock);
  if (!g_hash_table_contains (self->commands, name))
    {
      g_hash_table_insert (self->commands, (gpointer) command->registration->name, command);
      command = NULL;
      added = TRUE;
    }
  g_mutex_unlock (&self->lock);

  return added;
}

/**
 * at_commands_unregister:
 * @self: a registry
 * @name: a command's name
 *
 * Removes a command. Calls that have begun go on.
 *
 * Returns: `FALSE` if there was none of that name
 *
 * Since: 0.1
 */
gboolean
at_commands_unregister (AtCommands *self,
                        const char *name)
{
  g_autoptr (Command) command = NULL;
  gpointer stolen = NULL;

  g_return_val_if_fail (AT_IS_COMMANDS (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);

  g_mutex_lock (&self->lock);
  g_hash_table_steal_extended (self->commands, name, NULL, &stolen);
  g_mutex_unlock (&self->lock);

  command = stolen;
  return command != NULL;
}

/**
 * at_commands_contains:
 * @self: a registry
 * @name: a command's name
 *
 * Whether a command of that name is registered.
 *
 * Returns: `TRUE` if it is
 *
 * Since: 0.1
 */
gboolean
at_commands_contains (AtCommands *self,
                      const char *name)
{
  gboolean contains;

  g_return_val_if_fail (AT_IS_COMMANDS (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);

  g_mutex_lock (&self->lock);
  contains = g_hash_table_contains (self->commands, name);
  g_mutex_unlock (&self->lock);

  return contains;
}

static int
compare_names (gconstpointer a,
               gconstpointer b,
               gpointer user_data)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/**
 * at_commands_list:
 * @self: a registry
 *
 * Lists the registered names.
 *
 * Returns: (transfer full) (array zero-terminated=1): the names, sorted
 *
 * Since: 0.1
 */
char **
at_commands_list (AtCommands *self)
{
  g_autofree const char **names = NULL;
  guint n_names;

  g_return_val_if_fail (AT_IS_COMMANDS (self), NULL);

  /* The names are interned, so they outlive the lock. */
  g_mutex_lock (&self->lock);
  names = (const char **) g_hash_table_get_keys_as_array (self->commands, &n_names);
  g_mutex_unlock (&self->lock);

  g_qsort_with_data (names, (int) n_names, sizeof *names, compare_names, NULL);
  return g_strdupv ((char **) names);
}

/**
 * at_commands_set_timeout:
 * @self: a registry
 * @name: a registered command's name
 * @usec: µs that a call may take, negative for no limit
 *
 * Gives each call of a command a deadline, counted from when its handler begins.
 *
 * When it passes, the caller gets `G_IO_ERROR_TIMED_OUT` at once and the call's cancellable tells
 * the handler to stop. What a handler that does not listen answers afterwards is dropped.
 *
 * Calls that have begun are not changed.
 *
 * Returns: `FALSE` if there is no command of that name
 *
 * Since: 0.1
 */
gboolean
at_commands_set_timeout (AtCommands *self,
                         const char *name,
                         gint64 usec)
{
  Command *command;

  g_return_val_if_fail (AT_IS_COMMANDS (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);

  g_mutex_lock (&self->lock);
  command = g_hash_table_lookup (self->commands, name);
  if (command != NULL)
    command->timeout = usec;
  g_mutex_unlock (&self->lock);

  return command != NULL;
}

static Registration *
find (AtCommands *self,
      const char *name,
      gint64 *timeout)
{
  Registration *registration = NULL;
  Command *command;

  g_mutex_lock (&self->lock);
  command = g_hash_table_lookup (self->commands, name);
  if (command != NULL)
    {
      registration = registration_ref (command->registration);
      *timeout = command->timeout;
    }
  g_mutex_unlock (&self->lock);

  return registration;
}

/**
 * at_commands_run:
 * @self: a registry
 * @invocation: the call
 * @task: the task of the running body
 *
 * Runs a command within a task: its answer returns @task.
 *
 * To be called from the body of an asynchronous function that has something to do before it knows
 * the call, such as reading a message; everybody else uses [method@At.Commands.dispatch].
 *
 * The task returns what [method@At.Commands.dispatch] describes. A body that called this must not
 * return the task itself, and has to let go of @invocation for a dropped one to be noticed.
 *
 * Since: 0.1
 */
void
at_commands_run (AtCommands *self,
                 AtInvocation *invocation,
                 GTask *task)
{
  g_autoptr (Registration) registration = NULL;
  g_autoptr (AtManager) manager = NULL;
  g_autoptr (GError) error = NULL;
  const char *name, *arguments;
  gint64 timeout;

  g_return_if_fail (AT_IS_COMMANDS (self));
  g_return_if_fail (AT_IS_INVOCATION (invocation));
  g_return_if_fail (G_IS_TASK (task));

  name = at_invocation_get_command (invocation);
  arguments = at_invocation_get_arguments (invocation);

  manager = ref_manager (self);
  if (!at_invocation_begin (invocation, task, manager))
    {
      g_task_return_new_error (task, AT_ERROR, AT_ERROR_INVALID_ARGUMENTS,
                               _("The invocation of command “%s” was used before"), name);
      return;
    }

  registration = find (self, name, &timeout);
  if (registration == NULL)
    {
      at_invocation_return_error (invocation, AT_ERROR, AT_ERROR_UNKNOWN_COMMAND,
                                  _("There is no command “%s”; register it, or check how it is "
                                     "spelt"),
                                  name);
      return;
    }

  if (arguments != NULL && !at_json_validate (arguments, strlen (arguments), &error))
    {
      g_prefix_error (&error, _("Arguments of command “%s”: "), name);
      at_invocation_return_gerror (invocation, error);
      return;
    }

  if (timeout >= 0)
    {
      at_cancel_scope_set_timeout (AT_CANCEL_SCOPE (g_task_get_cancellable (task)), timeout);
      at_invocation_expire (invocation);
    }

  at_invocation_hold (invocation, registration_ref (registration),
                      (GDestroyNotify) registration_unref);
  registration->func (invocation, registration->user_data);
}

typedef struct
{
  AtCommands *commands;
  AtInvocation *invocation;
} Dispatch;

static void
dispatch_free (gpointer data)
{
  Dispatch *dispatch = data;

  g_clear_object (&dispatch->commands);
  g_clear_object (&dispatch->invocation);
  g_free (dispatch);
}

static void
dispatch_body (GTask *task,
               gpointer user_data)
{
  Dispatch *dispatch = user_data;
  g_autoptr (AtInvocation) invocation = g_steal_pointer (&dispatch->invocation);

  at_commands_run (dispatch->commands, invocation, task);
}

/**
 * at_commands_dispatch:
 * @self: a registry
 * @portal: where the handler shall run
 * @invocation: the call, not used before
 * @cancellable: (nullable): cancels the call
 *
 * Brings a call to its handler.
 *
 * The future's value is the answer: a string of JSON text, or a `GBytes` from
 * [method@At.Invocation.return_bytes]. It fails with what the handler answered, with
 * `AT_ERROR_UNKNOWN_COMMAND` or `AT_ERROR_INVALID_ARGUMENTS` without running any handler, with
 * `AT_ERROR_NOT_ANSWERED` if the handler dropped the invocation, and as any task does.
 *
 * The command is looked up when the portal comes to it. To notice a dropped invocation, the caller
 * has to drop its own reference.
 *
 * Returns: (transfer full): the call's future
 *
 * Since: 0.1
 */
AtFuture *
at_commands_dispatch (AtCommands *self,
                      AtPortal *portal,
                      AtInvocation *invocation,
                      GCancellable *cancellable)
{
  Dispatch *dispatch;

  g_return_val_if_fail (AT_IS_COMMANDS (self), NULL);
  g_return_val_if_fail (AT_IS_PORTAL (portal), NULL);
  g_return_val_if_fail (AT_IS_INVOCATION (invocation), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  dispatch = g_new0 (Dispatch, 1);
  dispatch->commands = g_object_ref (self);
  dispatch->invocation = g_object_ref (invocation);

  return at_portal_spawn (portal, cancellable, dispatch_body, dispatch, dispatch_free);
}

/**
 * at_commands_invoke:
 * @self: a registry
 * @portal: where the handler shall run
 * @command: the command's name
 * @arguments: (nullable): the arguments, as JSON text
 * @cancellable: (nullable): cancels the call
 *
 * Calls a command from this program. The same as [method@At.Commands.dispatch] with a new
 * invocation.
 *
 * Returns: (transfer full): the call's future
 *
 * Since: 0.1
 */
AtFuture *
at_commands_invoke (AtCommands *self,
                    AtPortal *portal,
                    const char *command,
                    const char *arguments,
                    GCancellable *cancellable)
{
  g_autoptr (AtInvocation) invocation = NULL;

  g_return_val_if_fail (AT_IS_COMMANDS (self), NULL);
  g_return_val_if_fail (command != NULL, NULL);

  invocation = at_invocation_new (command, arguments);
  return at_commands_dispatch (self, portal, invocation, cancellable);
}
