/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <asynctools.h>
#include <webkit/webkit.h>

#include "at-webkit-outbox-private.h"

G_BEGIN_DECLS

/* A question of the page. It is answered once, or let go of, which a page that is still there
 * takes for the end of its document. The main thread only. */
typedef struct _AtWebKitQuestion AtWebKitQuestion;

AtWebKitQuestion *at_webkit_question_new        (WebKitScriptMessageReply *reply,
                                                 JSCValue                 *message);
void              at_webkit_question_free       (AtWebKitQuestion         *question);
void              at_webkit_question_answer     (AtWebKitQuestion         *question,
                                                 const char               *json);
void              at_webkit_question_fail       (AtWebKitQuestion         *question,
                                                 const GError             *error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AtWebKitQuestion, at_webkit_question_free)

/* One document of a page: what a reload or a navigation ends. Every call and every channel belongs
 * to one. The main thread only; what other threads need of it, they get by its parts. */
typedef struct _AtWebKitDocument AtWebKitDocument;

AtWebKitDocument *at_webkit_document_new        (const char               *nonce,
                                                 const char               *uri,
                                                 guint                     max_message_size);
/* Cancel what it runs, let go of what it asks, fail its channels. */
void              at_webkit_document_leave      (AtWebKitDocument         *document,
                                                 const char               *reason);

gboolean          at_webkit_document_has_nonce  (AtWebKitDocument         *document,
                                                 const char               *nonce);
const char       *at_webkit_document_get_uri    (AtWebKitDocument         *document);
GCancellable     *at_webkit_document_get_scope  (AtWebKitDocument         *document);
AtWebKitOutbox   *at_webkit_document_get_outbox (AtWebKitDocument         *document);

/* Is it new? So that no call is ever made twice. */
gboolean          at_webkit_document_take_id    (AtWebKitDocument         *document,
                                                 guint                     id);
/* Answer when the future is done. An answer never overtakes a channel's message. Takes question. */
void              at_webkit_document_add_call   (AtWebKitDocument         *document,
                                                 guint                     id,
                                                 AtFuture                 *future,
                                                 AtWebKitQuestion         *question);
void              at_webkit_document_cancel     (AtWebKitDocument         *document,
                                                 guint                     id);
/* The page asks for what its channels have for it. Takes question. */
void              at_webkit_document_poll       (AtWebKitDocument         *document,
                                                 AtWebKitQuestion         *question);

G_END_DECLS
