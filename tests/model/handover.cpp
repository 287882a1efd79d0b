/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define AT_MODEL
#include "model.hpp"

#include "at-handover-private.h"

using model::is_mutated;

static const model::Mutation mutations[] = {
  { "release: a unit that a cancelled waiter did not want counts as given", NULL, NULL },
  { "release: offers the unit to the first in the queue only", NULL, NULL },
  { "release: wakes the waiter before the unit is its own", NULL, NULL },
  { "cancel: looks at the state, and changes it after that", NULL, NULL },
  { "cancel: tells a waiter that is not in the queue yet", NULL, NULL },
  { "wait: stands in the queue although it was cancelled meanwhile", NULL, NULL },
  { "wait: stays in the queue after it was cancelled", NULL, NULL },
  { "wait: looks for a unit before it takes the lock", NULL, NULL },
  { "take: an early cancellation takes the unit away again", NULL, NULL },
  { "release: does not wake", "tell", "unpark" },
  { "cancel: does not wake", "cancel", "unpark" },
  {},
};

enum
{
  UNIT_IS_LOST,
  OFFERS_ONCE,
  WAKES_FIRST,
  CANCELS_IN_TWO_STEPS,
  TELLS_EARLY,
  QUEUES_CANCELLED,
  STAYS_IN_QUEUE,
  LOOKS_UNLOCKED,
  FORGETS_TO_TAKE,
};

#define MUTATED(which) is_mutated (mutations[which])

struct Waiter : AtHandover
{
  rl::atomic<int> n_references;
  AT_PLAIN (int) n_deliveries; /* of a task */
  bool is_task;

  explicit Waiter (bool waits_as_task)
    : is_task (waits_as_task)
  {
    at_handover_init (this);
    at_atomic_init (&n_references, 1);
    at_plain_set (n_deliveries, 0);
  }

  Waiter *
  ref ()
  {
    n_references.fetch_add (1, rl::mo_relaxed, RL_INFO);
    return this;
  }

  void
  unref ()
  {
    if (n_references.fetch_sub (1, rl::mo_acq_rel, RL_INFO) == 1)
      delete this;
  }
};

/* A semaphore, and the parts of at-waiter.c that it takes. */
struct Semaphore
{
  rl::mutex lock;
  AtHandoverQueue queue;
  AT_PLAIN (uint32_t) value;

  Semaphore ()
  {
    at_handover_queue_init (&queue);
    at_plain_set (value, 0u);
  }

  bool
  attempt ()
  {
    if (at_plain_get (value) == 0)
      return false;

    at_plain_set (value, at_plain_get (value) - 1);
    return true;
  }

  bool
  enter (Waiter *waiter)
  {
    bool queued = false;
    bool has_unit = false;

    if (MUTATED (LOOKS_UNLOCKED))
      {
        lock.lock (RL_INFO);
        has_unit = attempt ();
        lock.unlock (RL_INFO);
      }

    lock.lock (RL_INFO);
    if (at_handover_get_state (waiter) != AT_HANDOVER_CANCELLED)
      {
        if (MUTATED (LOOKS_UNLOCKED) ? has_unit : attempt ())
          {
            if (MUTATED (FORGETS_TO_TAKE))
              at_handover_step (waiter, AT_HANDOVER_NEW, AT_HANDOVER_GRANTED);
            else
              at_handover_take (waiter);
          }
        else if (MUTATED (QUEUES_CANCELLED))
          {
            at_handover_step (waiter, AT_HANDOVER_NEW, AT_HANDOVER_WAITING);
            at_handover_append (&queue, waiter);
            queued = true;
          }
        else
          {
            queued = at_handover_enqueue (&queue, waiter);
          }
      }
    lock.unlock (RL_INFO);

    return queued;
  }

  void
  leave_queue (Waiter *waiter)
  {
    if (MUTATED (STAYS_IN_QUEUE))
      return;

    lock.lock (RL_INFO);
    at_handover_remove (&queue, waiter);
    lock.unlock (RL_INFO);
  }

  /* Takes over the queue's reference. */
  void
  tell (Waiter *waiter)
  {
    if (waiter->is_task)
      at_plain_set (waiter->n_deliveries, at_plain_get (waiter->n_deliveries) + 1);
    else
      at_unpark_all (&waiter->state);
    waiter->unref ();
  }

  void
  release ()
  {
    AtHandover *granted = NULL;

    lock.lock (RL_INFO);
    if (MUTATED (UNIT_IS_LOST) || MUTATED (OFFERS_ONCE))
      {
        AtHandover *first = at_handover_pop (&queue);

        if (first != NULL && at_handover_grant (first))
          granted = first;
        if (granted == NULL && (first == NULL || !MUTATED (UNIT_IS_LOST)))
          at_plain_set (value, at_plain_get (value) + 1);
      }
    else
      {
        if (MUTATED (WAKES_FIRST) && at_plain_get (queue.first) != NULL)
          at_unpark_all (&at_plain_get (queue.first)->state);
        granted = at_handover_grant_first (&queue);
        if (granted == NULL)
          at_plain_set (value, at_plain_get (value) + 1);
      }
    lock.unlock (RL_INFO);

    if (granted == NULL)
      return;
    if (MUTATED (WAKES_FIRST))
      static_cast<Waiter *> (granted)->unref ();
    else
      tell (static_cast<Waiter *> (granted));
  }

