/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define AT_MODEL
#include "model.hpp"

#include "at-completion-private.h"

using model::is_mutated;

static const model::Mutation mutations[] = {
  { "wait: looks at the cancellable first and at the word after that", NULL, NULL },
  { "park: does not announce itself", NULL, NULL },
  { "park: takes the word's newer value without looking at it", NULL, NULL },
  { "finish: wakes by what the word said before the last try", NULL, NULL },
  { "finish: looks at the word again after it is done", NULL, NULL },
  { "started: the value is stored after it was told", NULL, NULL },
  { "observe: announces itself before it takes the lock", NULL, NULL },
  { "observe: does not look whether it is too late", NULL, NULL },
  { "observe: calls whoever removed itself", NULL, NULL },
  { "finish: does not wake", "at_completion_finish", "unpark" },
  { "started: does not wake", "at_completion_start", "unpark" },
  { "nudge: does not wake", "at_completion_nudge", "unpark" },
  {},
};

enum
{
  CANCELLABLE_FIRST,
  UNANNOUNCED,
  PARKS_ON_NEWS,
  STALE_WAITERS,
  LOOKS_AFTER_DONE,
  STARTED_TOO_EARLY,
  OBSERVES_UNLOCKED,
  NEVER_TOO_LATE,
  CALLS_REMOVED,
};

#define MUTATED(which) is_mutated (mutations[which])

enum { RESULT = 1, STARTED = 2 };

/* Parts of the library, and where they behave otherwise. */

static bool
park (AtWord *word, uint32_t seen, int64_t end_time)
{
  if (MUTATED (UNANNOUNCED))
    return at_park (word, seen, end_time);

  if (MUTATED (PARKS_ON_NEWS))
    {
      while (!at_atomic_cas (word, &seen, seen | AT_COMPLETION_WAITERS, relaxed, relaxed))
        ;
      return at_park (word, seen | AT_COMPLETION_WAITERS, end_time);
    }

  return at_completion_park (word, seen, end_time);
}

static void
finish (AtWord *word)
{
  if (MUTATED (STALE_WAITERS) || MUTATED (LOOKS_AFTER_DONE))
    {
      uint32_t first = at_atomic_load (word, relaxed), old = first;

      while (!at_atomic_cas_weak (word, &old, old | AT_COMPLETION_DONE, release, relaxed))
        ;
      if (MUTATED (LOOKS_AFTER_DONE))
        first = at_atomic_load (word, relaxed);
      if (first & AT_COMPLETION_WAITERS)
        at_unpark_all (word);
      return;
    }

  at_completion_finish (word, 0);
}

/* at_thread_wait_word (). The cancellable is read as weakly as can be. */
static bool
wait_word (AtWord *word, uint32_t bits, int64_t end_time, rl::atomic<int> *cancellable)
{
  if (at_atomic_load (word, acquire) & bits)
    return true;

  for (;;)
    {
      bool is_cancelled = MUTATED (CANCELLABLE_FIRST) && cancellable != NULL &&
                          cancellable->load (rl::mo_relaxed, RL_INFO);
      uint32_t seen = at_atomic_load (word, acquire);

      if (seen & bits)
        return true;
      if (!MUTATED (CANCELLABLE_FIRST))
        is_cancelled = cancellable != NULL && cancellable->load (rl::mo_relaxed, RL_INFO);
      if (is_cancelled)
        return false;
      if (!park (word, seen, end_time))
        return (at_atomic_load (word, acquire) & bits) != 0;
    }
}

struct Finish : model::Program<Finish, 3>
{
  AtWord word;
  AT_PLAIN (int) result;

  void
  before ()
  {
    at_atomic_init (&word, 0u);
    at_plain_set (result, 0);
  }

