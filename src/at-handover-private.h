/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The hand-over: a unit goes from the thread that frees it to a waiter that may be cancelled.
 *
 * Waiters stand in a queue that its primitive's lock protects. Whether a waiter gets the unit or
 * is cancelled is decided by one compare-and-swap on its own word, which is also the word that a
 * blocked thread sleeps on. Whoever wins tells the waiter; whoever loses walks on: a granter to
 * the next waiter in the queue, so a unit offered to a cancelled waiter is never lost, and a
 * canceller to nothing at all, so a waiter that was granted a unit keeps it and never fails.
 *
 * The alternative, deciding under the primitive's lock, makes a cancellation of 100 000 waiters
 * queue up for the locks that they wait behind, and a blocked thread needs the word in any case.
 *
 *               enqueue              grant
 *        NEW ─────────────► WAITING ───────► GRANTED
 *         │ │                  │              ▲   ▲
 *         │ └──────────────────┼──────────────┘   │ take: it could be had at once
 *         └──────► CANCELLED ◄─┘ cancel           │
 *                      └──────────────────────────┘
 *
 * A waiter has to listen for its cancellation before it stands in the queue, so it may be
 * cancelled while it is NEW. That has told nobody yet: its own thread notices when it wants to
 * stand in the queue, or takes what it found there in spite of it.
 */

#include <stddef.h>

#include "at-atomic-private.h"

typedef enum
{
  AT_HANDOVER_NEW,
  AT_HANDOVER_WAITING,
  AT_HANDOVER_GRANTED,
  AT_HANDOVER_CANCELLED,
} AtHandoverState;

typedef enum
{
  AT_HANDOVER_CANCEL_LOST,  /* it is settled already */
  AT_HANDOVER_CANCEL_EARLY, /* it is not in the queue yet: do nothing */
  AT_HANDOVER_CANCEL_WON,   /* tell it, then or before take it off the queue */
} AtHandoverCancel;

typedef struct _AtHandover AtHandover;

struct _AtHandover
{
  AT_ATOMIC (uint32_t) state;

  /*< protected by the lock of the queue >*/
  AT_PLAIN (AtHandover *) previous;
  AT_PLAIN (AtHandover *) next;
  AT_PLAIN (bool)         queued;
};

/* All of it is protected by the primitive's lock. */
typedef struct
{
  AT_PLAIN (AtHandover *) first;
  AT_PLAIN (AtHandover *) last;
  AT_PLAIN (uint32_t)     length; /* a cancelled waiter counts until it took itself off */
} AtHandoverQueue;

static inline void
at_handover_init (AtHandover *handover)
{
  at_atomic_init (&handover->state, (uint32_t) AT_HANDOVER_NEW);
  at_plain_set (handover->previous, (AtHandover *) NULL);
  at_plain_set (handover->next, (AtHandover *) NULL);
  at_plain_set (handover->queued, false);
}

static inline void
at_handover_queue_init (AtHandoverQueue *queue)
{
  at_plain_set (queue->first, (AtHandover *) NULL);
  at_plain_set (queue->last, (AtHandover *) NULL);
  at_plain_set (queue->length, 0u);
}

static inline uint32_t
at_handover_get_state (AtHandover *handover)
{
  /* Acquire pairs with the release of the step that settled it. */
  return at_atomic_load (&handover->state, acquire);
}

static inline bool
at_handover_step (AtHandover     *handover,
                  AtHandoverState from,
                  AtHandoverState to)
{
  uint32_t expected = from;

  /* Release: what the settling thread wrote for the waiter comes before the waiter's acquire
   * in at_handover_get_state (). Relaxed on failure: the loser reads nothing of the winner's. No
   * acquire: the lock, or listening for the cancellation, has brought what the winner reads. */
  return at_atomic_cas (&handover->state, &expected, (uint32_t) to, release, relaxed);
}

/* Lock held. */
static inline void
at_handover_append (AtHandoverQueue *queue,
                    AtHandover      *handover)
{
  AtHandover *last = at_plain_get (queue->last);

  at_plain_set (handover->previous, last);
  at_plain_set (handover->next, (AtHandover *) NULL);
  at_plain_set (handover->queued, true);

  if (last != NULL)
    at_plain_set (last->next, handover);
  else
    at_plain_set (queue->first, handover);

  at_plain_set (queue->last, handover);
  at_plain_set (queue->length, at_plain_get (queue->length) + 1u);
}

/* Lock held. Nothing happens to a waiter that is off the queue already. */
static inline void
at_handover_remove (AtHandoverQueue *queue,
                    AtHandover      *handover)
{
  AtHandover *previous, *next;

  if (!at_plain_get (handover->queued))
    return;

  previous = at_plain_get (handover->previous);
  next = at_plain_get (handover->next);

  if (previous != NULL)
    at_plain_set (previous->next, next);
  else
    at_plain_set (queue->first, next);

  if (next != NULL)
    at_plain_set (next->previous, previous);
  else
    at_plain_set (queue->last, previous);

  at_plain_set (handover->queued, false);
  at_plain_set (queue->length, at_plain_get (queue->length) - 1u);
}

/* Lock held. Takes the oldest off the queue; NULL if there is none. */
static inline AtHandover *
at_handover_pop (AtHandoverQueue *queue)
{
  AtHandover *first = at_plain_get (queue->first);

  if (first != NULL)
    at_handover_remove (queue, first);

  return first;
}

/* Lock held. Lets a waiter wait; false if it was cancelled meanwhile. */
static inline bool
at_handover_enqueue (AtHandoverQueue *queue,
                     AtHandover      *handover)
{
  if (!at_handover_step (handover, AT_HANDOVER_NEW, AT_HANDOVER_WAITING))
    return false;

  at_handover_append (queue, handover);

  return true;
}

/* Lock held, not in the queue: it has what it wants without waiting. An early cancellation came
 * too late. */
static inline void
at_handover_take (AtHandover *handover)
{
  /* Release, for the one waiter that another thread takes something for: see at-condition.c. */
  at_atomic_store (&handover->state, (uint32_t) AT_HANDOVER_GRANTED, release);
}

/* Gives the unit to a waiter that was popped; false if it was cancelled: offer it to the next.
 * After true the waiter may be gone at any moment, unless a reference is held. */
static inline bool
at_handover_grant (AtHandover *handover)
{
  return at_handover_step (handover, AT_HANDOVER_WAITING, AT_HANDOVER_GRANTED);
}

/* Lock held. Gives a unit to the oldest waiter that still wants it: tell it. NULL if none does,
 * and the unit is free. */
static inline AtHandover *
at_handover_grant_first (AtHandoverQueue *queue)
{
  AtHandover *handover;

  while ((handover = at_handover_pop (queue)) != NULL)
    if (at_handover_grant (handover))
      return handover;

  return NULL;
}

/* Any thread, no lock needed. */
static inline AtHandoverCancel
at_handover_cancel (AtHandover *handover)
{
  if (at_handover_step (handover, AT_HANDOVER_NEW, AT_HANDOVER_CANCELLED))
    return AT_HANDOVER_CANCEL_EARLY;

  if (at_handover_step (handover, AT_HANDOVER_WAITING, AT_HANDOVER_CANCELLED))
    return AT_HANDOVER_CANCEL_WON;

  return AT_HANDOVER_CANCEL_LOST;
}
