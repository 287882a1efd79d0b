/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Park and wake: a thread sleeps until a 32-bit word is no longer what it was.
 *
 * Linux's futex, on the word itself. The alternatives: a GMutex and a GCond per
 * future cost 48 bytes and two lock round trips each way for something that is
 * nearly never waited for; an eventfd per thread costs two more system calls.
 * Waking a word whose memory is gone by now is harmless: at worst somebody wakes
 * without a reason, and every waiter looks again.
 */

#include "at-atomic-private.h"

#ifndef AT_MODEL

#include <errno.h>
#include <glib.h>
#include <limits.h>
#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

typedef AT_ATOMIC (uint32_t) AtWord;

/* Sleeps while *word is expected, until end_time (monotonic microseconds; G_MAXINT64: for ever).
 * Returns FALSE once end_time has passed; TRUE says nothing but "look again". */
static inline gboolean
at_park (AtWord  *word,
         uint32_t expected,
         gint64   end_time)
{
  struct timespec timeout;

  if (end_time != G_MAXINT64)
    {
      gint64 time = MAX (end_time, 0);

      timeout.tv_sec = (time_t) (time / G_USEC_PER_SEC);
      timeout.tv_nsec = (long) (time % G_USEC_PER_SEC) * 1000;
    }

  if (syscall (SYS_futex, word, FUTEX_WAIT_BITSET_PRIVATE, expected,
               end_time != G_MAXINT64 ? &timeout : NULL, NULL, FUTEX_BITSET_MATCH_ANY) == 0)
    return TRUE;

  return errno != ETIMEDOUT;
}

static inline void
at_unpark_all (AtWord *word)
{
  syscall (SYS_futex, word, FUTEX_WAKE_PRIVATE, INT_MAX, NULL, NULL, 0);
}

#endif
