/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <string.h>

#include "at-webkit-outbox-private.h"

/* Why a question of the page that is held open, and not a script that is evaluated for each
 * message: held questions deliver ten times as many small messages, since whatever gathers while
 * one answer is on its way leaves with the next; and the page's next question says that it is
 * through with the last batch, which is all the flow control there needs to be. Evaluation has no
 * end to wait for, so a fast sender would fill the memory of a slow page.
 */

/* An asynchronous send that found no room. Its cancellation is heard of on the sender's context. */
typedef struct
{
  gatomicrefcount ref_count;
  AtWebKitLane *lane;
  char *json;
  GTask *task;          /* lane's lock: NULL once somebody returns it */
  AtCancelScope *scope; /* a child of the sender's cancellable; NULL without one */
  GCancellable *sent;   /* ends the wait for the scope */
} Waiter;

struct _AtWebKitLane
{
  gatomicrefcount ref_count;
  AtWebKitOutbox *outbox;
  guint id;

  /* The outbox's lock */
  gsize queued;   /* bytes of it in frames */
  GQueue waiters; /* of Waiter */
  GError *end;    /* why it takes no more */
};

struct _AtWebKitOutbox
{
  gatomicrefcount ref_count;
  guint max_message_size;

  GMutex lock;       /* innermost; tasks are returned after it is left */
  GString *frames;   /* what follows the “[” */
  GHashTable *lanes; /* id → AtWebKitLane, those that are open */
  gboolean asked;    /* the page waits for frames */
  gboolean waking;   /* ready is on its way to the main thread */
  gboolean closed;

  /* The main thread */
  AtFunc ready;
  gpointer user_data;
};

AtWebKitOutbox *
at_webkit_outbox_new (guint max_message_size,
                      AtFunc ready,
                      gpointer user_data)
{
  AtWebKitOutbox *outbox = g_new0 (AtWebKitOutbox, 1);

  g_atomic_ref_count_init (&outbox->ref_count);
  g_mutex_init (&outbox->lock);
  outbox->max_message_size = max_message_size;
  outbox->frames = g_string_new (NULL);
  outbox->lanes = g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) at_webkit_lane_unref);
  outbox->ready = ready;
  outbox->user_data = user_data;

  return outbox;
}

AtWebKitOutbox *
at_webkit_outbox_ref (AtWebKitOutbox *outbox)
{
  g_atomic_ref_count_inc (&outbox->ref_count);
  return outbox;
}

void
at_webkit_outbox_unref (AtWebKitOutbox *outbox)
{
  if (!g_atomic_ref_count_dec (&outbox->ref_count))
    return;

  g_hash_table_unref (outbox->lanes);
  g_string_free (outbox->frames, TRUE);
  g_mutex_clear (&outbox->lock);
  g_free (outbox);
}

static void
waiter_unref (Waiter *waiter)
{
  if (!g_atomic_ref_count_dec (&waiter->ref_count))
    return;

  at_webkit_lane_unref (waiter->lane);
  g_clear_object (&waiter->task);
  g_clear_object (&waiter->scope);
  g_clear_object (&waiter->sent);
  g_free (waiter->json);
  g_free (waiter);
}

AtWebKitLane *
at_webkit_lane_ref (AtWebKitLane *lane)
{
  g_atomic_ref_count_inc (&lane->ref_count);
  return lane;
}

void
at_webkit_lane_unref (AtWebKitLane *lane)
{
  if (!g_atomic_ref_count_dec (&lane->ref_count))
    return;

  g_assert (lane->waiters.length == 0);
  g_clear_error (&lane->end);
  at_webkit_outbox_unref (lane->outbox);
  g_free (lane);
}

char *
at_webkit_error_to_json (const GError *error)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) node = NULL;
  g_autofree char *message = g_utf8_make_valid (error->message, -1);

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "domain");
  json_builder_add_string_value (builder, g_quark_to_string (error->domain));
  json_builder_set_member_name (builder, "code");
  json_builder_add_int_value (builder, error->code);
  json_builder_set_member_name (builder, "message");
  json_builder_add_string_value (builder, message);
  json_builder_end_object (builder);

  node = json_builder_get_root (builder);
  return json_to_string (node, FALSE);
}

