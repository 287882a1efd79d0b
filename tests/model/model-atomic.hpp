/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What at-atomic-private.h is to the model checker: the library's macros over relacy's atomics.
 *
 * Every operation reads its memory order from a place that knows the function it stands in. So
 * another order, or none of the operation at all, is a change of that place while the program runs,
 * and all mutations come out of one compilation. A build per mutation would take minutes. */

#include <stdint.h>

#include <relacy/relacy.hpp>

namespace model
{

struct Place
{
  const char *function;
  int line;
  const char *operation;
  rl::memory_order written;
  rl::memory_order order; /* what is used: weaker under a mutation */
  bool is_dropped;        /* the operation is left out */
  unsigned long n_uses;
  Place *next;

  static Place *first;

  /* Allocates nothing: inside of a simulation, memory is relacy's. */
  Place (const char *its_function, int its_line, const char *its_operation,
         rl::memory_order its_order)
    : function (its_function), line (its_line), operation (its_operation), written (its_order),
      order (its_order), is_dropped (false), n_uses (0), next (first)
  {
    first = this;
  }
};

#define MODEL_PLACE(operation, order)                                                              \
  ([] (const char *model_function) -> const model::Place & {                                       \
    static model::Place place (model_function, __LINE__, operation, rl::mo_##order);               \
    place.n_uses++;                                                                                \
    return place;                                                                                  \
  }(__func__))

/* A value that converts to the object's type instead of taking part in deducing it. */
template<typename T> struct Same { typedef T type; };
template<typename T> using As = typename Same<T>::type;

template<typename T> void
init (rl::atomic<T> *object, As<T> value, rl::debug_info_param info)
{
  object->store (value, rl::mo_relaxed, info);
}

template<typename T> void
store (rl::atomic<T> *object, As<T> value, const Place &place, rl::debug_info_param info)
{
  if (!place.is_dropped)
    object->store (value, place.order, info);
}

template<bool is_weak, typename T> bool
compare_and_swap (rl::atomic<T> *object, T *expected, As<T> desired, const Place &success,
                  rl::memory_order failure, rl::debug_info_param info)
{
  /* relacy does not know a failure that is stronger than the success. */
  if (success.order == rl::mo_relaxed || success.order == rl::mo_release)
    failure = rl::mo_relaxed;
  else if (failure == rl::mo_seq_cst && success.order != rl::mo_seq_cst)
    failure = rl::mo_acquire;

  return object->compare_exchange (rl::bool_t<is_weak> (), *expected, desired, success.order,
                                   failure, info);
}

/* How the kernel sees the world: sleepers are found by the address of a word and nothing else, so
 * the word itself may be gone. */
struct Kernel
{
  struct Bucket
  {
    const void *word;
    rl::atomic<uint32_t> sleepers;
  };

  Bucket buckets[3];

  static Kernel *current;

  Kernel ()
  {
    for (Bucket &bucket : buckets)
      bucket.word = NULL;
    current = this;
  }

  rl::atomic<uint32_t> &
  find (const void *word, rl::debug_info_param info)
  {
    for (Bucket &bucket : buckets)
      {
        if (bucket.word == NULL)
          bucket.word = word;
        if (bucket.word == word)
          return bucket.sleepers;
      }

    rl::ctx ().fail_test ("the kernel needs more buckets", rl::test_result_user_assert_failed,
                          info);
    return buckets[0].sleepers;
  }

  static void
  log (const char *what, rl::debug_info_param info)
  {
    if (rl::ctx ().collecting_history ())
      rl::ctx ().exec_log_msg (info, what);
  }
};

const int64_t forever = INT64_MAX;

/* FUTEX_WAIT compares and falls asleep in one step under the bucket's lock, which FUTEX_WAKE takes
 * too. So it compares with the newest value: an older one could only be read before a wake-up that
 * is still to come, and that would end the sleep at once. */
inline bool
park (rl::atomic<uint32_t> *word, uint32_t expected, int64_t end_time, rl::debug_info_param info)
{
  rl::context &context = rl::ctx ();
  rl::unpark_reason reason;
  bool spurious;

  context.sched ();
  if (word->debug_value () != expected)
    {
      uint32_t newest = expected;

      /* Fails, and so the thread cannot read anything older from now on. */
      Kernel::log ("does not park: the word has changed", info);
      word->compare_exchange (rl::bool_t<false> (), newest, expected, rl::mo_relaxed,
                              rl::mo_relaxed, info);
      return true;
    }

  /* The search through the tree of all interleavings has enough branches without these. */
  spurious = context.is_random_sched () && context.rand (4, rl::sched_type_user) == 0;
  reason = Kernel::current->find (word, info).wait (context, end_time != forever, spurious, info);

  return reason != rl::unpark_reason_timeout;
}

inline void
unpark_all (const void *word, const Place &place, rl::debug_info_param info)
{
  rl::context &context = rl::ctx ();

  if (place.is_dropped)
    return;

  context.sched ();
  Kernel::log ("wakes everybody who parks on the word", info);
  Kernel::current->find (word, info).wake (context, INT32_MAX, info);
}

}

#define AT_ATOMIC(type) rl::atomic<type>

#define at_atomic_init(object, value) model::init ((object), (value), RL_INFO)
#define at_atomic_load(object, mo) (object)->load (MODEL_PLACE ("load", mo).order, RL_INFO)
#define at_atomic_store(object, value, mo)                                                         \
  model::store ((object), (value), MODEL_PLACE ("store", mo), RL_INFO)
#define at_atomic_exchange(object, value, mo)                                                      \
  (object)->exchange ((value), MODEL_PLACE ("exchange", mo).order, RL_INFO)
#define at_atomic_fetch_add(object, value, mo)                                                     \
  (object)->fetch_add ((value), MODEL_PLACE ("fetch_add", mo).order, RL_INFO)
#define at_atomic_fetch_sub(object, value, mo)                                                     \
  (object)->fetch_sub ((value), MODEL_PLACE ("fetch_sub", mo).order, RL_INFO)
#define at_atomic_fetch_or(object, value, mo)                                                      \
  (object)->fetch_or ((value), MODEL_PLACE ("fetch_or", mo).order, RL_INFO)
#define at_atomic_fetch_and(object, value, mo)                                                     \
  (object)->fetch_and ((value), MODEL_PLACE ("fetch_and", mo).order, RL_INFO)
#define at_atomic_cas_weak(object, expected, desired, success, failure)                            \
  model::compare_and_swap<true> ((object), (expected), (desired), MODEL_PLACE ("cas", success),    \
                                 rl::mo_##failure, RL_INFO)
#define at_atomic_cas(object, expected, desired, success, failure)                                 \
  model::compare_and_swap<false> ((object), (expected), (desired), MODEL_PLACE ("cas", success),   \
                                  rl::mo_##failure, RL_INFO)

#define AT_PLAIN(type) rl::var<type>
#define at_plain_get(variable) ((variable) (RL_INFO).load ())
#define at_plain_set(variable, value) ((variable) (RL_INFO).store (value))

typedef AT_ATOMIC (uint32_t) AtWord;

#define at_park(word, expected, end_time) model::park ((word), (expected), (end_time), RL_INFO)
#define at_unpark_all(word) model::unpark_all ((word), MODEL_PLACE ("unpark", relaxed), RL_INFO)
