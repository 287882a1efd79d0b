/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config-private.h"

#include <string.h>

#include "at-webkit-document-private.h"

struct _AtWebKitQuestion
{
  WebKitScriptMessageReply *reply;
  JSCContext *context;
};

/* A call outlives its document: its future still ends, unheard. */
typedef struct
{
  AtWebKitDocument *document; /* NULL once that was left */
  guint id;
  AtFuture *future;
  AtWebKitQuestion *question;
} Call;

struct _AtWebKitDocument
{
  char *nonce;
  char *uri;
  guint max_message_size;
  guint last_id;
  AtCancelScope *scope;
  AtWebKitOutbox *outbox;
  AtWebKitQuestion *poll; /* held until a channel has something */
  GHashTable *calls;      /* id → Call, running */
  GQueue ended;           /* of Call: done, but messages go first */
};

/* What WebKit makes of what happens to a reply, and so why there is no other way out: one that is
 * let go of resolves with undefined, a second answer is a critical, an answer with a function ends
 * the process. */
AtWebKitQuestion *
at_webkit_question_new (WebKitScriptMessageReply *reply,
                        JSCValue *message)
{
  AtWebKitQuestion *question = g_new0 (AtWebKitQuestion, 1);

  question->reply = webkit_script_message_reply_ref (reply);
  /* A context of our own would do, but one made before the first view stops WebKit from loading. */
  question->context = g_object_ref (jsc_value_get_context (message));

  return question;
}

void
at_webkit_question_free (AtWebKitQuestion *question)
{
  g_clear_pointer (&question->reply, webkit_script_message_reply_unref);
  g_clear_object (&question->context);
  g_free (question);
}

void
at_webkit_question_answer (AtWebKitQuestion *question,
                           const char *json)
{
  g_autoptr (JSCValue) value = jsc_value_new_string (question->context, json);

  webkit_script_message_reply_return_value (question->reply, value);
}

void
at_webkit_question_fail (AtWebKitQuestion *question,
                         const GError *error)
{
  g_autofree char *json = at_webkit_error_to_json (error);

  webkit_script_message_reply_return_error_message (question->reply, json);
}

static void
call_free (Call *call)
{
  g_clear_object (&call->future);
  g_clear_pointer (&call->question, at_webkit_question_free);
  g_free (call);
}

static void
flush (gpointer user_data)
{
  AtWebKitDocument *document = user_data;
  g_autofree char *batch = NULL;

  if (document->poll == NULL)
    return;

  batch = at_webkit_outbox_take (document->outbox);
  if (batch == NULL)
    return;

  at_webkit_question_answer (document->poll, batch);
  g_clear_pointer (&document->poll, at_webkit_question_free);
}

AtWebKitDocument *
at_webkit_document_new (const char *nonce,
                        const char *uri,
                        guint max_message_size)
{
  AtWebKitDocument *document = g_new0 (AtWebKitDocument, 1);

  document->nonce = g_strdup (nonce);
  document->uri = g_strdup (uri);
  document->max_message_size = max_message_size;
  document->scope = at_cancel_scope_new (NULL);
  document->outbox = at_webkit_outbox_new (max_message_size, flush, document);
  document->calls = g_hash_table_new (NULL, NULL);
  g_queue_init (&document->ended);

  return document;
}

static void
forget (Call *call)
{
  call->document = NULL;
  g_clear_pointer (&call->question, at_webkit_question_free);
}

void
at_webkit_document_leave (AtWebKitDocument *document,
                          const char *reason)
{
  g_autoptr (AtCancelScope) scope = g_steal_pointer (&document->scope);
  GHashTableIter iter;
  gpointer call;

  g_hash_table_iter_init (&iter, document->calls);
  while (g_hash_table_iter_next (&iter, NULL, &call))
    forget (call);
  g_clear_pointer (&document->calls, g_hash_table_unref);
  g_queue_clear_full (&document->ended, (GDestroyNotify) call_free);
  g_clear_pointer (&document->poll, at_webkit_question_free);

  at_webkit_outbox_close (document->outbox, reason);
  g_clear_pointer (&document->outbox, at_webkit_outbox_unref);
  g_free (document->nonce);
  g_free (document->uri);
  g_free (document);

  /* Last: somebody's handler may run. */
  at_cancel_scope_cancel_with_reason (scope, reason);
}