AtWebKitLane *
at_webkit_outbox_open_lane (AtWebKitOutbox *outbox,
                            guint id)
{
  AtWebKitLane *lane = g_new0 (AtWebKitLane, 1);

  g_atomic_ref_count_init (&lane->ref_count);
  lane->outbox = at_webkit_outbox_ref (outbox);
  lane->id = id;
  g_queue_init (&lane->waiters);

  g_mutex_lock (&outbox->lock);
  if (outbox->closed)
    lane->end = g_error_new_literal (AT_ERROR, AT_ERROR_GONE, _("The page was left"));
  else
    g_hash_table_replace (outbox->lanes, GUINT_TO_POINTER (id), at_webkit_lane_ref (lane));
  g_mutex_unlock (&outbox->lock);

  return lane;
}

static void
on_ready (gpointer user_data)
{
  AtWebKitOutbox *outbox = user_data;

  g_mutex_lock (&outbox->lock);
  outbox->waking = FALSE;
  g_mutex_unlock (&outbox->lock);

  if (outbox->ready != NULL)
    outbox->ready (outbox->user_data);
}

static void
append_frame (AtWebKitOutbox *outbox,
              guint id,
              const char *kind,
              const char *json)
{
  g_string_append_printf (outbox->frames, "%s[%u,\"%s\",", outbox->frames->len > 0 ? "," : "",
                          id, kind);
  g_string_append (outbox->frames, json);
  g_string_append_c (outbox->frames, ']');
}

/* With the lock. TRUE once for all frames until the page is answered: the caller then calls
 * wake (). */
static gboolean
needs_wake (AtWebKitOutbox *outbox)
{
  if (!outbox->asked || outbox->waking || outbox->frames->len == 0)
    return FALSE;

  outbox->waking = TRUE;
  return TRUE;
}

/* The main context outlives every document. If its portal takes no more, nobody is left to tell. */
static void
wake (AtWebKitOutbox *outbox)
{
  at_portal_post (at_portal_get_main (), on_ready, at_webkit_outbox_ref (outbox),
                  (GDestroyNotify) at_webkit_outbox_unref, NULL);
}

static gboolean
has_room (AtWebKitLane *lane)
{
  return lane->queued < AT_WEBKIT_WINDOW;
}

static void
put (AtWebKitLane *lane,
     const char *json)
{
  append_frame (lane->outbox, lane->id, "message", json);
  /* An empty window must not let any number of tiny messages through. */
  lane->queued += strlen (json) + sizeof (gpointer);
}

static gboolean
check_size (AtWebKitLane *lane,
            const char *json,
            GError **error)
{
  if (strlen (json) <= lane->outbox->max_message_size)
    return TRUE;

  g_set_error (error, AT_ERROR, AT_ERROR_TOO_LARGE,
               _("The message has %" G_GSIZE_FORMAT " bytes, and at most %u are allowed"),
               strlen (json), lane->outbox->max_message_size);
  return FALSE;
}

gboolean
at_webkit_lane_try_send (AtWebKitLane *lane,
                         const char *json,
                         GError **error)
{
  AtWebKitOutbox *outbox = lane->outbox;
  g_autoptr (GError) refused = NULL;
  gboolean woken;

  if (!check_size (lane, json, error))
    return FALSE;

  g_mutex_lock (&outbox->lock);
  if (lane->end != NULL)
    refused = g_error_copy (lane->end);
  else if (lane->waiters.length > 0 || !has_room (lane))
    refused = g_error_new_literal (AT_ERROR, AT_ERROR_WOULD_BLOCK,
                                   _("The page has not fetched enough yet; send later, or "
                                      "asynchronously"));
  else
    put (lane, json);
  woken = needs_wake (outbox);
  g_mutex_unlock (&outbox->lock);

  if (woken)
    wake (outbox);
  if (refused == NULL)
    return TRUE;

  g_propagate_error (error, g_steal_pointer (&refused));
  return FALSE;
}

static void
on_cancelled (GObject *source,
              GAsyncResult *result,
              gpointer user_data)
{
  Waiter *waiter = user_data;
  AtWebKitLane *lane = waiter->lane;
  g_autoptr (GTask) task = NULL;
  g_autoptr (GError) error = NULL;

  if (at_cancel_scope_wait_finish (waiter->scope, result, NULL))
    {
      g_mutex_lock (&lane->outbox->lock);
      if (waiter->task != NULL)
        {
          task = g_steal_pointer (&waiter->task);
          g_queue_remove (&lane->waiters, waiter);
        }
      g_mutex_unlock (&lane->outbox->lock);
    }

  if (task != NULL)
    {
      at_cancel_scope_set_error_if_cancelled (waiter->scope, &error);
      g_task_return_error (task, g_steal_pointer (&error));
      waiter_unref (waiter);
    }
  waiter_unref (waiter);
}

