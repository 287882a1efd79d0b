/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "waiting.h"

/* The value of a stream is an object here, which tells when it is dropped. */

static int n_alive;

static void
on_dropped (gpointer data,
            GObject *where_it_was)
{
  g_atomic_int_add (&n_alive, -1);
}

static void
make_value (GValue *value,
            int     number)
{
  g_autoptr (GObject) object = g_object_new (G_TYPE_OBJECT, NULL);

  g_object_set_data (object, "number", GINT_TO_POINTER (number));
  g_object_weak_ref (object, on_dropped, NULL);
  g_atomic_int_inc (&n_alive);

  g_value_init (value, G_TYPE_OBJECT);
  g_value_set_object (value, object);
}

static int
take_number (GValue *value)
{
  int number;

  g_assert_nonnull (value);
  number = GPOINTER_TO_INT (g_object_get_data (g_value_get_object (value), "number"));
  g_boxed_free (G_TYPE_VALUE, value);

  return number;
}

static gboolean
try_send_number (AtSendStream *send,
                 int           number,
                 GError      **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  make_value (&value, number);

  return at_send_stream_try_send (send, &value, error);
}

static void
send_number_async (AtSendStream *send,
                   int           number,
                   GCancellable *cancellable,
                   Answer       *answer)
{
  g_auto (GValue) value = G_VALUE_INIT;

  make_value (&value, number);
  at_send_stream_send_async (send, &value, cancellable, on_answer, answer);
}

static gboolean
send_one (gpointer      object,
          GCancellable *cancellable,
          GError      **error)
{
  g_auto (GValue) value = G_VALUE_INIT;

  make_value (&value, 1);

  return at_send_stream_send (object, &value, cancellable, error);
}

static gboolean
receive_one (gpointer      object,
             GCancellable *cancellable,
             GError      **error)
{
  GValue *value = at_receive_stream_receive (object, cancellable, error);

  return value != NULL && take_number (value) == 1;
}

/* The table of the manual. */

typedef struct
{
  AtSendStream    *send;
  AtReceiveStream *receive;
  gboolean         sends;       /* whether the own end is the sending one */
  guint            n_buffered;
  Answer           peer;        /* of the peer that waits, if one does */
} Cell;

static const char *ends[] = { "open", "own end closed", "all peers closed", "clone closed" };
static const char *streams[] = { "empty", "buffered", "full", "waiting peer" };

static guint
index_of (const char *word,
          const char *words[],
          guint       n)
{
  for (guint i = 0; i < n; i++)
    if (g_str_equal (word, words[i]))
      return i;

  g_error ("The manual says “%s”, and the test does not know what that is", word);
}

static void
close_end (Cell    *cell,
           gboolean sending)
{
  if (sending)
    at_send_stream_close (cell->send);
  else
    at_receive_stream_close (cell->receive);
}

static void
set_up_cell (Cell    *cell,
             guint    end,
             guint    stream,
             gboolean sends)
{
  *cell = (Cell){ .sends = sends, .n_buffered = stream < 3 ? stream : 0 };

  at_stream_new (stream < 3 ? 2 : 0, &cell->send, &cell->receive);

  for (guint i = 1; i <= cell->n_buffered; i++)
    g_assert_true (try_send_number (cell->send, (int) i, NULL));

  if (stream == 3 && sends)
    at_receive_stream_receive_async (cell->receive, NULL, on_answer, &cell->peer);
  else if (stream == 3)
    send_number_async (cell->send, 1, NULL, &cell->peer);

  if (end == 1 || end == 2)
    close_end (cell, (end == 1) == sends);

  if (end == 3 && sends)
    {
      g_autoptr (AtSendStream) clone = at_send_stream_clone (cell->send);

      at_send_stream_close (clone);
    }
  else if (end == 3)
    {
      g_autoptr (AtReceiveStream) clone = at_receive_stream_clone (cell->receive);

      at_receive_stream_close (clone);
    }
}