gboolean
at_webkit_document_has_nonce (AtWebKitDocument *document,
                              const char *nonce)
{
  return g_str_equal (document->nonce, nonce);
}

const char *
at_webkit_document_get_uri (AtWebKitDocument *document)
{
  return document->uri;
}

GCancellable *
at_webkit_document_get_scope (AtWebKitDocument *document)
{
  return G_CANCELLABLE (document->scope);
}

AtWebKitOutbox *
at_webkit_document_get_outbox (AtWebKitDocument *document)
{
  return document->outbox;
}

gboolean
at_webkit_document_take_id (AtWebKitDocument *document,
                            guint id)
{
  if (id <= document->last_id)
    return FALSE;

  document->last_id = id;
  return TRUE;
}

static void
answer_call (Call *call)
{
  g_autoptr (GError) error = NULL;
  const GValue *value;
  const char *json = NULL;

  value = at_future_get_value (call->future, &error);
  if (value != NULL && G_VALUE_HOLDS_STRING (value))
    json = g_value_get_string (value);

  if (json != NULL && strlen (json) > call->document->max_message_size)
    g_set_error (&error, AT_ERROR, AT_ERROR_TOO_LARGE,
                 _("The result has %" G_GSIZE_FORMAT " bytes, and at most %u are allowed; send it "
                    "in parts"),
                 strlen (json), call->document->max_message_size);
  else if (json == NULL && error == NULL)
    g_set_error_literal (&error, AT_ERROR, AT_ERROR_INVALID_RESULT,
                         _("The command answered with bytes, but this call takes JSON"));

  if (error != NULL)
    at_webkit_question_fail (call->question, error);
  else
    at_webkit_question_answer (call->question, json);
}

static void
on_done (GObject *source,
         GAsyncResult *result,
         gpointer user_data)
{
  Call *call = user_data;
  AtWebKitDocument *document = call->document;

  if (document == NULL)
    {
      /* Nobody hears it, which is no reason to report its failure. */
      (void) at_future_get_value (call->future, NULL);
      call_free (call);
      return;
    }

  g_hash_table_remove (document->calls, GUINT_TO_POINTER (call->id));
  flush (document);
  if (at_webkit_outbox_is_empty (document->outbox))
    {
      answer_call (call);
      call_free (call);
    }
  else
    g_queue_push_tail (&document->ended, call);
}

void
at_webkit_document_add_call (AtWebKitDocument *document,
                             guint id,
                             AtFuture *future,
                             AtWebKitQuestion *question)
{
  Call *call = g_new0 (Call, 1);

  call->document = document;
  call->id = id;
  call->future = g_object_ref (future);
  call->question = question;
  g_hash_table_insert (document->calls, GUINT_TO_POINTER (id), call);

  at_future_wait_async (future, NULL, on_done, call);
}

void
at_webkit_document_cancel (AtWebKitDocument *document,
                           guint id)
{
  Call *call = g_hash_table_lookup (document->calls, GUINT_TO_POINTER (id));

  if (call != NULL)
    at_future_cancel (call->future);
}

void
at_webkit_document_poll (AtWebKitDocument *document,
                         AtWebKitQuestion *question)
{
  Call *call;

  g_clear_pointer (&document->poll, at_webkit_question_free);
  document->poll = question;
  flush (document);

  while ((call = g_queue_pop_head (&document->ended)) != NULL)
    {
      answer_call (call);
      call_free (call);
    }
}
