/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The inbox: many threads push, one takes everything at once.
 *
 * A singly linked list, newest first, behind one word; taking it reverses it, which
 * gives FIFO in the order of the successful compare-and-swaps, and so in
 * happens-before order across threads. The lowest bit of the word seals the inbox:
 * refusing late pushes and accepting early ones is then one and the same atomic
 * step, and no counter of "pushes under way" is needed.
 *
 * The alternatives: a GAsyncQueue takes a lock per item; Vyukov's MPSC queue is
 * wait-free for producers, but its consumer can find a gap in the middle and has to
 * wait for a producer that was preempted, and sealing needs a second protocol.
 */

#include "at-atomic-private.h"

typedef struct _AtInboxNode AtInboxNode;

struct _AtInboxNode
{
  AT_PLAIN (AtInboxNode *) next;
};

typedef struct
{
  AT_ATOMIC (uintptr_t) head;     /* the newest node, or-ed with AT_INBOX_SEALED */
  AT_ATOMIC (uint32_t)  sleeping; /* the consumer is about to poll, or polls */
} AtInbox;

#define AT_INBOX_SEALED ((uintptr_t) 1)

typedef enum
{
  AT_INBOX_REFUSED,
  AT_INBOX_QUEUED,
  AT_INBOX_QUEUED_FIRST,
} AtInboxPush;

static inline void
at_inbox_init (AtInbox *inbox)
{
  at_atomic_init (&inbox->head, (uintptr_t) 0);
  at_atomic_init (&inbox->sleeping, 0u);
}

/* Any thread. The node belongs to the consumer afterwards, unless refused. */
static inline AtInboxPush
at_inbox_push (AtInbox     *inbox,
               AtInboxNode *node)
{
  /* Relaxed: the value only seeds the compare-and-swap, or says "sealed", which
   * carries no data. */
  uintptr_t head = at_atomic_load (&inbox->head, relaxed);

  do
    {
      if (head & AT_INBOX_SEALED)
        return AT_INBOX_REFUSED;

      at_plain_set (node->next, (AtInboxNode *) head);
    }
  /* Sequentially consistent: releases the node to at_inbox_take (), and is the first
   * half of the store-load pair with at_inbox_prepare_sleep (). */
  while (!at_atomic_cas_weak (&inbox->head, &head, (uintptr_t) node, seq_cst, relaxed));

  return head == 0 ? AT_INBOX_QUEUED_FIRST : AT_INBOX_QUEUED;
}

/* Any thread, after a push that found the inbox empty: must the consumer be woken?
 * (After a seal it always must: it may have looked just before, and may sleep on a sealed inbox.) */
static inline bool
at_inbox_consumer_sleeps (AtInbox *inbox)
{
  return at_atomic_load (&inbox->sleeping, seq_cst) != 0;
}

/* Any thread. Returns false if it was sealed before. */
static inline bool
at_inbox_seal (AtInbox *inbox)
{
  /* Release pairs with at_inbox_has_items (): what came before the stop comes before the end. */
  return (at_atomic_fetch_or (&inbox->head, AT_INBOX_SEALED, release) & AT_INBOX_SEALED) == 0;
}

/* Any thread: a hint, except for the consumer, who may rely on "sealed". */
static inline bool
at_inbox_is_sealed (AtInbox *inbox)
{
  /* Relaxed: the consumer looks for items after this, at the same word, and that acquires. */
  return (at_atomic_load (&inbox->head, relaxed) & AT_INBOX_SEALED) != 0;
}

/* Consumer only. */
static inline bool
at_inbox_has_items (AtInbox *inbox)
{
  return (at_atomic_load (&inbox->head, seq_cst) & ~AT_INBOX_SEALED) != 0;
}

/* Consumer only: takes everything, oldest first. */
static inline AtInboxNode *
at_inbox_take (AtInbox *inbox)
{
  /* Acquire pairs with the release in at_inbox_push () of every node in the list: each
   * later push is a read-modify-write and so continues the release sequence. */
  uintptr_t head = at_atomic_fetch_and (&inbox->head, AT_INBOX_SEALED, acquire);
  AtInboxNode *newest = (AtInboxNode *) (head & ~AT_INBOX_SEALED);
  AtInboxNode *oldest = NULL;

  while (newest != NULL)
    {
      AtInboxNode *next = at_plain_get (newest->next);

      at_plain_set (newest->next, oldest);
      oldest = newest;
      newest = next;
    }

  return oldest;
}

/* Consumer only, before it polls. Returns false if it must not sleep.
 * Either the producer sees sleeping, or the consumer sees the item: both are sequentially
 * consistent, so not both can miss. */
static inline bool
at_inbox_prepare_sleep (AtInbox *inbox)
{
  at_atomic_store (&inbox->sleeping, 1u, seq_cst);

  if (!at_inbox_has_items (inbox))
    return true;

  at_atomic_store (&inbox->sleeping, 0u, relaxed);
  return false;
}

/* Consumer only, after it polled. Relaxed: a late producer wakes once too often. */
static inline void
at_inbox_end_sleep (AtInbox *inbox)
{
  at_atomic_store (&inbox->sleeping, 0u, relaxed);
}
