/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "at-cancel-scope-private.h"

G_BEGIN_DECLS

/* A GTask that several parties may answer: what it waits for, and its own cancellable. Whoever
 * claims it first returns it; everybody else gets NULL. */
typedef struct _AtAnswer AtAnswer;

/* Watches the task's cancellable, whose error answers the task. The answer belongs to the task and
 * lasts at least until the caller drops its own reference on the task. */
AtAnswer *at_answer_new   (GTask    *task);
AtAnswer *at_answer_ref   (AtAnswer *self);
void      at_answer_unref (gpointer  self);

/* (transfer full), once; NULL afterwards. Any thread. */
GTask    *at_answer_claim (AtAnswer *self);

/* func runs when the task is gone, answered or not: takes the answer back from where the caller left
 * it. By the thread that made it. */
typedef void (*AtAnswerForgetFunc) (gpointer  source,
                                    AtAnswer *self);
void      at_answer_set_forget (AtAnswer          *self,
                                AtAnswerForgetFunc func,
                                gpointer           source,
                                GDestroyNotify     destroy);

/* Also watches cancellable: func gets a valid answer, on the cancelling thread. At most once per
 * answer, by the thread that made it. */
void      at_answer_watch (AtAnswer         *self,
                           GCancellable     *cancellable,
                           AtCancelWatchFunc func);

G_END_DECLS