static void
tear_down_cell (Cell *cell)
{
  /* What the peer waited for is known; it must not wait for ever. */
  at_send_stream_close (cell->send);
  at_receive_stream_close (cell->receive);
  run_pending ();
  g_clear_object (&cell->send);
  g_clear_object (&cell->receive);
  answer_clear (&cell->peer);
  run_pending ();
  g_assert_cmpint (n_alive, ==, 0);
}

static const char *
word_for (gboolean      success,
          const GError *error)
{
  g_assert_cmpint (success, ==, error == NULL);

  if (success)
    return "done";

  g_assert_true (error->domain == AT_ERROR);

  switch (error->code)
    {
    case AT_ERROR_CLOSED:
      return "`CLOSED`";
    case AT_ERROR_BROKEN:
      return "`BROKEN`";
    case AT_ERROR_END_OF_STREAM:
      return "`END_OF_STREAM`";
    case AT_ERROR_WOULD_BLOCK:
      return "`WOULD_BLOCK`";
    default:
      g_assert_not_reached ();
    }
}

static const char *
do_try_send (Cell *cell)
{
  g_autoptr (GError) error = NULL;
  gboolean sent = try_send_number (cell->send, 3, &error);

  return word_for (sent, error);
}

static const char *
do_try_receive (Cell *cell)
{
  g_autoptr (GError) error = NULL;
  GValue *value = at_receive_stream_try_receive (cell->receive, &error);

  if (value != NULL)
    g_assert_cmpint (take_number (value), ==, 1);

  return word_for (value != NULL, error);
}

static const char *
do_send (Cell *cell)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };
  gboolean sent;

  send_number_async (cell->send, 3, cancellable, &answer);
  run_pending ();
  if (answer.result == NULL)
    {
      g_assert_cmpuint (count_waiters (cell->send), ==, 1);
      g_cancellable_cancel (cancellable);
      g_assert_false (at_send_stream_send_finish (cell->send, answer_wait (&answer), NULL));
      return "waits";
    }

  sent = at_send_stream_send_finish (cell->send, answer.result, &error);

  return word_for (sent, error);
}

static const char *
do_receive (Cell *cell)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };
  GValue *value;

  at_receive_stream_receive_async (cell->receive, cancellable, on_answer, &answer);
  run_pending ();
  if (answer.result == NULL)
    {
      g_assert_cmpuint (count_waiters (cell->receive), ==, 1);
      g_cancellable_cancel (cancellable);
      g_assert_null (at_receive_stream_receive_finish (cell->receive, answer_wait (&answer), NULL));
      return "waits";
    }

  value = at_receive_stream_receive_finish (cell->receive, answer.result, &error);
  if (value != NULL)
    g_assert_cmpint (take_number (value), ==, 1);

  return word_for (value != NULL, error);
}

/* What a close may change, as far as the peers can see. */
static char *
describe (Cell *cell)
{
  g_autoptr (AtStatistics) statistics = at_send_stream_get_statistics (cell->send);
  guint n_own = cell->sends ? statistics->senders : statistics->receivers;
  guint n_peers = cell->sends ? statistics->receivers : statistics->senders;

  run_pending ();

  return g_strdup_printf ("%u buffered, %u open, woken: %d", statistics->buffered,
                          n_peers > 0 ? n_own : 0, cell->peer.result != NULL);
}

static char *
do_close_sending (Cell *cell)
{
  g_autofree char *before = describe (cell);
  g_autofree char *after = NULL;
  g_autoptr (GError) error = NULL;
  GString *said = g_string_new (NULL);
  gboolean woken, waited = cell->peer.result == NULL;
  guint n = 0;
  GValue *value;

  at_send_stream_close (cell->send);
  after = describe (cell);
  if (g_str_equal (before, after))
    return g_string_free (g_string_append (said, "nothing"), FALSE);

  woken = waited && cell->peer.result != NULL;
  if (woken)
    {
      g_assert_null (at_receive_stream_receive_finish (cell->receive, cell->peer.result, &error));
      g_string_append_printf (said, "wakes it, %s", word_for (FALSE, error));
      g_clear_error (&error);
    }

  while ((value = at_receive_stream_try_receive (cell->receive, &error)) != NULL)
    g_assert_cmpint (take_number (value), ==, ++n);
  if (n > 0)
    g_string_append_printf (said, "%u, ", n);
  if (!woken)
    g_string_append (said, word_for (FALSE, error));

  return g_string_free (said, FALSE);
}

