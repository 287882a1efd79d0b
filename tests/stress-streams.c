/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stress.h"

/* Half of the threads send numbers, half receive them, through ends that they close and clone again
 * now and then. What a send has promised is received exactly once; what it failed to send, never;
 * and the numbers of one sender come to one receiver in their order.
 *
 * In some rounds the receivers leave early: then nothing is promised, but everybody comes back. */

#define N_SENDERS (N_WORKERS / 2)
#define N_NUMBERS 300

typedef enum
{
  NUMBER_UNSENT,
  NUMBER_SENT,
  NUMBER_FAILED,
} Number;

typedef struct
{
  AtSendStream    *send;
  AtReceiveStream *receive;
  gboolean         leave_early;

  Number numbers[N_SENDERS][N_NUMBERS];      /* each by its sender */
  int    n_received[N_SENDERS][N_NUMBERS];
  int    n_senders_left;
  int    n_receivers_left;
} Round;

typedef struct
{
  gboolean done;
  gboolean succeeded;
  int      value;
  GError  *error;
} Ending;

static void
on_sent (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  Ending *ending = user_data;

  ending->succeeded = at_send_stream_send_finish (AT_SEND_STREAM (source), result, &ending->error);
  ending->done = TRUE;
}

static void
on_received (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Ending *ending = user_data;
  GValue *value = at_receive_stream_receive_finish (AT_RECEIVE_STREAM (source), result,
                                                    &ending->error);

  ending->succeeded = value != NULL;
  if (value != NULL)
    {
      ending->value = g_value_get_int (value);
      g_boxed_free (G_TYPE_VALUE, value);
    }

  ending->done = TRUE;
}

/* Another end of the same kind in place of this one. */
static void
renew_sender (Worker        *worker,
              AtSendStream **send)
{
  g_autoptr (AtSendStream) old = g_steal_pointer (send);

  *send = at_send_stream_clone (old);
  if (dice (worker, 2) == 0)
    at_send_stream_close (old);
}

static void
renew_receiver (Worker           *worker,
                AtReceiveStream **receive)
{
  g_autoptr (AtReceiveStream) old = g_steal_pointer (receive);

  *receive = at_receive_stream_clone (old);
  if (dice (worker, 2) == 0)
    at_receive_stream_close (old);
}

static void
send_numbers (Worker *worker)
{
  Round *round = worker->data;
  AtSendStream *send = at_send_stream_clone (round->send);
  guint sender = worker->index / 2;
  g_auto (GValue) value = G_VALUE_INIT;

  g_value_init (&value, G_TYPE_INT);

  for (guint i = 0; i < N_NUMBERS; i++)
    {
      g_autoptr (GCancellable) cancellable = make_cancellable (worker);
      Ending ending = { 0 };

      g_value_set_int (&value, (int) (sender * N_NUMBERS + i));

      switch (dice (worker, 3))
        {
        case 0:
          ending.succeeded = at_send_stream_send (send, &value, cancellable, &ending.error);
          break;

        case 1:
          at_send_stream_send_async (send, &value, cancellable, on_sent, &ending);
          if (dice (worker, 4) == 0)
            cancel_somebody (worker);
          /* While somebody waits at it. */
          if (dice (worker, 16) == 0)
            {
              AtSendStream *other = at_send_stream_clone (send);

              at_send_stream_close (send);
              g_object_unref (send);
              send = other;
            }
          while (!ending.done)
            g_main_context_iteration (worker->context, TRUE);
          break;

        default:
          ending.succeeded = at_send_stream_try_send (send, &value, &ending.error);
          break;
        }

      round->numbers[sender][i] = ending.succeeded ? NUMBER_SENT : NUMBER_FAILED;

      if (g_error_matches (ending.error, AT_ERROR, AT_ERROR_BROKEN))
        g_assert_true (round->leave_early);
      else if (ending.error != NULL && ending.error->domain == G_IO_ERROR)
        assert_cancelled (cancellable, ending.error);
      else if (ending.error != NULL)
        g_assert_true (g_error_matches (ending.error, AT_ERROR, AT_ERROR_WOULD_BLOCK) ||
                       g_error_matches (ending.error, AT_ERROR, AT_ERROR_CLOSED));
      g_clear_error (&ending.error);

      if (dice (worker, 8) == 0)
        cancel_somebody (worker);
      if (dice (worker, 16) == 0)
        renew_sender (worker, &send);
      progress ();
    }

  g_object_unref (send);

  if (g_atomic_int_add (&round->n_senders_left, -1) == 1)
    at_send_stream_close (round->send);
}

