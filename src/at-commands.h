/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include "at-invocation.h"
#include "at-manager.h"
#include "at-types.h"

G_BEGIN_DECLS

/**
 * AtCommandFunc:
 * @invocation: what is asked
 * @user_data: the data registered along with the function
 *
 * The handler of a command.
 *
 * It runs on the portal's thread, with the portal's context thread-default, and must not block.
 * It answers @invocation exactly once with one of its `return` methods: at once, or later, on any
 * thread, if it keeps a reference on @invocation until then. An invocation that is dropped without
 * an answer is answered with `AT_ERROR_NOT_ANSWERED`.
 *
 * Since: 0.1
 */
typedef void (*AtCommandFunc) (AtInvocation *invocation,
                               gpointer      user_data);

#define AT_TYPE_COMMANDS (at_commands_get_type ())

AT_AVAILABLE_IN_ALL
G_DECLARE_FINAL_TYPE (AtCommands, at_commands, AT, COMMANDS, GObject)

AT_AVAILABLE_IN_ALL
AtCommands  *at_commands_new         (void) G_GNUC_WARN_UNUSED_RESULT;

AT_AVAILABLE_IN_ALL
AtManager   *at_commands_get_manager (AtCommands     *self);
AT_AVAILABLE_IN_ALL
void         at_commands_set_manager (AtCommands     *self,
                                      AtManager      *manager);

AT_AVAILABLE_IN_ALL
gboolean     at_commands_register    (AtCommands     *self,
                                      const char     *name,
                                      AtCommandFunc   func,
                                      gpointer        user_data,
                                      GDestroyNotify  destroy);
AT_AVAILABLE_IN_ALL
gboolean     at_commands_unregister  (AtCommands     *self,
                                      const char     *name);
AT_AVAILABLE_IN_ALL
gboolean     at_commands_contains    (AtCommands     *self,
                                      const char     *name);
AT_AVAILABLE_IN_ALL
char       **at_commands_list        (AtCommands     *self);
AT_AVAILABLE_IN_ALL
gboolean     at_commands_set_timeout (AtCommands     *self,
                                      const char     *name,
                                      gint64          usec);

AT_AVAILABLE_IN_ALL
AtFuture    *at_commands_invoke      (AtCommands     *self,
                                      AtPortal       *portal,
                                      const char     *command,
                                      const char     *arguments,
                                      GCancellable   *cancellable) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
AtFuture    *at_commands_dispatch    (AtCommands     *self,
                                      AtPortal       *portal,
                                      AtInvocation   *invocation,
                                      GCancellable   *cancellable) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
void         at_commands_run         (AtCommands     *self,
                                      AtInvocation   *invocation,
                                      GTask          *task);

G_END_DECLS
