/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-channel-private.h"

G_BEGIN_DECLS

AtReceiveStream *at_receive_stream_new_for_channel (AtChannel *channel);

G_END_DECLS
