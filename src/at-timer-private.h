/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One heap of deadlines for the whole process, served by the thread "at-timer". */

typedef struct _AtTimer AtTimer;

/* Runs under the heap's lock, when the timer was taken off the heap: keeps the owner alive
 * until fire () has run, and does nothing else. FALSE if the owner is about to end: then fire ()
 * does not run. */
typedef gboolean (*AtTimerRefFunc) (AtTimer *timer);

/* Runs on at-timer without a lock; drops what ref () took. Must be short. */
typedef void (*AtTimerFireFunc) (AtTimer *timer);

struct _AtTimer
{
  AtTimerRefFunc  ref;
  AtTimerFireFunc fire;

  /*< protected by the heap's lock >*/
  gint64 when;
  guint  position; /* in the heap, counted from 1; 0: not waiting */
};

void     at_timer_init  (AtTimer        *timer,
                         AtTimerRefFunc  ref,
                         AtTimerFireFunc fire);
/* when: monotonic microseconds; G_MAXINT64 takes the timer off. May be called again at any time. */
void     at_timer_set   (AtTimer        *timer,
                         gint64          when);
/* Returns FALSE if the timer did not wait: never set, fired already, or about to call fire (). */
gboolean at_timer_clear (AtTimer        *timer);

/* Around fork (). */
void     at_timer_lock   (void);
void     at_timer_unlock (gboolean in_child);

G_END_DECLS
