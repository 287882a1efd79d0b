/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-future-private.h"
#include "at-statistics.h"
#include "at-stream.h"
#include "at-waiter-private.h"

G_BEGIN_DECLS

/* What the ends of a stream have in common: the buffer, and who waits at which side.
 *
 * Values are copies on the heap, made before the lock is taken and freed after it, since copying
 * and freeing run foreign code. A value that nobody can be given yet stays with the waiter that
 * sends it, so a sender that is cancelled takes its value away with it. */
typedef struct
{
  gatomicrefcount ref_count;

  /*< fixed at construction >*/
  guint capacity; /* G_MAXUINT: no bound */

  GMutex lock;

  /*< protected by lock >*/
  GQueue          buffer;    /* of GValue; empty while somebody waits to receive */
  AtHandoverQueue sending;   /* the payload is the value; empty while the buffer has room */
  AtHandoverQueue receiving; /* the payload becomes the value */
  guint           n_senders;
  guint           n_receivers;
} AtChannel;

/* The outcome of sending and receiving; of what is wrong, the first that applies. */
typedef enum
{
  AT_CHANNEL_DONE,
  AT_CHANNEL_CLOSED,  /* this end was closed */
  AT_CHANNEL_BROKEN,  /* nobody receives */
  AT_CHANNEL_DRAINED, /* nothing is left, and nobody sends */
} AtChannelOutcome;

/* One end, embedded in the object that is its waiters' primitive. */
typedef struct
{
  AtChannel *channel;

  /*< protected by the channel's lock >*/
  gboolean closed;
} AtChannelEnd;

AtChannel *at_channel_new   (guint      capacity);
AtChannel *at_channel_ref   (AtChannel *self);
void       at_channel_unref (AtChannel *self);

/* A closed end of no stream, until one of the following made it more. */
void at_channel_end_init           (AtChannelEnd *end);
void at_channel_end_join_sender    (AtChannelEnd *end,
                                    AtChannel    *channel);
void at_channel_end_join_receiver  (AtChannelEnd *end,
                                    AtChannel    *channel);
/* The clone of a closed end is closed. */
void at_channel_end_clone_sender   (AtChannelEnd *end,
                                    AtChannelEnd *from);
void at_channel_end_clone_receiver (AtChannelEnd *end,
                                    AtChannelEnd *from);
/* primitive: the end's object, which its waiters wait for. */
void at_channel_end_close_sender   (AtChannelEnd *end,
                                    gpointer      primitive);
void at_channel_end_close_receiver (AtChannelEnd *end,
                                    gpointer      primitive);
void at_channel_end_clear          (AtChannelEnd *end);

/* With the channel's lock held, for AtWaitClass.attempt. */
gboolean at_channel_end_attempt_send    (AtChannelEnd    *end,
                                         AtWaiter        *waiter,
                                         AtHandoverQueue *woken);
gboolean at_channel_end_attempt_receive (AtChannelEnd    *end,
                                         AtWaiter        *waiter,
                                         AtHandoverQueue *woken);

/* A value that was received, but that nobody asked for: it is the next one again. */
void at_channel_put_back (AtChannel *self,
                          GValue    *value);

gboolean      at_channel_set_outcome_error (int                outcome,
                                            GError           **error);
AtStatistics *at_channel_get_statistics    (AtChannel         *self,
                                            AtHandoverQueue   *waiters);

GValue *at_channel_value_new (const GValue *value);

G_END_DECLS
