/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-webkit-channel.h"
#include "at-webkit-outbox-private.h"

G_BEGIN_DECLS

/* Open the channels that came with a call, and let the invocation keep them for its handler. */
void at_webkit_channel_attach (AtInvocation   *invocation,
                               AtWebKitOutbox *outbox,
                               const guint    *ids,
                               guint           n_ids);

G_END_DECLS
