/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-capacity-limiter.h"
#include "at-waiter-private.h"

G_BEGIN_DECLS

/* A wait for an anonymous token by who neither blocks nor has a context.
 *
 * NULL: the token was to be had at once. Else (transfer full) a place in the queue, among everybody
 * else's; granted runs when the token is there, on whatever thread gave it back, with no lock held.
 * It must be short and must not run foreign code. The caller keeps the limiter alive. */
AtWaiter *at_capacity_limiter_request  (AtCapacityLimiter *self,
                                        AtFunc             granted,
                                        gpointer           data);
/* TRUE: granted does not run any more. FALSE: it has run, or is about to. */
gboolean  at_capacity_limiter_withdraw (AtCapacityLimiter *self,
                                        AtWaiter          *request);

G_END_DECLS
