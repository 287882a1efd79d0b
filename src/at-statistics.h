/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#if !defined(AT_INSIDE) && !defined(AT_COMPILATION)
#error "Only <asynctools.h> can be included directly."
#endif

#include <glib-object.h>

#include "at-version.h"

G_BEGIN_DECLS

#define AT_TYPE_STATISTICS (at_statistics_get_type ())

/**
 * AtStatistics:
 * @waiters: how many threads and tasks wait for the object: to acquire it, to be woken, or, for
 *   an end of a stream, to send or to receive, on any clone of that end
 * @borrowed: how many units are taken
 * @available: how many units can be taken without waiting
 * @total: how many units there are at most; 0: as many as fit
 * @buffered: how many values lie in the stream's buffer
 * @capacity: how many values the stream's buffer takes
 * @senders: how many sending ends of the stream are open
 * @receivers: how many receiving ends of the stream are open
 *
 * What a primitive or a stream is doing, for people who debug a program.
 *
 * All numbers were taken at one moment; they may have changed when you read them, so
 * nothing but a display should depend on them. What does not apply to a class is 0.
 *
 * Since: 0.1
 */
typedef struct
{
  guint waiters;
  guint borrowed;
  guint available;
  guint total;
  guint buffered;
  guint capacity;
  guint senders;
  guint receivers;
} AtStatistics;

AT_AVAILABLE_IN_ALL
GType         at_statistics_get_type (void) G_GNUC_CONST;
AT_AVAILABLE_IN_ALL
AtStatistics *at_statistics_copy     (const AtStatistics *self) G_GNUC_WARN_UNUSED_RESULT;
AT_AVAILABLE_IN_ALL
void          at_statistics_free     (AtStatistics       *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AtStatistics, at_statistics_free)

G_END_DECLS