  /* On the cancelling thread, which holds a reference. */
  void
  cancel (Waiter *waiter)
  {
    AtHandoverCancel result;

    if (MUTATED (CANCELS_IN_TWO_STEPS))
      {
        uint32_t state = at_handover_get_state (waiter);

        result = state == AT_HANDOVER_NEW       ? AT_HANDOVER_CANCEL_EARLY
                 : state == AT_HANDOVER_WAITING ? AT_HANDOVER_CANCEL_WON
                                                : AT_HANDOVER_CANCEL_LOST;
        if (result != AT_HANDOVER_CANCEL_LOST)
          at_atomic_store (&waiter->state, (uint32_t) AT_HANDOVER_CANCELLED, release);
      }
    else
      {
        result = at_handover_cancel (waiter);
      }

    if (MUTATED (TELLS_EARLY) && result == AT_HANDOVER_CANCEL_EARLY)
      result = AT_HANDOVER_CANCEL_WON;
    if (result != AT_HANDOVER_CANCEL_WON)
      return;

    if (!waiter->is_task)
      {
        at_unpark_all (&waiter->state);
        return;
      }

    leave_queue (waiter);
    tell (waiter);
  }

  /* at_waiter_park () */
  bool
  park (Waiter *waiter)
  {
    uint32_t state;

    while ((state = at_handover_get_state (waiter)) < AT_HANDOVER_GRANTED)
      at_park (&waiter->state, state, model::forever);

    return state == AT_HANDOVER_GRANTED;
  }

  /* at_waiter_block_unchecked () */
  bool
  block (Waiter *waiter)
  {
    if (!enter (waiter->ref ()))
      {
        waiter->unref ();
        return at_handover_get_state (waiter) == AT_HANDOVER_GRANTED;
      }

    if (park (waiter))
      return true;

    leave_queue (waiter);
    waiter->unref ();
    return false;
  }

  /* at_waiter_begin (), with a reference for the queue */
  void
  begin (Waiter *waiter)
  {
    if (!enter (waiter))
      tell (waiter);
  }
};

/* One unit and two threads that want it, one of which is cancelled. Whoever has it passes it on. */
struct Block : model::Program<Block, 4>
{
  Semaphore semaphore;
  Waiter *waiters[2];
  AT_PLAIN (int) n_uses; /* protected by the unit */
  int n_granted;

  void
  before ()
  {
    for (Waiter *&waiter : waiters)
      waiter = new Waiter (false);
    waiters[1]->ref ();
    at_plain_set (n_uses, 0);
    n_granted = 0;
  }

  void
  use_unit ()
  {
    at_plain_set (n_uses, at_plain_get (n_uses) + 1);
    semaphore.release ();
  }

  void
  thread (unsigned index)
  {
    switch (index)
      {
      case 0:
      case 1:
        {
          bool granted = semaphore.block (waiters[index]);

          RL_ASSERT (granted || index == 1);
          waiters[index]->unref ();
          if (granted)
            {
              n_granted++;
              use_unit ();
            }
          break;
        }

      case 2:
        use_unit ();
        break;

      case 3:
        semaphore.cancel (waiters[1]);
        waiters[1]->unref ();
        break;
      }
  }

  void
  after ()
  {
    RL_ASSERT (at_plain_get (semaphore.value) == 1);
    RL_ASSERT (at_plain_get (semaphore.queue.length) == 0);
    RL_ASSERT (at_plain_get (n_uses) == n_granted + 1);
  }
};

/* Tasks hear once, whether they were granted the unit or cancelled. */
struct Task : model::Program<Task, 3>
{
  Semaphore semaphore;
  Waiter *waiters[2];

  void
  before ()
  {
    for (Waiter *&waiter : waiters)
      waiter = new Waiter (true);
  }

  void
  thread (unsigned index)
  {
    switch (index)
      {
      case 0:
        for (Waiter *waiter : waiters)
          semaphore.begin (waiter->ref ());
        break;

      case 1:
        semaphore.release ();
        break;

      case 2:
        semaphore.cancel (waiters[0]);
        break;
      }
  }

  void
  after ()
  {
    uint32_t n_units = at_plain_get (semaphore.value);
    uint32_t n_waiting = 0;

    for (Waiter *waiter : waiters)
      {
        uint32_t state = waiter->state.load (rl::mo_relaxed, RL_INFO);

        if (state == AT_HANDOVER_WAITING)
          {
            n_waiting++;
            waiter->unref ();
          }
        else
          {
            RL_ASSERT (at_plain_get (waiter->n_deliveries) == 1);
          }

        n_units += state == AT_HANDOVER_GRANTED;
        waiter->unref ();
      }

    RL_ASSERT (n_units == 1);
    RL_ASSERT (n_waiting == 0 || at_plain_get (semaphore.value) == 0);
    RL_ASSERT (n_waiting == at_plain_get (semaphore.queue.length));
  }
};

/* What a condition does for the thread that it wakes: it takes the lock on its behalf. */
struct Relock : model::Program<Relock, 2>
{
  Semaphore semaphore;
  Waiter *relock;
  AT_PLAIN (int) n_uses; /* protected by the unit */

  void
  before ()
  {
    relock = new Waiter (false);
    relock->ref ();
    at_plain_set (n_uses, 0);
  }

  void
  thread (unsigned index)
  {
    if (index == 0)
      {
        RL_ASSERT (semaphore.park (relock));
        RL_ASSERT (at_plain_get (n_uses) == 1);
        relock->unref ();
        return;
      }

    at_plain_set (n_uses, 1);
    semaphore.release ();
    RL_ASSERT (!semaphore.enter (relock));
    semaphore.tell (relock);
  }
};

static const model::Check checks[] = {
  { "block", "a unit is never lost nor given twice, and no thread sleeps beside a free one",
    model::simulate<Block>, 2 },
  { "task", "a task hears once, and a unit is never lost", model::simulate<Task>, 3 },
  { "relock", "who sleeps sees what the unit protects that another thread took for it",
    model::simulate<Relock>, 6 },
  {},
};

static const model::Spare spares[] = {
  {},
};

const model::Group model::handover_group = { "handover", checks, mutations, spares };
