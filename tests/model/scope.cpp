/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define AT_MODEL
#include "model.hpp"

#include "at-completion-private.h"

using model::is_mutated;

static const model::Mutation mutations[] = {
  { "cancel: looks for a scope before it makes the request", NULL, NULL },
  { "cancel: looks whether it is too late, and makes the request after that", NULL, NULL },
  { "take: looks for a request before it publishes the scope", NULL, NULL },
  { "take: does not look for a request", NULL, NULL },
  { "take: publishes its scope over another one", NULL, NULL },
  { "expose: does not look for a request", NULL, NULL },
  { "expose: looks whether the scope was retired, and holds it after that", NULL, NULL },
  { "end: retires a scope that somebody holds", NULL, NULL },
  { "end: retires a scope that somebody cancels", NULL, NULL },
  { "end: gives the scope back by what the word said before the last try", NULL, NULL },
  { "stop: looks for tasks before it says that it cancels them all", NULL, NULL },
  { "stop: a task looks before it is listed", NULL, NULL },
  {},
};

enum
{
  SCOPE_BEFORE_REQUEST,
  REQUEST_IN_TWO_STEPS,
  LOOKS_BEFORE_PUBLISHED,
  TAKE_DOES_NOT_LOOK,
  PUBLISHES_BLINDLY,
  EXPOSE_DOES_NOT_LOOK,
  EXPOSE_IN_TWO_STEPS,
  IGNORES_EXPOSED,
  IGNORES_CANCEL,
  STALE_RETIREMENT,
  TASKS_BEFORE_STOP,
  LOOKS_BEFORE_LISTED,
};

#define MUTATED(which) is_mutated (mutations[which])

/* Stands for an AtCancelScope. */
struct Scope
{
  rl::atomic<int> is_cancelled;
  AT_PLAIN (int) n_tasks; /* written when it goes on to the next task */

  Scope ()
  {
    at_atomic_init (&is_cancelled, 0);
    at_plain_set (n_tasks, 0);
  }

  void
  cancel ()
  {
    at_plain_get (n_tasks);
    is_cancelled.store (1, rl::mo_relaxed, RL_INFO);
  }
};

/* What AtFuture does with its word and its scope. */
struct Future
{
  AtWord word;
  AT_ATOMIC (Scope *) scope;
  AT_ATOMIC (Scope *) late_scope;

  Future ()
  {
    at_atomic_init (&word, 0u);
    at_atomic_init (&scope, (Scope *) NULL);
    at_atomic_init (&late_scope, (Scope *) NULL);
  }

  Scope *
  publish_scope (AT_ATOMIC (Scope *) *slot, Scope *made)
  {
    Scope *present = NULL;

    if (MUTATED (PUBLISHES_BLINDLY) && slot == &scope)
      {
        at_atomic_store (slot, made, seq_cst);
        return made;
      }

    if (at_atomic_cas (slot, &present, made, seq_cst, seq_cst))
      return made;

    delete made;
    return present;
  }

  bool
  expose ()
  {
    if (MUTATED (EXPOSE_IN_TWO_STEPS))
      {
        uint32_t old = at_atomic_load (&word, seq_cst);

        at_atomic_fetch_or (&word, (uint32_t) AT_COMPLETION_EXPOSED, seq_cst);
        return (old & AT_COMPLETION_RETIRED) == 0;
      }

    return at_completion_expose (&word);
  }

  Scope *
  expose_scope ()
  {
    Scope *exposed;

    if (!expose ())
      {
        exposed = at_atomic_load (&late_scope, acquire);
        return exposed != NULL ? exposed : publish_scope (&late_scope, new Scope);
      }

    exposed = at_atomic_load (&scope, acquire);
    if (exposed == NULL)
      exposed = publish_scope (&scope, new Scope);

    if (!MUTATED (EXPOSE_DOES_NOT_LOOK) && at_completion_cancel_requested (&word))
      exposed->cancel ();

    return exposed;
  }

