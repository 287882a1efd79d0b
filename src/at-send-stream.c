/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-channel-private.h"
#include "at-stream-private.h"

/**
 * AtSendStream:
 *
 * The end of a stream into which threads and tasks put values.
 *
 * A stream, made by [func@At.stream_new], carries values from any thread to any other, in the
 * order of sending. Up to its capacity values wait in a buffer; then senders wait, which keeps a
 * fast one from filling the memory. With capacity 0 a value goes from hand to hand: a send ends
 * when somebody has received it.
 *
 * Each end can be cloned, and each clone is closed by itself, at the latest with its last
 * reference. When the last sending end was closed, receivers get what is left, and then
 * `AT_ERROR_END_OF_STREAM`; when the last receiving end was closed, senders get `AT_ERROR_BROKEN`.
 * What every operation does in every state is in the [guide on streams](streams.html).
 *
 * After anyio's memory object streams, where both ends belong to one event loop.
 *
 * Thread-safe. A waiter keeps its end alive, and open.
 *
 * Since: 0.1
 */
struct _AtSendStream
{
  GObject parent_instance;

  AtChannelEnd end;
};

enum
{
  PROP_0,
  PROP_STATISTICS,
  N_PROPS
};

static GParamSpec *properties[N_PROPS];

G_DEFINE_FINAL_TYPE (AtSendStream, at_send_stream, G_TYPE_OBJECT)

static gboolean
at_send_stream_attempt (AtWaiter        *waiter,
                        AtHandoverQueue *woken)
{
  AtSendStream *self = waiter->primitive;

  return at_channel_end_attempt_send (&self->end, waiter, woken);
}

static void
at_send_stream_answer (AtWaiter *waiter)
{
  GError *error = NULL;

  if (at_channel_set_outcome_error (waiter->outcome, &error))
    g_task_return_error (waiter->task, error);
  else
    at_waiter_answer_unit (waiter, g_object_unref);
}

static const AtWaitClass send_wait_class = {
  .operation = N_ ("Sending to a stream"),
  .attempt = at_send_stream_attempt,
  .answer = at_send_stream_answer,
  .payload_destroy = at_value_free,
};

static void
at_send_stream_dispose (GObject *object)
{
  AtSendStream *self = AT_SEND_STREAM (object);

  at_send_stream_close (self);

  G_OBJECT_CLASS (at_send_stream_parent_class)->dispose (object);
}

static void
at_send_stream_finalize (GObject *object)
{
  AtSendStream *self = AT_SEND_STREAM (object);

  at_channel_end_clear (&self->end);

  G_OBJECT_CLASS (at_send_stream_parent_class)->finalize (object);
}

