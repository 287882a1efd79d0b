/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include <gio/gio.h>

#include "at-version.h"

G_BEGIN_DECLS

typedef struct _AtCancelScope AtCancelScope;
typedef struct _AtCommands    AtCommands;
typedef struct _AtFuture      AtFuture;
typedef struct _AtInvocation  AtInvocation;
typedef struct _AtPortal      AtPortal;

/**
 * AtFunc:
 * @user_data: the data passed along with the function
 *
 * A plain function that runs on a portal's thread and answers nothing.
 *
 * Since: 0.1
 */
typedef void (*AtFunc) (gpointer user_data);

/**
 * AtTaskFunc:
 * @task: the task, its source object is the portal and its cancellable the
 *   task's [class@At.CancelScope]
 * @user_data: the data passed along with the function
 *
 * The body of an asynchronous function.
 *
 * A body runs on its portal's thread, with the portal's context thread-default,
 * and must not block. It returns exactly once through one of @task's
 * `g_task_return_*` functions: at once, or later if it keeps a reference on @task
 * until then. Only [method@Gio.Task.return_value] reaches every caller; the
 * pointer, int and boolean variants reach their counterparts alone.
 *
 * A body that drops @task without a return fails with `AT_ERROR_ABANDONED`.
 *
 * Since: 0.1
 */
typedef void (*AtTaskFunc) (GTask   *task,
                            gpointer user_data);

G_END_DECLS
