/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <asynctools.h>

#include "at-webkit-document-private.h"

G_BEGIN_DECLS

/* What the page sends; data/asynctools.js describes it. */

/* The length of a token and of a nonce. */
#define AT_WEBKIT_SECRET_LENGTH 32
#define AT_WEBKIT_MAX_CHANNELS  64

typedef struct
{
  char  nonce[AT_WEBKIT_SECRET_LENGTH + 1];
  char  op[16];
  guint id;
  guint n_channels;
  guint channels[AT_WEBKIT_MAX_CHANNELS];
  gsize length;    /* of the head, its newline included */
} AtWebKitHead;

/* FALSE if message has no such head, or one with another token. */
gboolean  at_webkit_head_read     (AtWebKitHead       *head,
                                   GBytes             *message,
                                   const char         *token);

/* Read what follows the head of a call, and run its command, all of it on the portal. */
AtFuture *at_webkit_request_spawn (AtPortal           *portal,
                                   AtCommands         *commands,
                                   AtWebKitDocument   *document,
                                   const AtWebKitHead *head,
                                   GBytes             *message);

G_END_DECLS
