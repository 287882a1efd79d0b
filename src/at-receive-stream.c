/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include "at-channel-private.h"
#include "at-stream-private.h"

/**
 * AtReceiveStream:
 *
 * The end of a stream from which threads and tasks take values: see [class@At.SendStream].
 *
 * Each value is received once, by one of those who ask, in the order of asking. An asynchronous
 * receive whose result nobody asks for leaves its value in the stream, as the next one.
 *
 * Thread-safe. A waiter keeps its end alive, and open.
 *
 * Since: 0.1
 */
struct _AtReceiveStream
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

G_DEFINE_FINAL_TYPE (AtReceiveStream, at_receive_stream, G_TYPE_OBJECT)

/* What an asynchronous receive returns. */
typedef struct
{
  AtChannel *channel;
  GValue    *value;
} AtParcel;

static void
at_parcel_put_back (gpointer data)
{
  AtParcel *parcel = data;

  at_channel_put_back (parcel->channel, parcel->value);
  at_channel_unref (parcel->channel);
  g_free (parcel);
}

static gboolean
at_receive_stream_attempt (AtWaiter        *waiter,
                           AtHandoverQueue *woken)
{
  AtReceiveStream *self = waiter->primitive;

  return at_channel_end_attempt_receive (&self->end, waiter, woken);
}

static void
at_receive_stream_answer (AtWaiter *waiter)
{
  AtReceiveStream *self = waiter->primitive;
  GError *error = NULL;
  AtParcel *parcel;

  if (at_channel_set_outcome_error (waiter->outcome, &error))
    {
      g_task_return_error (waiter->task, error);
      return;
    }

  parcel = g_new (AtParcel, 1);
  parcel->channel = at_channel_ref (self->end.channel);
  parcel->value = g_steal_pointer (&waiter->payload);

  g_task_return_pointer (waiter->task, parcel, at_parcel_put_back);
}

static const AtWaitClass receive_wait_class = {
  .operation = N_ ("Receiving from a stream"),
  .attempt = at_receive_stream_attempt,
  .answer = at_receive_stream_answer,
  .payload_destroy = at_value_free,
};

static void
at_receive_stream_dispose (GObject *object)
{
  AtReceiveStream *self = AT_RECEIVE_STREAM (object);

  at_receive_stream_close (self);

  G_OBJECT_CLASS (at_receive_stream_parent_class)->dispose (object);
}

static void
at_receive_stream_finalize (GObject *object)
{
  AtReceiveStream *self = AT_RECEIVE_STREAM (object);

  at_channel_end_clear (&self->end);

  G_OBJECT_CLASS (at_receive_stream_parent_class)->finalize (object);
}