static void
receive_numbers (Worker *worker)
{
  Round *round = worker->data;
  AtReceiveStream *receive = at_receive_stream_clone (round->receive);
  int last[N_SENDERS] = { -1, -1, -1, -1 };
  gboolean ended = FALSE;

  for (guint i = 0; !ended && (!round->leave_early || i < 50); i++)
    {
      g_autoptr (GCancellable) cancellable = make_cancellable (worker);
      Ending ending = { 0 };
      GValue *value = NULL;

      switch (dice (worker, 3))
        {
        case 0:
          value = at_receive_stream_receive (receive, cancellable, &ending.error);
          break;

        case 1:
          at_receive_stream_receive_async (receive, cancellable, on_received, &ending);
          if (dice (worker, 4) == 0)
            cancel_somebody (worker);
          if (dice (worker, 16) == 0)
            {
              AtReceiveStream *other = at_receive_stream_clone (receive);

              at_receive_stream_close (receive);
              g_object_unref (receive);
              receive = other;
            }
          while (!ending.done)
            g_main_context_iteration (worker->context, TRUE);
          break;

        default:
          value = at_receive_stream_try_receive (receive, &ending.error);
          break;
        }

      if (value != NULL)
        {
          ending.succeeded = TRUE;
          ending.value = g_value_get_int (value);
          g_boxed_free (G_TYPE_VALUE, value);
        }

      if (ending.succeeded)
        {
          int sender = ending.value / N_NUMBERS, number = ending.value % N_NUMBERS;

          g_assert_no_error (ending.error);
          g_assert_cmpint (number, >, last[sender]);
          last[sender] = number;
          g_assert_cmpint (g_atomic_int_add (&round->n_received[sender][number], 1), ==, 0);
        }
      else if (g_error_matches (ending.error, AT_ERROR, AT_ERROR_END_OF_STREAM))
        ended = TRUE;
      else if (ending.error->domain == G_IO_ERROR)
        assert_cancelled (cancellable, ending.error);
      else
        g_assert_true (g_error_matches (ending.error, AT_ERROR, AT_ERROR_WOULD_BLOCK) ||
                       g_error_matches (ending.error, AT_ERROR, AT_ERROR_CLOSED));
      g_clear_error (&ending.error);

      if (dice (worker, 8) == 0)
        cancel_somebody (worker);
      if (dice (worker, 16) == 0)
        renew_receiver (worker, &receive);
      progress ();
    }

  g_object_unref (receive);

  if (g_atomic_int_add (&round->n_receivers_left, -1) == 1 && round->leave_early)
    at_receive_stream_close (round->receive);
}

static void
work_with_stream (Worker *worker)
{
  if (worker->index % 2 == 0)
    send_numbers (worker);
  else
    receive_numbers (worker);
}

void
stress_stream (void)
{
  static const guint capacities[] = { 0, 1, 7, G_MAXUINT };

  for (guint i = 0; !time_is_over (); i++)
    {
      g_autofree Round *round = g_new0 (Round, 1);
      g_autoptr (AtStatistics) statistics = NULL;

      round->n_senders_left = N_SENDERS;
      round->n_receivers_left = N_WORKERS - N_SENDERS;
      round->leave_early = i % 8 >= 6;
      at_stream_new (capacities[i % 4], &round->send, &round->receive);
      run_workers (work_with_stream, round);

      statistics = at_send_stream_get_statistics (round->send);
      g_assert_cmpuint (statistics->waiters, ==, 0);
      g_assert_cmpuint (count_waiters (round->receive), ==, 0);
      if (!round->leave_early)
        g_assert_cmpuint (statistics->buffered, ==, 0);

      for (guint sender = 0; sender < N_SENDERS; sender++)
        for (guint number = 0; number < N_NUMBERS; number++)
          {
            int n = round->n_received[sender][number];

            switch (round->numbers[sender][number])
              {
              case NUMBER_SENT:
                g_assert_cmpint (n, <=, 1);
                g_assert_true (n == 1 || round->leave_early);
                break;

              case NUMBER_FAILED:
                g_assert_cmpint (n, ==, 0);
                break;

              default:
                g_assert_not_reached ();
              }
          }

      g_object_unref (round->send);
      g_object_unref (round->receive);
    }
}