static Waiter *
waiter_new (AtWebKitLane *lane,
            const char *json,
            GTask *task)
{
  Waiter *waiter = g_new0 (Waiter, 1);

  g_atomic_ref_count_init (&waiter->ref_count);
  waiter->lane = at_webkit_lane_ref (lane);
  waiter->json = g_strdup (json);
  waiter->task = g_object_ref (task);
  if (g_task_get_cancellable (task) != NULL)
    {
      waiter->scope = at_cancel_scope_new (g_task_get_cancellable (task));
      waiter->sent = g_cancellable_new ();
    }

  return waiter;
}

/* With the lock. */
static GTask *
waiter_take_task (Waiter *waiter)
{
  return g_steal_pointer (&waiter->task);
}

/* Without the lock, after waiter_take_task (). */
static void
waiter_return (Waiter *waiter,
               GTask *task,
               const GError *error)
{
  if (waiter->sent != NULL)
    g_cancellable_cancel (waiter->sent);
  if (error != NULL)
    g_task_return_error (task, g_error_copy (error));
  else
    g_task_return_boolean (task, TRUE);
  g_object_unref (task);
  waiter_unref (waiter);
}

void
at_webkit_lane_send (AtWebKitLane *lane,
                     const char *json,
                     GTask *task)
{
  AtWebKitOutbox *outbox = lane->outbox;
  g_autoptr (GError) refused = NULL;
  Waiter *waiter = NULL;
  gboolean woken;

  if (g_task_return_error_if_cancelled (task))
    return;
  if (!check_size (lane, json, &refused))
    {
      g_task_return_error (task, g_steal_pointer (&refused));
      return;
    }

  g_mutex_lock (&outbox->lock);
  if (lane->end != NULL)
    refused = g_error_copy (lane->end);
  else if (lane->waiters.length == 0 && has_room (lane))
    put (lane, json);
  else
    {
      waiter = waiter_new (lane, json, task);
      g_queue_push_tail (&lane->waiters, waiter);
      if (waiter->scope != NULL)
        g_atomic_ref_count_inc (&waiter->ref_count);
      else
        waiter = NULL;
      task = NULL;
    }
  woken = needs_wake (outbox);
  g_mutex_unlock (&outbox->lock);

  if (woken)
    wake (outbox);
  if (waiter != NULL)
    at_cancel_scope_wait_async (waiter->scope, waiter->sent, on_cancelled, waiter);
  if (task == NULL)
    return;
  if (refused != NULL)
    g_task_return_error (task, g_steal_pointer (&refused));
  else
    g_task_return_boolean (task, TRUE);
}

/* With the lock: those who wait are moved out, to be told without it. */
static void
end_lane (AtWebKitLane *lane,
          GError *end,
          GPtrArray *waiters,
          GPtrArray *tasks)
{
  Waiter *waiter;

  lane->end = end;
  lane->queued = 0;
  while ((waiter = g_queue_pop_head (&lane->waiters)) != NULL)
    {
      g_ptr_array_add (waiters, waiter);
      g_ptr_array_add (tasks, waiter_take_task (waiter));
    }
}

static void
return_all (GPtrArray *waiters,
            GPtrArray *tasks,
            const GError *error)
{
  for (guint i = 0; i < waiters->len; i++)
    waiter_return (g_ptr_array_index (waiters, i), g_ptr_array_index (tasks, i), error);
}

void
at_webkit_lane_close (AtWebKitLane *lane,
                      const GError *reason)
{
  AtWebKitOutbox *outbox = lane->outbox;
  g_autoptr (GPtrArray) waiters = g_ptr_array_new ();
  g_autoptr (GPtrArray) tasks = g_ptr_array_new ();
  g_autoptr (GError) end = NULL;
  g_autofree char *json = NULL;
  gboolean woken = FALSE;

  end = g_error_new_literal (AT_ERROR, AT_ERROR_CLOSED, _("The channel was closed"));
  if (reason != NULL)
    json = at_webkit_error_to_json (reason);

  g_mutex_lock (&outbox->lock);
  if (lane->end == NULL)
    {
      end_lane (lane, g_error_copy (end), waiters, tasks);
      append_frame (outbox, lane->id, "close", json != NULL ? json : "null");
      g_hash_table_remove (outbox->lanes, GUINT_TO_POINTER (lane->id));
      woken = needs_wake (outbox);
    }
  g_mutex_unlock (&outbox->lock);

  if (woken)
    wake (outbox);
  return_all (waiters, tasks, end);
}

