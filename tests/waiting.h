/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* For tests of what waits: a thread that waits, a result that comes later. */

#include <asynctools.h>

typedef struct
{
  GAsyncResult *result; /* NULL until the callback ran */
  guint         order;  /* the place of its callback among all of this program */
} Answer;

static guint n_answers;

static inline void
on_answer (GObject      *source,
           GAsyncResult *result,
           gpointer      user_data)
{
  Answer *answer = user_data;

  g_assert_null (answer->result);
  answer->result = g_object_ref (result);
  answer->order = ++n_answers;
}

static inline void
answer_clear (Answer *answer)
{
  g_clear_object (&answer->result);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Answer, answer_clear)

static inline void
answers_clear (Answer *answers,
               gsize   n)
{
  for (gsize i = 0; i < n; i++)
    answer_clear (&answers[i]);
}

static inline GAsyncResult *
answer_wait (Answer *answer)
{
  while (answer->result == NULL)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);

  return answer->result;
}

/* Runs what is ready, and nothing that comes later. */
static inline void
run_pending (void)
{
  while (g_main_context_iteration (g_main_context_get_thread_default (), FALSE))
    ;
}

static inline guint
count_waiters (gpointer object)
{
  g_autoptr (AtStatistics) statistics = NULL;

  g_object_get (object, "statistics", &statistics, NULL);

  return statistics->waiters;
}

/* That a thread has begun to wait is seen in the statistics, and nothing tells of it. */
static inline void
wait_for_waiters (gpointer object,
                  guint    n)
{
  while (count_waiters (object) != n)
    g_usleep (100);
}

typedef gboolean (*WaitFunc) (gpointer      object,
                              GCancellable *cancellable,
                              GError      **error);

/* A thread without portal and main loop that calls a blocking function once. */
typedef struct
{
  GThread      *thread;
  WaitFunc      func;
  gpointer      object;
  GCancellable *cancellable;
  gboolean      returned;
  GError       *error;
  int           order; /* its place among those that came back */
} Blocked;

static int n_returned;

static inline gpointer
blocked_main (gpointer data)
{
  Blocked *self = data;

  self->returned = self->func (self->object, self->cancellable, &self->error);
  self->order = g_atomic_int_add (&n_returned, 1) + 1;

  return NULL;
}

static inline void
blocked_start (Blocked      *self,
               gpointer      func,
               gpointer      object,
               GCancellable *cancellable)
{
  *self = (Blocked){ .func = func, .object = object, .cancellable = cancellable };
  self->thread = g_thread_new ("blocked", blocked_main, self);
}

static inline void
blocked_join (Blocked *self)
{
  g_thread_join (g_steal_pointer (&self->thread));
}

static inline void
assert_blocked_got_it (Blocked *self)
{
  blocked_join (self);
  g_assert_no_error (self->error);
  g_assert_true (self->returned);
}

static inline void
assert_blocked_failed (Blocked *self,
                       GQuark   domain,
                       int      code)
{
  blocked_join (self);
  g_assert_error (self->error, domain, code);
  g_assert_false (self->returned);
  g_clear_error (&self->error);
}

/* In the body of a plain function on a portal. */
static inline AtPortal *
start_portal (void)
{
  g_autoptr (GError) error = NULL;
  AtPortal *portal = at_portal_new ("test", &error);

  g_assert_no_error (error);

  return portal;
}

static inline void
stop_portal (AtPortal *portal)
{
  g_autoptr (GError) error = NULL;

  at_portal_stop (portal, FALSE);
  at_portal_wait_stopped (portal, NULL, &error);
  g_assert_no_error (error);
  g_object_unref (portal);
}

static inline void
invoke_in_portal (AtPortal *portal,
                  AtFunc    func,
                  gpointer  user_data)
{
  g_autoptr (GError) error = NULL;

  at_portal_invoke (portal, func, user_data, &error);
  g_assert_no_error (error);
}