  bool
  request_cancel ()
  {
    if (MUTATED (REQUEST_IN_TWO_STEPS))
      {
        if (at_atomic_load (&word, seq_cst) & (AT_COMPLETION_CANCEL | AT_COMPLETION_DONE))
          return false;
        at_atomic_fetch_or (&word, (uint32_t) AT_COMPLETION_CANCEL, seq_cst);
        return true;
      }

    return at_completion_request_cancel (&word);
  }

  bool
  cancel ()
  {
    Scope *present = NULL;

    if (MUTATED (SCOPE_BEFORE_REQUEST))
      present = at_atomic_load (&scope, seq_cst);

    if (!request_cancel ())
      return false;

    if (!MUTATED (SCOPE_BEFORE_REQUEST))
      present = at_atomic_load (&scope, seq_cst);
    if (present != NULL)
      present->cancel ();

    return true;
  }

  void
  take ()
  {
    bool is_requested = MUTATED (LOOKS_BEFORE_PUBLISHED) && at_completion_cancel_requested (&word);
    Scope *taken = at_atomic_load (&scope, acquire);

    if (taken == NULL)
      taken = publish_scope (&scope, new Scope);

    if (!MUTATED (LOOKS_BEFORE_PUBLISHED) && !MUTATED (TAKE_DOES_NOT_LOOK))
      is_requested = at_completion_cancel_requested (&word);
    if (is_requested)
      taken->cancel ();
  }

  uint32_t
  finish ()
  {
    if (MUTATED (IGNORES_EXPOSED) || MUTATED (IGNORES_CANCEL) || MUTATED (STALE_RETIREMENT))
      {
        uint32_t keep = (MUTATED (IGNORES_EXPOSED) ? 0 : AT_COMPLETION_EXPOSED) |
                        (MUTATED (IGNORES_CANCEL) ? 0 : AT_COMPLETION_CANCEL);
        uint32_t first = at_atomic_load (&word, relaxed), old = first;

        while (!at_atomic_cas_weak (&word, &old,
                                    old | AT_COMPLETION_DONE |
                                      (old & keep ? 0 : AT_COMPLETION_RETIRED),
                                    release, relaxed))
          ;

        return (MUTATED (STALE_RETIREMENT) ? first : old) & keep;
      }

    return at_completion_finish (&word, 0);
  }

  void
  end ()
  {
    Scope *ended = at_atomic_load (&scope, relaxed);

    if (finish () & (AT_COMPLETION_CANCEL | AT_COMPLETION_EXPOSED))
      return;

    /* at_runtime_give_scope (): nobody else has it, and its next task is not cancelled. */
    at_plain_set (ended->n_tasks, 1);
    RL_ASSERT (!ended->is_cancelled.load (rl::mo_relaxed, RL_INFO));
    delete ended;
  }

  /* For after (), where nothing runs any more. */

  uint32_t state () { return word.load (rl::mo_relaxed, RL_INFO); }

  void
  finalize ()
  {
    if (!(state () & AT_COMPLETION_RETIRED))
      delete scope.load (rl::mo_relaxed, RL_INFO);
    delete late_scope.load (rl::mo_relaxed, RL_INFO);
  }
};

/* The portal takes and ends a task, while somebody cancels it and somebody wants its scope. */
struct Cancel : model::Program<Cancel, 3>
{
  Future future;
  bool is_requested;
  Scope *exposed;

  void
  thread (unsigned index)
  {
    switch (index)
      {
      case 0:
        future.take ();
        future.end ();
        break;

      case 1:
        is_requested = future.cancel ();
        break;

      case 2:
        exposed = future.expose_scope ();
        exposed->is_cancelled.load (rl::mo_relaxed, RL_INFO);
        break;
      }
  }

