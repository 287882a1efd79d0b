/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A thin shim between the algorithms and the atomics that they run on.
 *
 * The lock-free parts of the library (at-inbox-private.h, at-completion-private.h,
 * at-park-private.h) are written once, over these macros. The library compiles them
 * as C11; the model checker under tests/model/ defines AT_MODEL, and gets atomics
 * whose every interleaving and every weakly ordered read it can choose, and plain
 * variables whose data races it reports.
 *
 * An order is one of: relaxed, acquire, release, acq_rel, seq_cst.
 */

#ifdef AT_MODEL
#include "model-atomic.hpp"
#else

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#define AT_ATOMIC(type) _Atomic (type)

#define at_atomic_init(object, value) atomic_init ((object), (value))
#define at_atomic_load(object, order) atomic_load_explicit ((object), memory_order_##order)
#define at_atomic_store(object, value, order)                                 \
  atomic_store_explicit ((object), (value), memory_order_##order)
#define at_atomic_exchange(object, value, order)                              \
  atomic_exchange_explicit ((object), (value), memory_order_##order)
#define at_atomic_fetch_add(object, value, order)                             \
  atomic_fetch_add_explicit ((object), (value), memory_order_##order)
#define at_atomic_fetch_sub(object, value, order)                             \
  atomic_fetch_sub_explicit ((object), (value), memory_order_##order)
#define at_atomic_fetch_or(object, value, order)                              \
  atomic_fetch_or_explicit ((object), (value), memory_order_##order)
#define at_atomic_fetch_and(object, value, order)                             \
  atomic_fetch_and_explicit ((object), (value), memory_order_##order)
#define at_atomic_cas_weak(object, expected, desired, success, failure)       \
  atomic_compare_exchange_weak_explicit ((object), (expected), (desired),     \
                                         memory_order_##success, memory_order_##failure)
#define at_atomic_cas(object, expected, desired, success, failure)            \
  atomic_compare_exchange_strong_explicit ((object), (expected), (desired),   \
                                           memory_order_##success, memory_order_##failure)

/* Not atomic: ordered by the atomics around it. */
#define AT_PLAIN(type) type
#define at_plain_get(variable) (variable)
#define at_plain_set(variable, value) ((variable) = (value))

#endif