char *
at_webkit_outbox_take (AtWebKitOutbox *outbox)
{
  g_autoptr (GPtrArray) waiters = g_ptr_array_new ();
  g_autoptr (GPtrArray) tasks = g_ptr_array_new ();
  g_autoptr (GString) batch = NULL;
  GHashTableIter iter;
  gpointer value;

  g_mutex_lock (&outbox->lock);
  outbox->asked = outbox->frames->len == 0;
  if (!outbox->asked)
    {
      batch = g_steal_pointer (&outbox->frames);
      outbox->frames = g_string_new (NULL);

      g_hash_table_iter_init (&iter, outbox->lanes);
      while (g_hash_table_iter_next (&iter, NULL, &value))
        {
          AtWebKitLane *lane = value;

          lane->queued = 0;
          while (lane->waiters.length > 0 && has_room (lane))
            {
              Waiter *waiter = g_queue_pop_head (&lane->waiters);

              /* on_cancelled () is on its way to return that one. */
              if (waiter->scope != NULL &&
                  g_cancellable_is_cancelled (G_CANCELLABLE (waiter->scope)))
                continue;

              put (lane, waiter->json);
              g_ptr_array_add (waiters, waiter);
              g_ptr_array_add (tasks, waiter_take_task (waiter));
            }
        }
    }
  g_mutex_unlock (&outbox->lock);

  return_all (waiters, tasks, NULL);
  if (batch == NULL)
    return NULL;

  g_string_prepend_c (batch, '[');
  g_string_append_c (batch, ']');
  return g_string_free (g_steal_pointer (&batch), FALSE);
}

gboolean
at_webkit_outbox_is_empty (AtWebKitOutbox *outbox)
{
  gboolean empty;

  g_mutex_lock (&outbox->lock);
  empty = outbox->frames->len == 0;
  g_mutex_unlock (&outbox->lock);

  return empty;
}

void
at_webkit_outbox_break_lane (AtWebKitOutbox *outbox,
                             guint id)
{
  g_autoptr (GPtrArray) waiters = g_ptr_array_new ();
  g_autoptr (GPtrArray) tasks = g_ptr_array_new ();
  g_autoptr (GError) end = NULL;
  g_autoptr (AtWebKitLane) lane = NULL;
  gpointer stolen = NULL;

  end = g_error_new_literal (AT_ERROR, AT_ERROR_BROKEN, _("The page closed the channel"));

  g_mutex_lock (&outbox->lock);
  g_hash_table_steal_extended (outbox->lanes, GUINT_TO_POINTER (id), NULL, &stolen);
  lane = stolen;
  if (lane != NULL)
    end_lane (lane, g_error_copy (end), waiters, tasks);
  g_mutex_unlock (&outbox->lock);

  return_all (waiters, tasks, end);
}

void
at_webkit_outbox_close (AtWebKitOutbox *outbox,
                        const char *reason)
{
  g_autoptr (GPtrArray) waiters = g_ptr_array_new ();
  g_autoptr (GPtrArray) tasks = g_ptr_array_new ();
  g_autoptr (GHashTable) lanes = NULL;
  g_autoptr (GError) end = NULL;
  GHashTableIter iter;
  gpointer value;

  end = g_error_new_literal (AT_ERROR, AT_ERROR_GONE, reason);

  g_mutex_lock (&outbox->lock);
  outbox->closed = TRUE;
  outbox->asked = FALSE;
  g_string_truncate (outbox->frames, 0);
  lanes = g_steal_pointer (&outbox->lanes);
  outbox->lanes = g_hash_table_new (NULL, NULL);
  g_hash_table_iter_init (&iter, lanes);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    end_lane (value, g_error_copy (end), waiters, tasks);
  g_mutex_unlock (&outbox->lock);

  outbox->ready = NULL;
  outbox->user_data = NULL;
  return_all (waiters, tasks, end);
}