  void
  after ()
  {
    uint32_t state = future.state ();
    Scope *scope = future.scope.load (rl::mo_relaxed, RL_INFO);
    Scope *late_scope = future.late_scope.load (rl::mo_relaxed, RL_INFO);

    RL_ASSERT (state & AT_COMPLETION_DONE);
    RL_ASSERT (is_requested == ((state & AT_COMPLETION_CANCEL) != 0));
    RL_ASSERT (!is_requested || scope->is_cancelled.load (rl::mo_relaxed, RL_INFO));
    RL_ASSERT (exposed == (state & AT_COMPLETION_RETIRED ? late_scope : scope));
    future.finalize ();
  }
};

/* Two at a time, so that nobody makes up for what another one forgot. */
template<bool is_taken>
struct CancelOnly : model::Program<CancelOnly<is_taken>, 2>
{
  Future future;

  void
  thread (unsigned index)
  {
    if (index == 0)
      RL_ASSERT (future.cancel ());
    else if (is_taken)
      future.take ();
    else
      future.expose_scope ();
  }

  void
  after ()
  {
    Scope *scope = future.scope.load (rl::mo_relaxed, RL_INFO);

    RL_ASSERT (scope->is_cancelled.load (rl::mo_relaxed, RL_INFO));
    future.finalize ();
  }
};

/* Everybody who asks gets the same one. */
struct Expose : model::Program<Expose, 3>
{
  Future future;
  Scope *exposed[2];

  void
  thread (unsigned index)
  {
    if (index == 2)
      {
        future.take ();
        future.end ();
        return;
      }

    exposed[index] = future.expose_scope ();
    exposed[index]->cancel ();
  }

  void
  after ()
  {
    RL_ASSERT (exposed[0] == exposed[1]);
    future.finalize ();
  }
};

/* at_runtime_stop () with cancel_remaining against at_future_take (). */
struct CancelAll : model::Program<CancelAll, 2>
{
  Future future;
  rl::mutex lock;
  AT_PLAIN (int) is_listed;
  AT_ATOMIC (int) cancels_all;

  void
  before ()
  {
    at_plain_set (is_listed, 0);
    at_atomic_init (&cancels_all, 0);
  }

  void
  stop ()
  {
    bool found;

    if (!MUTATED (TASKS_BEFORE_STOP))
      at_atomic_store (&cancels_all, 1, relaxed);

    lock.lock (RL_INFO);
    found = at_plain_get (is_listed);
    lock.unlock (RL_INFO);

    if (MUTATED (TASKS_BEFORE_STOP))
      at_atomic_store (&cancels_all, 1, relaxed);
    if (found)
      future.cancel ();
  }

  void
  take ()
  {
    bool is_cancelled = MUTATED (LOOKS_BEFORE_LISTED) && at_atomic_load (&cancels_all, relaxed);

    lock.lock (RL_INFO);
    at_plain_set (is_listed, 1);
    lock.unlock (RL_INFO);

    if (!MUTATED (LOOKS_BEFORE_LISTED))
      is_cancelled = at_atomic_load (&cancels_all, relaxed);
    if (is_cancelled)
      future.cancel ();
  }

  void
  thread (unsigned index)
  {
    if (index == 0)
      stop ();
    else
      take ();
  }

  void
  after ()
  {
    RL_ASSERT (future.state () & AT_COMPLETION_CANCEL);
    future.finalize ();
  }
};

static const model::Check checks[] = {
  { "cancel", "no request is lost, and nobody touches a scope that was retired",
    model::simulate<Cancel>, 2 },
  { "cancel-and-take", "a request reaches the scope of a task that is taken meanwhile",
    model::simulate<CancelOnly<true> >, 6 },
  { "cancel-and-expose", "a request reaches the scope that somebody asks for meanwhile",
    model::simulate<CancelOnly<false> >, 6 },
  { "expose", "everybody gets the same scope", model::simulate<Expose>, 2 },
  { "cancel-all", "a stop that cancels misses no task", model::simulate<CancelAll>, 4 },
  {},
};

static const model::Spare spares[] = {
  {},
};

const model::Group model::scope_group = { "scope", checks, mutations, spares };
