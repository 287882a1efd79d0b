/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define AT_MODEL
#include "model.hpp"

#include "at-inbox-private.h"

using model::is_mutated;

static const model::Mutation mutations[] = {
  { "prepare_sleep: it looks first and says that it sleeps after that", NULL, NULL },
  { "prepare_sleep: it does not look again", NULL, NULL },
  { "push: whether the consumer sleeps is read before the push", NULL, NULL },
  { "push: only the first round looks for the seal", NULL, NULL },
  { "push: the first round judges whether the inbox was empty", NULL, NULL },
  { "finished: looks for items first and for the seal after that", NULL, NULL },
  { "stop: wakes the consumer only if it says that it sleeps", NULL, NULL },
  { "stop: wakes first and seals after that", NULL, NULL },
  { "prepare_sleep: does not say that it sleeps", "at_inbox_prepare_sleep", "store" },
  {},
};

enum
{
  LOOKS_FIRST,
  NO_SECOND_LOOK,
  SLEEPS_READ_FIRST,
  SEAL_READ_ONCE,
  FIRST_READ_ONCE,
  ITEMS_BEFORE_SEAL,
  STOP_IS_POLITE,
  WAKES_THEN_SEALS,
};

#define MUTATED(which) is_mutated (mutations[which])

struct Item : AtInboxNode
{
  AT_PLAIN (int) sender;
  AT_PLAIN (int) number;
};

/* Parts of the library, and where they behave otherwise. */

static AtInboxPush
push (AtInbox *inbox, AtInboxNode *node)
{
  if (MUTATED (SEAL_READ_ONCE))
    {
      uintptr_t head = at_atomic_load (&inbox->head, relaxed);

      if (head & AT_INBOX_SEALED)
        return AT_INBOX_REFUSED;
      do
        at_plain_set (node->next, (AtInboxNode *) (head & ~AT_INBOX_SEALED));
      while (!at_atomic_cas_weak (&inbox->head, &head,
                                  (uintptr_t) node | (head & AT_INBOX_SEALED), seq_cst, relaxed));
      return (head & ~AT_INBOX_SEALED) == 0 ? AT_INBOX_QUEUED_FIRST : AT_INBOX_QUEUED;
    }

  if (MUTATED (FIRST_READ_ONCE))
    {
      bool is_first = at_atomic_load (&inbox->head, relaxed) == 0;

      if (at_inbox_push (inbox, node) == AT_INBOX_REFUSED)
        return AT_INBOX_REFUSED;
      return is_first ? AT_INBOX_QUEUED_FIRST : AT_INBOX_QUEUED;
    }

  return at_inbox_push (inbox, node);
}

static bool
prepare_sleep (AtInbox *inbox)
{
  if (MUTATED (LOOKS_FIRST))
    {
      if (at_inbox_has_items (inbox))
        return false;
      at_atomic_store (&inbox->sleeping, 1u, seq_cst);
      return true;
    }

  if (MUTATED (NO_SECOND_LOOK))
    {
      at_atomic_store (&inbox->sleeping, 1u, seq_cst);
      return true;
    }

  return at_inbox_prepare_sleep (inbox);
}

/* An own thread: at_runtime_push (), at_runtime_stop (), runtime_thread () with what GLib does in
 * an iteration. */
struct Loop
{
  AtInbox inbox;
  model::Wakeup wakeup;
  AtInboxNode *batch;

  Loop () : batch (NULL) { at_inbox_init (&inbox); }

  bool
  post (AtInboxNode *node)
  {
    bool sleeps = MUTATED (SLEEPS_READ_FIRST) && at_inbox_consumer_sleeps (&inbox);

    switch (push (&inbox, node))
      {
      case AT_INBOX_REFUSED:
        return false;
      case AT_INBOX_QUEUED_FIRST:
        if (MUTATED (SLEEPS_READ_FIRST) ? sleeps : at_inbox_consumer_sleeps (&inbox))
          wakeup.signal (RL_INFO);
        return true;
      default:
        return true;
      }
  }

  bool
  stop ()
  {
    bool is_first;

    if (MUTATED (WAKES_THEN_SEALS))
      wakeup.signal (RL_INFO);

    is_first = at_inbox_seal (&inbox);
    if (MUTATED (WAKES_THEN_SEALS))
      return is_first;
    if (is_first && (!MUTATED (STOP_IS_POLITE) || at_inbox_consumer_sleeps (&inbox)))
      wakeup.signal (RL_INFO);

    return is_first;
  }

  bool
  is_finished ()
  {
    if (MUTATED (ITEMS_BEFORE_SEAL))
      return batch == NULL && !at_inbox_has_items (&inbox) && at_inbox_is_sealed (&inbox);

    return at_inbox_is_sealed (&inbox) && batch == NULL && !at_inbox_has_items (&inbox);
  }

