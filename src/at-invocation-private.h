/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-invocation.h"

G_BEGIN_DECLS

/* Gives the invocation the task that its answer ends, and the state to ask for. FALSE, with a
 * critical, the second time. */
gboolean at_invocation_begin   (AtInvocation   *self,
                                GTask          *task,
                                AtManager      *manager);

/* From now on a passed deadline of the task's scope answers with TIMED_OUT, whatever the handler
 * is doing; the handler's own answer is then dropped in silence. */
void     at_invocation_expire  (AtInvocation   *self);

/* Keep the command's registration until the invocation is gone. */
void     at_invocation_hold    (AtInvocation   *self,
                                gpointer        registration,
                                GDestroyNotify  release);

G_END_DECLS
