/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Programs that relacy runs in every order it can think of, and the mutations that they have to
 * notice. See README.md. */

#include "model-atomic.hpp"

namespace model
{

/* A small program: its threads, and what must hold. relacy finds data races, use after free, leaks
 * and deadlocks by itself; the rest is asserted. */
template<typename Derived, int n_threads>
struct Program : rl::test_suite<Derived, n_threads>
{
  Kernel kernel;
};

struct Check
{
  const char *name;
  const char *claim;
  rl::test_result_e (*simulate) (rl::test_params &params, rl::ostringstream &state);
  unsigned preemptions; /* every interleaving with up to so many is tried */
};

/* rl::simulate () without the full search, which no program here is small enough for: it would be
 * a third of the time that compiling takes. */
template<typename T> rl::test_result_e
simulate (rl::test_params &params, rl::ostringstream &state)
{
  const int n_threads = T::params::thread_count;

  if (params.search_type == rl::sched_random)
    return rl::run_test<T, rl::random_scheduler<n_threads> > (params, state, false);

  return rl::run_test<T, rl::context_bound_scheduler<n_threads> > (params, state, false);
}

/* A fault that some check must notice: an operation left out, or code of a program that behaves
 * otherwise while is_mutated (). That another order is noticed is tried for every operation. */
struct Mutation
{
  const char *change;
  const char *function; /* NULL: a change of code */
  const char *operation;
};

/* An order that could be weaker as far as the models know, and why it stands there. */
struct Spare
{
  const char *function;
  const char *operation;
  rl::memory_order enough;
  const char *reason;
};

struct Group
{
  const char *name;
  const Check *checks;
  const Mutation *mutations;
  const Spare *spares;
};

/* Each list ends with an empty element. */
extern const Group inbox_group;
extern const Group completion_group;
extern const Group scope_group;
extern const Group handover_group;

extern const Mutation *current_mutation;

inline bool
is_mutated (const Mutation &mutation)
{
  return current_mutation == &mutation;
}

/* An eventfd, as GWakeup uses it: a system call that finds what an earlier one did also sees what
 * came before that one. */
struct Wakeup
{
  rl::atomic<uint32_t> readable;

  Wakeup () { readable.store (0, rl::mo_relaxed, RL_INFO); }

  void
  signal (rl::debug_info_param info)
  {
    rl::context &context = rl::ctx ();

    readable.exchange (1, rl::mo_seq_cst, info);
    readable.wake (context, INT32_MAX, info);
  }

  void
  poll (rl::debug_info_param info)
  {
    rl::context &context = rl::ctx ();

    context.sched ();
    if (readable.debug_value () == 0)
      readable.wait (context, false, false, info);
  }

  void acknowledge (rl::debug_info_param info) { readable.exchange (0, rl::mo_seq_cst, info); }
};

}