  bool
  look ()
  {
    if (batch != NULL)
      return true;

    if (at_inbox_has_items (&inbox))
      {
        batch = at_inbox_take (&inbox);
        return true;
      }

    return is_finished ();
  }

  /* Returns what is to be dispatched. */
  AtInboxNode *
  iterate ()
  {
    AtInboxNode *ready;

    if (!look () && prepare_sleep (&inbox))
      {
        wakeup.poll (RL_INFO);
        at_inbox_end_sleep (&inbox);
      }

    wakeup.acknowledge (RL_INFO);
    look ();

    ready = batch;
    batch = NULL;
    return ready;
  }
};

struct Fifo : model::Program<Fifo, 3>
{
  AtInbox inbox;
  Item items[2][2];
  Item own;
  int n_received[3];

  void
  before ()
  {
    at_inbox_init (&inbox);
    n_received[0] = n_received[1] = n_received[2] = 0;
  }

  /* The node and all that hangs on it are the consumer's from here on: it writes to both. */
  void
  receive (AtInboxNode *node)
  {
    while (node != NULL)
      {
        Item *item = static_cast<Item *> (node);

        node = at_plain_get (node->next);
        RL_ASSERT (at_plain_get (item->number) == n_received[at_plain_get (item->sender)]++);
        at_plain_set (item->number, -1);
        at_plain_set (item->next, (AtInboxNode *) NULL);
      }
  }

  void
  send (Item *item, int sender, int number)
  {
    at_plain_set (item->sender, sender);
    at_plain_set (item->number, number);
    RL_ASSERT (at_inbox_push (&inbox, item) != AT_INBOX_REFUSED);
  }

  void
  thread (unsigned index)
  {
    if (index < 2)
      {
        for (int i = 0; i < 2; i++)
          send (&items[index][i], (int) index, i);
        return;
      }

    /* A body may send to its own portal; the same node comes twice, as memory does that was freed
     * and allocated again. */
    for (int i = 0; i < 2; i++)
      {
        send (&own, 2, i);
        receive (at_inbox_take (&inbox));
      }
  }

  void
  after ()
  {
    receive (at_inbox_take (&inbox));
    RL_ASSERT (n_received[0] == 2 && n_received[1] == 2 && n_received[2] == 2);
  }
};

struct Wake : model::Program<Wake, 3>
{
  Loop loop;
  Item items[3];

  void
  thread (unsigned index)
  {
    if (index < 2)
      {
        for (unsigned i = index; i < 3; i += 2)
          RL_ASSERT (loop.post (&items[i]));
        return;
      }

    for (int n_received = 0; n_received < 3;)
      for (AtInboxNode *node = loop.iterate (); node != NULL; node = at_plain_get (node->next))
        n_received++;
  }
};

struct Stop : model::Program<Stop, 3>
{
  Loop loop;
  AT_PLAIN (int) before_stop;
  int n_accepted, n_ran, n_first;

  void
  before ()
  {
    at_plain_set (before_stop, 0);
    n_accepted = n_ran = n_first = 0;
  }

  void
  send (int sender)
  {
    bool is_late = at_inbox_is_sealed (&loop.inbox);
    Item *item = new Item;

    at_plain_set (item->sender, sender);

    if (loop.post (item))
      {
        RL_ASSERT (!is_late);
        n_accepted++;
        return;
      }

    /* Refused: still the sender's. */
    at_plain_set (item->sender, -1);
    delete item;
  }

  void
  thread (unsigned index)
  {
    switch (index)
      {
      case 0:
        send (0);
        send (0);
        break;

      case 1:
        send (1);
        at_plain_set (before_stop, 1);
        n_first += loop.stop ();
        n_first += at_inbox_seal (&loop.inbox);
        break;

      default:
        while (!loop.is_finished ())
          {
            AtInboxNode *node = loop.iterate ();

            while (node != NULL)
              {
                Item *item = static_cast<Item *> (node);

                node = at_plain_get (node->next);
                RL_ASSERT (at_plain_get (item->sender) >= 0);
                delete item;
                n_ran++;
              }
          }

        /* Whoever waits for the end sees what came before the stop. */
        RL_ASSERT (at_plain_get (before_stop));
      }
  }

  void
  after ()
  {
    RL_ASSERT (n_accepted == n_ran);
    RL_ASSERT (n_first == 1);
    RL_ASSERT (!at_inbox_has_items (&loop.inbox));
  }
};

static const model::Check checks[] = {
  { "fifo", "each sender's items arrive once and in order, and are the consumer's then",
    model::simulate<Fifo>, 3 },
  { "wake", "no item is left with a consumer that sleeps", model::simulate<Wake>, 3 },
  { "stop", "a post is refused or runs; the consumer ends, and nothing is left",
    model::simulate<Stop>, 2 },
  {},
};

static const model::Spare spares[] = {
  {},
};

const model::Group model::inbox_group = { "inbox", checks, mutations, spares };