  void
  thread (unsigned index)
  {
    switch (index)
      {
      case 0:
        at_atomic_fetch_or (&word, AT_COMPLETION_RUNNING, relaxed);
        at_plain_set (result, RESULT);
        finish (&word);
        break;

      case 1:
        RL_ASSERT (wait_word (&word, AT_COMPLETION_DONE, model::forever, NULL));
        RL_ASSERT (at_plain_get (result) == RESULT);
        break;

      case 2:
        if (wait_word (&word, AT_COMPLETION_DONE, 0, NULL))
          RL_ASSERT (at_plain_get (result) == RESULT);
        at_atomic_fetch_or (&word, AT_COMPLETION_SEEN, relaxed);
        break;
      }
  }
};

/* at_runtime_invoke (): the word is in the caller's stack frame, and that is gone once it knows. */
struct Invoke : model::Program<Invoke, 2>
{
  struct Frame
  {
    AtWord word;
    AT_PLAIN (int) result;
  };

  Frame *frame;

  void
  before ()
  {
    frame = new Frame;
    at_atomic_init (&frame->word, 0u);
  }

  void
  thread (unsigned index)
  {
    if (index == 0)
      {
        at_plain_set (frame->result, RESULT);
        finish (&frame->word);
        return;
      }

    RL_ASSERT (wait_word (&frame->word, AT_COMPLETION_DONE, model::forever, NULL));
    RL_ASSERT (at_plain_get (frame->result) == RESULT);
    delete frame;
  }
};

/* at_task_started (), which any thread may call. */
struct Started : model::Program<Started, 3>
{
  AtWord word;
  AT_PLAIN (int) started, result;

  void
  before ()
  {
    at_atomic_init (&word, 0u);
    at_plain_set (started, 0);
    at_plain_set (result, 0);
  }

  void
  thread (unsigned index)
  {
    switch (index)
      {
      case 0:
        if (!MUTATED (STARTED_TOO_EARLY))
          at_plain_set (started, STARTED);
        at_completion_start (&word);
        if (MUTATED (STARTED_TOO_EARLY))
          at_plain_set (started, STARTED);
        break;

      case 1:
        /* The task goes on only when its starter has got the value: DONE does not wake it. */
        RL_ASSERT (wait_word (&word, AT_COMPLETION_STARTED | AT_COMPLETION_DONE, model::forever,
                              NULL));
        RL_ASSERT (at_plain_get (started) == STARTED);
        at_plain_set (result, RESULT);
        at_completion_finish (&word, 0);
        break;

      case 2:
        RL_ASSERT (wait_word (&word, AT_COMPLETION_DONE, model::forever, NULL));
        RL_ASSERT (at_plain_get (result) == RESULT);
        break;
      }
  }
};

/* A cancelled wait ends, whoever else waits; nobody finishes. */
struct Nudge : model::Program<Nudge, 3>
{
  AtWord word;
  rl::atomic<int> cancellables[2];

  void
  before ()
  {
    at_atomic_init (&word, 0u);
    for (rl::atomic<int> &cancellable : cancellables)
      at_atomic_init (&cancellable, 0);
  }

  void
  thread (unsigned index)
  {
    if (index < 2)
      {
        RL_ASSERT (!wait_word (&word, AT_COMPLETION_DONE, model::forever, &cancellables[index]));
        return;
      }

    for (rl::atomic<int> &cancellable : cancellables)
      {
        cancellable.store (1, rl::mo_relaxed, RL_INFO);
        at_completion_nudge (&word);
      }
  }
};

struct NudgeAndFinish : model::Program<NudgeAndFinish, 4>
{
  AtWord word;
  AT_PLAIN (int) result;
  rl::atomic<int> cancellable;

  void
  before ()
  {
    at_atomic_init (&word, 0u);
    at_atomic_init (&cancellable, 0);
    at_plain_set (result, 0);
  }

