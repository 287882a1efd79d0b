/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-channel-private.h"

AtChannel *
at_channel_new (guint capacity)
{
  AtChannel *self = g_new0 (AtChannel, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  g_queue_init (&self->buffer);
  at_handover_queue_init (&self->sending);
  at_handover_queue_init (&self->receiving);
  self->capacity = capacity;

  return self;
}

AtChannel *
at_channel_ref (AtChannel *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
at_channel_unref (AtChannel *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_queue_clear_full (&self->buffer, at_value_free);
  g_mutex_clear (&self->lock);
  g_free (self);
}

GValue *
at_channel_value_new (const GValue *value)
{
  /* No value is a GValue without a type, as with g_task_return_value (). */
  return value != NULL ? g_boxed_copy (G_TYPE_VALUE, value) : g_new0 (GValue, 1);
}

void
at_channel_end_init (AtChannelEnd *end)
{
  static AtChannel *none;

  if (g_once_init_enter (&none))
    g_once_init_leave (&none, at_channel_new (0));

  end->channel = at_channel_ref (none);
  end->closed = TRUE;
}

static void
at_channel_end_join (AtChannelEnd *end,
                     AtChannel    *channel,
                     gboolean      closed,
                     guint        *n_ends)
{
  g_clear_pointer (&end->channel, at_channel_unref);
  end->channel = at_channel_ref (channel);
  end->closed = closed;

  if (!closed)
    (*n_ends)++;
}

void
at_channel_end_join_sender (AtChannelEnd *end,
                            AtChannel    *channel)
{
  g_mutex_lock (&channel->lock);
  at_channel_end_join (end, channel, FALSE, &channel->n_senders);
  g_mutex_unlock (&channel->lock);
}

void
at_channel_end_join_receiver (AtChannelEnd *end,
                              AtChannel    *channel)
{
  g_mutex_lock (&channel->lock);
  at_channel_end_join (end, channel, FALSE, &channel->n_receivers);
  g_mutex_unlock (&channel->lock);
}

void
at_channel_end_clone_sender (AtChannelEnd *end,
                             AtChannelEnd *from)
{
  AtChannel *channel = from->channel;

  g_mutex_lock (&channel->lock);
  at_channel_end_join (end, channel, from->closed, &channel->n_senders);
  g_mutex_unlock (&channel->lock);
}

void
at_channel_end_clone_receiver (AtChannelEnd *end,
                               AtChannelEnd *from)
{
  AtChannel *channel = from->channel;

  g_mutex_lock (&channel->lock);
  at_channel_end_join (end, channel, from->closed, &channel->n_receivers);
  g_mutex_unlock (&channel->lock);
}

/* Ends the waits of one end, or of all if primitive is NULL. */
static void
at_channel_refuse_locked (AtHandoverQueue *queue,
                          gpointer         primitive,
                          AtChannelOutcome outcome,
                          AtHandoverQueue *woken)
{
  AtHandover *handover, *next;

  for (handover = queue->first; handover != NULL; handover = next)
    {
      AtWaiter *waiter = (AtWaiter *) handover;

      next = handover->next;

      if (primitive != NULL && waiter->primitive != primitive)
        continue;

      at_handover_remove (queue, handover);
      waiter->outcome = outcome;

      if (at_handover_grant (handover))
        at_handover_append (woken, handover);
    }
}

void
at_channel_end_close_sender (AtChannelEnd *end,
                             gpointer      primitive)
{
  AtChannel *channel = end->channel;
  AtHandoverQueue woken;

  at_handover_queue_init (&woken);

  g_mutex_lock (&channel->lock);

  if (!end->closed)
    {
      end->closed = TRUE;
      channel->n_senders--;

      at_channel_refuse_locked (&channel->sending, primitive, AT_CHANNEL_CLOSED, &woken);

      if (channel->n_senders == 0)
        at_channel_refuse_locked (&channel->receiving, NULL, AT_CHANNEL_DRAINED, &woken);
    }

  g_mutex_unlock (&channel->lock);

  at_waiter_tell_all (&woken);
}

void
at_channel_end_close_receiver (AtChannelEnd *end,
                               gpointer      primitive)
{
  AtChannel *channel = end->channel;
  GQueue unreceived = G_QUEUE_INIT;
  AtHandoverQueue woken;

  at_handover_queue_init (&woken);

  g_mutex_lock (&channel->lock);

  if (!end->closed)
    {
      end->closed = TRUE;
      channel->n_receivers--;

      at_channel_refuse_locked (&channel->receiving, primitive, AT_CHANNEL_CLOSED, &woken);

      if (channel->n_receivers == 0)
        {
          at_channel_refuse_locked (&channel->sending, NULL, AT_CHANNEL_BROKEN, &woken);

          unreceived = channel->buffer;
          g_queue_init (&channel->buffer);
        }
    }

  g_mutex_unlock (&channel->lock);

  at_waiter_tell_all (&woken);
  g_queue_clear_full (&unreceived, at_value_free);
}

void
at_channel_end_clear (AtChannelEnd *end)
{
  g_clear_pointer (&end->channel, at_channel_unref);
}

/* Gives a value to the oldest receiver that still wants one; FALSE: the value is the caller's. */
static gboolean
at_channel_hand_over_locked (AtChannel       *self,
                             GValue          *value,
                             AtHandoverQueue *woken)
{
  AtHandover *handover;

  while ((handover = at_handover_pop (&self->receiving)) != NULL)
    {
      AtWaiter *waiter = (AtWaiter *) handover;

      /* In place before it is granted; a cancelled waiter passes this lock before it looks. */
      waiter->payload = value;

      if (at_handover_grant (handover))
        {
          at_handover_append (woken, handover);
          return TRUE;
        }

      waiter->payload = NULL;
    }

  return FALSE;
}

/* Takes the value of the oldest sender that still wants to send; NULL if there is none. */
static GValue *
at_channel_take_over_locked (AtChannel       *self,
                             AtHandoverQueue *woken)
{
  AtHandover *handover;

  while ((handover = at_handover_pop (&self->sending)) != NULL)
    {
      AtWaiter *waiter = (AtWaiter *) handover;
      GValue *value = g_steal_pointer (&waiter->payload);

      if (at_handover_grant (handover))
        {
          at_handover_append (woken, handover);
          return value;
        }

      waiter->payload = value;
    }

  return NULL;
}

gboolean
at_channel_end_attempt_send (AtChannelEnd    *end,
                             AtWaiter        *waiter,
                             AtHandoverQueue *woken)
{
  AtChannel *channel = end->channel;

  if (end->closed)
    waiter->outcome = AT_CHANNEL_CLOSED;
  else if (channel->n_receivers == 0)
    waiter->outcome = AT_CHANNEL_BROKEN;
  else if (at_channel_hand_over_locked (channel, waiter->payload, woken))
    waiter->payload = NULL;
  else if (channel->buffer.length < channel->capacity)
    g_queue_push_tail (&channel->buffer, g_steal_pointer (&waiter->payload));
  else
    return FALSE;

  return TRUE;
}

gboolean
at_channel_end_attempt_receive (AtChannelEnd    *end,
                                AtWaiter        *waiter,
                                AtHandoverQueue *woken)
{
  AtChannel *channel = end->channel;
  GValue *value;

  if (end->closed)
    {
      waiter->outcome = AT_CHANNEL_CLOSED;
      return TRUE;
    }

  waiter->payload = g_queue_pop_head (&channel->buffer);

  /* The place in the buffer that became free, or the value itself if there is no buffer. What was
   * put back may have filled the buffer beyond its capacity. */
  if (channel->buffer.length < channel->capacity || waiter->payload == NULL)
    {
      value = at_channel_take_over_locked (channel, woken);

      if (waiter->payload == NULL)
        waiter->payload = value;
      else if (value != NULL)
        g_queue_push_tail (&channel->buffer, value);
    }

  if (waiter->payload != NULL)
    return TRUE;

  if (channel->n_senders > 0)
    return FALSE;

  waiter->outcome = AT_CHANNEL_DRAINED;

  return TRUE;
}

void
at_channel_put_back (AtChannel *self,
                     GValue    *value)
{
  AtHandoverQueue woken;

  at_handover_queue_init (&woken);

  g_mutex_lock (&self->lock);

  if (self->n_receivers == 0)
    ;
  else if (at_channel_hand_over_locked (self, value, &woken))
    value = NULL;
  else
    g_queue_push_head (&self->buffer, g_steal_pointer (&value));

  g_mutex_unlock (&self->lock);

  at_waiter_tell_all (&woken);

  if (value != NULL)
    at_value_free (value);
}

gboolean
at_channel_set_outcome_error (int      outcome,
                              GError **error)
{
  switch ((AtChannelOutcome) outcome)
    {
    case AT_CHANNEL_DONE:
      return FALSE;

    case AT_CHANNEL_CLOSED:
      g_set_error_literal (error, AT_ERROR, AT_ERROR_CLOSED,
                           _ ("This end of the stream was closed; clone it before if others are to "
                             "go on using the stream"));
      break;

    case AT_CHANNEL_BROKEN:
      g_set_error_literal (error, AT_ERROR, AT_ERROR_BROKEN,
                           _ ("Nobody is left who could receive from the stream; stop sending"));
      break;

    case AT_CHANNEL_DRAINED:
      g_set_error_literal (error, AT_ERROR, AT_ERROR_END_OF_STREAM,
                           _ ("The stream has ended: everything was received, and nobody is left "
                             "who could send"));
      break;

    default:
      g_assert_not_reached ();
    }

  return TRUE;
}

AtStatistics *
at_channel_get_statistics (AtChannel       *self,
                           AtHandoverQueue *waiters)
{
  AtStatistics *statistics = g_new0 (AtStatistics, 1);

  statistics->capacity = self->capacity;

  g_mutex_lock (&self->lock);
  statistics->waiters = waiters->length;
  statistics->buffered = self->buffer.length;
  statistics->senders = self->n_senders;
  statistics->receivers = self->n_receivers;
  g_mutex_unlock (&self->lock);

  return statistics;
}