static void
at_receive_stream_get_property (GObject    *object,
                                guint       prop_id,
                                GValue     *value,
                                GParamSpec *pspec)
{
  AtReceiveStream *self = AT_RECEIVE_STREAM (object);

  switch (prop_id)
    {
    case PROP_STATISTICS:
      g_value_take_boxed (value, at_receive_stream_get_statistics (self));
      break;

    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
at_receive_stream_class_init (AtReceiveStreamClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = at_receive_stream_dispose;
  object_class->finalize = at_receive_stream_finalize;
  object_class->get_property = at_receive_stream_get_property;

  /**
   * AtReceiveStream:statistics:
   *
   * What lies in the stream and who waits to receive, at this moment. Changes are not notified.
   *
   * Since: 0.1
   */
  properties[PROP_STATISTICS] =
    g_param_spec_boxed ("statistics", NULL, NULL, AT_TYPE_STATISTICS,
                        G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, properties);
}

static void
at_receive_stream_init (AtReceiveStream *self)
{
  at_channel_end_init (&self->end);
}

AtReceiveStream *
at_receive_stream_new_for_channel (AtChannel *channel)
{
  AtReceiveStream *self = g_object_new (AT_TYPE_RECEIVE_STREAM, NULL);

  at_channel_end_join_receiver (&self->end, channel);

  return self;
}

static AtWaiter *
at_receive_stream_waiter_new (AtReceiveStream *self)
{
  AtChannel *channel = self->end.channel;

  return at_waiter_new (&receive_wait_class, self, &channel->lock, &channel->receiving);
}

/**
 * at_receive_stream_receive:
 * @self: a receiving end
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @error: return location for an error
 *
 * Receives a value, and blocks the calling thread until there is one. The thread needs neither a
 * portal nor a main loop.
 *
 * Fails with `AT_ERROR_CLOSED` if this end is closed, and with `AT_ERROR_END_OF_STREAM` if nothing
 * is left and nobody is left who could send; both also while it waits. What need not wait is done
 * on every thread; on a portal's own thread, which must not block, having to wait fails with
 * `AT_ERROR_WRONG_THREAD`: use [method@At.ReceiveStream.receive_async] there. A cancellation fails
 * with `G_IO_ERROR_CANCELLED`, or with `G_IO_ERROR_TIMED_OUT` if @cancellable is an
 * [class@At.CancelScope] whose deadline has passed. After an error nothing was received.
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`; one
 *   without a type if `NULL` was sent; or `NULL` with an error
 *
 * Since: 0.1
 */
GValue *
at_receive_stream_receive (AtReceiveStream *self,
                           GCancellable    *cancellable,
                           GError         **error)
{
  g_autoptr (AtWaiter) waiter = NULL;

  g_return_val_if_fail (AT_IS_RECEIVE_STREAM (self), NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);

  waiter = at_receive_stream_waiter_new (self);

  if (at_waiter_block (waiter, cancellable, error))
    at_channel_set_outcome_error (waiter->outcome, error);

  return g_steal_pointer (&waiter->payload);
}

/**
 * at_receive_stream_receive_borrowed: (rename-to at_receive_stream_receive)
 * @self: a receiving end
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @error: return location for an error
 *
 * Receives a value as [method@At.ReceiveStream.receive] does, for language bindings.
 *
 * Returns: (transfer none) (nullable): the value, valid until this thread's next such call; `NULL`
 *   without an error if `NULL` was sent
 *
 * Since: 0.1
 */
const GValue *
at_receive_stream_receive_borrowed (AtReceiveStream *self,
                                    GCancellable    *cancellable,
                                    GError         **error)
{
  return at_value_lend (at_receive_stream_receive (self, cancellable, error));
}

/**
 * at_receive_stream_receive_async:
 * @self: a receiving end
 * @cancellable: (nullable): stops waiting when it is cancelled
 * @callback: (nullable) (scope async): called when there is a value, or it failed
 * @user_data: the data for @callback
 *
 * Receives a value as soon as there is one, without blocking.
 *
 * @callback runs on the thread-default main context of the caller, never inside this call, and
 * gets the value with [method@At.ReceiveStream.receive_finish]; if nobody calls that, the value
 * stays in the stream.
 *
 * Since: 0.1
 */
void
at_receive_stream_receive_async (AtReceiveStream    *self,
                                 GCancellable       *cancellable,
                                 GAsyncReadyCallback callback,
                                 gpointer            user_data)
{
  g_return_if_fail (AT_IS_RECEIVE_STREAM (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  at_waiter_begin (at_receive_stream_waiter_new (self), cancellable, callback, user_data,
                   at_receive_stream_receive_async);
}

/**
 * at_receive_stream_receive_finish:
 * @self: a receiving end
 * @result: what the callback got
 * @error: return location for an error, as in [method@At.ReceiveStream.receive]
 *
 * Finishes [method@At.ReceiveStream.receive_async].
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`; one
 *   without a type if `NULL` was sent; or `NULL` with an error
 *
 * Since: 0.1
 */
GValue *
at_receive_stream_receive_finish (AtReceiveStream *self,
                                  GAsyncResult    *result,
                                  GError         **error)
{
  AtParcel *parcel;
  GValue *value;

  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_return_val_if_fail (g_async_result_is_tagged (result, at_receive_stream_receive_async), NULL);

  parcel = g_task_propagate_pointer (G_TASK (result), error);
  if (parcel == NULL)
    return NULL;

  value = parcel->value;
  at_channel_unref (parcel->channel);
  g_free (parcel);

  return value;
}

/**
 * at_receive_stream_receive_finish_borrowed: (rename-to at_receive_stream_receive_finish)
 * @self: a receiving end
 * @result: what the callback got
 * @error: return location for an error
 *
 * Finishes [method@At.ReceiveStream.receive_async], for language bindings.
 *
 * Returns: (transfer none) (nullable): the value, valid until this thread's next such call; `NULL`
 *   without an error if `NULL` was sent
 *
 * Since: 0.1
 */
const GValue *
at_receive_stream_receive_finish_borrowed (AtReceiveStream *self,
                                           GAsyncResult    *result,
                                           GError         **error)
{
  return at_value_lend (at_receive_stream_receive_finish (self, result, error));
}

/**
 * at_receive_stream_try_receive:
 * @self: a receiving end
 * @error: return location for an error
 *
 * Receives a value if the buffer or a waiting sender has one at once; otherwise fails with
 * `AT_ERROR_WOULD_BLOCK`, or as [method@At.ReceiveStream.receive] does.
 *
 * Any thread may call this, inside any callback; it neither blocks nor calls back.
 *
 * Returns: (transfer full): the value, to be freed with `g_boxed_free (G_TYPE_VALUE, value)`; one
 *   without a type if `NULL` was sent; or `NULL` with an error
 *
 * Since: 0.1
 */
GValue *
at_receive_stream_try_receive (AtReceiveStream *self,
                               GError         **error)
{
  AtChannel *channel;
  AtWaiter waiter;

  g_return_val_if_fail (AT_IS_RECEIVE_STREAM (self), NULL);

  channel = self->end.channel;
  at_waiter_init (&waiter, &receive_wait_class, self, &channel->lock, &channel->receiving);

  if (at_waiter_try (&waiter))
    at_channel_set_outcome_error (waiter.outcome, error);
  else
    g_set_error_literal (error, AT_ERROR, AT_ERROR_WOULD_BLOCK,
                         _ ("The stream is empty and nobody waits to send; try again, or receive "
                           "and wait"));

  return waiter.payload;
}

/**
 * at_receive_stream_try_receive_borrowed: (rename-to at_receive_stream_try_receive)
 * @self: a receiving end
 * @error: return location for an error
 *
 * Receives a value as [method@At.ReceiveStream.try_receive] does, for language bindings.
 *
 * Returns: (transfer none) (nullable): the value, valid until this thread's next such call; `NULL`
 *   without an error if `NULL` was sent
 *
 * Since: 0.1
 */
const GValue *
at_receive_stream_try_receive_borrowed (AtReceiveStream *self,
                                        GError         **error)
{
  return at_value_lend (at_receive_stream_try_receive (self, error));
}

/**
 * at_receive_stream_clone:
 * @self: a receiving end
 *
 * Makes another receiving end of the same stream, to be closed by itself. The clone of a closed end
 * is closed.
 *
 * Returns: (transfer full): the clone
 *
 * Since: 0.1
 */
AtReceiveStream *
at_receive_stream_clone (AtReceiveStream *self)
{
  AtReceiveStream *clone;

  g_return_val_if_fail (AT_IS_RECEIVE_STREAM (self), NULL);

  clone = g_object_new (AT_TYPE_RECEIVE_STREAM, NULL);
  at_channel_end_clone_receiver (&clone->end, &self->end);

  return clone;
}

/**
 * at_receive_stream_close:
 * @self: a receiving end
 *
 * Closes this end. Whoever waits to receive through it fails with `AT_ERROR_CLOSED`; if it was the
 * last receiving end, whoever waits to send fails with `AT_ERROR_BROKEN`, and what lies in the
 * buffer is dropped. From the second time on nothing happens.
 *
 * All of that is so when this returns. Any thread may call this, inside any callback; it neither
 * blocks nor calls back.
 *
 * Since: 0.1
 */
void
at_receive_stream_close (AtReceiveStream *self)
{
  g_return_if_fail (AT_IS_RECEIVE_STREAM (self));

  at_channel_end_close_receiver (&self->end, self);
}

/**
 * at_receive_stream_get_statistics:
 * @self: a receiving end
 *
 * What lies in the stream and who waits to receive, at this moment.
 *
 * Returns: (transfer full): its `waiters` (to receive), `buffered`, `capacity`, `senders` and
 *   `receivers`; the rest is 0
 *
 * Since: 0.1
 */
AtStatistics *
at_receive_stream_get_statistics (AtReceiveStream *self)
{
  g_return_val_if_fail (AT_IS_RECEIVE_STREAM (self), NULL);

  return at_channel_get_statistics (self->end.channel, &self->end.channel->receiving);
}
