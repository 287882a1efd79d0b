/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The end of a task, and everything that races with it, in one 32-bit word.
 *
 * Completion, cancellation, exposing the task's scope and parking are decided by operations on
 * the same word, so that each pair has one order that all threads agree on. Whoever sets DONE
 * learns from the previous value whom to wake, and whether anybody can still reach the scope.
 */

#include "at-park-private.h"

enum
{
  AT_COMPLETION_RUNNING = 1 << 0,     /* the body has begun */
  AT_COMPLETION_CANCEL = 1 << 1,      /* a cancellation was requested before the end */
  AT_COMPLETION_DONE = 1 << 2,
  AT_COMPLETION_FAILED = 1 << 3,      /* with DONE */
  AT_COMPLETION_CANCELLED = 1 << 4,   /* with DONE */
  AT_COMPLETION_WAITERS = 1 << 5,     /* somebody parks on the word */
  AT_COMPLETION_OBSERVERS = 1 << 6,   /* somebody wants to be called */
  AT_COMPLETION_EXPOSED = 1 << 7,     /* somebody outside may hold the scope */
  AT_COMPLETION_RETIRED = 1 << 8,     /* with DONE: the scope went back to the portal */
  AT_COMPLETION_STARTED = 1 << 9,     /* the started value is set */
  AT_COMPLETION_SEEN = 1 << 10,       /* somebody looked at the failure */
  AT_COMPLETION_NUDGE = 1 << 12,      /* counts upwards from here; wakes without news */
};

/* The portal's thread, once. outcome is 0, FAILED or CANCELLED. Returns the value before. */
static inline uint32_t
at_completion_finish (AtWord  *word,
                      uint32_t outcome)
{
  uint32_t old = at_atomic_load (word, relaxed);
  uint32_t new_value;

  do
    {
      new_value = old | AT_COMPLETION_DONE | outcome;
      if ((old & (AT_COMPLETION_CANCEL | AT_COMPLETION_EXPOSED)) == 0)
        new_value |= AT_COMPLETION_RETIRED;
    }
  /* Release: the result comes before DONE for everybody who acquires it. No acquire: a scope is
   * retired only if nobody else had it, and observers are looked for under their lock. */
  while (!at_atomic_cas_weak (word, &old, new_value, release, relaxed));

  if (old & AT_COMPLETION_WAITERS)
    at_unpark_all (word);

  return old;
}

/* Any thread. True if this was the first request on an unfinished task: the caller then cancels
 * the scope, if there is one; the portal does when it makes one later. */
static inline bool
at_completion_request_cancel (AtWord *word)
{
  uint32_t old = at_atomic_load (word, relaxed);

  do
    {
      if (old & (AT_COMPLETION_CANCEL | AT_COMPLETION_DONE))
        return false;
    }
  /* Sequentially consistent: a store-load pair with whoever publishes a scope and then looks for
   * the request. Not both can miss. */
  while (!at_atomic_cas_weak (word, &old, old | AT_COMPLETION_CANCEL, seq_cst, relaxed));

  return true;
}

/* Whoever has just published a scope: was a cancellation requested before? */
static inline bool
at_completion_cancel_requested (AtWord *word)
{
  return (at_atomic_load (word, seq_cst) & AT_COMPLETION_CANCEL) != 0;
}

/* Any thread, before it looks at the scope. False: the scope went back to the portal. */
static inline bool
at_completion_expose (AtWord *word)
{
  /* Relaxed: the word alone decides between this and at_completion_finish (), and the scope is
   * read through its own pointer. */
  return (at_atomic_fetch_or (word, AT_COMPLETION_EXPOSED, relaxed) & AT_COMPLETION_RETIRED) == 0;
}

/* The body's side: the started value was stored. Returns the value before. */
static inline uint32_t
at_completion_start (AtWord *word)
{
  /* Release: the value comes before STARTED. */
  uint32_t old = at_atomic_fetch_or (word, AT_COMPLETION_STARTED, release);

  if (old & AT_COMPLETION_WAITERS)
    at_unpark_all (word);

  return old;
}

/* Wakes every waiter to look again: at its cancellable, for example. */
static inline void
at_completion_nudge (AtWord *word)
{
  /* Release: what the waiter shall see comes before; the changed value keeps it from parking. */
  at_atomic_fetch_add (word, AT_COMPLETION_NUDGE, release);
  at_unpark_all (word);
}

/* Parks once unless one of the bits is set. False: time is up. Look again after true. */
static inline bool
at_completion_park (AtWord  *word,
                    uint32_t seen,
                    int64_t  end_time)
{
  if ((seen & AT_COMPLETION_WAITERS) == 0)
    {
      /* Relaxed: whoever finishes sees the bit, or the compare-and-swap fails. */
      if (!at_atomic_cas (word, &seen, seen | AT_COMPLETION_WAITERS, relaxed, relaxed))
        return true;
      seen |= AT_COMPLETION_WAITERS;
    }

  return at_park (word, seen, end_time);
}