static char *
do_close_receiving (Cell *cell)
{
  g_autoptr (AtStatistics) statistics = at_send_stream_get_statistics (cell->send);
  g_autofree char *before = describe (cell);
  g_autofree char *after = NULL;
  g_autoptr (GError) error = NULL;
  GString *said = g_string_new (NULL);
  gboolean woken, waited = cell->peer.result == NULL;
  int n_dropped = n_alive;
  gboolean can_send = statistics->senders > 0;

  at_receive_stream_close (cell->receive);
  /* A waiting sender keeps its own value until it was told. */
  n_dropped -= n_alive;
  after = describe (cell);
  if (g_str_equal (before, after))
    return g_string_free (g_string_append (said, "nothing"), FALSE);

  woken = waited && cell->peer.result != NULL;
  if (woken)
    {
      g_assert_false (at_send_stream_send_finish (cell->send, cell->peer.result, &error));
      g_string_append_printf (said, "wakes it, %s", word_for (FALSE, error));
      g_clear_error (&error);
    }

  if (n_dropped > 0)
    g_string_append_printf (said, "drops %d", n_dropped);
  if (can_send && !woken)
    {
      g_assert_false (try_send_number (cell->send, 3, &error));
      g_string_append_printf (said, "%s%s", n_dropped > 0 ? ", " : "", word_for (FALSE, error));
    }

  return g_string_free (said, FALSE);
}

static void
check_row (char **columns)
{
  guint end = index_of (columns[0], ends, G_N_ELEMENTS (ends));
  guint stream = index_of (columns[1], streams, G_N_ELEMENTS (streams));
  g_autofree char *closes_sending = NULL;
  g_autofree char *closes_receiving = NULL;
  Cell cell;

  g_test_message ("ends: %s, stream: %s", columns[0], columns[1]);

  set_up_cell (&cell, end, stream, TRUE);
  g_assert_cmpstr (do_send (&cell), ==, columns[2]);
  tear_down_cell (&cell);

  set_up_cell (&cell, end, stream, TRUE);
  g_assert_cmpstr (do_try_send (&cell), ==, columns[3]);
  tear_down_cell (&cell);

  set_up_cell (&cell, end, stream, FALSE);
  g_assert_cmpstr (do_receive (&cell), ==, columns[4]);
  tear_down_cell (&cell);

  set_up_cell (&cell, end, stream, FALSE);
  g_assert_cmpstr (do_try_receive (&cell), ==, columns[5]);
  tear_down_cell (&cell);

  set_up_cell (&cell, end, stream, TRUE);
  closes_sending = do_close_sending (&cell);
  g_assert_cmpstr (closes_sending, ==, columns[6]);
  tear_down_cell (&cell);

  set_up_cell (&cell, end, stream, FALSE);
  closes_receiving = do_close_receiving (&cell);
  g_assert_cmpstr (closes_receiving, ==, columns[7]);
  tear_down_cell (&cell);
}

static void
test_table (void)
{
  g_autofree char *guide = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) error = NULL;
  gboolean seen[G_N_ELEMENTS (ends)][G_N_ELEMENTS (streams)] = { 0 };

  g_file_get_contents (g_test_get_filename (G_TEST_DIST, "streams.md", NULL), &guide, NULL, &error);
  g_assert_no_error (error);

  lines = g_strsplit (guide, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_auto (GStrv) columns = NULL;

      if (!g_str_has_prefix (lines[i], "| ") || g_str_has_prefix (lines[i], "| ends"))
        continue;

      columns = g_strsplit (lines[i] + 1, "|", -1);
      for (guint j = 0; columns[j] != NULL; j++)
        g_strstrip (columns[j]);
      g_assert_cmpuint (g_strv_length (columns), ==, 9);

      check_row (columns);
      seen[index_of (columns[0], ends, G_N_ELEMENTS (ends))]
          [index_of (columns[1], streams, G_N_ELEMENTS (streams))] = TRUE;
    }

  for (guint i = 0; i < G_N_ELEMENTS (ends); i++)
    for (guint j = 0; j < G_N_ELEMENTS (streams); j++)
      g_assert_true (seen[i][j]);
}