  void
  thread (unsigned index)
  {
    switch (index)
      {
      case 0:
        at_plain_set (result, RESULT);
        finish (&word);
        break;

      case 1:
        cancellable.store (1, rl::mo_relaxed, RL_INFO);
        at_completion_nudge (&word);
        break;

      case 2:
        RL_ASSERT (wait_word (&word, AT_COMPLETION_DONE, model::forever, NULL));
        RL_ASSERT (at_plain_get (result) == RESULT);
        break;

      case 3:
        if (wait_word (&word, AT_COMPLETION_DONE, model::forever, &cancellable))
          RL_ASSERT (at_plain_get (result) == RESULT);
        break;
      }
  }
};

/* add_observer (), at_future_remove_observer (), run_observers (). */
struct Observers : model::Program<Observers, 3>
{
  AtWord word;
  rl::mutex lock;
  AT_PLAIN (int) result;
  AT_PLAIN (int) is_listed[2];
  AT_PLAIN (int) n_calls[2];
  bool is_removed;

  void
  before ()
  {
    at_atomic_init (&word, 0u);
    at_plain_set (result, 0);
    for (int i = 0; i < 2; i++)
      {
        at_plain_set (is_listed[i], 0);
        at_plain_set (n_calls[i], 0);
      }
    is_removed = false;
  }

  void
  call (int observer)
  {
    RL_ASSERT (at_plain_get (result) == RESULT);
    at_plain_set (n_calls[observer], at_plain_get (n_calls[observer]) + 1);
  }

  bool
  announce ()
  {
    return (at_atomic_fetch_or (&word, AT_COMPLETION_OBSERVERS, acquire) & AT_COMPLETION_DONE) &&
           !MUTATED (NEVER_TOO_LATE);
  }

  void
  add (int observer)
  {
    bool too_late = MUTATED (OBSERVES_UNLOCKED) && announce ();

    lock.lock (RL_INFO);
    if (!MUTATED (OBSERVES_UNLOCKED))
      too_late = announce ();
    if (!too_late)
      at_plain_set (is_listed[observer], 1);
    lock.unlock (RL_INFO);

    if (too_late)
      call (observer);
  }

  bool
  remove (int observer)
  {
    bool found;

    lock.lock (RL_INFO);
    found = at_plain_get (is_listed[observer]);
    if (!MUTATED (CALLS_REMOVED))
      at_plain_set (is_listed[observer], 0);
    lock.unlock (RL_INFO);

    return found;
  }

  void
  run ()
  {
    bool called[2];

    lock.lock (RL_INFO);
    for (int i = 0; i < 2; i++)
      {
        called[i] = at_plain_get (is_listed[i]);
        at_plain_set (is_listed[i], 0);
      }
    lock.unlock (RL_INFO);

    for (int i = 0; i < 2; i++)
      if (called[i])
        call (i);
  }

  void
  thread (unsigned index)
  {
    switch (index)
      {
      case 0:
        at_plain_set (result, RESULT);
        if (at_completion_finish (&word, 0) & AT_COMPLETION_OBSERVERS)
          run ();
        break;

      case 1:
        add (0);
        break;

      case 2:
        add (1);
        is_removed = remove (1);
        break;
      }
  }

  void
  after ()
  {
    RL_ASSERT (at_plain_get (n_calls[0]) == 1);
    RL_ASSERT (at_plain_get (n_calls[1]) == (is_removed ? 0 : 1));
  }
};

static const model::Check checks[] = {
  { "finish", "everybody who waits wakes up and sees the result", model::simulate<Finish>, 2 },
  { "invoke", "the last access is the one that completes", model::simulate<Invoke>, 6 },
  { "started", "who waits for the start sees the value, who waits for the end sees the result",
    model::simulate<Started>, 3 },
  { "nudge", "a wait that is cancelled ends", model::simulate<Nudge>, 3 },
  { "nudge-and-finish", "a nudge costs nobody the end", model::simulate<NudgeAndFinish>, 2 },
  { "observers", "an observer is called once, or not at all if it was removed",
    model::simulate<Observers>, 3 },
  {},
};

static const model::Spare spares[] = {
  {},
};

const model::Group model::completion_group = { "completion", checks, mutations, spares };
