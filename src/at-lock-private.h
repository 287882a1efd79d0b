/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-lock.h"
#include "at-waiter-private.h"

G_BEGIN_DECLS

/* For a condition, which takes its lock back on behalf of a waiter. */
gboolean  at_lock_attempt    (AtWaiter          *waiter,
                              AtHandoverQueue   *woken);
AtWaiter *at_lock_waiter_new (AtLock            *self,
                              const AtWaitClass *klass);

G_END_DECLS