static void
at_send_stream_get_property (GObject    *object,
                             guint       prop_id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  AtSendStream *self = AT_SEND_STREAM (object);

  switch (prop_id)
    {
    case PROP_STATISTICS:
      g_value_take_boxed (value, at_send_stream_get_statistics (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_send_stream_class_init (AtSendStreamClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = at_send_stream_dispose;
  object_class->finalize = at_send_stream_finalize;
  object_class->get_property = at_send_stream_get_property;

  /**
   * AtSendStream:statistics:
   *
   * What lies in the stream and who waits to send, at this moment. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_STATISTICS] =
    g_param_spec_boxed ("statistics", NULL, NULL, AT_TYPE_STATISTICS,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_send_stream_init (AtSendStream *self)
{
  at_channel_end_init (&self->end);
}

static AtSendStream *
at_send_stream_new_for_channel (AtChannel *channel)
{
  AtSendStream *self = g_object_new (AT_TYPE_SEND_STREAM, NULL);

  at_channel_end_join_sender (&self->end, channel);

  return self;
}

/**
 * at_stream_new:
 * @capacity: how many values the buffer takes; 0: none, a send ends when somebody received;
 *   `G_MAXUINT`: as many as fit, sending never waits
 * @send: (out) (transfer full): the end to send to
 * @receive: (out) (transfer full): the end to receive from
 *
 * Makes a stream: see [class@At.SendStream] and [class@At.ReceiveStream].
 *
 * Since: 0.1
 */
void
at_stream_new (guint             capacity,
               AtSendStream    **send,
               AtReceiveStream **receive)
{
  AtChannel *channel;

  g_return_if_fail (send != NULL);
  g_return_if_fail (receive != NULL);

  channel = at_channel_new (capacity);
  *send = at_send_stream_new_for_channel (channel);
  *receive = at_receive_stream_new_for_channel (channel);
  at_channel_unref (channel);
}

static AtWaiter *
at_send_stream_waiter_new (AtSendStream *self,
                           const GValue *value)
{
  AtChannel *channel = self->end.channel;
  AtWaiter *waiter = at_waiter_new (&send_wait_class, self, &channel->lock, &channel->sending);

  waiter->payload = at_channel_value_new (value);

  return waiter;
}

/**
 * at_send_stream_send:
 * @self: a sending end
 * @value: (nullable): what to send, copied; `NULL`: no value, which is received as one without a
 *   type
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @error: return location for an error
 *
 * Sends a value, and blocks the calling thread until the buffer or a receiver took it. The thread
 * needs neither a portal nor a main loop.
 *
 * Fails with `AT_ERROR_CLOSED` if this end is closed, and with `AT_ERROR_BROKEN` if nobody is left
 * who could receive; both also while it waits. What need not wait is done on every thread; on a
 * portal's own thread, which must not block, having to wait fails with `AT_ERROR_WRONG_THREAD`:
 * use [method@At.SendStream.send_async] there. A cancellation fails with `G_IO_ERROR_CANCELLED`,
 * or with `G_IO_ERROR_TIMED_OUT` if @cancellable is an [class@At.CancelScope] whose deadline has
 * passed. After an error nobody received, or will receive, the value.
 *
 * Returns: `TRUE` if the value was taken
 *
 * Since: 0.1
 */
gboolean
at_send_stream_send (AtSendStream *self,
                     const GValue *value,
                     GCancellable *cancellable,
                     GError      **error)
{
  g_autoptr (AtWaiter) waiter = NULL;
  gboolean sent;

  g_return_val_if_fail (AT_IS_SEND_STREAM (self), FALSE);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), FALSE);

  waiter = at_send_stream_waiter_new (self, value);

  sent = at_waiter_block (waiter, cancellable, error) &&
         !at_channel_set_outcome_error (waiter->outcome, error);

  at_waiter_finish (waiter);

  return sent;
}

/**
 * at_send_stream_send_async:
 * @self: a sending end
 * @value: (nullable): what to send, copied; `NULL`: no value
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @callback: (nullable) (scope async): called when the value was taken, or it failed
 * @user_data: the data for @callback
 *
 * Sends a value as soon as the buffer or a receiver takes it, without blocking.
 *
 * Values sent by one thread are received in the order of these calls. @callback runs on the
 * thread-default main context of the caller, never inside this call.
 *
 * Since: 0.1
 */
void
at_send_stream_send_async (AtSendStream       *self,
                           const GValue       *value,
                           GCancellable       *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer            user_data)
{
  g_return_if_fail (AT_IS_SEND_STREAM (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  at_waiter_begin (at_send_stream_waiter_new (self, value), cancellable, callback, user_data,
                   at_send_stream_send_async);
}

/**
 * at_send_stream_send_finish:
 * @self: a sending end
 * @result: what the callback got
 * @error: return location for an error, as in [method@At.SendStream.send]
 *
 * Finishes [method@At.SendStream.send_async].
 *
 * Returns: `TRUE` if the value was taken
 *
 * Since: 0.1
 */
gboolean
at_send_stream_send_finish (AtSendStream *self,
                            GAsyncResult *result,
                            GError      **error)
{
  g_return_val_if_fail (AT_IS_SEND_STREAM (self), FALSE);

  return at_waiter_finish_unit (self, result, at_send_stream_send_async, error);
}

/**
 * at_send_stream_try_send:
 * @self: a sending end
 * @value: (nullable): what to send, copied; `NULL`: no value
 * @error: return location for an error
 *
 * Sends a value if the buffer or a waiting receiver takes it at once; otherwise fails with
 * `AT_ERROR_WOULD_BLOCK`, or as [method@At.SendStream.send] does.
 *
 * Any thread may call this, inside any callback; it neither blocks nor calls back.
 *
 * Returns: `TRUE` if the value was taken
 *
 * Since: 0.1
 */
gboolean
at_send_stream_try_send (AtSendStream *self,
                         const GValue *value,
                         GError      **error)
{
  AtChannel *channel;
  AtWaiter waiter;
  gboolean sent = FALSE;

  g_return_val_if_fail (AT_IS_SEND_STREAM (self), FALSE);

  channel = self->end.channel;
  at_waiter_init (&waiter, &send_wait_class, self, &channel->lock, &channel->sending);
  waiter.payload = at_channel_value_new (value);

  if (at_waiter_try (&waiter))
    sent = !at_channel_set_outcome_error (waiter.outcome, error);
  else
    g_set_error_literal (error, AT_ERROR, AT_ERROR_WOULD_BLOCK,
                         _ ("The stream's buffer is full and nobody waits to receive; try again, "
                           "or send and wait"));

  at_waiter_finish (&waiter);

  return sent;
}

/**
 * at_send_stream_clone:
 * @self: a sending end
 *
 * Makes another sending end of the same stream, to be closed by itself. The clone of a closed end
 * is closed.
 *
 * Returns: (transfer full): the clone
 *
 * Since: 0.1
 */
AtSendStream *
at_send_stream_clone (AtSendStream *self)
{
  AtSendStream *clone;

  g_return_val_if_fail (AT_IS_SEND_STREAM (self), NULL);

  clone = g_object_new (AT_TYPE_SEND_STREAM, NULL);
  at_channel_end_clone_sender (&clone->end, &self->end);

  return clone;
}

/**
 * at_send_stream_close:
 * @self: a sending end
 *
 * Closes this end. Whoever waits to send through it fails with `AT_ERROR_CLOSED`; if it was the
 * last sending end, whoever waits to receive fails with `AT_ERROR_END_OF_STREAM`. What lies in the
 * buffer can still be received. From the second time on nothing happens.
 *
 * All of that is so when this returns. Any thread may call this, inside any callback; it neither
 * blocks nor calls back.
 *
 * Since: 0.1
 */
void
at_send_stream_close (AtSendStream *self)
{
  g_return_if_fail (AT_IS_SEND_STREAM (self));

  at_channel_end_close_sender (&self->end, self);
}

/**
 * at_send_stream_get_statistics:
 * @self: a sending end
 *
 * What lies in the stream and who waits to send, at this moment.
 *
 * Returns: (transfer full): its `waiters` (to send), `buffered`, `capacity`, `senders` and
 *   `receivers`; the rest is 0
 *
 * Since: 0.1
 */
AtStatistics *
at_send_stream_get_statistics (AtSendStream *self)
{
  g_return_val_if_fail (AT_IS_SEND_STREAM (self), NULL);

  return at_channel_get_statistics (self->end.channel, &self->end.channel->sending);
}