/* What the table does not say. */

static void
test_bare_objects (void)
{
  g_autoptr (AtSendStream) send = g_object_new (AT_TYPE_SEND_STREAM, NULL);
  g_autoptr (AtReceiveStream) receive = g_object_new (AT_TYPE_RECEIVE_STREAM, NULL);
  g_autoptr (AtSendStream) clone = at_send_stream_clone (send);
  g_autoptr (GError) error = NULL;

  g_assert_false (at_send_stream_send (send, NULL, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_false (at_send_stream_try_send (clone, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_CLOSED);
  g_clear_error (&error);
  g_assert_null (at_receive_stream_receive (receive, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_CLOSED);

  at_send_stream_close (send);
  at_receive_stream_close (receive);
  g_assert_cmpuint (count_waiters (send), ==, 0);
}

static void
test_rendezvous (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (GError) error = NULL;
  Blocked sender;

  at_stream_new (0, &send, &receive);
  g_assert_false (try_send_number (send, 1, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WOULD_BLOCK);
  g_clear_error (&error);

  blocked_start (&sender, send_one, send, NULL);
  wait_for_waiters (send, 1);
  g_assert_true (receive_one (receive, NULL, &error));
  g_assert_no_error (error);
  assert_blocked_got_it (&sender);

  blocked_start (&sender, receive_one, receive, NULL);
  wait_for_waiters (receive, 1);
  g_assert_true (send_one (send, NULL, &error));
  assert_blocked_got_it (&sender);
}

static void
test_order (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  Answer answers[6] = { 0 };

  at_stream_new (2, &send, &receive);

  for (int i = 0; i < 6; i++)
    send_number_async (send, i, NULL, &answers[i]);
  g_assert_cmpuint (count_waiters (send), ==, 4);

  for (int i = 0; i < 6; i++)
    {
      g_assert_cmpint (take_number (at_receive_stream_try_receive (receive, NULL)), ==, i);
      /* The place in the buffer is the first waiter's, not a newcomer's. */
      if (i < 4)
        g_assert_false (try_send_number (send, 100, NULL));
    }

  for (int i = 0; i < 6; i++)
    g_assert_true (at_send_stream_send_finish (send, answer_wait (&answers[i]), NULL));
  for (int i = 0; i < 6; i++)
    g_assert_cmpuint (answers[i].order - answers[0].order, ==, (guint) i);

  answers_clear (answers, G_N_ELEMENTS (answers));
  run_pending ();
  g_assert_cmpint (n_alive, ==, 0);
}

static void
test_receivers_in_order (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  Answer answers[3] = { 0 };

  at_stream_new (5, &send, &receive);
  for (guint i = 0; i < 3; i++)
    at_receive_stream_receive_async (receive, NULL, on_answer, &answers[i]);
  for (int i = 0; i < 3; i++)
    g_assert_true (try_send_number (send, i, NULL));

  /* It is theirs, even if they did not run yet. */
  g_assert_null (at_receive_stream_try_receive (receive, NULL));

  for (int i = 0; i < 3; i++)
    g_assert_cmpint (take_number (at_receive_stream_receive_finish (receive,
                                                                    answer_wait (&answers[i]),
                                                                    NULL)),
                     ==, i);

  answers_clear (answers, G_N_ELEMENTS (answers));
}

static void
test_unbounded (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (AtStatistics) statistics = NULL;

  at_stream_new (G_MAXUINT, &send, &receive);
  for (int i = 0; i < 1000; i++)
    g_assert_true (try_send_number (send, i, NULL));

  statistics = at_receive_stream_get_statistics (receive);
  g_assert_cmpuint (statistics->buffered, ==, 1000);
  g_assert_cmpuint (statistics->capacity, ==, G_MAXUINT);
  g_assert_cmpuint (statistics->senders, ==, 1);
  g_assert_cmpuint (statistics->receivers, ==, 1);

  g_clear_object (&send);
  for (int i = 0; i < 1000; i++)
    g_assert_cmpint (take_number (at_receive_stream_try_receive (receive, NULL)), ==, i);
  g_assert_null (at_receive_stream_try_receive (receive, NULL));
}

static void
test_no_value (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (GError) error = NULL;
  GValue *value;

  at_stream_new (2, &send, &receive);
  g_assert_true (at_send_stream_send (send, NULL, NULL, &error));
  g_assert_true (at_send_stream_send (send, NULL, NULL, &error));

  value = at_receive_stream_receive (receive, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (value);
  g_assert_false (G_IS_VALUE (value));
  g_boxed_free (G_TYPE_VALUE, value);

  /* Language bindings have a word of their own for that. */
  g_assert_null (at_receive_stream_receive_borrowed (receive, NULL, &error));
  g_assert_no_error (error);
}

static void
test_borrowed (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (GError) error = NULL;
  g_auto (Answer) answer = { 0 };
  const GValue *value;

  at_stream_new (2, &send, &receive);
  g_assert_true (try_send_number (send, 1, NULL));
  g_assert_true (try_send_number (send, 2, NULL));

  value = at_receive_stream_try_receive_borrowed (receive, NULL);
  g_assert_true (G_VALUE_HOLDS_OBJECT (value));
  g_assert_cmpint (n_alive, ==, 2);

  at_receive_stream_receive_async (receive, NULL, on_answer, &answer);
  value = at_receive_stream_receive_finish_borrowed (receive, answer_wait (&answer), NULL);
  g_assert_true (G_VALUE_HOLDS_OBJECT (value));
  g_assert_cmpint (n_alive, ==, 1);

  g_assert_null (at_receive_stream_try_receive_borrowed (receive, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WOULD_BLOCK);
  g_assert_cmpint (n_alive, ==, 0);
}

static void
test_closed_while_waiting (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (AtReceiveStream) other_receive = NULL;
  g_autoptr (AtSendStream) other_send = NULL;
  Blocked own, other;

  at_stream_new (0, &send, &receive);
  other_receive = at_receive_stream_clone (receive);

  blocked_start (&own, receive_one, receive, NULL);
  wait_for_waiters (receive, 1);
  blocked_start (&other, receive_one, other_receive, NULL);
  wait_for_waiters (receive, 2);
  at_receive_stream_close (receive);
  assert_blocked_failed (&own, AT_ERROR, AT_ERROR_CLOSED);
  g_assert_cmpuint (count_waiters (other_receive), ==, 1);
  g_assert_true (send_one (send, NULL, NULL));
  assert_blocked_got_it (&other);

  other_send = at_send_stream_clone (send);
  blocked_start (&own, send_one, send, NULL);
  wait_for_waiters (send, 1);
  blocked_start (&other, send_one, other_send, NULL);
  wait_for_waiters (send, 2);
  at_send_stream_close (send);
  assert_blocked_failed (&own, AT_ERROR, AT_ERROR_CLOSED);
  g_assert_cmpuint (count_waiters (other_send), ==, 1);
  at_receive_stream_close (other_receive);
  assert_blocked_failed (&other, AT_ERROR, AT_ERROR_BROKEN);
}

static void
test_clones_keep_open (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (AtSendStream) clone = NULL;
  g_autoptr (AtReceiveStream) receive_clone = NULL;
  g_autoptr (GError) error = NULL;

  at_stream_new (1, &send, &receive);
  clone = at_send_stream_clone (send);
  receive_clone = at_receive_stream_clone (receive);

  g_clear_object (&send);
  g_clear_object (&receive);
  g_assert_true (try_send_number (clone, 1, &error));
  g_assert_no_error (error);
  g_clear_object (&clone);

  g_assert_cmpint (take_number (at_receive_stream_try_receive (receive_clone, &error)), ==, 1);
  g_assert_null (at_receive_stream_receive (receive_clone, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_END_OF_STREAM);
}

static void
test_cancelled_send (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_auto (Answer) gives_up = { 0 }, next = { 0 };
  Blocked blocked;

  at_stream_new (0, &send, &receive);
  send_number_async (send, 1, cancellable, &gives_up);
  send_number_async (send, 2, NULL, &next);
  blocked_start (&blocked, send_one, send, cancellable);
  wait_for_waiters (send, 3);

  g_cancellable_cancel (cancellable);
  assert_blocked_failed (&blocked, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  /* Its value went with it. */
  g_assert_cmpint (take_number (at_receive_stream_try_receive (receive, NULL)), ==, 2);
  g_assert_null (at_receive_stream_try_receive (receive, NULL));
  g_assert_false (at_send_stream_send_finish (send, answer_wait (&gives_up), NULL));
  g_assert_true (at_send_stream_send_finish (send, answer_wait (&next), NULL));
  run_pending ();
  g_assert_cmpint (n_alive, ==, 0);
}

static void
test_cancelled_receive (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_auto (Answer) gives_up = { 0 }, next = { 0 }, granted = { 0 };

  at_stream_new (0, &send, &receive);
  at_receive_stream_receive_async (receive, cancellable, on_answer, &gives_up);
  at_receive_stream_receive_async (receive, NULL, on_answer, &next);
  g_cancellable_cancel (cancellable);

  /* To the next, not to the one that gave up. */
  g_assert_true (try_send_number (send, 1, NULL));
  g_assert_null (at_receive_stream_receive_finish (receive, answer_wait (&gives_up), &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpint (take_number (at_receive_stream_receive_finish (receive, answer_wait (&next),
                                                                  NULL)),
                   ==, 1);

  /* Given first, it keeps the value, whatever is cancelled later. */
  g_cancellable_reset (cancellable);
  at_receive_stream_receive_async (receive, cancellable, on_answer, &granted);
  g_assert_true (try_send_number (send, 2, NULL));
  g_cancellable_cancel (cancellable);
  g_assert_cmpint (take_number (at_receive_stream_receive_finish (receive, answer_wait (&granted),
                                                                  NULL)),
                   ==, 2);
}

static void
test_unfetched (void)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;

  at_stream_new (2, &send, &receive);
  g_assert_true (try_send_number (send, 1, NULL));
  g_assert_true (try_send_number (send, 2, NULL));
  at_receive_stream_receive_async (receive, NULL, NULL, NULL);
  run_pending ();

  for (int i = 1; i <= 2; i++)
    g_assert_cmpint (take_number (at_receive_stream_try_receive (receive, NULL)), ==, i);
  g_assert_null (at_receive_stream_try_receive (receive, NULL));
}

static void
test_waiter_keeps_end_open (void)
{
  AtSendStream *send;
  AtReceiveStream *receive;
  g_auto (Answer) answer = { 0 };

  at_stream_new (0, &send, &receive);
  send_number_async (send, 1, NULL, &answer);
  g_object_unref (send);

  g_assert_true (receive_one (receive, NULL, NULL));
  answer_wait (&answer);
  answer_clear (&answer);
  run_pending ();

  /* The last reference was the waiter's. */
  g_assert_null (at_receive_stream_try_receive (receive, NULL));
  g_object_unref (receive);
}

static void
try_in_portal (gpointer data)
{
  g_autoptr (AtSendStream) send = NULL;
  g_autoptr (AtReceiveStream) receive = NULL;
  g_autoptr (GError) error = NULL;

  at_stream_new (1, &send, &receive);
  g_assert_null (at_receive_stream_receive (receive, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_clear_error (&error);

  g_assert_true (send_one (send, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (send_one (send, NULL, &error));
  g_assert_error (error, AT_ERROR, AT_ERROR_WRONG_THREAD);
  g_clear_error (&error);
  g_assert_true (receive_one (receive, NULL, &error));
}

static void
test_own_thread (void)
{
  AtPortal *portal = start_portal ();

  invoke_in_portal (portal, try_in_portal, NULL);
  stop_portal (portal);
  g_assert_cmpint (n_alive, ==, 0);
}

/* Several threads to several threads: all arrive, each once, those of one sender in order. */

#define N_ENDS 4
#define N_VALUES 3000

static gpointer
send_many (gpointer data)
{
  g_autoptr (AtSendStream) send = data;
  g_auto (GValue) value = G_VALUE_INIT;
  int base = GPOINTER_TO_INT (g_object_get_data (G_OBJECT (send), "base"));

  g_value_init (&value, G_TYPE_INT);
  for (int i = 0; i < N_VALUES; i++)
    {
      g_value_set_int (&value, base + i);
      g_assert_true (at_send_stream_send (send, &value, NULL, NULL));
    }

  return NULL;
}

static int n_received[N_ENDS * N_VALUES];

static gpointer
receive_many (gpointer data)
{
  g_autoptr (AtReceiveStream) receive = data;
  g_autoptr (GError) error = NULL;
  int last[N_ENDS] = { -1, -1, -1, -1 };
  GValue *value;

  while ((value = at_receive_stream_receive (receive, NULL, &error)) != NULL)
    {
      int number = g_value_get_int (value);

      g_boxed_free (G_TYPE_VALUE, value);
      g_assert_cmpint (number % N_VALUES, >, last[number / N_VALUES]);
      last[number / N_VALUES] = number % N_VALUES;
      g_atomic_int_inc (&n_received[number]);
    }

  g_assert_error (error, AT_ERROR, AT_ERROR_END_OF_STREAM);

  return NULL;
}

static void
test_many_to_many (gconstpointer capacity)
{
  AtSendStream *send;
  AtReceiveStream *receive;
  GThread *threads[2 * N_ENDS];

  memset (n_received, 0, sizeof n_received);
  at_stream_new (GPOINTER_TO_UINT (capacity), &send, &receive);

  for (int i = 0; i < N_ENDS; i++)
    {
      AtSendStream *clone = at_send_stream_clone (send);

      g_object_set_data (G_OBJECT (clone), "base", GINT_TO_POINTER (i * N_VALUES));
      threads[2 * i] = g_thread_new ("send", send_many, clone);
      threads[2 * i + 1] = g_thread_new ("receive", receive_many,
                                         at_receive_stream_clone (receive));
    }

  g_object_unref (send);
  g_object_unref (receive);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  for (guint i = 0; i < G_N_ELEMENTS (n_received); i++)
    g_assert_cmpint (n_received[i], ==, 1);
}

int
main (int    argc,
      char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/stream/every-cell-of-the-table", test_table);
  g_test_add_func ("/stream/bare-objects-are-valid", test_bare_objects);
  g_test_add_func ("/stream/rendezvous", test_rendezvous);
  g_test_add_func ("/stream/values-and-senders-keep-their-order", test_order);
  g_test_add_func ("/stream/receivers-keep-their-order", test_receivers_in_order);
  g_test_add_func ("/stream/unbounded", test_unbounded);
  g_test_add_func ("/stream/no-value-is-a-value", test_no_value);
  g_test_add_func ("/stream/borrowed-values-last-until-the-next", test_borrowed);
  g_test_add_func ("/stream/closed-while-waiting", test_closed_while_waiting);
  g_test_add_func ("/stream/clones-keep-it-open", test_clones_keep_open);
  g_test_add_func ("/stream/a-cancelled-sender-takes-its-value-away", test_cancelled_send);
  g_test_add_func ("/stream/a-value-passes-over-the-cancelled", test_cancelled_receive);
  g_test_add_func ("/stream/unfetched-value-stays-in-the-stream", test_unfetched);
  g_test_add_func ("/stream/a-waiter-keeps-its-end-open", test_waiter_keeps_end_open);
  g_test_add_func ("/stream/own-thread-may-not-block", test_own_thread);
  g_test_add_data_func ("/stream/many-to-many/rendezvous", GUINT_TO_POINTER (0), test_many_to_many);
  g_test_add_data_func ("/stream/many-to-many/buffered", GUINT_TO_POINTER (7), test_many_to_many);

  return g_test_run ();
}
